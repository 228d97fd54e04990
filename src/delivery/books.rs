//! One sink's requests to the store: what is pending is read in pages, outcomes are written in batches.
//!
//! Only one of these runs at a time. A page that was read before a settlement committed could otherwise show a
//! delivery as pending that is done, and it would be sent again, perhaps after its resolved.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use campanile_model::Fingerprint;
use futures_util::future::BoxFuture;
use jiff::Timestamp;

use super::event::What;
use super::handover::{Left, Stored};
use super::lane::{Claim, Lanes};
use super::later;
use campanile_model::failpoint;
use campanile_store::lease::Part;
use campanile_store::{
    AlertToSend, Error, Handover, Held, HeldPlace, Outbox, Pending, Seq, Settlement, Verdict,
};

/// The store is read this often without a poke, in case one was lost. Cheap: an index probe when no delivery is pending.
const POLL_EVERY: Duration = Duration::from_secs(1);

/// With nothing in memory the store is read from its start this often: what became pending again at an old place is found also if
/// its poke was lost. Not more often: while a transaction of another program holds its snapshot, PostgreSQL reads every delivery
/// that was settled since as well.
const ALL_EVERY: Duration = Duration::from_mins(1);

/// The first wait after the store failed; doubles
const STORE_WAIT_MIN: Duration = Duration::from_millis(250);
/// up to here.
const STORE_WAIT_MAX: Duration = Duration::from_secs(30);

/// At most this many outcomes wait for a commit: after a crash no more than these are sent twice.
const UNSETTLED_MAX: usize = 256;

/// The outcome of one delivery, on its way into the store.
pub(super) struct Outcome {
    pub(super) claim: Claim,
    pub(super) refusals: u32,
    pub(super) settlement: Settlement,
    /// Reported once it is committed.
    pub(super) what: Option<What>,
}

/// What the store answered.
pub(super) enum Done {
    Settled(Result<(), Error>),
    Page(Seq, Result<Vec<Pending>, Error>),
    Lane(Fingerprint, Result<Vec<Pending>, Error>),
    Held(Result<HeldPage, Error>),
    Decided(Result<(), Error>),
}

/// A page of what is held, each with its alert. None: the alert cannot be read.
pub(super) struct HeldPage {
    pub(super) rows: Vec<(Held, Option<AlertToSend>)>,
    /// There can be more.
    pub(super) is_full: bool,
}

/// The requests of one sink to the store, one at a time.
pub(super) struct Books {
    store: Arc<dyn Outbox>,
    part: Part,
    page: usize,
    /// What runs now.
    pub(super) running: Option<BoxFuture<'static, Done>>,
    /// Outcomes that wait for the next batch.
    waiting: Vec<Outcome>,
    /// Outcomes that are being committed, or wait for the store to recover.
    settling: Vec<Outcome>,
    /// What was decided about held alerts, not yet written.
    decided: Vec<Settlement>,
    /// Settlements and loads alternate, so that neither starves.
    load_next: bool,
    cursor: Seq,
    /// There may be more behind the cursor, or before it from this place on.
    look: Option<Seq>,
    poll_at: Timestamp,
    /// When to look from the start again.
    all_at: Timestamp,
    failures: u32,
    /// Whether something is stored for the next worker. None: the store keeps nothing for it.
    stored: Option<Stored>,
    /// The last failure was a read.
    unreadable: bool,
    retry_at: Option<Timestamp>,
}

impl Books {
    pub(super) fn new(
        store: Arc<dyn Outbox>,
        part: Part,
        page: usize,
        now: Timestamp,
        handover: Option<&Handover>,
    ) -> Self {
        Self {
            store,
            part,
            page,
            running: None,
            waiting: Vec::new(),
            settling: Vec::new(),
            decided: Vec::new(),
            load_next: false,
            cursor: 0,
            look: Some(1),
            poll_at: later(now, POLL_EVERY),
            all_at: later(now, ALL_EVERY),
            failures: 0,
            stored: handover.map(Stored::of),
            unreadable: false,
            retry_at: None,
        }
    }

    pub(super) fn look_from(&mut self, seq: Seq) {
        self.look = Some(self.look.map_or(seq, |other| other.min(seq)));
    }

    pub(super) fn note(&mut self, outcome: Outcome) {
        self.waiting.push(outcome);
    }

    pub(super) fn unsettled(&self) -> usize {
        self.waiting.len() + self.settling.len()
    }

    /// These decisions about held alerts are to be written.
    pub(super) fn decide(&mut self, settlements: Vec<Settlement>) {
        self.decided.extend(settlements);
    }

    /// Whether more may be sent: not while the store cannot be read, and only [`UNSETTLED_MAX`] while it cannot be written.
    /// On a full disk some alerts still go out; after a crash those are sent again.
    pub(super) fn lets_send(&self) -> bool {
        let unreadable = self.unreadable && self.retry_at.is_some();
        !unreadable && self.unsettled() < UNSETTLED_MAX
    }

    /// Whether the store keeps something for the next worker.
    pub(super) fn hands_over(&self) -> bool {
        self.stored.is_some()
    }

    /// When to call [`Self::begin`] again if nothing else happens.
    pub(super) fn wake_at(&self) -> Timestamp {
        self.retry_at.unwrap_or(self.poll_at)
    }

    /// When the store is tried again after a failure.
    pub(super) fn retry_at(&self) -> Option<Timestamp> {
        self.retry_at
    }

    /// Whether nothing runs and nothing could be begun now.
    pub(super) fn is_quiet(&self, lanes: &Lanes) -> bool {
        let stuck = self.retry_at.is_some();
        if !stuck && !self.decided.is_empty() {
            return false;
        }
        self.running.is_none() && (stuck || self.unsettled() == 0 && !self.wants_load(lanes))
    }

    /// Starts the most urgent request, if nothing runs. `load` is false while stopping. `look` is where to look at what is held.
    /// `left` is what the next worker must know.
    pub(super) fn begin(
        &mut self,
        now: Timestamp,
        lanes: &Lanes,
        (load, look): (bool, Option<HeldPlace>),
        left: impl FnOnce() -> Left,
    ) {
        if self.poll_at <= now {
            self.poll_at = later(now, POLL_EVERY);
            self.look_from(self.cursor + 1);
        }
        if self.all_at <= now && lanes.is_empty() {
            self.all_at = later(now, ALL_EVERY);
            self.look_from(1);
        }
        if self.running.is_some() || self.retry_at.is_some_and(|at| at > now) {
            return;
        }
        self.retry_at = None;
        let load = load && self.wants_load(lanes);
        let look = look.filter(|_| self.decided.is_empty());
        let other = load || look.is_some() || !self.decided.is_empty();
        if self.unsettled() > 0 && !(self.load_next && other && self.settling.is_empty()) {
            self.settle(left);
        } else if !self.decided.is_empty() {
            self.write_decided();
        } else if load {
            self.load(lanes);
        } else if let Some(after) = look {
            self.look_at_held(after);
        }
    }

    /// The store answered. Gives the outcomes that are now committed.
    pub(super) fn finish(
        &mut self,
        done: Done,
        lanes: &mut Lanes,
        now: Timestamp,
    ) -> Result<Vec<Outcome>, Error> {
        let unreadable = !matches!(done, Done::Settled(_) | Done::Decided(_));
        let result = match done {
            Done::Settled(result) => result.map(|()| {
                self.load_next = true;
                if let Some(stored) = &mut self.stored {
                    stored.committed();
                }
                std::mem::take(&mut self.settling)
            }),
            Done::Page(after, result) => {
                if result.is_err() {
                    self.look_from(after + 1);
                }
                result.map(|rows| self.take_page(&rows, lanes))
            }
            Done::Held(result) => result.map(|_| Vec::new()),
            Done::Decided(result) => result.map(|()| {
                let released = std::mem::take(&mut self.decided);
                let released = released.iter().filter(|of| of.verdict == Verdict::Released);
                if let Some(first) = released.map(|of| of.seq).min() {
                    self.look_from(first);
                }
                Vec::new()
            }),
            Done::Lane(lane, result) => result.map(|rows| {
                lanes.reload(lane, &rows, rows.len() < self.page);
                Vec::new()
            }),
        };
        match &result {
            Ok(_) => self.failures = 0,
            Err(_) => self.failed(now, unreadable),
        }
        result
    }

    /// The store could not be read or written: no request goes to it for a while.
    pub(super) fn failed(&mut self, now: Timestamp, unreadable: bool) {
        self.unreadable = unreadable;
        let doubled = STORE_WAIT_MIN.saturating_mul(1_u32 << self.failures.min(10));
        self.failures = self.failures.saturating_add(1);
        self.retry_at = Some(later(now, doubled.min(STORE_WAIT_MAX)));
    }

    /// The store answered a request of the worker.
    pub(super) fn recovered(&mut self) {
        if self.settling.is_empty() {
            self.failures = 0;
        }
    }

    /// Not while enough can go: the rest stays in the store until it is needed.
    fn wants_load(&self, lanes: &Lanes) -> bool {
        let look = self.look.is_some() && lanes.ready() < self.page && lanes.has_room();
        look || lanes.dry().is_some()
    }

    fn settle(&mut self, left: impl FnOnce() -> Left) {
        // After a failure the same batch goes again; what came since then waits for the next.
        if self.settling.is_empty() {
            self.settling = std::mem::take(&mut self.waiting);
        }
        let settlements = self.settling.iter().map(|o| o.settlement.clone()).collect();
        let stored = self.stored.as_mut();
        let handover = stored.and_then(|stored| stored.give(&left()));
        let (store, part) = (self.store.clone(), self.part);
        self.running = Some(Box::pin(async move {
            failpoint::point("before-settle");
            let settled = store.settle_leaving(part, settlements, handover).await;
            failpoint::point("after-settle");
            Done::Settled(settled)
        }));
    }

    fn write_decided(&mut self) {
        self.load_next = false;
        let (store, part, decided) = (self.store.clone(), self.part, self.decided.clone());
        self.running = Some(Box::pin(async move {
            Done::Decided(store.settle_leaving(part, decided, None).await)
        }));
    }

    fn look_at_held(&mut self, after: HeldPlace) {
        self.load_next = false;
        let (store, part, page) = (self.store.clone(), self.part, self.page);
        self.running = Some(Box::pin(async move {
            Done::Held(held_page(&*store, part, after, page).await)
        }));
    }

    fn load(&mut self, lanes: &Lanes) {
        self.load_next = false;
        let (store, part, page) = (self.store.clone(), self.part, self.page);
        if let Some(lane) = lanes.dry() {
            self.running = Some(Box::pin(async move {
                Done::Lane(lane, store.pending_in_lane(part.sink, lane, 0, page).await)
            }));
            return;
        }
        let from = self.look.take().unwrap_or(1);
        self.cursor = self.cursor.min(from.saturating_sub(1));
        let after = self.cursor;
        self.running = Some(Box::pin(async move {
            Done::Page(after, store.pending_of(part, after, page).await)
        }));
    }

    fn take_page(&mut self, rows: &[Pending], lanes: &mut Lanes) -> Vec<Outcome> {
        for row in rows {
            if !lanes.offer(row) {
                self.look_from(row.seq);
                return Vec::new();
            }
            self.cursor = row.seq;
        }
        if rows.len() >= self.page {
            self.look_from(self.cursor + 1);
        }
        Vec::new()
    }
}

async fn held_page(
    store: &dyn Outbox,
    part: Part,
    after: HeldPlace,
    limit: usize,
) -> Result<HeldPage, Error> {
    let held = store.held_of(part, after, limit).await?;
    let is_full = held.len() >= limit;
    let seqs: Vec<Seq> = held.iter().map(|held| held.seq).collect();
    let alerts = if seqs.is_empty() {
        Vec::new()
    } else {
        store.alerts_at(part.sink, seqs).await?
    };
    let mut alerts: HashMap<Seq, AlertToSend> = alerts
        .into_iter()
        .map(|alert| (alert.alert.seq, alert))
        .collect();
    let rows = held.into_iter().map(|held| {
        let alert = alerts.remove(&held.seq);
        (held, alert)
    });
    Ok(HeldPage {
        rows: rows.collect(),
        is_full,
    })
}

impl Outcome {
    /// Updates the lane with this outcome. Only after its commit: if a follower were sent before the commit, a crash would
    /// send the head again after it, and a firing would come after its resolved.
    pub(super) fn apply(&self, lanes: &mut Lanes) {
        match self.settlement.verdict {
            Verdict::Delivered
            | Verdict::Dead { .. }
            | Verdict::Held { .. }
            | Verdict::Muted { .. }
            | Verdict::Released => lanes.done(&self.claim),
            Verdict::Again { due_at, .. } => lanes.again(&self.claim, due_at, self.refusals),
        }
    }
}
