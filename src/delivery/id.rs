//! The id of a delivery, a hash of alert and sink: the same on every attempt, on every replica and after every restart.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};
use uuid::Uuid;

/// The id under which an alert goes to a sink: the same on every attempt, so that a receiver can drop the second copy.
pub fn delivery_id(alert_id: Uuid, sink: &str) -> String {
    let mut hash = Sha256::new();
    // Each part is preceded by its length, so that `("ab", "c")` and `("a", "bc")` differ.
    for part in [alert_id.as_bytes().as_slice(), sink.as_bytes()] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let digest = hash.finalize();
    digest
        .iter()
        .take(16)
        .fold("dlv_".to_owned(), |mut id, byte| {
            let _infallible = write!(id, "{byte:02x}");
            id
        })
}
