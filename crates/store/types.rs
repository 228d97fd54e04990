//! The types of the store's methods: entries, pending deliveries, settlements, rows and filters.

use std::net::IpAddr;
use std::sync::Arc;

use campanile_model::{DedupKey, Fault, Fingerprint, Seq, Severity, SinkId, Status, Worth};
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
    /// The arrival of its callback. The nil UUID in the answer is replaced.
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
    /// The sinks that must get it. Empty when no route matched: the alert is stored all the same.
    pub sinks: Vec<SinkId>,
    /// What each of [`Arrival::routes`] said, as text that the store does not read. Empty: all of them apply.
    pub said: String,
}

/// The result for an [`Entry`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Appended {
    /// One for each of its alerts, in their order.
    pub alerts: Vec<Appending>,
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

/// One delivery that is pending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// The alert.
    pub seq: Seq,
    /// Sink and fingerprint together are the lane.
    pub fingerprint: Fingerprint,
    /// Attempts so far.
    pub attempts: u32,
    /// Send not before this time. None means at once.
    pub due_at: Option<Timestamp>,
    /// When it became pending. Its age is counted from here.
    pub pending_since: Timestamp,
    /// An operator asked for it again.
    pub retried: bool,
}

/// In bytes. A longer handle is not kept, because a part of a message id identifies nothing.
pub const HANDLE_BYTES_MAX: usize = 512;

/// In bytes. A longer remark is cut.
pub const REMARK_BYTES_MAX: usize = 512;

/// In bytes. The reason of a failed attempt is kept with the attempt up to this length.
pub const NOTE_BYTES_MAX: usize = 200;

/// The outcome of one attempt. It is written in one transaction with its effects.
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
    /// The effect of the outcome.
    pub verdict: Verdict,
    /// What the sink returned for the episode: a message id, a ticket. It is kept for each sink and episode and returned with
    /// later deliveries ([`Outbox::alerts_at`](crate::Outbox::alerts_at)). None keeps the earlier one.
    pub handle: Option<String>,
    /// What the success means. None without a success.
    pub worth: Option<Worth>,
    /// A remark on a success: delivered in part, cut, or to no receiver. It is shown with the attempt.
    pub remark: Option<String>,
}

/// The effect of an attempt on its delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The sink has the alert. The delivery is deleted.
    Delivered,
    /// The next attempt is at `due_at`.
    Again {
        /// When.
        due_at: Timestamp,
        /// The reason, one sentence without secrets.
        error: String,
    },
    /// No more attempts. The delivery becomes a dead letter.
    Dead {
        /// The class of failure: `poison`, `expired`, ...
        class: &'static str,
        /// The reason, one sentence without secrets.
        error: String,
    },
}

/// An alert for a worker to send, with the state of its episode.
#[derive(Clone, Debug)]
pub struct AlertToSend {
    /// The alert.
    pub alert: Arc<StoredAlert>,
    /// The firing that opened the episode; it can be the alert itself. None when it is no longer kept, or when the alert is a
    /// resolved without a firing.
    pub opened: Option<Arc<StoredAlert>>,
    /// Whether the episode is open now. False when the problem was resolved in the meantime.
    pub episode_open: bool,
    /// The handle that this sink returned last for the episode.
    pub handle: Option<String>,
}

/// An open episode for which a sink returned a handle.
#[derive(Clone, Debug)]
pub struct OpenEpisode {
    /// Its place in the list of open episodes.
    pub place: OpenPlace,
    /// The firing that opened it, with the sink's handle.
    pub opening: AlertToSend,
}

/// A place in the list of open episodes: source and fingerprint, as numbers of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OpenPlace(pub i64, pub i64);

/// An alert as accepted.
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

/// Alerts in order of acceptance, for a reader that follows the store.
#[derive(Clone, Debug, Default)]
pub struct Following {
    /// The alerts.
    pub alerts: Vec<StoredAlert>,
    /// Every alert up to this place was looked at. The reader goes on from here.
    pub reached: Seq,
    /// The highest place of the kept alerts; 0 when none is kept.
    pub newest: Seq,
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
    /// Accepted before this alert: the last alert of the previous page.
    pub before: Option<Seq>,
    /// The largest number of rows.
    pub limit: u32,
}

/// Which pending deliveries to list, newest alert first. An empty field does not filter.
#[derive(Clone, Debug, Default)]
pub struct DeliveryFilter {
    /// A sink.
    pub sink: Option<SinkId>,
    /// Alerts accepted before this one: the last alert of the previous page.
    pub before: Option<Seq>,
    /// The largest number of rows.
    pub limit: u32,
}

/// Which dead letters to list, newest first. An empty field does not filter.
#[derive(Clone, Debug, Default)]
pub struct DeadFilter {
    /// A sink.
    pub sink: Option<SinkId>,
    /// With a smaller number than this, the last one of the previous page.
    pub before: Option<i64>,
    /// The largest number of rows.
    pub limit: u32,
}

/// Which quarantined callbacks to list, newest first. An empty field does not filter.
#[derive(Clone, Debug, Default)]
pub struct QuarantineFilter {
    /// A source's full name.
    pub source: Option<String>,
    /// With a smaller number than this, the last one of the previous page.
    pub before: Option<i64>,
    /// The largest number of rows.
    pub limit: u32,
}

/// Which firing problems to list, the episode that opened last first. An empty field does not filter.
#[derive(Clone, Debug, Default)]
pub struct FiringFilter {
    /// A source's full name.
    pub source: Option<String>,
    /// The severity of its newest alert.
    pub severity: Option<Severity>,
    /// An episode that opened before this one: the last one of the previous page.
    pub before: Option<Uuid>,
    /// The largest number of rows.
    pub limit: u32,
}

/// The problems that fire now.
#[derive(Clone, Debug)]
pub struct Firing {
    /// The number of problems of each severity, of all sources.
    pub counts: Vec<(Severity, u64)>,
    /// There are more problems than the store counts and lists.
    pub more: bool,
    /// Those that match the filter.
    pub rows: Vec<FiringRow>,
}

/// A problem that fires.
#[derive(Clone, Debug)]
pub struct FiringRow {
    /// The episode: the id of the alert that opened it.
    pub episode: Uuid,
    /// When the episode began, by our clock.
    pub started_at: Timestamp,
    /// Its newest alert. None when that is no longer kept.
    pub newest: Option<StoredAlert>,
}

/// Which callbacks to list, newest first. An empty field does not filter.
#[derive(Clone, Debug, Default)]
pub struct CallbackFilter {
    /// A source's full name.
    pub source: Option<String>,
    /// Only those without alerts, or only those with alerts.
    pub ignored: Option<bool>,
    /// Received at this time or later.
    pub since: Option<Timestamp>,
    /// With a smaller number than this, the last one of the previous page.
    pub before: Option<i64>,
    /// The largest number of rows.
    pub limit: u32,
}

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

/// A stored callback that is not in quarantine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallbackRow {
    /// Its number.
    pub id: i64,
    /// The source.
    pub source: String,
    /// When it arrived.
    pub received_at: Timestamp,
    /// How many of its alerts were new. Zero: it was a known message without an alert.
    pub alerts: u32,
    /// The id of the first of them, while it is kept.
    pub first: Option<Uuid>,
    /// What happened when it arrived, without the routes.
    pub arrival: Arrival,
}

/// A delivery as shown to operators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryRow {
    /// The sink.
    pub sink: SinkId,
    /// What is pending.
    pub pending: Pending,
    /// The reason of the last failure.
    pub last_error: Option<String>,
    /// The HTTP status of the last attempt.
    pub last_code: Option<u16>,
}

/// A dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadRow {
    /// Its number, as given to `dead show`, `dead retry` and `dead drop`.
    pub id: i64,
    /// The sink.
    pub sink: SinkId,
    /// The alert.
    pub seq: Seq,
    /// The number of attempts.
    pub attempts: u32,
    /// When it became a dead letter.
    pub at: Timestamp,
    /// The class of failure.
    pub class: String,
    /// The reason of the last failure.
    pub error: String,
    /// The HTTP status of the last attempt.
    pub code: Option<u16>,
}

/// A quarantined callback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuarantineRow {
    /// Its number, as given to `quarantine show`, `quarantine retry` and `quarantine drop`.
    pub id: i64,
    /// The source.
    pub source: String,
    /// When it arrived.
    pub received_at: Timestamp,
    /// What could not be read.
    pub faults: Vec<Fault>,
    /// The raw request without its secrets.
    pub callback: Vec<u8>,
    /// What happened when it arrived. Without the routes: they were not asked.
    pub arrival: Arrival,
}

/// One attempt of a delivery, kept for `GET /api/v1/alerts/{id}`.
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
    /// The reason of a failure, at most [`NOTE_BYTES_MAX`]. None for a success, and for attempts of older builds.
    pub note: Option<String>,
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
