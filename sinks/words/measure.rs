//! What an alert measured and how long it lasted, as the vendor's raw text: each form of a message escapes it.

use campanile_model::Alert;
use jiff::Timestamp;

/// The value with its unit.
pub(super) fn value(alert: &Alert) -> Option<String> {
    let value = alert.metric.value.as_ref()?;
    Some(format!("{value} {}", unit(alert)))
}

/// The limit with its comparator and unit.
pub(super) fn limit(alert: &Alert) -> Option<String> {
    let limit = alert.metric.threshold.as_ref()?;
    let comparator = alert.metric.comparator.as_deref().unwrap_or_default();
    Some(format!("{comparator} {limit} {}", unit(alert)))
}

fn unit(alert: &Alert) -> &str {
    alert.metric.unit.as_deref().unwrap_or_default()
}

/// The beginning, and the end if it is not before that.
pub(super) fn span(
    alert: &Alert,
    opened: Option<&Alert>,
) -> (Option<Timestamp>, Option<Timestamp>) {
    let opened = opened.and_then(|opened| opened.starts_at);
    let start = alert.starts_at.or(opened);
    let end = alert.ends_at.unwrap_or(alert.received_at);
    let end = Some(end).filter(|end| start.is_none_or(|start| start <= *end));
    (start, end)
}
