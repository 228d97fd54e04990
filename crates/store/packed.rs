//! An entry as it is stored.

use crate::arrival::Tail;
use crate::{Entry, codec};

/// An entry with its compressed bytes. Compression runs on the caller's thread, not on the writer.
pub(crate) struct Packed {
    pub(crate) entry: Entry,
    pub(crate) bytes: Vec<u8>,
    /// The length of the arrival at the end. None when nothing is known of it.
    pub(crate) arrival_bytes: Option<i64>,
}

impl Packed {
    pub(crate) fn new(entry: Entry) -> Self {
        let bodies = entry
            .alerts
            .iter()
            .map(|alert| alert.body.len())
            .sum::<usize>();
        let mut plain = Vec::with_capacity(entry.callback.len() + bodies);
        plain.extend_from_slice(&entry.callback);
        entry
            .alerts
            .iter()
            .for_each(|alert| plain.extend_from_slice(&alert.body));
        let arrival = Tail::of(&entry.arrival, &entry.alerts, entry.callback.len()).bytes();
        plain.extend_from_slice(&arrival);
        Self {
            arrival_bytes: (!arrival.is_empty()).then(|| number(arrival.len())),
            bytes: codec::pack(&plain),
            entry,
        }
    }
}

/// A length as it is stored.
pub(crate) fn number(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
