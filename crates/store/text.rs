//! Looks for words and labels in the JSON of an alert.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;

use crate::AlertFilter;

/// The fields of an alert that are searched.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Fields<'j> {
    #[serde(borrow)]
    title: Cow<'j, str>,
    #[serde(borrow)]
    description: Cow<'j, str>,
    #[serde(borrow)]
    resource: BTreeMap<Cow<'j, str>, Option<Cow<'j, str>>>,
    #[serde(borrow)]
    labels: BTreeMap<Cow<'j, str>, Cow<'j, str>>,
}

/// What must be in an alert.
pub(crate) struct Wanted<'f> {
    /// In small letters.
    words: Vec<String>,
    labels: &'f [(String, String)],
}

impl<'f> Wanted<'f> {
    /// None when the filter does not ask for text.
    pub(crate) fn of(filter: &'f AlertFilter) -> Option<Self> {
        let words = filter.words.iter().map(|word| word.to_lowercase());
        let words: Vec<String> = words.filter(|word| !word.is_empty()).collect();
        let wanted = Self {
            words,
            labels: &filter.labels,
        };
        (!wanted.words.is_empty() || !wanted.labels.is_empty()).then_some(wanted)
    }

    /// Whether the alert with this JSON has every word and every label. One that cannot be read has none.
    pub(crate) fn is_in(&self, json: &[u8]) -> bool {
        let Ok(fields) = serde_json::from_slice::<Fields<'_>>(json) else {
            return false;
        };
        let has = |(name, value): &(String, String)| {
            let found = fields.labels.get(name.as_str());
            found.is_some_and(|found| found == value)
        };
        self.labels.iter().all(has) && self.has_words(&fields)
    }

    fn has_words(&self, fields: &Fields<'_>) -> bool {
        if self.words.is_empty() {
            return true;
        }
        let resource = fields.resource.values().flatten();
        let texts = [&fields.title, &fields.description].into_iter();
        let texts: Vec<String> = texts
            .chain(resource)
            .map(|text| text.to_lowercase())
            .collect();
        self.words
            .iter()
            .all(|word| texts.iter().any(|text| text.contains(word.as_str())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(words: &str, labels: &[(&str, &str)]) -> bool {
        let json = r#"{"id":"1","title":"CPU \u00dcber 90 %","description":null,
            "resource":{"type":"uhost","id":"uhost-1","name":"WEB-a1","region":null},
            "labels":{"team":"db"},"metric":{"name":"disk"}}"#;
        let json = json.replace("null,\n", "\"the 鐘樓\\nrings\",\n");
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let filter = AlertFilter {
            words: words.split_whitespace().map(str::to_owned).collect(),
            labels: labels.iter().map(owned).collect(),
            ..AlertFilter::default()
        };
        Wanted::of(&filter).is_none_or(|wanted| wanted.is_in(json.as_bytes()))
    }

    #[test]
    fn each_word_is_part_of_title_resource_or_description_in_any_case() {
        for words in ["cpu", "über", "web-A1 CPU", "鐘 rings", "90 uhost", ""] {
            assert!(found(words, &[]), "{words}");
        }
        for words in ["disk", "team", "cpu disk", "a1 web-b", "u00dc"] {
            assert!(!found(words, &[]), "{words}");
        }
    }

    #[test]
    fn each_label_has_exactly_this_value() {
        assert!(found("", &[("team", "db")]));
        assert!(found("cpu", &[("team", "db")]));
        for wrong in [
            &[("team", "DB")][..],
            &[("Team", "db")],
            &[("team", "db"), ("zone", "")],
        ] {
            assert!(!found("", wrong), "{wrong:?}");
        }
    }
}
