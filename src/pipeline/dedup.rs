//! Names for messages and deliveries, made from what they are: the same on every replica and after every restart.

use std::fmt::Write as _;

use campanile_providers::Report;
use serde::Serialize;
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Names a message: the first 128 bits of a SHA-256 over source and message id.
pub type DedupKey = [u8; 16];

/// The dedup key of a vendor's message: two callbacks with one key are one.
pub fn key(source: &str, message_id: &str) -> DedupKey {
    first_bytes(hash([source.as_bytes(), message_id.as_bytes()]))
}

/// A hash over what a message says, but not over when or under which name it came. Another one under a known key is a
/// conflict: a vendor that uses an id twice, or somebody who replays it with other words.
pub fn content(report: &Report) -> u64 {
    #[derive(Serialize)]
    struct Said<'a> {
        fingerprint: campanile_providers::Fingerprint,
        status: campanile_providers::Status,
        severity: campanile_providers::Severity,
        title: &'a str,
        description: &'a str,
        resource: &'a campanile_providers::Resource,
        metric: &'a campanile_providers::Metric,
        starts_at: Option<jiff::Timestamp>,
        ends_at: Option<jiff::Timestamp>,
        labels: &'a std::collections::BTreeMap<String, String>,
        links: &'a [campanile_providers::Link],
        raw: &'a std::collections::BTreeMap<String, String>,
    }
    let said = Said {
        fingerprint: report.fingerprint,
        status: report.status,
        severity: report.severity,
        title: &report.title,
        description: &report.description,
        resource: &report.resource,
        metric: &report.metric,
        starts_at: report.starts_at,
        ends_at: report.ends_at,
        labels: &report.labels,
        links: &report.links,
        raw: &report.raw,
    };
    // Texts, numbers and maps with text keys: nothing here can fail to serialize.
    let said = serde_json::to_vec(&said).unwrap_or_default();
    u64::from_be_bytes(first_bytes(hash([said.as_slice()])))
}

/// The id under which an alert goes to a sink: the same on every try, so that a receiver can drop the second copy.
pub fn delivery_id(alert_id: Uuid, sink: &str) -> String {
    let digest: [u8; 16] = first_bytes(hash([alert_id.as_bytes(), sink.as_bytes()]));
    digest.iter().fold("dlv_".to_owned(), |mut id, byte| {
        let _infallible = write!(id, "{byte:02x}");
        id
    })
}

/// Each part is preceded by its length, so that `("ab", "c")` and `("a", "bc")` differ.
fn hash<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

fn first_bytes<const N: usize>(digest: [u8; 32]) -> [u8; N] {
    let first = digest.first_chunk().copied();
    first.unwrap_or([0; N])
}
