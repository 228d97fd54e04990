//! A digest as text: the alerts of one message counted and named, for templates that know one alert.

use std::collections::BTreeMap;

use campanile_language::Facts;
use campanile_model::{Alert, Fingerprint, Report, Severity, Status};

use crate::Message;

/// This many titles are listed; the rest is a number.
const TITLES_MAX: usize = 10;

/// An alert that describes all alerts of the message: their number as title, their counts and first titles as
/// description, the highest severity, `firing` while one of them fires.
pub(super) fn summary(message: &Message) -> Alert {
    let alerts: Vec<&Alert> = message.alerts.iter().map(AsRef::as_ref).collect();
    let fingerprint = Fingerprint::of("campanile", ["digest", &message.delivery_id]);
    let mut report = Report::new(message.delivery_id.clone(), fingerprint, status(&alerts));
    report.severity = worst(&alerts);
    report.title = format!("{} alerts in one message", alerts.len());
    report.description = describe(&alerts);
    let count = alerts.len().to_string();
    report.labels.insert("digest".to_owned(), count);
    let mut alert = report.into_alert("campanile/digest", message.at);
    alert.id.clone_from(&message.delivery_id);
    alert
}

/// Firing while any of them is.
pub(super) fn status(alerts: &[&Alert]) -> Status {
    if alerts.iter().any(|alert| alert.status == Status::Firing) {
        Status::Firing
    } else {
        Status::Resolved
    }
}

fn worst(alerts: &[&Alert]) -> Severity {
    let mut ranked = Severity::ALL.iter().copied();
    let present = |severity: &Severity| alerts.iter().any(|alert| alert.severity == *severity);
    ranked.find(present).unwrap_or_default()
}

fn describe(alerts: &[&Alert]) -> String {
    let mut lines = vec![
        format!("By status: {}", tally(alerts, |a| a.status.as_str())),
        format!("By severity: {}", tally(alerts, |a| a.severity.as_str())),
        format!("By source: {}", tally(alerts, |a| a.source.as_str())),
        String::new(),
    ];
    let titles = alerts.iter().take(TITLES_MAX);
    lines.extend(titles.map(|alert| format!("- [{}] {}", alert.status, alert.title)));
    let rest = alerts.len().saturating_sub(TITLES_MAX);
    if rest > 0 {
        lines.push(format!("and {rest} more"));
    }
    lines.join("\n")
}

fn tally<'a>(alerts: &[&'a Alert], word: impl Fn(&'a Alert) -> &'a str) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for alert in alerts {
        *counts.entry(word(alert)).or_default() += 1;
    }
    let counts = counts.iter().map(|(word, count)| format!("{count} {word}"));
    counts.collect::<Vec<_>>().join(", ")
}

/// What templates see. A digest is seen as one alert that describes it.
pub(super) fn facts(message: &Message) -> Facts {
    let Message {
        delivery_id,
        attempt,
        retried_by_operator,
        ..
    } = message;
    let of = |alert| Facts::of_delivery(alert, delivery_id, *attempt, *retried_by_operator);
    match message.only() {
        Some(alert) => of(alert),
        None => of(&summary(message)),
    }
}
