//! What is given to the store: callbacks with their alerts, and what became of them.

use std::net::IpAddr;
use std::sync::Arc;

use campanile_model::{DedupKey, Fault, Fingerprint, Seq, Severity, SinkId, Status};
use jiff::Timestamp;
use uuid::Uuid;

/// One verified callback and its alerts, ready to be committed.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The source's full name, such as `ucloud/prod`.
    pub source: Arc<str>,
    /// When it arrived.
    pub received_at: Timestamp,
    /// The raw request without its secrets ([`campanile_model::Callback::to_http_without`]). The store compresses.
    pub callback: Vec<u8>,
    /// Its alerts, in their order.
    pub alerts: Vec<NewAlert>,
    /// Faults: of the whole callback when `alerts` is empty, else of single items of a batch.
    pub faults: Vec<Fault>,
    /// What happened when it arrived.
    pub arrival: Arrival,
}

/// In bytes. A longer answer is cut.
pub const ANSWER_BYTES_MAX: usize = 200;

/// What happened when a callback arrived. What is unknown is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arrival {
    /// The address of the caller.
    pub from: Option<IpAddr>,
    /// The answer that the vendor got.
    pub answer: Option<Answered>,
    /// The routes in force, as text that the store does not read. Each text is stored once.
    pub routes: Option<Arc<str>>,
    /// The trace of the callback, as text that the store does not read. None when it has no trace. The nil UUID represents
    /// the id of the first alert, as in [`Answered::text`].
    pub trace: Option<String>,
}

/// The answer to a vendor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// The HTTP status.
    pub status: u16,
    /// The body without secrets, up to [`ANSWER_BYTES_MAX`]. The nil UUID represents the id of the first alert, which is not
    /// known before the commit.
    pub text: String,
}

/// The arrival of an alert, as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArrivalRow {
    /// The arrival of its callback. The nil UUID in the answer and in the trace is replaced.
    pub arrival: Arrival,
    /// [`NewAlert::said`].
    pub said: String,
}

/// One alert of an [`Entry`].
#[derive(Clone, Debug)]
pub struct NewAlert {
    /// Identifies the message: two alerts with the same key are one alert.
    pub key: DedupKey,
    /// A hash of the content. A known key with another hash is a conflict: the alert is dropped, and counted.
    pub content: u64,
    /// Identifies the problem. Sink and fingerprint together are the lane.
    pub fingerprint: Fingerprint,
    /// Firing opens an episode, resolved closes it.
    pub status: Status,
    /// Used by filters.
    pub severity: Severity,
    /// The `Alert` as a JSON object without its `id`. The store assigns the id and adds it as the first field when it reads.
    pub body: Vec<u8>,
    /// The sinks that the routes give it now: ascending, each once. Empty when no route matched: the alert is stored all the
    /// same. Which sinks get it depends on its episode too: see [`crate::Inbox`].
    pub sinks: Vec<SinkId>,
    /// What each of [`Arrival::routes`] said, as text that the store does not read. Empty: all of them apply.
    pub said: String,
}

/// The result for an [`Entry`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Appended {
    /// One for each of its alerts, in their order.
    pub alerts: Vec<Appending>,
    /// The deliveries that are pending now.
    pub pending: Vec<(SinkId, Seq)>,
    /// The number of the callback in quarantine, when it had faults.
    pub quarantine: Option<i64>,
}

/// The result for one alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appending {
    /// It is new and committed.
    Accepted {
        /// Its place.
        seq: Seq,
        /// Its id, a UUID version 7.
        id: Uuid,
    },
    /// Its key is known, and the original is committed.
    Duplicate {
        /// Its content differs from the original.
        conflict: bool,
    },
}
