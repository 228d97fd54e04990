//! The languages of the pages, and their words.
//!
//! A template writes `{{ w.live.title }}`. Code writes `language.text("age.minutes")`. A text can have places, such as `{n}`,
//! and two forms, `one` and `other`.

use std::sync::LazyLock;

use actix_web::http::header::{ACCEPT_LANGUAGE, HeaderMap};
use minijinja::Value;
use minijinja::value::Serde;

/// A language of the pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) enum Language {
    /// English.
    #[default]
    En,
    /// Chinese in traditional characters.
    ZhHant,
    /// Chinese in simplified characters.
    ZhHans,
}

static EN: LazyLock<Value> = LazyLock::new(|| read(include_str!("words/en.toml")));
static ZH_HANT: LazyLock<Value> = LazyLock::new(|| read(include_str!("words/zh-Hant.toml")));
static ZH_HANS: LazyLock<Value> = LazyLock::new(|| read(include_str!("words/zh-Hans.toml")));

/// A file of words. A test reads all of them, so a file that cannot be read is never released.
fn read(file: &str) -> Value {
    let words: toml::Table = toml::from_str(file).unwrap_or_default();
    Value::from(Serde(words))
}

impl Language {
    /// All languages, in the order of the switch.
    pub(super) const ALL: [Self; 3] = [Self::En, Self::ZhHant, Self::ZhHans];

    /// Its tag in BCP 47, as in `<html lang>`.
    pub(super) fn tag(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::ZhHant => "zh-Hant",
            Self::ZhHans => "zh-Hans",
        }
    }

    /// The language with this tag.
    pub(super) fn of_tag(tag: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.tag() == tag)
    }

    /// The language that a browser prefers.
    pub(super) fn preferred(headers: &HeaderMap) -> Self {
        let wish = headers
            .get(ACCEPT_LANGUAGE)
            .and_then(|wish| wish.to_str().ok());
        let mut ranges: Vec<(f32, Self)> =
            wish.unwrap_or("").split(',').filter_map(range).collect();
        // A stable sort: of two equal weights, the first counts.
        ranges.sort_by(|a, b| b.0.total_cmp(&a.0));
        ranges.first().map(|range| range.1).unwrap_or_default()
    }

    /// All its words, for templates.
    pub(super) fn words(self) -> Value {
        match self {
            Self::En => &*EN,
            Self::ZhHant => &*ZH_HANT,
            Self::ZhHans => &*ZH_HANS,
        }
        .clone()
    }

    /// The text with this key, such as `age.minutes`.
    pub(super) fn text(self, key: &str) -> Value {
        let step = |at: Value, name: &str| at.get_attr(name).unwrap_or_default();
        key.split('.').fold(self.words(), step)
    }

    /// The text with this key and a number at its place `{n}`.
    pub(super) fn counted(self, key: &str, n: i64) -> String {
        let text = form(&self.text(key), Some(n));
        text.as_str().unwrap_or(key).replace("{n}", &n.to_string())
    }
}

/// One part of `Accept-Language`, such as `zh-TW;q=0.8`. None for a language that the pages do not have.
fn range(part: &str) -> Option<(f32, Language)> {
    let mut fields = part.split(';').map(str::trim);
    let tag = fields.next()?.to_ascii_lowercase();
    let weight = fields.find_map(|field| field.strip_prefix("q="));
    let weight = weight.map_or(Some(1.0), |weight| weight.parse().ok())?;
    let traditional = ["hant", "tw", "hk", "mo"];
    let language = match tag.split('-').next()? {
        "en" => Language::En,
        "zh" if tag.split('-').any(|subtag| traditional.contains(&subtag)) => Language::ZhHant,
        "zh" => Language::ZhHans,
        _ => return None,
    };
    (weight > 0.0).then_some((weight, language))
}

/// The form of a text for a number: `one` for 1, where the language has it, else `other`.
pub(super) fn form(text: &Value, n: Option<i64>) -> Value {
    let named = |name| {
        text.get_attr(name)
            .ok()
            .filter(|text| text.as_str().is_some())
    };
    let one = (n == Some(1)).then(|| named("one")).flatten();
    one.or_else(|| named("other"))
        .unwrap_or_else(|| text.clone())
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    #[test]
    fn the_language_is_the_first_one_of_the_browser_that_the_pages_have() {
        for (wish, language) in [
            ("", Language::En),
            ("de, fr;q=0.5", Language::En),
            ("de, zh-TW;q=0.5", Language::ZhHant),
            ("zh-HK", Language::ZhHant),
            ("zh-Hant-CN", Language::ZhHant),
            ("zh", Language::ZhHans),
            ("zh-CN,zh;q=0.9,en;q=0.8", Language::ZhHans),
            ("en;q=0.8, zh-SG", Language::ZhHans),
            ("zh;q=0, en", Language::En),
            ("zh;q=x", Language::En),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_LANGUAGE, HeaderValue::from_static(wish));
            assert_eq!(Language::preferred(&headers), language, "{wish}");
        }
    }
}
