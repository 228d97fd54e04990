//! An event of the standard, in structured, binary or batch mode.

use std::borrow::Cow;
use std::collections::BTreeMap;

use percent_encoding::percent_decode;
use serde_json::Value;

use crate::parse::fields::scalar;
use campanile_model::Callback;
use campanile_model::Fault;

/// The mode: it says where the attributes of an event are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Structured,
    Binary,
    Batch,
}

impl Mode {
    pub(crate) fn of(call: &Callback) -> Self {
        // Its media type begins with the media type of one event: test it first.
        if call
            .media_type()
            .starts_with("application/cloudevents-batch")
        {
            return Self::Batch;
        }
        let is_binary = call.header("ce-specversion").is_some() && !is_declared(call);
        if is_binary {
            Self::Binary
        } else {
            Self::Structured
        }
    }
}

pub(crate) fn is_declared(call: &Callback) -> bool {
    call.media_type().starts_with("application/cloudevents")
}

/// One event, the same for every mode.
#[derive(Debug, Default)]
pub(crate) struct Event<'a> {
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) data: Option<Cow<'a, Value>>,
}

impl Event<'_> {
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }

    pub(crate) fn needed(&self, name: &str, place: &str) -> Result<&str, Fault> {
        let missing = || Fault::new(format!("{place}{name}"), "missing or empty");
        self.get(name).ok_or_else(missing)
    }

    /// The first of these fields of `data` that is text or a number.
    pub(crate) fn said(&self, names: &[&str]) -> Option<String> {
        let data = self.data.as_deref()?.as_object()?;
        let mut found = names.iter().filter_map(|name| scalar(data.get(*name)?));
        found.next().map(Cow::into_owned)
    }
}

pub(crate) fn structured<'a>(event: &'a Value, place: &str) -> Result<Event<'a>, Fault> {
    let Value::Object(fields) = event else {
        return Err(Fault::new(place, "JSON, but not an object"));
    };
    let attributes = fields
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "data" | "data_base64"))
        .filter_map(|(name, value)| Some((name.clone(), scalar(value)?.into_owned())));
    Ok(Event {
        attributes: attributes.collect(),
        data: fields.get("data").map(Cow::Borrowed),
    })
}

pub(crate) fn binary(call: &Callback) -> Result<Event<'_>, Fault> {
    let mut attributes = BTreeMap::new();
    for (name, value) in &call.headers {
        if let Some(attribute) = name.strip_prefix("ce-") {
            let value = header_text(value)
                .ok_or_else(|| Fault::new(format!("header.{name}"), "not UTF-8"))?;
            if !value.is_empty() {
                attributes.insert(attribute.to_owned(), value);
            }
        }
    }
    Ok(Event {
        attributes,
        data: data(call)?,
    })
}

/// The data of binary mode: JSON if it is declared as JSON or not declared, else its text.
fn data(call: &Callback) -> Result<Option<Cow<'_, Value>>, Fault> {
    let media_type = call.media_type();
    let is_json =
        media_type.is_empty() || media_type.ends_with("/json") || media_type.ends_with("+json");
    if call.body.is_empty() {
        Ok(None)
    } else if is_json {
        call.json().map(Cow::Borrowed).map(Some)
    } else {
        let text = call.text()?.to_owned();
        Ok(Some(Cow::Owned(Value::String(text))))
    }
}

/// A header's value: a quoted text is unquoted, then percent-decoded once.
fn header_text(value: &str) -> Option<String> {
    let quoted = value.strip_prefix('"').and_then(|v| v.strip_suffix('"'));
    let plain = match quoted {
        None => Cow::Borrowed(value),
        Some(inner) => {
            let mut escaped = false;
            let keep = |sign: &char| {
                escaped = *sign == '\\' && !escaped;
                !escaped
            };
            Cow::Owned(inner.chars().filter(keep).collect())
        }
    };
    // Bytes over 127 are Latin-1 characters here.
    let bytes: Vec<u8> = plain.chars().filter_map(|c| u8::try_from(c).ok()).collect();
    let decoded = percent_decode(&bytes).decode_utf8().ok()?;
    Some(decoded.trim().to_owned())
}

/// Whether every field except `data` can be an attribute of the standard: its name has only lower case letters and digits,
/// and its value is not a list or map.
pub(crate) fn has_only_attributes(event: &Value) -> bool {
    let plain = |name: &str| {
        name.bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    event.as_object().is_some_and(|event| {
        let mut others = event.iter().filter(|(name, _)| !name.starts_with("data"));
        others.all(|(name, value)| plain(name) && !(value.is_object() || value.is_array()))
    })
}
