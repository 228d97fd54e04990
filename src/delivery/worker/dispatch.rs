//! What may be sent now: the lanes of one sink behind its pauses, its circuit breaker and its limits. Does no I/O.

use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;

use crate::config::Policy;
use crate::delivery::attempt::Load;
use crate::delivery::breaker::{Admission, Admits, Breaker, Change};
use crate::delivery::digest;
use crate::delivery::handover::{Left, ms};
use crate::delivery::lane::Lanes;
use crate::delivery::later;
use crate::delivery::limit::Limits;
use crate::delivery::state::{PausedBy, Phase};
use campanile_sinks::Class;
use campanile_store::{Handover, Seq};

/// Decides what goes out next.
pub(super) struct Dispatch {
    pub(super) lanes: Lanes,
    breaker: Breaker,
    limits: Limits,
    digest_size: digest::Size,
    digests: bool,
    in_flight_max: usize,
    /// The receiver asked for no requests until then.
    hold_until: Option<Timestamp>,
    paused: Option<PausedBy>,
    /// A limit held something back since the last send.
    held_back: bool,
}

impl Dispatch {
    pub(super) fn new(policy: &Policy, loaded_max: usize, paused: Option<PausedBy>) -> Self {
        Self {
            lanes: Lanes::new(loaded_max),
            breaker: Breaker::new(),
            limits: Limits::new(policy),
            digest_size: digest::Size::default(),
            digests: policy.digest,
            in_flight_max: policy.in_flight_max.max(1),
            hold_until: None,
            paused,
            held_back: false,
        }
    }

    /// What the next worker must know.
    pub(super) fn left(&self, now: Timestamp) -> Left {
        let hold = self.hold_until.map(|until| until.duration_since(now));
        Left {
            limits: self.limits.left(now),
            open_ms: self.breaker.left().map(ms),
            hold_ms: hold.map(|hold| ms(Duration::try_from(hold).unwrap_or_default())),
        }
    }

    /// Goes on where the last worker of this sink ended. If its gateway died, `in_flight_max` messages more can have been sent.
    pub(super) fn inherit(&mut self, now: Timestamp, handover: &Handover) {
        let left = Left::read(&handover.text);
        self.limits.inherit(now, handover.age, &left.limits);
        if handover.died {
            self.limits.take(now, self.in_flight_max);
        }
        if let Some(open) = left.open_ms {
            self.breaker.inherit(now, Duration::from_millis(open));
        }
        let hold = left.hold_ms.map(Duration::from_millis);
        let rest = hold.map(|hold| hold.saturating_sub(handover.age));
        self.hold_until = rest
            .filter(|rest| !rest.is_zero())
            .map(|rest| later(now, rest));
    }

    /// Whether it counts what it sends.
    pub(super) fn is_limited(&self) -> bool {
        !self.limits.is_empty()
    }

    /// Lets go of what waited for this time.
    pub(super) fn wake(&mut self, now: Timestamp) {
        self.lanes.wake(now);
        self.hold_until = self.hold_until.filter(|until| *until > now);
    }

    /// Claims what may go now in addition to what is in flight.
    pub(super) fn next(&mut self, now: Timestamp, in_flight: usize) -> Option<Load> {
        let free = self.in_flight_max.saturating_sub(in_flight);
        let closed = self.paused.is_some() || self.hold_until.is_some();
        if closed || free == 0 || self.lanes.ready() == 0 {
            return None;
        }
        let admits = self.breaker.admits(now);
        if admits == Admits::Nothing {
            return None;
        }
        if self.limits.blocked(now).is_some() {
            self.held_back = true;
            return None;
        }
        let load = match (admits, self.digest(now)) {
            (Admits::Probe, _) => self.singles(1, true),
            (_, Some(most)) => Load {
                claims: self.lanes.claim_all(now, most),
                digest: true,
                admission: self.breaker.admit(false),
            },
            (_, None) => {
                let room = self.limits.room(now);
                self.singles(free.min(room), false)
            }
        };
        Some(load)
    }

    /// So many messages of the last load are sent. Those that the gate kept back do not count in the limits.
    pub(super) fn sends(&mut self, now: Timestamp, count: usize) {
        self.limits.take(now, count);
    }

    fn singles(&mut self, count: usize, probe: bool) -> Load {
        self.held_back = false;
        let claims = std::iter::from_fn(|| self.lanes.claim()).take(count);
        Load {
            claims: claims.collect(),
            digest: false,
            admission: self.breaker.admit(probe),
        }
    }

    /// The most alerts of the digest that should be sent now, if one should.
    fn digest(&self, now: Timestamp) -> Option<usize> {
        let wanted = self.digests && self.held_back && self.lanes.ready_reaches(digest::DIGEST_MIN);
        self.digest_size.most(now).filter(|_| wanted)
    }

    /// A receiver refused a digest of this many alerts.
    pub(super) fn digest_refused(&mut self, class: Class, alerts: usize, now: Timestamp) {
        self.digest_size.refused(class, alerts, now);
    }

    /// The load was not sent: its deliveries are ready again.
    pub(super) fn release(&mut self, load: &Load, now: Timestamp) {
        for claim in &load.claims {
            self.lanes.release(claim);
        }
        if load.admission.probe {
            self.probe_again(now);
        }
    }

    /// The probe was not sent: another may go at once.
    pub(super) fn probe_again(&mut self, now: Timestamp) {
        self.breaker.probe_wanted(now);
    }

    /// Counts the result of an attempt in the circuit breaker.
    pub(super) fn record(
        &mut self,
        now: Timestamp,
        healthy: bool,
        by: Admission,
    ) -> Option<Change> {
        self.breaker.record(now, healthy, by)
    }

    /// Sends nothing before this time.
    pub(super) fn hold(&mut self, until: Option<Timestamp>) {
        self.hold_until = self.hold_until.max(until);
    }

    /// Sends nothing until [`Self::resume`]. False if that changes nothing. An operator's pause replaces the receiver's, and
    /// not the reverse.
    pub(super) fn pause(&mut self, by: PausedBy) -> bool {
        let changes = self.paused.is_none() || by == PausedBy::Operator && self.paused != Some(by);
        if changes {
            self.paused = Some(by);
        }
        changes
    }

    /// Sends again at once: an operator resumes after a fix, and a probe shows whether it helped. False if the sink was not
    /// paused.
    pub(super) fn resume(&mut self, now: Timestamp) -> bool {
        self.open(now);
        self.paused.take().is_some()
    }

    /// An operator wants these attempted now. A paused sink stays paused.
    pub(super) fn hurry(&mut self, seqs: &HashSet<Seq>, now: Timestamp) {
        self.lanes.hurry(seqs);
        self.open(now);
    }

    fn open(&mut self, now: Timestamp) {
        self.hold_until = None;
        self.breaker.fixed(now);
    }

    /// Whether nothing can go now, however much is ready.
    pub(super) fn is_closed(&self, now: Timestamp) -> bool {
        let held = self.hold_until.is_some_and(|until| until > now);
        let open = self.breaker.admits(now) == Admits::Nothing;
        held || open || self.paused.is_some()
    }

    pub(super) fn paused(&self) -> Option<PausedBy> {
        self.paused
    }

    /// The times at which something changes without anything having happened.
    pub(super) fn times(&mut self, now: Timestamp) -> [Option<Timestamp>; 4] {
        [
            self.lanes.next_due(),
            self.hold_until,
            self.breaker.open_until(),
            self.limits.blocked(now),
        ]
    }

    /// What the sink is doing, and when the next attempt can be while nothing can go now. `store_at` is when the store is
    /// tried again, if it failed.
    pub(super) fn phase(
        &mut self,
        now: Timestamp,
        store_at: Option<Timestamp>,
        in_flight: usize,
    ) -> (Phase, Option<Timestamp>) {
        let limited = self.limits.blocked(now);
        let held = self.hold_until.or(store_at);
        let stuck = self.lanes.ready() == 0 && self.lanes.loaded() > 0 && in_flight == 0;
        let next_due = if stuck { self.lanes.next_due() } else { None };
        let retry_at = self.breaker.open_until().max(held).or(limited).or(next_due);
        let phase = match () {
            () if self.paused.is_some() => Phase::Paused,
            () if !self.breaker.is_closed() => Phase::Open,
            () if self.lanes.loaded() > 0 && retry_at.is_some() => Phase::Waiting,
            () => Phase::Ok,
        };
        (
            phase,
            retry_at.filter(|_| phase != Phase::Paused && phase != Phase::Ok),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_death_what_can_have_been_in_flight_counts_for_the_limits() {
        let policy = Policy {
            per_minute: Some(20),
            in_flight_max: 4,
            ..Policy::default()
        };
        let now = Timestamp::UNIX_EPOCH;
        let mut old = Dispatch::new(&policy, 10, None);
        old.limits.take(now, 7);
        let handover = |died| Handover {
            text: old.left(now).text().unwrap(),
            age: Duration::from_secs(12),
            died,
        };
        for (died, room) in [(false, 13), (true, 9)] {
            let mut new = Dispatch::new(&policy, 10, None);
            new.inherit(now, &handover(died));
            assert_eq!(new.limits.room(now), room);
        }
    }
}
