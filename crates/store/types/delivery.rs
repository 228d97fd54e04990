//! Deliveries: pending, attempted, dead.

use std::sync::Arc;

use campanile_model::{Fingerprint, Seq, SinkId, Worth};
use jiff::Timestamp;
use serde::Serialize;

use super::StoredAlert;

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
    /// It is not sent now. A pending delivery becomes held; an older held alert of the problem is folded into it.
    Held {
        /// What holds it.
        reason: String,
    },
    /// It is never sent. With a resolved alert, what is held of its episode is not sent either.
    Muted {
        /// Why.
        reason: String,
    },
    /// Nothing holds it any more: a held alert becomes pending, at its old place.
    Released,
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
    /// The sink has got no firing alert of the episode, because each of them was muted.
    pub untold: bool,
    /// The handle that this sink returned last for the episode.
    pub handle: Option<String>,
    /// [`Arrival::trace`](crate::Arrival::trace), with the id of the first alert.
    pub trace: Option<String>,
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

/// How far the deliveries of an alert are, in numbers of sinks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// Sinks that have the alert.
    pub delivered: usize,
    /// Sinks for which it is pending.
    pub pending: usize,
    /// Sinks that do not get it now.
    pub held: usize,
    /// Sinks that never get it: it was muted, folded into a later alert or dropped.
    pub ended: usize,
    /// Sinks to which it could not be delivered.
    pub dead: usize,
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
