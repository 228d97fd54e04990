//! The lanes of one sink, in memory: who goes next, who waits, and what did not fit. Pure, no clock, no store.
//!
//! A lane is all that is pending for the sink about one problem. Only its head may be in flight; the rest waits until the
//! head is delivered or dead. The order within a lane is the order of acceptance (`seq`), also for a delivery that an
//! operator retries: once it is read from the store, its firing goes before a resolved that waits. Deliveries that go out
//! before that do not wait for it; its flag shows the receiver that it comes late.
//!
//! Memory is bounded. When too much is loaded, followers are dropped from memory and their lane is marked `spilled`:
//! what it holds is then the first part of what is pending in it, and the rest is loaded from the store when that part is
//! done. Heads are never dropped, so that no lane is held up by another.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use campanile_model::Fingerprint;
use jiff::Timestamp;

use super::event::Traced;
use campanile_model::failpoint;
use campanile_store::{Pending, Seq};

/// One pending delivery.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) seq: Seq,
    pub(super) attempts: u32,
    /// How often the receiver refused it. Kept in memory only: after a restart it gets three new attempts.
    pub(super) refusals: u32,
    pub(super) due_at: Option<Timestamp>,
    pub(super) pending_since: Timestamp,
    pub(super) retried: bool,
}

/// One delivery in flight, with its lane.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    pub(super) lane: Fingerprint,
    pub(super) item: Item,
    /// Its attempt in a trace, from the time when its message is made.
    pub(super) trace: Option<Arc<Traced>>,
}

impl Claim {
    fn new(lane: Fingerprint, item: Item) -> Self {
        let trace = None;
        Self { lane, item, trace }
    }
}

/// All lanes of one sink.
#[derive(Debug)]
pub(super) struct Lanes {
    all: HashMap<Fingerprint, Lane>,
    /// Lanes whose head can go, oldest head first.
    ready: BTreeSet<(Seq, Fingerprint)>,
    /// Lanes whose head is not due yet.
    waiting: BTreeSet<(Timestamp, Fingerprint)>,
    /// Spilled lanes with no delivery left in memory.
    dry: BTreeSet<Fingerprint>,
    /// Lanes with followers that could be dropped from memory.
    crowded: BTreeSet<Fingerprint>,
    loaded: usize,
    loaded_max: usize,
}

#[derive(Debug)]
struct Lane {
    /// In flight: one, or several in one digest.
    claimed: Vec<Item>,
    /// What follows, sorted by `seq`.
    items: VecDeque<Item>,
    /// The store holds more of this lane, after all that is in memory.
    spilled: bool,
    place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Nowhere,
    Ready(Seq),
    Waiting(Timestamp),
    Dry,
}

impl Lanes {
    pub(super) fn new(loaded_max: usize) -> Self {
        Self {
            all: HashMap::new(),
            ready: BTreeSet::new(),
            waiting: BTreeSet::new(),
            dry: BTreeSet::new(),
            crowded: BTreeSet::new(),
            loaded: 0,
            loaded_max,
        }
    }

    /// Takes a pending row of the store; one that is known changes nothing. False when there is no room for it: it must be
    /// offered again later.
    pub(super) fn offer(&mut self, pending: &Pending) -> bool {
        let full = self.loaded >= self.loaded_max;
        if let Some(lane) = self.all.get(&pending.fingerprint) {
            if !lane.knows(pending.seq) && !lane.is_beyond(pending.seq) {
                self.insert(pending);
                if full {
                    self.spill_last(pending.fingerprint);
                }
            }
            return true;
        }
        if full && !self.spill_any() {
            return false;
        }
        self.insert(pending);
        true
    }

    /// Takes the first rows of a lane that had run dry. `whole` when the store holds no more of it.
    pub(super) fn reload(&mut self, fingerprint: Fingerprint, rows: &[Pending], whole: bool) {
        let Some(lane) = self.all.get_mut(&fingerprint) else {
            return;
        };
        // The head must come in even without room: its predecessor has just made some.
        let room = self.loaded_max.saturating_sub(self.loaded).max(1);
        lane.spilled = !whole || rows.len() > room;
        for pending in rows.iter().take(room) {
            if !lane.knows(pending.seq) {
                lane.insert(Item::from(pending));
                self.loaded += 1;
            }
        }
        self.reorder(fingerprint);
    }

    /// Makes the heads ready that are due.
    pub(super) fn wake(&mut self, now: Timestamp) {
        while let Some(&(due, fingerprint)) = self.waiting.first() {
            if due > now {
                break;
            }
            let lane = self.all.get_mut(&fingerprint);
            if let Some(head) = lane.and_then(|lane| lane.items.front_mut()) {
                head.due_at = None;
            }
            self.reorder(fingerprint);
        }
    }

    /// The oldest ready head, which is now in flight.
    pub(super) fn claim(&mut self) -> Option<Claim> {
        let &(_, lane) = self.ready.first()?;
        let item = self.claim_head(lane);
        self.reorder(lane);
        Some(Claim::new(lane, item?))
    }

    /// Everything that is ready with all that may follow it, lane by lane, up to a limit: for a digest.
    pub(super) fn claim_all(&mut self, now: Timestamp, limit: usize) -> Vec<Claim> {
        let mut claims = Vec::new();
        let ready: Vec<Fingerprint> = self.ready.iter().map(|(_, lane)| *lane).collect();
        for lane in ready {
            while claims.len() < limit && self.head_is_due(lane, now) {
                claims.extend(self.claim_head(lane).map(|item| Claim::new(lane, item)));
            }
            self.reorder(lane);
        }
        claims
    }

    /// The claim was not sent: it returns to its place.
    pub(super) fn release(&mut self, claim: &Claim) {
        self.unclaim(claim, |_| ());
    }

    /// The claim failed, and that is committed: it is the head again, not before `due_at`.
    pub(super) fn again(&mut self, claim: &Claim, due_at: Timestamp, refusals: u32) {
        self.unclaim(claim, |item| {
            item.attempts = item.attempts.saturating_add(1);
            item.refusals = refusals;
            item.due_at = Some(due_at);
        });
    }

    /// The claim is delivered or dead, and that is committed: the lane goes on.
    pub(super) fn done(&mut self, claim: &Claim) {
        let lane = self.all.get_mut(&claim.lane);
        if lane.and_then(|lane| lane.unclaim(claim.item.seq)).is_some() {
            self.loaded -= 1;
        }
        self.reorder(claim.lane);
    }

    /// An operator dropped these. What is in flight goes on.
    pub(super) fn remove(&mut self, seqs: &HashSet<Seq>) {
        let holds = |lane: &Lane| lane.items.iter().any(|item| seqs.contains(&item.seq));
        let touched = self.all.iter().filter(|(_, lane)| holds(lane));
        let touched: Vec<Fingerprint> = touched.map(|(fingerprint, _)| *fingerprint).collect();
        for fingerprint in touched {
            if let Some(lane) = self.all.get_mut(&fingerprint) {
                let before = lane.items.len();
                lane.items.retain(|item| !seqs.contains(&item.seq));
                self.loaded -= before - lane.items.len();
            }
            self.reorder(fingerprint);
        }
    }

    /// An operator wants these attempted now: they no longer wait for their next attempt.
    pub(super) fn hurry(&mut self, seqs: &HashSet<Seq>) {
        let mut touched = Vec::new();
        for (fingerprint, lane) in &mut self.all {
            let waiting = lane.items.iter_mut().filter(|item| item.due_at.is_some());
            for item in waiting.filter(|item| seqs.contains(&item.seq)) {
                item.due_at = None;
                touched.push(*fingerprint);
            }
        }
        for fingerprint in touched {
            self.reorder(fingerprint);
        }
    }

    /// Whether another row fits, after followers were dropped if necessary.
    pub(super) fn has_room(&self) -> bool {
        self.loaded < self.loaded_max || !self.crowded.is_empty()
    }

    /// Whether something of this lane is pending, as far as it was loaded.
    pub(super) fn has(&self, lane: Fingerprint) -> bool {
        self.all.contains_key(&lane)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(super) fn loaded(&self) -> usize {
        self.loaded
    }

    /// Heads that can go now.
    pub(super) fn ready(&self) -> usize {
        self.ready.len()
    }

    /// Whether lanes that are ready hold at least so many deliveries.
    pub(super) fn ready_reaches(&self, count: usize) -> bool {
        let depths = self.ready.iter().map(|(_, fingerprint)| {
            let lane = self.all.get(fingerprint);
            lane.map_or(0, |lane| lane.items.len())
        });
        // At most `count` lanes are looked at, since each holds at least one.
        depths.take(count).sum::<usize>() >= count
    }

    /// When the next waiting head is due.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.waiting.first().map(|(due, _)| *due)
    }

    /// A lane whose next rows must be loaded from the store.
    pub(super) fn dry(&self) -> Option<Fingerprint> {
        self.dry.first().copied()
    }

    fn insert(&mut self, pending: &Pending) {
        let lane = self
            .all
            .entry(pending.fingerprint)
            .or_insert_with(Lane::new);
        lane.insert(Item::from(pending));
        self.loaded += 1;
        self.reorder(pending.fingerprint);
    }

    fn head_is_due(&self, lane: Fingerprint, now: Timestamp) -> bool {
        let head = self.all.get(&lane).and_then(|lane| lane.items.front());
        head.is_some_and(|head| head.due_at.is_none_or(|due| due <= now))
    }

    fn claim_head(&mut self, fingerprint: Fingerprint) -> Option<Item> {
        let lane = self.all.get_mut(&fingerprint)?;
        let item = lane.items.pop_front()?;
        lane.claimed.push(item.clone());
        Some(item)
    }

    fn unclaim(&mut self, claim: &Claim, change: impl FnOnce(&mut Item)) {
        let Some(lane) = self.all.get_mut(&claim.lane) else {
            return;
        };
        if let Some(mut item) = lane.unclaim(claim.item.seq) {
            change(&mut item);
            lane.insert(item);
        }
        self.reorder(claim.lane);
    }

    fn spill_last(&mut self, fingerprint: Fingerprint) {
        if let Some(lane) = self.all.get_mut(&fingerprint) {
            self.loaded -= usize::from(lane.items.pop_back().is_some());
            lane.spilled = true;
        }
        self.reorder(fingerprint);
    }

    /// Drops the followers of one lane, preferably of one that cannot go now. False when there are none.
    fn spill_any(&mut self) -> bool {
        let blocked = |lane: &&Fingerprint| {
            let place = self.all.get(lane).map(|lane| lane.place);
            !matches!(place, Some(Place::Ready(_)))
        };
        let victim = self.crowded.iter().find(blocked);
        let Some(victim) = victim.or(self.crowded.first()).copied() else {
            return false;
        };
        if let Some(lane) = self.all.get_mut(&victim) {
            self.loaded -= lane.items.len() - lane.keep();
            lane.items.truncate(lane.keep());
            lane.items.shrink_to_fit();
            lane.spilled = true;
        }
        self.reorder(victim);
        true
    }

    /// Updates the sets that hold a lane after any change to it.
    fn reorder(&mut self, fingerprint: Fingerprint) {
        let Some(lane) = self.all.get_mut(&fingerprint) else {
            return;
        };
        let place = lane.belongs();
        let before = std::mem::replace(&mut lane.place, place);
        let crowded = lane.items.len() > lane.keep();
        let ended = lane.items.is_empty() && lane.claimed.is_empty() && !lane.spilled;
        match before {
            Place::Nowhere => false,
            Place::Ready(seq) => self.ready.remove(&(seq, fingerprint)),
            Place::Waiting(due) => self.waiting.remove(&(due, fingerprint)),
            Place::Dry => self.dry.remove(&fingerprint),
        };
        match place {
            Place::Nowhere => false,
            Place::Ready(seq) => self.ready.insert((seq, fingerprint)),
            Place::Waiting(due) => self.waiting.insert((due, fingerprint)),
            Place::Dry => self.dry.insert(fingerprint),
        };
        if crowded {
            self.crowded.insert(fingerprint);
        } else {
            self.crowded.remove(&fingerprint);
        }
        if ended {
            self.all.remove(&fingerprint);
        }
    }
}

impl Lane {
    fn new() -> Self {
        Self {
            claimed: Vec::new(),
            // Most lanes hold one delivery; the default growth would reserve four.
            items: VecDeque::with_capacity(1),
            spilled: false,
            place: Place::Nowhere,
        }
    }

    fn knows(&self, seq: Seq) -> bool {
        self.items
            .binary_search_by_key(&seq, |item| item.seq)
            .is_ok()
            || self.claimed.iter().any(|item| item.seq == seq)
    }

    /// Whether a row comes after what was spilled, so that it must not be taken before that.
    fn is_beyond(&self, seq: Seq) -> bool {
        let last = self.items.back().or(self.claimed.last());
        self.spilled && last.is_none_or(|last| seq > last.seq)
    }

    fn insert(&mut self, item: Item) {
        let at = self.items.partition_point(|other| other.seq < item.seq);
        self.items.insert(at, item);
    }

    fn unclaim(&mut self, seq: Seq) -> Option<Item> {
        let at = self.claimed.iter().position(|item| item.seq == seq)?;
        Some(self.claimed.remove(at))
    }

    /// How many of `items` must stay in memory: the head, unless it is in flight.
    fn keep(&self) -> usize {
        usize::from(self.claimed.is_empty()).min(self.items.len())
    }

    fn waits_for_claimed(&self) -> bool {
        !self.claimed.is_empty() && !failpoint::broken("broken-lane-order")
    }

    fn belongs(&self) -> Place {
        match self.items.front() {
            _ if self.waits_for_claimed() => Place::Nowhere,
            Some(head) => head.due_at.map_or(Place::Ready(head.seq), Place::Waiting),
            None if self.spilled => Place::Dry,
            None => Place::Nowhere,
        }
    }
}

impl From<&Pending> for Item {
    fn from(pending: &Pending) -> Self {
        Self {
            seq: pending.seq,
            attempts: pending.attempts,
            refusals: 0,
            due_at: pending.due_at,
            pending_since: pending.pending_since,
            retried: pending.retried,
        }
    }
}

#[cfg(test)]
#[path = "lane_tests.rs"]
mod tests;
