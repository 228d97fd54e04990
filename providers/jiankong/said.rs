//! What a 監控專家 call says, wherever it says it: in the query, in a form, or in a JSON object.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::model::alert::{Metric, Resource, Severity, Status};
use crate::model::callback::Callback;
use crate::model::reading::Unreadable;
use crate::model::source::Source;
use crate::parse::table::{self, Table};
use crate::parse::urlencoded::{Again, decoded_again};
use crate::parse::{body, fields};

const MESSAGE_TYPES: &Table = &[("1", Severity::Critical), ("2", Severity::Warning)];

const COMPARES: &[(&str, &str)] = &[
    ("gt", ">"),
    ("lt", "<"),
    ("ge", ">="),
    ("le", "<="),
    ("eq", "=="),
    ("ne", "!="),
];

/// What a call says.
#[derive(Clone, Copy)]
pub(super) struct Said<'a> {
    call: &'a Callback,
    form: Form<'a>,
}

#[derive(Clone, Copy)]
pub(super) enum Form<'a> {
    Params(&'a [(String, String)]),
    Json(&'a Map<String, Value>),
}

impl<'a> Said<'a> {
    pub(super) fn of(call: &'a Callback) -> Result<Self, Unreadable> {
        let is_json = call.method == "POST"
            && call
                .text()
                .is_ok_and(|text| text.trim_start().starts_with('{'));
        let form = if is_json {
            let object = call.json()?.as_object();
            Form::Json(object.ok_or_else(|| Unreadable::new("body", "JSON, but not an object"))?)
        } else {
            Form::Params(call.params()?)
        };
        Ok(Self { call, form })
    }

    pub(super) fn form(&self) -> Form<'a> {
        self.form
    }

    /// The decoded value just as it is, blanks included: so it is signed. The last one of a name, as PHP reads it.
    pub(super) fn value(&self, name: &str) -> Option<Cow<'a, str>> {
        match self.form {
            Form::Params(params) => params
                .iter()
                .rfind(|(given, _)| given == name)
                .map(|(_, value)| value.as_str().into()),
            Form::Json(object) => match object.get(name)? {
                Value::Null => None,
                Value::String(text) => Some(text.as_str().into()),
                other => Some(other.to_string().into()),
            },
        }
    }

    /// The value without blanks around it; nothing when that is empty.
    pub(super) fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        let text = match self.value(name)? {
            Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
            Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
        };
        (!text.is_empty()).then_some(text)
    }

    pub(super) fn required(&self, name: &str) -> Result<Cow<'a, str>, Unreadable> {
        self.text(name)
            .ok_or_else(|| Unreadable::new(self.place(name), "missing or empty"))
    }

    fn place(&self, name: &str) -> String {
        let part = if self.call.method == "GET" {
            "query"
        } else {
            "body"
        };
        format!("{part}.{name}")
    }

    /// What the token signs, before the callback token itself.
    pub(super) fn signed(&self) -> String {
        ["msg_id", "task_id", "fault_time"]
            .map(|name| self.value(name).unwrap_or_default())
            .concat()
    }

    /// The status, and the word for it. The two methods have different words: 0 ends a problem on `GET`, 2 on `POST`.
    pub(super) fn status(&self) -> Result<(Status, Cow<'a, str>), Unreadable> {
        let (name, over) = if self.call.method == "GET" {
            ("task_status", "0")
        } else {
            ("message_status", "2")
        };
        let word = self.required(name)?;
        match &*word {
            "1" => Ok((Status::Firing, word)),
            other if other == over => Ok((Status::Resolved, word)),
            other => {
                let problem = format!("`{other:.40}` is neither 1 (firing) nor {over} (resolved)");
                Err(Unreadable::new(self.place(name), problem))
            }
        }
    }

    /// The severity, and the word that it was mapped from.
    pub(super) fn severity(&self, task_type: &str, source: &Source) -> (Severity, Option<String>) {
        if let Some(severity) = table::operators(source, task_type) {
            return (severity, Some(task_type.to_owned()));
        }
        if self.call.method == "GET" {
            return (Severity::Critical, None);
        }
        let Some(word) = self.text("message_type") else {
            return (source.severity.unwrap_or_default(), None);
        };
        let known = MESSAGE_TYPES.iter().find(|(known, _)| *known == word);
        let severity = known.map_or(Severity::Unknown, |(_, severity)| *severity);
        (severity, Some(word.into_owned()))
    }

    /// The text for people, decoded once more if the sender encoded it once more.
    pub(super) fn content(&self) -> Cow<'a, str> {
        let again = if self.call.method == "GET" {
            Again::WhenPercentIsThere
        } else {
            Again::WhenAlphabetFits
        };
        let declared = body::encoding(self.call).unwrap_or(encoding_rs::UTF_8);
        match self.value("content").unwrap_or_default() {
            Cow::Borrowed(text) => decoded_again(text, again, declared),
            Cow::Owned(text) => decoded_again(&text, again, declared).into_owned().into(),
        }
    }

    /// The rule in `message_detail`, as far as there is one.
    pub(super) fn metric(&self) -> Metric {
        let detail = self.value("message_detail").unwrap_or_default();
        let Ok(Value::Object(detail)) = body::json(&detail) else {
            return Metric::default();
        };
        let text = |name: &str| detail.get(name).and_then(fields::scalar);
        let compare = text("compare").map(|word| {
            let mut known = COMPARES.iter();
            let sign = known.find(|(given, _)| word.eq_ignore_ascii_case(given));
            sign.map_or(word.into_owned(), |(_, sign)| (*sign).to_owned())
        });
        Metric {
            name: text("metric").map(Cow::into_owned),
            value: None,
            comparator: compare,
            threshold: text("value").and_then(|value| fields::number(&value)),
            unit: text("unit").map(Cow::into_owned),
        }
    }

    pub(super) fn resource(&self) -> Resource {
        let text = |name| self.text(name).map(Cow::into_owned);
        Resource {
            kind: text("task_type"),
            id: text("task_id"),
            name: text("task_name").or_else(|| text("task_summary")),
            region: None,
            account: text("task_user_id"),
        }
    }
}
