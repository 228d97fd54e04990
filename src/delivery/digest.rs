//! Many alerts in one message, when a limit would hold them back for long.

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::id;
use campanile_sinks::Message;

/// With fewer waiting alerts each one is sent on its own.
pub(super) const DIGEST_MIN: usize = 10;

/// At most this many go into one digest: their bodies are in memory at once.
pub(super) const DIGEST_MAX: usize = 1_000;

/// One message with the alerts of all these. None when there are none.
pub(super) fn message(sink: &str, parts: &[Message], at: Timestamp) -> Option<Message> {
    Some(Message {
        delivery_id: id::delivery_id(id_of(parts), sink),
        opened: None,
        episode_open: parts.iter().any(|part| part.episode_open),
        handle: None,
        attempt: parts.iter().map(|part| part.attempt).max()?,
        retried_by_operator: false,
        alerts: parts.iter().flat_map(|part| part.alerts.clone()).collect(),
        at,
    })
}

/// The same parts give the same id: a digest that is sent twice is recognised as one.
fn id_of(parts: &[Message]) -> Uuid {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(&part.delivery_id);
    }
    let hash: [u8; 32] = hash.finalize().into();
    uuid::Builder::from_custom_bytes(hash.first_chunk().copied().unwrap_or_default()).into_uuid()
}
