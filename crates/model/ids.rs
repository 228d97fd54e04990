//! The numbers and keys that identify alerts and sinks in the store.

/// The sequence number of an alert. For one source and fingerprint, it grows with each alert. Numbers can be skipped,
/// but no number is used twice.
pub type Seq = i64;

/// The store's number of a sink's full name. The same name has the same number for the life of the store.
pub type SinkId = i64;

/// Identifies a message: the first 128 bits of a SHA-256 over source and message id.
pub type DedupKey = [u8; 16];

/// Why a sink does not get the end of an episode: each firing of it was muted.
pub const UNTOLD: &str = "the sink got no firing of it";
