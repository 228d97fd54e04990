//! The fields of a JSON object. The case of their names does not matter.
//!
//! Vendors write numbers as strings, strings as numbers, and change the case of a name from one version to the next.

use std::borrow::Cow;

use serde_json::{Map, Number, Value};

use super::time;
use campanile_model::Callback;
use campanile_model::Fault;

/// The fields of a JSON object.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a>(&'a Map<String, Value>);

impl<'a> Fields<'a> {
    /// The fields of the body of `call`.
    pub fn of(call: &'a Callback) -> Result<Self, Fault> {
        let body = call.json()?;
        body.as_object()
            .map(Self)
            .ok_or_else(|| Fault::new("body", "JSON, but not an object"))
    }

    /// The field of this name. The exact name has priority over another case.
    pub fn value(&self, name: &str) -> Option<&'a Value> {
        let in_any_case = || {
            let mut fields = self.0.iter();
            fields.find(|(key, _)| key.eq_ignore_ascii_case(name))
        };
        self.0
            .get(name)
            .or_else(|| in_any_case().map(|(_, value)| value))
    }

    /// The text or number in this field, without blanks around it; nothing if that is empty.
    pub fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        scalar(self.value(name)?)
    }

    /// The number in this field, also if it is written as text.
    pub fn number(&self, name: &str) -> Option<Number> {
        number(&self.text(name)?)
    }

    /// The unix seconds in this field; 0 if it is absent, null or empty.
    pub fn seconds(&self, name: &str) -> Result<i64, Fault> {
        let Some(value) = self.value(name).filter(|value| !value.is_null()) else {
            return Ok(0);
        };
        let text = match scalar(value) {
            Some(text) => text,
            None if value.is_string() => return Ok(0),
            None => Cow::Borrowed("neither text nor number"),
        };
        time::seconds(&text).ok_or_else(|| {
            let problem = format!("`{text:.40}` is not a time in unix seconds");
            Fault::new(format!("body.{name}"), problem)
        })
    }
}

/// A string, number or boolean as text, without blanks around it; nothing if that is empty.
pub(crate) fn scalar(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(text.trim())
            .filter(|text| !text.is_empty())
            .map(Cow::Borrowed),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string().into()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The number that a text is: `93.20` is 93.2; `0330` and `NaN` are not numbers.
pub(crate) fn number(text: &str) -> Option<Number> {
    let text = text.trim();
    serde_json::from_str(text.strip_prefix('+').unwrap_or(text)).ok()
}
