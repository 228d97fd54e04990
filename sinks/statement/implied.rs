//! The names that a statement can use without an entry in `parameters`.

/// What a name without an entry means.
pub(super) enum Implied {
    /// The stored JSON of the alert.
    Stored,
    Expression(String),
}

/// Each name and its expression. What changes from one attempt to the next is not here: it does not belong into a row.
const NAMES: &[(&str, &str)] = &[
    ("alert", ""),
    ("delivery_id", "delivery_id"),
    ("description", "description"),
    ("ends_at", "ends_at"),
    ("fingerprint", "fingerprint"),
    ("id", "id"),
    ("labels", "labels"),
    ("links", "links"),
    ("message_id", "message_id"),
    ("metric_comparator", "metric.comparator"),
    ("metric_name", "metric.name"),
    ("metric_threshold", "metric.threshold"),
    ("metric_unit", "metric.unit"),
    ("metric_value", "metric.value"),
    ("raw", "raw"),
    ("received_at", "received_at"),
    ("resource_account", "resource.account"),
    ("resource_id", "resource.id"),
    ("resource_name", "resource.name"),
    ("resource_region", "resource.region"),
    ("resource_type", "resource.type"),
    ("severity", "severity"),
    ("source", "source"),
    ("starts_at", "starts_at"),
    ("status", "status"),
    ("title", "title"),
];

/// The meaning of `name`. Times are written in the format `time`, in UTC.
pub(super) fn implied(name: &str, time: Option<&str>) -> Option<Implied> {
    let (_, expression) = NAMES.iter().find(|(known, _)| *known == name)?;
    Some(match (*expression, time) {
        ("", _) => Implied::Stored,
        (at @ ("starts_at" | "ends_at" | "received_at"), Some(format)) => {
            Implied::Expression(format!("{at}|at('UTC', '{format}')"))
        }
        (expression, _) => Implied::Expression(expression.to_owned()),
    })
}

pub(super) fn names<'a>() -> impl Iterator<Item = &'a str> {
    NAMES.iter().map(|(name, _)| *name)
}
