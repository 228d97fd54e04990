//! The traits of a store. A consumer takes the narrowest trait that it needs.
//!
//! These rules hold for all methods:
//! - `Ok` is returned only after the effect is committed and synced. After an `Err` no effect of the call is kept. There are two
//!   exceptions: after [`Error::Stopped`](crate::Error::Stopped) the outcome is not known, and after
//!   [`Error::Unreplicated`](crate::Error::Unreplicated) the effect can be kept or lost.
//! - One call is one transaction: all of it happens, or nothing.
//! - A read sees every write that returned before the read began.

use campanile_model::Fingerprint;
use jiff::Timestamp;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::lease::{Member, Part, View, Wish};
use crate::{
    Act, AlertFilter, AlertToSend, Answer, Appended, ArrivalRow, AttemptRow, AuditFilter, AuditRow,
    CallbackFilter, CallbackRow, DeadFilter, DeadRow, DeliveryFilter, DeliveryRow, Entry, Firing,
    FiringFilter, Following, Handover, Held, HeldPlace, Hint, Listed, OpenEpisode, OpenPlace,
    OutcomeRow, Pending, Progress, QuarantineFilter, QuarantineRow, Replication, Seq, Settlement,
    Silence, SilenceFilter, SilenceRow, SinkId, SourceTally, Stats, StoredAlert, TallyFilter,
    TallyRow,
};

/// Takes callbacks.
///
/// An alert gets its [`Seq`] when it is accepted. For one source and fingerprint, a later alert has a larger `Seq`. Nothing
/// more is promised: numbers can be missing, and for two problems the order of `Seq` can differ from the order of commits.
///
/// An open episode has a plan: all sinks that its firing alerts went to. A firing alert adds its own sinks to the plan and goes to
/// all of it. A resolved alert goes to the plan. It goes to its own sinks if no episode is open. So do all alerts of an episode
/// whose plan is not known, because an older build opened it.
pub trait Inbox: Send + Sync {
    /// Commits a callback in one transaction: the raw request, its dedup keys, alerts and deliveries. Callbacks that arrive
    /// at the same time can share the transaction. A key is accepted once; the call for a duplicate returns after the commit
    /// of its original. Returns [`Error::Busy`](crate::Error::Busy) when too many callbacks wait.
    fn append(&self, entry: Entry) -> Answer<'_, Appended>;

    /// Removes a callback from quarantine and appends `entry`, its new reading. When the callback is no longer in quarantine
    /// (released or dropped), nothing is appended and the answer is empty.
    fn release(&self, id: i64, entry: Entry, act: Act) -> Answer<'_, Appended>;

    /// The same as `append`, for an operator, who names the sinks: each alert goes to its own sinks and to no other. The act counts
    /// the accepted alerts.
    fn append_by(&self, entry: Entry, act: Act) -> Answer<'_, Appended>;

    /// Tests whether a commit succeeds now: makes one small commit and waits for it.
    fn ready(&self) -> Answer<'_, ()>;
}

/// Gives pending deliveries to the workers and takes the outcomes of their attempts.
///
/// A delivery stays pending until it is settled as delivered or dead, or until an operator drops it. At most one worker at a
/// time serves a sink.
pub trait Outbox: Send + Sync {
    /// The numbers of these sinks. A new name gets a number and keeps it.
    fn sink_ids(&self, names: Vec<String>) -> Answer<'_, Vec<SinkId>>;

    /// Pending deliveries of a sink with a `Seq` above `after`, in order of `Seq`.
    fn pending(&self, sink: SinkId, after: Seq, limit: usize) -> Answer<'_, Vec<Pending>>;

    /// The same for the lanes of one part. A store without leases has whole sinks only.
    fn pending_of(&self, part: Part, after: Seq, limit: usize) -> Answer<'_, Vec<Pending>> {
        self.pending(part.sink, after, limit)
    }

    /// The same for one lane. Can scan all pending deliveries of the sink.
    fn pending_in_lane(
        &self,
        sink: SinkId,
        lane: Fingerprint,
        after: Seq,
        limit: usize,
    ) -> Answer<'_, Vec<Pending>>;

    /// The alerts at these places, in this order. Each comes with the state of its episode and with the handle that this sink
    /// returned for the episode. An alert that was removed or cannot be read is left out.
    fn alerts_at(&self, sink: SinkId, seqs: Vec<Seq>) -> Answer<'_, Vec<AlertToSend>>;

    /// The next open episodes after this place for which this sink returned a handle, at most `limit`. An episode whose opening
    /// was removed or cannot be read is passed over; fewer than `limit` are the last ones.
    fn open_episodes(
        &self,
        sink: SinkId,
        after: Option<OpenPlace>,
        limit: usize,
    ) -> Answer<'_, Vec<OpenEpisode>>;

    /// Writes the outcomes of attempts, with their effects and handles. A settlement of a delivery that is not pending (an
    /// operator dropped it) changes nothing, so a batch can be written twice.
    fn settle(&self, settlements: Vec<Settlement>) -> Answer<'_, ()>;

    /// What is held for the lanes of one part after this place, at most `limit`.
    fn held_of(&self, part: Part, after: HeldPlace, limit: usize) -> Answer<'_, Vec<Held>>;

    /// The same, of the worker of this part. `handover` is kept for the next worker, in the same transaction, if there are leases. None
    /// keeps what is there.
    fn settle_leaving(
        &self,
        _part: Part,
        settlements: Vec<Settlement>,
        _handover: Option<String>,
    ) -> Answer<'_, ()> {
        self.settle(settlements)
    }

    /// What the last worker of a part left. None without leases.
    fn handover(&self, _part: Part) -> Answer<'_, Option<Handover>> {
        Box::pin(async { Ok(None) })
    }
}

/// What operators read and change. Lists are newest first.
///
/// A method that takes an [`Act`] writes it to the audit, in the same transaction and with the number of rows that it changed. It
/// writes nothing to the audit if it changed nothing.
pub trait Archive: Send + Sync {
    /// How many alerts arrived in each step, in the order of time. No alert is read: each minute has been counted. An older build counted
    /// nothing, and pruning removes the counts of old minutes.
    fn tallies(&self, filter: TallyFilter) -> Answer<'_, Vec<TallyRow>>;

    /// The same counts by source, in the order of time: one read for a list of all sources.
    fn tallies_by_source(&self, filter: TallyFilter) -> Answer<'_, Vec<SourceTally>>;

    /// A number that every commit changes, also over a restart. What was read after this call is what is stored for as long as
    /// the number is the same.
    fn version(&self) -> Answer<'_, u64>;

    /// Every sink that was ever configured, with its number.
    fn known_sinks(&self) -> Answer<'_, Vec<(SinkId, String)>>;

    /// The alert with this id.
    fn alert(&self, id: Uuid) -> Answer<'_, Option<StoredAlert>>;

    /// Alerts that match the filter. The search ends early when its patience is over.
    fn alerts(&self, filter: AlertFilter) -> Answer<'_, Listed<StoredAlert>>;

    /// The problems that fire now. The newest alert of a problem that last came long before the start can be the one that
    /// opened its episode.
    fn firing(&self, filter: FiringFilter) -> Answer<'_, Firing>;

    /// The alerts at these places, in this order. An alert that was removed or cannot be read is left out.
    fn alerts_by_seq(&self, seqs: Vec<Seq>) -> Answer<'_, Vec<StoredAlert>>;

    /// The alerts after this place, in order of `Seq`: at most `rows`, and no more after `bytes` of JSON. An alert that was
    /// removed or cannot be read is left out. An alert that is committed later has a higher place than
    /// [`Following::reached`], so a reader that goes on from there misses none.
    fn alerts_after(&self, after: Seq, rows: u32, bytes: usize) -> Answer<'_, Following>;

    /// The raw callback of an alert, without its secrets. None when it is no longer kept.
    fn callback_of(&self, seq: Seq) -> Answer<'_, Option<Vec<u8>>>;

    /// Callbacks that are not in quarantine. The search is bounded.
    fn callbacks(&self, filter: CallbackFilter) -> Answer<'_, Listed<CallbackRow>>;

    /// What happened when the callback of an alert arrived. None when the alert is no longer kept.
    fn arrival_of(&self, seq: Seq) -> Answer<'_, Option<ArrivalRow>>;

    /// Pending deliveries.
    fn deliveries(&self, filter: DeliveryFilter) -> Answer<'_, Vec<DeliveryRow>>;

    /// Pending deliveries of one alert.
    fn deliveries_of(&self, seq: Seq) -> Answer<'_, Vec<DeliveryRow>>;

    /// Attempts of the deliveries of one alert, oldest first.
    fn attempts_of(&self, seq: Seq) -> Answer<'_, Vec<AttemptRow>>;

    /// What is held of one alert, by sink.
    fn held_alert(&self, seq: Seq) -> Answer<'_, Vec<Held>>;

    /// What is held, at most `limit`, of one sink or of all.
    fn held(&self, sink: Option<SinkId>, limit: u32) -> Answer<'_, Vec<Held>>;

    /// What became of one alert where it was not sent, by sink.
    fn outcomes_of(&self, seq: Seq) -> Answer<'_, Vec<OutcomeRow>>;

    /// Silences of operators.
    fn silences(&self, filter: SilenceFilter) -> Answer<'_, Vec<SilenceRow>>;

    /// Makes a silence. Gives its number.
    fn make_silence(&self, silence: Silence, act: Act) -> Answer<'_, i64>;

    /// Lets a silence that has not ended last until another time. False: it is over, or there is none.
    fn extend_silence(&self, id: i64, until: Timestamp, act: Act) -> Answer<'_, bool>;

    /// Ends a silence at the time of the act. False: it is over, or there is none.
    fn end_silence(&self, id: i64, act: Act) -> Answer<'_, bool>;

    /// Deliveries that are in no place, or in more than one: every alert is for each of its sinks pending, held, dead or ended.
    /// None is correct. At most `limit` are looked for, and all kept alerts are read.
    fn misplaced(&self, limit: u32) -> Answer<'_, Vec<(Seq, SinkId)>>;

    /// How far the deliveries of these alerts are, in this order. For a sink for which an alert is not pending, the last attempt
    /// counts.
    fn progress_of(&self, seqs: Vec<Seq>) -> Answer<'_, Vec<Progress>>;

    /// Makes an alert pending for a sink again, also one that is held or was muted. False when the alert was removed or is already pending for the sink.
    fn retry(&self, seq: Seq, sink: SinkId, act: Act) -> Answer<'_, bool>;

    /// Drops a delivery that is pending or held. False when it is neither.
    fn drop_pending(&self, seq: Seq, sink: SinkId, act: Act) -> Answer<'_, bool>;

    /// Dead letters.
    fn dead(&self, filter: DeadFilter) -> Answer<'_, Vec<DeadRow>>;

    /// Makes dead letters pending again, each at its old place in its lane. Attempts are counted from zero again. Returns
    /// those that existed.
    fn retry_dead(&self, ids: Vec<i64>, act: Act) -> Answer<'_, Vec<(SinkId, Seq)>>;

    /// Drops dead letters. Returns how many existed.
    fn drop_dead(&self, ids: Vec<i64>, act: Act) -> Answer<'_, u64>;

    /// Quarantined callbacks.
    fn quarantine(&self, filter: QuarantineFilter) -> Answer<'_, Vec<QuarantineRow>>;

    /// One quarantined callback.
    fn quarantined(&self, id: i64) -> Answer<'_, Option<QuarantineRow>>;

    /// Drops quarantined callbacks. Returns how many existed.
    fn drop_quarantined(&self, ids: Vec<i64>, act: Act) -> Answer<'_, u64>;

    /// Writes an act that changes no row of the store, or changed none.
    fn record(&self, act: Act, count: u64) -> Answer<'_, ()>;

    /// What operators did. The search is bounded. A row is kept for a year longer than alerts are.
    fn audit(&self, filter: AuditFilter) -> Answer<'_, Listed<AuditRow>>;
}

/// Removes old rows and reports how full the store is.
pub trait Upkeep: Send + Sync {
    /// Removes a small number of rows that are older than `before`. Returns true while there are more. An alert with a pending
    /// delivery or a dead letter stays. A handle stays while its episode is open or any alert of the episode is kept.
    fn prune(&self, before: Timestamp) -> Answer<'_, bool>;

    /// How full the store is.
    fn stats(&self) -> Answer<'_, Stats>;

    /// What a server does with commits, as it was last seen. None: the store is a file.
    fn replication(&self) -> Option<Replication> {
        None
    }

    /// Commits all waiting work, then closes. Every later call returns [`Error::Stopped`](crate::Error::Stopped).
    fn close(&self) -> Answer<'_, ()>;
}

/// The gateways that share a store, and which of them delivers for a sink. See [`crate::lease`].
pub trait Membership: Send + Sync {
    /// Registers a gateway, or its new configuration, and makes a lease for each of its sinks. From now on
    /// [`Outbox::settle`] takes only outcomes of sinks, or parts of sinks, whose lease this gateway has, and else returns
    /// [`Error::NotOwner`](crate::Error::NotOwner).
    fn join(&self, member: Member) -> Answer<'_, ()>;

    /// Counts up the beat, and says what the gateway does for its sinks, and whether it stops: then it takes nothing more. None: it
    /// was declared dead, and must join under a new id.
    fn beat(&self, me: Uuid, state: String, leaving: bool) -> Answer<'_, Option<View>>;

    /// Tries to fulfil a wish. False: the view was too old.
    fn fulfil(&self, me: Uuid, wish: Wish) -> Answer<'_, bool>;

    /// Takes nothing more, gives back every lease, and removes the gateway.
    fn leave(&self, me: Uuid) -> Answer<'_, ()>;

    /// Pauses or resumes a sink at the gateway that delivers for it.
    fn pause(&self, sink: SinkId, paused: bool) -> Answer<'_, ()>;

    /// Sends hints to all gateways, also to this one.
    fn hint(&self, hints: Vec<Hint>) -> Answer<'_, ()>;

    /// The hints of all gateways, until the receiver is dropped. Must be called inside a Tokio runtime.
    fn hints(&self) -> mpsc::Receiver<Hint>;
}

/// A whole store, for code that passes the traits on to its consumers.
pub trait Store: Inbox + Outbox + Archive + Upkeep {}

impl<T: Inbox + Outbox + Archive + Upkeep> Store for T {}
