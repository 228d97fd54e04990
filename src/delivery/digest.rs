//! Many alerts in one message, when a limit would hold them back for long.

use std::collections::BTreeMap;
use std::sync::Arc;

use campanile_model::{Alert, Fingerprint, Report, Severity, Status};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::id;
use campanile_sinks::Parcel;

/// Fewer than so many that wait are worth a message each.
pub(super) const DIGEST_MIN: usize = 10;

/// More than so many do not go into one digest: their bodies are in memory at once.
pub(super) const DIGEST_MAX: usize = 1_000;

/// So many of the alerts are named in the text; the rest is counted.
const TITLES_MAX: usize = 10;

/// One parcel that stands for all these parcels. None when there are none.
pub(super) fn parcel(sink: &str, limit: &str, parts: &[Parcel], at: Timestamp) -> Option<Parcel> {
    let attempt = parts.iter().map(|part| part.attempt).max()?;
    let id = id_of(parts);
    let delivery_id = id::delivery_id(id, sink);
    let mut alert = report(sink, limit, parts, &delivery_id).into_alert("campanile", at);
    alert.id = id.to_string();
    Some(Parcel {
        delivery_id,
        json: serde_json::to_vec(&alert).ok()?.into(),
        alert: Arc::new(alert),
        attempt,
        redriven: false,
        at,
    })
}

/// The same parts give the same id, so that a digest sent twice is seen as one.
fn id_of(parts: &[Parcel]) -> Uuid {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(&part.delivery_id);
    }
    let hash: [u8; 32] = hash.finalize().into();
    uuid::Builder::from_custom_bytes(hash.first_chunk().copied().unwrap_or_default()).into_uuid()
}

fn report(sink: &str, limit: &str, parts: &[Parcel], message_id: &str) -> Report {
    let fingerprint = Fingerprint::of("campanile", ["digest", sink]);
    let mut report = Report::new(message_id, fingerprint, Status::Firing);
    let count = parts.len();
    report.severity = worst(parts);
    report.title = format!("{count} alerts held back by the limit of {limit}");
    report.description = describe(parts);
    report.labels = BTreeMap::from([
        ("digest".to_owned(), count.to_string()),
        ("limit".to_owned(), limit.to_owned()),
        ("sink".to_owned(), sink.to_owned()),
    ]);
    report
}

fn worst(parts: &[Parcel]) -> Severity {
    let ranked = Severity::ALL.iter().copied();
    let mut present = ranked.filter(|s| parts.iter().any(|part| part.alert.severity == *s));
    present.next().unwrap_or_default()
}

fn describe(parts: &[Parcel]) -> String {
    let mut lines = vec![
        format!("By status: {}", tally(parts, |a| a.status.as_str())),
        format!("By severity: {}", tally(parts, |a| a.severity.as_str())),
        format!("By source: {}", tally(parts, |a| a.source.as_str())),
        String::new(),
    ];
    let titles = parts.iter().take(TITLES_MAX);
    lines.extend(titles.map(|part| format!("- [{}] {}", part.alert.status, part.alert.title)));
    let rest = parts.len().saturating_sub(TITLES_MAX);
    if rest > 0 {
        lines.push(format!("and {rest} more"));
    }
    lines.join("\n")
}

fn tally<'a>(parts: &'a [Parcel], word: impl Fn(&'a Alert) -> &'a str) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for part in parts {
        *counts.entry(word(&part.alert)).or_default() += 1;
    }
    let counts = counts.iter().map(|(word, count)| format!("{count} {word}"));
    counts.collect::<Vec<_>>().join(", ")
}
