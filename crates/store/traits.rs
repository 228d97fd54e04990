//! The four traits of a store. A consumer takes the narrowest one that it needs.
//!
//! What holds for all methods:
//! - `Ok` is returned only after the effect is committed and synced. After an `Err` nothing of the call is there, except
//!   after [`Error::Stopped`](crate::Error::Stopped), which says that the outcome is not known.
//! - One call is one transaction: all of it happens or none of it.
//! - A read sees every write that returned before the read began.

use campanile_model::Fingerprint;
use jiff::Timestamp;
use uuid::Uuid;

use crate::{
    AlertFilter, AlertToSend, Answer, Appended, AttemptRow, DeadFilter, DeadRow, DeliveryFilter,
    DeliveryRow, Entry, Pending, QuarantineFilter, QuarantineRow, Seq, Settlement, SinkId, Stats,
    StoredAlert,
};

/// Takes callbacks.
///
/// An alert gets its [`Seq`] when it is accepted. For one source and fingerprint a later alert has a larger `Seq`. Nothing
/// more holds: numbers may be left out, and between two problems the order of `Seq` may differ from the order of commits.
pub trait Inbox: Send + Sync {
    /// Commits a callback: the raw request, its dedup keys, alerts and deliveries, in one transaction that it may share
    /// with callbacks that arrive at the same time. A key is accepted once; a duplicate is answered after the commit of
    /// its original. [`Error::Busy`](crate::Error::Busy) when too many callbacks wait.
    fn append(&self, entry: Entry) -> Answer<'_, Appended>;

    /// Removes a callback from quarantine and appends what it says now. When the callback is gone (released or dropped),
    /// nothing is appended and the answer is empty.
    fn release(&self, id: i64, entry: Entry) -> Answer<'_, Appended>;

    /// Whether a commit succeeds now: makes one and waits for it.
    fn ready(&self) -> Answer<'_, ()>;
}

/// Gives pending deliveries to the workers and takes the outcomes of their attempts.
///
/// A delivery stays pending until it is settled as delivered or dead, or dropped by an operator. One worker at a time
/// works for a sink.
pub trait Outbox: Send + Sync {
    /// The numbers of these sinks. A name that is new gets a number, which it keeps.
    fn sink_ids(&self, names: Vec<String>) -> Answer<'_, Vec<SinkId>>;

    /// Pending deliveries of a sink with a `Seq` above `after`, in order of `Seq`.
    fn pending(&self, sink: SinkId, after: Seq, limit: usize) -> Answer<'_, Vec<Pending>>;

    /// The same for one lane. May scan all pending deliveries of the sink.
    fn pending_in_lane(
        &self,
        sink: SinkId,
        lane: Fingerprint,
        after: Seq,
        limit: usize,
    ) -> Answer<'_, Vec<Pending>>;

    /// The alerts at these places, in this order, each with what is known of its episode and with the handle that this
    /// sink returned for it. An alert that is gone or cannot be read is left out.
    fn alerts_at(&self, sink: SinkId, seqs: Vec<Seq>) -> Answer<'_, Vec<AlertToSend>>;

    /// Writes the outcomes of attempts and what follows from them, with their handles. A settlement of a delivery that is
    /// not pending (an operator dropped it) changes nothing, so the same batch may be written twice.
    fn settle(&self, settlements: Vec<Settlement>) -> Answer<'_, ()>;
}

/// What operators look at, and what they do with it. Lists come newest first.
pub trait Archive: Send + Sync {
    /// Every sink that was ever configured, with its number.
    fn known_sinks(&self) -> Answer<'_, Vec<(SinkId, String)>>;

    /// The alert of this id.
    fn alert(&self, id: Uuid) -> Answer<'_, Option<StoredAlert>>;

    /// Alerts.
    fn alerts(&self, filter: AlertFilter) -> Answer<'_, Vec<StoredAlert>>;

    /// The alerts at these places, in this order. An alert that is gone or cannot be read is left out.
    fn alerts_by_seq(&self, seqs: Vec<Seq>) -> Answer<'_, Vec<StoredAlert>>;

    /// The raw callback that brought an alert, without its secrets, while it is kept.
    fn callback_of(&self, seq: Seq) -> Answer<'_, Option<Vec<u8>>>;

    /// Pending deliveries.
    fn deliveries(&self, filter: DeliveryFilter) -> Answer<'_, Vec<DeliveryRow>>;

    /// Pending deliveries of one alert.
    fn deliveries_of(&self, seq: Seq) -> Answer<'_, Vec<DeliveryRow>>;

    /// Attempts at the deliveries of one alert, oldest first.
    fn attempts_of(&self, seq: Seq) -> Answer<'_, Vec<AttemptRow>>;

    /// Makes an alert pending for a sink again. False when the alert is gone or pending for the sink already.
    fn retry(&self, seq: Seq, sink: SinkId, now: Timestamp) -> Answer<'_, bool>;

    /// Drops a pending delivery. False when it is not pending.
    fn drop_pending(&self, seq: Seq, sink: SinkId) -> Answer<'_, bool>;

    /// Dead letters.
    fn dead(&self, filter: DeadFilter) -> Answer<'_, Vec<DeadRow>>;

    /// Makes dead letters pending again, each at its old place in its lane, with attempts counted from zero. Gives those
    /// that were there.
    fn retry_dead(&self, ids: Vec<i64>, now: Timestamp) -> Answer<'_, Vec<(SinkId, Seq)>>;

    /// Drops dead letters. Gives how many there were.
    fn drop_dead(&self, ids: Vec<i64>) -> Answer<'_, u64>;

    /// Quarantined callbacks.
    fn quarantine(&self, filter: QuarantineFilter) -> Answer<'_, Vec<QuarantineRow>>;

    /// One quarantined callback.
    fn quarantined(&self, id: i64) -> Answer<'_, Option<QuarantineRow>>;

    /// Drops quarantined callbacks. Gives how many there were.
    fn drop_quarantined(&self, ids: Vec<i64>) -> Answer<'_, u64>;
}

/// Keeps the store small and says how full it is.
pub trait Upkeep: Send + Sync {
    /// Removes one small step of what is older than `before`. An alert with a pending delivery or a dead letter stays. A
    /// handle stays while its episode is open and while any alert of the episode is kept.
    /// True while there is more to remove.
    fn prune(&self, before: Timestamp) -> Answer<'_, bool>;

    /// How full the store is.
    fn stats(&self) -> Answer<'_, Stats>;

    /// Commits what waits, then closes. Every later call answers [`Error::Stopped`](crate::Error::Stopped).
    fn close(&self) -> Answer<'_, ()>;
}

/// A whole store, for the code that hands its parts out.
pub trait Store: Inbox + Outbox + Archive + Upkeep {}

impl<T: Inbox + Outbox + Archive + Upkeep> Store for T {}
