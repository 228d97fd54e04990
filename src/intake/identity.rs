//! Names for messages, made from what they say: the same on every replica and after every restart.

use campanile_model::{DedupKey, Metric, Report, Resource};
use sha2::{Digest, Sha256};

/// The dedup key of a vendor's message: two callbacks with one key are one.
pub fn key(source: &str, message_id: &str) -> DedupKey {
    first_bytes(hash([source.as_bytes(), message_id.as_bytes()]))
}

/// A hash over what a message says, but not over when or under which name it came. Another one under a known key is a
/// conflict: a vendor that uses an id twice, or somebody who replays it with other words.
pub fn content(report: &Report) -> u64 {
    // Named one by one, so that a field that is added is not forgotten here.
    let Report {
        message_id: _,
        fingerprint,
        status,
        severity,
        title,
        description,
        resource,
        metric,
        starts_at,
        ends_at,
        labels,
        links,
        raw,
        // Its words are in `raw`.
        left_out: _,
    } = report;
    let mut said = Said(Vec::with_capacity(1024));
    said.part(&fingerprint.0.to_be_bytes());
    for text in [status.as_str(), severity.as_str(), title, description] {
        said.part(text.as_bytes());
    }
    let Resource {
        kind,
        id,
        name,
        region,
        account,
    } = resource;
    for text in [kind, id, name, region, account] {
        said.perhaps(text.as_deref());
    }
    let Metric {
        name,
        value,
        comparator,
        threshold,
        unit,
    } = metric;
    for text in [name, comparator, unit] {
        said.perhaps(text.as_deref());
    }
    for number in [value, threshold] {
        let number = number.as_ref().map(ToString::to_string);
        said.perhaps(number.as_deref());
    }
    for at in [starts_at, ends_at] {
        let at = at.map(jiff::Timestamp::as_nanosecond);
        said.part(at.map(i128::to_be_bytes).as_ref().map_or(&[], |at| at));
    }
    said.pairs(labels.iter());
    said.pairs(links.iter().map(|link| (&link.title, &link.url)));
    said.pairs(raw.iter());
    u64::from_be_bytes(first_bytes(Sha256::digest(&said.0).into()))
}

/// What a message says, in bytes that no other message has.
struct Said(Vec<u8>);

impl Said {
    /// Preceded by its length, so that `("ab", "c")` and `("a", "bc")` differ.
    fn part(&mut self, part: &[u8]) {
        self.0.extend_from_slice(&(part.len() as u64).to_be_bytes());
        self.0.extend_from_slice(part);
    }

    /// Absent is another thing than empty.
    fn perhaps(&mut self, text: Option<&str>) {
        self.0.push(u8::from(text.is_some()));
        self.part(text.unwrap_or_default().as_bytes());
    }

    fn pairs<'p>(&mut self, pairs: impl ExactSizeIterator<Item = (&'p String, &'p String)>) {
        self.0
            .extend_from_slice(&(pairs.len() as u64).to_be_bytes());
        for (name, value) in pairs {
            self.part(name.as_bytes());
            self.part(value.as_bytes());
        }
    }
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
