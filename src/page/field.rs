//! The fields of an alert as a list, each with its place in the request of the vendor where that is known.

use std::collections::BTreeMap;

use campanile_model::Alert;
use serde::Serialize;
use serde_json::Value;

use crate::api::types::FieldOrigin;

/// One field.
#[derive(Serialize)]
pub(super) struct Field {
    /// Its name in the API, such as `metric.value`.
    name: String,
    value: String,
    /// Where the vendor has it, such as `body.alerts[0].labels.severity`.
    place: Option<String>,
}

/// The fields of an alert. `origins` are those of this alert alone.
pub(super) fn all(alert: &Alert, origins: &[FieldOrigin]) -> Vec<Field> {
    let given = given(alert).into_iter();
    let fields = given.map(|(name, value)| Field {
        place: place(&name, &value, origins).map(ToOwned::to_owned),
        name,
        value,
    });
    fields.collect()
}

/// The place of a field: that of its first expression with a value.
fn place<'o>(name: &str, value: &str, origins: &'o [FieldOrigin]) -> Option<&'o str> {
    let mut with_value = origins.iter().filter(|origin| !origin.default);
    let found = match name.split_once('.') {
        // One expression makes several labels.
        Some(("labels", label)) => with_value.find(|origin| {
            origin.name() == "labels" && is_in(&origin.value, label, value) || origin.name() == name
        }),
        // What the vendor wrote for a field of the alert.
        Some(("raw", field)) => with_value.find(|origin| origin.name() == field),
        _ => with_value.find(|origin| origin.name() == name),
    };
    found.map(|origin| origin.place.as_str())
}

/// Whether a table as text has this value under this name.
fn is_in(table: &str, name: &str, value: &str) -> bool {
    let table: Option<BTreeMap<String, Value>> = serde_json::from_str(table).ok();
    let found = table.as_ref().and_then(|table| table.get(name));
    // A label is text, so a number is compared as text.
    found.is_some_and(|found| match found.as_str() {
        Some(text) => text == value,
        None => format!("{found}") == value,
    })
}

/// The fields with a value, by their names in the API.
fn given(alert: &Alert) -> Vec<(String, String)> {
    let (resource, metric) = (&alert.resource, &alert.metric);
    let number = |number: &Option<serde_json::Number>| number.as_ref().map(ToString::to_string);
    let fields = [
        ("status", Some(alert.status.to_string())),
        ("severity", Some(alert.severity.to_string())),
        ("title", Some(alert.title.clone())),
        ("message_id", Some(alert.message_id.clone())),
        ("resource.type", resource.kind.clone()),
        ("resource.id", resource.id.clone()),
        ("resource.name", resource.name.clone()),
        ("resource.region", resource.region.clone()),
        ("resource.account", resource.account.clone()),
        ("metric.name", metric.name.clone()),
        ("metric.value", number(&metric.value)),
        ("metric.comparator", metric.comparator.clone()),
        ("metric.threshold", number(&metric.threshold)),
        ("metric.unit", metric.unit.clone()),
    ];
    let fixed = fields
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    let named = |table: &'static str, of: &BTreeMap<String, String>| {
        let pairs = of.iter();
        let pairs = pairs.map(move |(name, value)| (format!("{table}.{name}"), value.clone()));
        pairs.collect::<Vec<_>>()
    };
    let labels = named("labels", &alert.labels);
    let raw = named("raw", &alert.raw);
    fixed.chain(labels).chain(raw).collect()
}
