//! What is kept: callbacks, alerts, what is owed to whom, and what went wrong.
//!
//! One trait, batch-shaped. No method returns before its effect is durable: a returned `Ok` survives `kill -9` and,
//! with the store's own durable setting, a power loss.

pub mod sqlite;

use std::sync::Arc;

use campanile_model::{Fingerprint, Severity, Status};
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use uuid::Uuid;

pub use campanile_model::{DedupKey, Fault, Seq, SinkId};

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
    /// The sinks it is owed to. Empty is recorded: an alert that no route matched.
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

/// One delivery that is owed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owed {
    /// The alert.
    pub seq: Seq,
    /// The lane, with the sink.
    pub fingerprint: Fingerprint,
    /// Tries so far.
    pub attempts: u32,
    /// Not before this time; none means at once.
    pub due_at: Option<Timestamp>,
    /// When it was first owed: its age counts from here.
    pub owed_since: Timestamp,
    /// An operator asked for it again.
    pub redriven: bool,
}

/// What came of one try, to be written in one transaction with what follows from it.
#[derive(Clone, Debug)]
pub struct Settlement {
    /// The sink.
    pub sink: SinkId,
    /// The alert.
    pub seq: Seq,
    /// When the try ended.
    pub at: Timestamp,
    /// How long it took.
    pub took_ms: u32,
    /// The number of this try, from 1.
    pub attempt: u32,
    /// The HTTP status, where there was one.
    pub code: Option<u16>,
    /// What follows.
    pub verdict: Verdict,
}

/// What follows from a try.
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

/// What to list, newest first. Empty fields do not filter.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// A source's full name.
    pub source: Option<String>,
    /// A sink's number.
    pub sink: Option<SinkId>,
    /// A status.
    pub status: Option<Status>,
    /// A severity.
    pub severity: Option<Severity>,
    /// A problem.
    pub fingerprint: Option<Fingerprint>,
    /// Accepted at or after.
    pub since: Option<Timestamp>,
    /// Older than this place (the `next` of the page before).
    pub before: Option<i64>,
    /// How many at the most.
    pub limit: u32,
}

/// A delivery as operators see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryRow {
    /// The sink.
    pub sink: SinkId,
    /// What is owed.
    pub owed: Owed,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// The HTTP status of the last try.
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
    /// Tries before it was given up.
    pub attempts: u32,
    /// When it was given up.
    pub at: Timestamp,
    /// The class of failure.
    pub class: String,
    /// What went wrong last.
    pub error: String,
    /// The HTTP status of the last try.
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

/// One try at a delivery, kept for `GET /api/v1/alerts/{id}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptRow {
    /// The sink.
    pub sink: SinkId,
    /// When the try ended.
    pub at: Timestamp,
    /// How long it took.
    pub took_ms: u32,
    /// The number of the try.
    pub attempt: u32,
    /// The HTTP status, where there was one.
    pub code: Option<u16>,
    /// `delivered`, `again` or `dead`.
    pub verdict: String,
}

/// How full the store is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Alerts kept.
    pub alerts: u64,
    /// Owed deliveries, by sink.
    pub owed: Vec<(SinkId, u64)>,
    /// Dead letters, by sink.
    pub dead: Vec<(SinkId, u64)>,
    /// Quarantined callbacks.
    pub quarantined: u64,
    /// Size on disk in bytes.
    pub bytes: u64,
}

/// Why the store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Too much is waiting for the writer. Nothing was written.
    #[error("the store is busy: too many callbacks wait to be committed")]
    Busy,
    /// The transaction did not commit. Nothing of it is there.
    #[error("the store cannot commit: {0}")]
    Commit(String),
    /// A row could not be read.
    #[error("the store cannot read: {0}")]
    Read(String),
    /// The store is closed, or it stopped after a failure that it must not go on from.
    #[error("the store has stopped: {0}")]
    Stopped(String),
    /// The file cannot be opened, and what to do about it.
    #[error("{0}")]
    Open(String),
}

/// What every method gives.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, Error>>;

/// Where everything is kept.
pub trait Store: Send + Sync {
    /// Commits a callback: raw request, dedup keys, alerts and deliveries, in one transaction shared with others that
    /// come at the same time. Duplicates are answered after the commit of their original.
    fn append(&self, entry: Entry) -> Answer<'_, Appended>;

    /// The numbers of these sinks, given on first sight.
    fn sink_ids(&self, names: Vec<String>) -> Answer<'_, Vec<SinkId>>;

    /// Every sink ever configured, with its number.
    fn known_sinks(&self) -> Answer<'_, Vec<(SinkId, String)>>;

    /// What is owed to a sink, in order of acceptance, after a place.
    fn owed(&self, sink: SinkId, after: Seq, limit: usize) -> Answer<'_, Vec<Owed>>;

    /// What is owed to a sink in one lane, in order of acceptance, after a place. May scan the sink's whole backlog.
    fn owed_in_lane(
        &self,
        sink: SinkId,
        lane: Fingerprint,
        after: Seq,
        limit: usize,
    ) -> Answer<'_, Vec<Owed>>;

    /// Writes outcomes of tries and what follows from them, all or none. A settlement of a delivery that is gone
    /// (dropped by an operator) changes nothing.
    fn settle(&self, settlements: Vec<Settlement>) -> Answer<'_, ()>;

    /// The alerts at these places, in this order; those that are gone are left out.
    fn alerts_at(&self, seqs: Vec<Seq>) -> Answer<'_, Vec<StoredAlert>>;

    /// The alert of this id.
    fn alert(&self, id: Uuid) -> Answer<'_, Option<StoredAlert>>;

    /// Alerts, newest first.
    fn alerts(&self, filter: Filter) -> Answer<'_, Vec<StoredAlert>>;

    /// Deliveries owed, newest alert first.
    fn deliveries(&self, filter: Filter) -> Answer<'_, Vec<DeliveryRow>>;

    /// What is owed of one alert.
    fn deliveries_of(&self, seq: Seq) -> Answer<'_, Vec<DeliveryRow>>;

    /// Tries at one alert's deliveries, oldest first.
    fn attempts_of(&self, seq: Seq) -> Answer<'_, Vec<AttemptRow>>;

    /// The raw callback that brought an alert, without its secrets, while it is kept.
    fn callback_of(&self, seq: Seq) -> Answer<'_, Option<Vec<u8>>>;

    /// Dead letters, newest first.
    fn dead(&self, filter: Filter) -> Answer<'_, Vec<DeadRow>>;

    /// Makes dead letters owed again, at their places in their lanes, tries counted afresh. Gives those that were.
    fn redrive(&self, dead: Vec<i64>, now: Timestamp) -> Answer<'_, Vec<(SinkId, Seq)>>;

    /// Drops dead letters for good. Gives how many there were.
    fn drop_dead(&self, dead: Vec<i64>) -> Answer<'_, u64>;

    /// Owes an alert to a sink again (an operator's `alerts retry`). False when the alert is gone or it is owed already.
    fn owe(&self, seq: Seq, sink: SinkId, now: Timestamp) -> Answer<'_, bool>;

    /// Drops a delivery that is owed. False when it is not.
    fn drop_owed(&self, seq: Seq, sink: SinkId) -> Answer<'_, bool>;

    /// Quarantined callbacks, newest first.
    fn quarantine(&self, filter: Filter) -> Answer<'_, Vec<QuarantineRow>>;

    /// One quarantined callback.
    fn quarantined(&self, id: i64) -> Answer<'_, Option<QuarantineRow>>;

    /// Takes a callback out of quarantine and commits what it now says, in one transaction.
    fn release(&self, id: i64, entry: Entry) -> Answer<'_, Appended>;

    /// Drops quarantined callbacks for good. Gives how many there were.
    fn drop_quarantined(&self, ids: Vec<i64>) -> Answer<'_, u64>;

    /// The last alerts of a source, newest first, at most one a problem: what UCloud's demo server lists.
    fn latest_of(&self, source: String, limit: u32) -> Answer<'_, Vec<StoredAlert>>;

    /// Removes one small step of what is older than `before`, never what is still owed. True while there is more.
    fn prune(&self, before: Timestamp) -> Answer<'_, bool>;

    /// How full it is.
    fn stats(&self) -> Answer<'_, Stats>;

    /// Whether a commit would succeed now: writes one and waits for it.
    fn ready(&self) -> Answer<'_, ()>;

    /// Commits what waits and closes. Later calls answer [`Error::Stopped`].
    fn close(&self) -> Answer<'_, ()>;
}
