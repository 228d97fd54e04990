//! What the store takes and gives: entries, pending deliveries, settlements, rows and filters.

use std::sync::Arc;

use campanile_model::{DedupKey, Fault, Fingerprint, Seq, Severity, SinkId, Status, Worth};
use jiff::Timestamp;
use uuid::Uuid;

/// One verified callback and what it means, ready to be committed.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The source's full name, such as `ucloud/prod`.
    pub source: Arc<str>,
    /// When it came.
    pub received_at: Timestamp,
    /// The raw request without its secrets ([`campanile_model::Callback::to_http_without`]). The store compresses.
    pub callback: Vec<u8>,
    /// Its alerts, in their order.
    pub alerts: Vec<NewAlert>,
    /// Faults: of the whole callback when `alerts` is empty, else of single items of a batch.
    pub faults: Vec<Fault>,
}

/// One alert of an [`Entry`].
#[derive(Clone, Debug)]
pub struct NewAlert {
    /// Names the message: two alerts with one key are one.
    pub key: DedupKey,
    /// A hash over what the message says. Another hash under a known key is a conflict: dropped, and counted.
    pub content: u64,
    /// Names the problem: the lane, with the sink.
    pub fingerprint: Fingerprint,
    /// Opens or closes an episode.
    pub status: Status,
    /// For filters.
    pub severity: Severity,
    /// The `Alert` as a JSON object without its `id`; the store gives the id and puts it in front when read.
    pub body: Vec<u8>,
    /// The sinks it is pending for. Empty is recorded: an alert that no route matched.
    pub sinks: Vec<SinkId>,
}

/// What became of an [`Entry`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Appended {
    /// One for each of its alerts, in their order.
    pub alerts: Vec<Appending>,
    /// The number of the quarantined callback, when it had faults.
    pub quarantine: Option<i64>,
}

/// What became of one alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appending {
    /// It is new, and committed.
    Accepted {
        /// Its place.
        seq: Seq,
        /// Its id, a UUID version 7.
        id: Uuid,
    },
    /// Its key is known, and the original is committed.
    Duplicate {
        /// It says something else than the original did.
        conflict: bool,
    },
}

/// One delivery that is pending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// The alert.
    pub seq: Seq,
    /// The lane, with the sink.
    pub fingerprint: Fingerprint,
    /// Attempts so far.
    pub attempts: u32,
    /// Not before this time; none means at once.
    pub due_at: Option<Timestamp>,
    /// When it was first pending: its age counts from here.
    pub pending_since: Timestamp,
    /// An operator asked for it again.
    pub retried: bool,
}

/// A longer handle is not kept: half a message id names nothing.
pub const HANDLE_BYTES_MAX: usize = 512;

/// A longer remark is cut.
pub const REMARK_BYTES_MAX: usize = 512;

/// The outcome of one attempt, to be written in one transaction with what follows from it.
#[derive(Clone, Debug)]
pub struct Settlement {
    /// The sink.
    pub sink: SinkId,
    /// The alert.
    pub seq: Seq,
    /// When the attempt ended.
    pub at: Timestamp,
    /// How long it took.
    pub took_ms: u32,
    /// The number of this attempt, from 1.
    pub attempt: u32,
    /// The HTTP status, where there was one.
    pub code: Option<u16>,
    /// What follows.
    pub verdict: Verdict,
    /// What the sink returned for the episode: a message id, a ticket. Kept per sink and episode, and given with later
    /// deliveries of it ([`Outbox::alerts_at`](crate::Outbox::alerts_at)). None leaves the kept one.
    pub handle: Option<String>,
    /// What the success means; none without a success.
    pub worth: Option<Worth>,
    /// A remark on a success: delivered in part, cut, to nobody. Shown with the attempt.
    pub remark: Option<String>,
}

/// What follows from an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The sink has it. The delivery is deleted.
    Delivered,
    /// Try again at `due_at`.
    Again {
        /// When.
        due_at: Timestamp,
        /// What went wrong, one sentence without secrets.
        error: String,
    },
    /// Given up. The delivery moves to the dead letters.
    Dead {
        /// The class of failure: `poison`, `expired`, ...
        class: &'static str,
        /// What went wrong, one sentence without secrets.
        error: String,
    },
}

/// An alert on its way to a sink, with what the store knows of its episode.
#[derive(Clone, Debug)]
pub struct AlertToSend {
    /// The alert.
    pub alert: Arc<StoredAlert>,
    /// The firing that opened the episode: the alert itself where it did. None when it is no longer kept, or when the alert
    /// is a resolved without a firing.
    pub opened: Option<Arc<StoredAlert>>,
    /// Whether the episode is open now. False when the problem was resolved meanwhile.
    pub episode_open: bool,
    /// What this sink returned for the episode last.
    pub handle: Option<String>,
}

/// An alert as it was accepted.
#[derive(Clone, Debug)]
pub struct StoredAlert {
    /// Its place.
    pub seq: Seq,
    /// Its id.
    pub id: Uuid,
    /// The episode: the id of the alert that opened it.
    pub episode: Uuid,
    /// The whole `Alert` of the contract as JSON, `id` first.
    pub json: Vec<u8>,
}

/// Which alerts to list, newest first. An empty field does not filter.
#[derive(Clone, Debug, Default)]
pub struct AlertFilter {
    /// A source's full name.
    pub source: Option<String>,
    /// A status.
    pub status: Option<Status>,
    /// A severity.
    pub severity: Option<Severity>,
    /// A problem.
    pub fingerprint: Option<Fingerprint>,
    /// Received at this time or later.
    pub since: Option<Timestamp>,
    /// Accepted before this alert: the last one of the page before.
    pub before: Option<Seq>,
    /// How many at most.
    pub limit: u32,
}

/// Which pending deliveries to list, newest alert first. An empty field does not filter.
#[derive(Clone, Debug, Default)]
pub struct DeliveryFilter {
    /// A sink.
    pub sink: Option<SinkId>,
    /// Of alerts accepted before this one: the last alert of the page before.
    pub before: Option<Seq>,
    /// How many at most.
    pub limit: u32,
}

/// Which dead letters to list, newest first. An empty field does not filter.
#[derive(Clone, Debug, Default)]
pub struct DeadFilter {
    /// A sink.
    pub sink: Option<SinkId>,
    /// With a smaller number than this: the last one of the page before.
    pub before: Option<i64>,
    /// How many at most.
    pub limit: u32,
}

/// Which quarantined callbacks to list, newest first. An empty field does not filter.
#[derive(Clone, Debug, Default)]
pub struct QuarantineFilter {
    /// A source's full name.
    pub source: Option<String>,
    /// With a smaller number than this: the last one of the page before.
    pub before: Option<i64>,
    /// How many at most.
    pub limit: u32,
}

/// A delivery as operators see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryRow {
    /// The sink.
    pub sink: SinkId,
    /// What is pending.
    pub pending: Pending,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// The HTTP status of the last attempt.
    pub last_code: Option<u16>,
}

/// A dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadRow {
    /// Its number: what `dead show`, `retry` and `drop` take.
    pub id: i64,
    /// The sink.
    pub sink: SinkId,
    /// The alert.
    pub seq: Seq,
    /// Attempts before it was given up.
    pub attempts: u32,
    /// When it was given up.
    pub at: Timestamp,
    /// The class of failure.
    pub class: String,
    /// What went wrong last.
    pub error: String,
    /// The HTTP status of the last attempt.
    pub code: Option<u16>,
}

/// A quarantined callback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuarantineRow {
    /// Its number: what `quarantine show`, `retry` and `drop` take.
    pub id: i64,
    /// The source.
    pub source: String,
    /// When it came.
    pub received_at: Timestamp,
    /// What is wrong with it.
    pub faults: Vec<Fault>,
    /// The raw request without its secrets.
    pub callback: Vec<u8>,
}

/// One attempt at a delivery, kept for `GET /api/v1/alerts/{id}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptRow {
    /// The sink.
    pub sink: SinkId,
    /// When the attempt ended.
    pub at: Timestamp,
    /// How long it took.
    pub took_ms: u32,
    /// The number of the attempt.
    pub attempt: u32,
    /// The HTTP status, where there was one.
    pub code: Option<u16>,
    /// `delivered`, `again` or `dead`.
    pub verdict: String,
    /// What the success means.
    pub worth: Option<Worth>,
    /// A remark on the success.
    pub remark: Option<String>,
}

/// How full the store is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Alerts kept.
    pub alerts: u64,
    /// Pending deliveries, by sink.
    pub pending: Vec<(SinkId, u64)>,
    /// Dead letters, by sink.
    pub dead: Vec<(SinkId, u64)>,
    /// Quarantined callbacks.
    pub quarantined: u64,
    /// Size on disk in bytes.
    pub bytes: u64,
}
