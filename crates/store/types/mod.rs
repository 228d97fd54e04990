//! The types of the store's methods, by noun.

mod alert;
mod audit;
mod callback;
mod delivery;
mod entry;
mod handover;
mod mute;
mod replication;
mod tally;

use campanile_model::SinkId;
use jiff::Timestamp;

pub use alert::*;
pub use audit::*;
pub use callback::*;
pub use delivery::*;
pub use entry::*;
pub use handover::*;
pub use mute::*;
pub use replication::*;
pub use tally::*;

/// Rows of a list whose search is bounded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// How far the search looked, when it ended before the last row and found fewer rows than asked.
    pub searched: Option<Searched>,
}

/// How far a search looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Searched {
    /// The search goes on before this row.
    pub before: i64,
    /// The time of this row.
    pub at: Timestamp,
}

/// How full the store is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Alerts kept.
    pub alerts: u64,
    /// Pending deliveries, by sink.
    pub pending: Vec<(SinkId, u64)>,
    /// Alerts that a sink does not get now, by sink.
    pub held: Vec<(SinkId, u64)>,
    /// Dead letters, by sink.
    pub dead: Vec<(SinkId, u64)>,
    /// Quarantined callbacks.
    pub quarantined: u64,
    /// Size on disk in bytes.
    pub bytes: u64,
}

/// The part of a text that is stored: at most so many bytes, and whole characters.
pub(crate) fn cut(text: &str, bytes_max: usize) -> &str {
    let end = text.floor_char_boundary(bytes_max);
    text.get(..end).unwrap_or_default()
}
