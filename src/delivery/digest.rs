//! Many alerts in one message, for what a limit would hold back for long.

use std::time::Duration;

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{id, later};
use campanile_sinks::{Class, Message};

/// With fewer waiting alerts each one is sent on its own.
pub(super) const DIGEST_MIN: usize = 10;

/// At most this many go into one digest: their bodies are in memory at once.
const DIGEST_MAX: usize = 1_000;

/// A receiver's refusal of a digest limits the following ones for this long. Limits and settings of receivers change, and
/// one alert that nobody accepts must not turn digests off for good.
const REFUSAL_HOLDS: Duration = Duration::from_hours(1);

/// How many alerts the next digest may hold.
#[derive(Debug, Default)]
pub(super) struct Size {
    /// The limit that a refusal set, and when it ends.
    limit: Option<(usize, Timestamp)>,
}

impl Size {
    /// The most alerts of a digest that is sent now. None when alerts go one by one.
    pub(super) fn most(&self, now: Timestamp) -> Option<usize> {
        let limit = self.limit.filter(|(_, until)| *until > now);
        let most = limit.map_or(DIGEST_MAX, |(most, _)| most);
        (most >= DIGEST_MIN).then_some(most)
    }

    /// A receiver refused a digest of this many. One that is too large is halved; after any other refusal, and when the half
    /// is less than a digest, alerts go one by one.
    pub(super) fn refused(&mut self, class: Class, alerts: usize, now: Timestamp) {
        let most = if class == Class::TooLarge {
            alerts / 2
        } else {
            0
        };
        // A larger one may still have been in flight when a smaller one was refused.
        let known = self.most(now).unwrap_or(0);
        self.limit = Some((most.min(known), later(now, REFUSAL_HOLDS)));
    }
}

/// One message with the alerts of all these. None when there are none.
pub(super) fn message(sink: &str, parts: &[Message], at: Timestamp) -> Option<Message> {
    Some(Message {
        delivery_id: id::delivery_id(id_of(parts), sink),
        opened: None,
        episode_open: parts.iter().any(|part| part.episode_open),
        handle: None,
        attempt: parts.iter().map(|part| part.attempt).max()?,
        retried_by_operator: false,
        quiet: parts.iter().all(|part| part.quiet),
        alerts: parts.iter().flat_map(|part| part.alerts.clone()).collect(),
        stored: parts.iter().flat_map(|part| part.stored.clone()).collect(),
        at,
        traceparent: parts.first().and_then(|part| part.traceparent.clone()),
    })
}

/// The same parts give the same id: the receiver recognizes a digest that is sent twice.
fn id_of(parts: &[Message]) -> Uuid {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(&part.delivery_id);
    }
    let hash: [u8; 32] = hash.finalize().into();
    uuid::Builder::from_custom_bytes(hash.first_chunk().copied().unwrap_or_default()).into_uuid()
}
