//! A field of an alert by its name, such as `labels.team`: what `match` and `regex` of a route compare. It is read without Jinja.

use std::borrow::Cow;
use std::str::FromStr;

use campanile_model::{Alert, Severity, Status};
use serde_json::Number;

use super::nearest;
use super::scope::{self, Parts};

/// One field. A field that an alert does not have is the empty text, as in Alertmanager.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    /// A field of its own, or a part of one: its name and how it is read.
    Own(&'static str),
    /// The label with this name. The name may have dots.
    Label(String),
    /// The vendor's own word for this field.
    Raw(String),
}

/// A name that is not a field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct NotAField {
    /// Follows the name in a sentence: `is not a field of an alert`.
    pub message: String,
    /// The field that is probably meant.
    pub nearest: Option<String>,
}

/// The fields with a fixed name.
const OWN: &[&str] = &[
    "source",
    "message_id",
    "fingerprint",
    "status",
    "severity",
    "title",
    "description",
    "resource.type",
    "resource.id",
    "resource.name",
    "resource.region",
    "resource.account",
    "metric.name",
    "metric.value",
    "metric.comparator",
    "metric.threshold",
    "metric.unit",
    "starts_at",
    "ends_at",
    "received_at",
];

impl Field {
    /// The field with this name.
    ///
    /// # Errors
    /// The name is not a field that a condition knows, or it is a list or a table.
    pub fn parse(name: &str) -> Result<Self, NotAField> {
        if let Some(own) = OWN.iter().find(|own| **own == name) {
            return Ok(Self::Own(own));
        }
        match name.split_once('.') {
            Some(("labels", label)) if !label.is_empty() => Ok(Self::Label(label.to_owned())),
            Some(("raw", word)) if is_raw(word) => Ok(Self::Raw(word.to_owned())),
            _ => Err(unknown(name)),
        }
    }

    /// What the alert has there.
    pub fn of<'a>(&self, alert: &'a Alert) -> Cow<'a, str> {
        let text = match self {
            Self::Label(name) => alert.labels.get(name),
            Self::Raw(name) => alert.raw.get(name),
            Self::Own(name) => return own(name, alert),
        };
        Cow::Borrowed(text.map_or("", String::as_str))
    }

    /// Whether the field can have this value.
    ///
    /// # Errors
    /// The severity or the status does not exist: the words that do.
    pub fn takes(&self, value: &str) -> Result<(), String> {
        let known = match self {
            Self::Own("severity") => Severity::from_str(value).map(drop),
            Self::Own("status") => Status::from_str(value).map(drop),
            _ => Ok(()),
        };
        known.map_err(|unknown| unknown.to_string())
    }
}

fn own<'a>(name: &str, alert: &'a Alert) -> Cow<'a, str> {
    let (resource, metric) = (&alert.resource, &alert.metric);
    let optional = |text: &'a Option<String>| Cow::Borrowed(text.as_deref().unwrap_or(""));
    let number = |number: &Option<Number>| {
        let text = number.as_ref().map(Number::to_string);
        Cow::Owned(text.unwrap_or_default())
    };
    let time = |time: Option<jiff::Timestamp>| {
        let text = time.as_ref().map(ToString::to_string);
        Cow::Owned(text.unwrap_or_default())
    };
    match name {
        "source" => Cow::Borrowed(&alert.source),
        "message_id" => Cow::Borrowed(&alert.message_id),
        "fingerprint" => Cow::Owned(alert.fingerprint.to_string()),
        "status" => Cow::Borrowed(alert.status.as_str()),
        "severity" => Cow::Borrowed(alert.severity.as_str()),
        "title" => Cow::Borrowed(&alert.title),
        "description" => Cow::Borrowed(&alert.description),
        "resource.type" => optional(&resource.kind),
        "resource.id" => optional(&resource.id),
        "resource.name" => optional(&resource.name),
        "resource.region" => optional(&resource.region),
        "resource.account" => optional(&resource.account),
        "metric.name" => optional(&metric.name),
        "metric.comparator" => optional(&metric.comparator),
        "metric.unit" => optional(&metric.unit),
        "metric.value" => number(&metric.value),
        "metric.threshold" => number(&metric.threshold),
        "starts_at" => time(alert.starts_at),
        "ends_at" => time(alert.ends_at),
        "received_at" => time(Some(alert.received_at)),
        _ => Cow::Borrowed(""),
    }
}

fn is_raw(word: &str) -> bool {
    raw().contains(&word)
}

/// The parts of `raw` that conditions know.
fn raw() -> &'static [&'static str] {
    let mut names = scope::ROUTE.iter();
    let part = names
        .find(|(name, _)| *name == "raw")
        .map(|(_, part)| part());
    match part {
        Some(Parts::These(words)) => words,
        _ => &[],
    }
}

fn unknown(name: &str) -> NotAField {
    let message = match name {
        "links" => "is a list: ask for it in `when`".to_owned(),
        "labels" | "raw" | "resource" | "metric" => format!(
            "is a table: name one of its fields, such as {}",
            example(name)
        ),
        _ => "is not a field of an alert".to_owned(),
    };
    let near = match name.split_once('.') {
        // Labels have any name, so only the word before the dot can be wrong.
        Some((head, label)) if nearest(head, ["labels"]).is_some() && head != "labels" => {
            Some(format!("labels.{label}"))
        }
        _ => {
            let raw = raw().iter().map(|word| format!("raw.{word}"));
            let known: Vec<String> = OWN.iter().map(|own| (*own).to_owned()).chain(raw).collect();
            nearest(name, known.iter().map(String::as_str)).map(str::to_owned)
        }
    };
    let is_table = message.starts_with("is a ");
    NotAField {
        message,
        nearest: near.filter(|_| !is_table),
    }
}

fn example(table: &str) -> &'static str {
    match table {
        "labels" => "`labels.team`",
        "raw" => "`raw.severity`",
        "resource" => "`resource.id`",
        _ => "`metric.name`",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Condition, Facts, sample_alerts};

    fn names() -> impl Iterator<Item = String> {
        let raw = raw().iter().map(|word| format!("raw.{word}"));
        let own = OWN.iter().map(|own| (*own).to_owned());
        own.chain(raw).chain(["labels.team".to_owned()])
    }

    #[test]
    fn every_field_of_a_condition_is_a_field_with_the_same_text() {
        for (name, part) in scope::ROUTE {
            let parts = match part() {
                Parts::None => vec![(*name).to_owned()],
                Parts::These(words) => words.iter().map(|word| format!("{name}.{word}")).collect(),
                Parts::Any => continue,
            };
            for name in parts {
                assert!(Field::parse(&name).is_ok(), "{name}");
            }
        }
        for alert in sample_alerts() {
            for name in names() {
                let text = Field::parse(&name).unwrap().of(&alert).into_owned();
                let written = text
                    .replace('\\', "\\\\")
                    .replace('\n', "\\n")
                    .replace('\'', "\\'");
                let equal = format!("({name}|default('', true)|string) == '{written}'");
                let condition = Condition::compile(&equal)
                    .unwrap_or_else(|mistake| panic!("{equal}: {mistake}"));
                assert_eq!(condition.holds(&Facts::of(&alert)), Ok(true), "{equal}");
            }
        }
    }

    #[test]
    fn a_label_may_have_dots_and_an_absent_field_is_empty() {
        let [mut alert, bare] = sample_alerts();
        alert.labels.insert("k8s.pod".into(), "db-1".into());
        let field = Field::parse("labels.k8s.pod").unwrap();
        assert_eq!((&*field.of(&alert), &*field.of(&bare)), ("db-1", ""));
    }

    #[test]
    fn a_name_that_is_not_a_field_names_the_nearest() {
        let said = |name: &str| Field::parse(name).unwrap_err();
        assert_eq!(said("severty").nearest.as_deref(), Some("severity"));
        assert_eq!(said("label.team").nearest.as_deref(), Some("labels.team"));
        assert_eq!(
            said("resource.nam").nearest.as_deref(),
            Some("resource.name")
        );
        assert_eq!(said("raw.team").nearest, None);
        assert!(said("links").message.contains("is a list"));
        assert!(said("labels").message.contains("`labels.team`"));
        assert!(said("labels.").message.contains("not a field"));
    }

    #[test]
    fn a_severity_or_a_status_that_does_not_exist_is_refused() {
        let takes = |name: &str, value: &str| Field::parse(name).unwrap().takes(value);
        assert!(
            takes("severity", "crit")
                .unwrap_err()
                .contains("critical, error")
        );
        assert!(takes("status", "open").is_err());
        assert!(takes("severity", "critical").is_ok() && takes("title", "x").is_ok());
    }
}
