//! The reference model of one sink: for each lane, what is pending; for each line of the log, whether it is permitted. It
//! does not use code of the worker, and computes the retry schedule itself.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use campanile::config::Policy;
use campanile::delivery::What;
use campanile_sinks::Class;
use campanile_store::Seq;
use jiff::Timestamp;

use super::rig::{Sent, Whim};

/// One delivery that is pending.
#[derive(Clone, Debug)]
struct Pending {
    attempts: u32,
    /// Poison failures since it became pending, and since the last start.
    poison: u32,
    poison_since_start: u32,
    since: Timestamp,
    not_before: Timestamp,
    /// Too old at its last attempt, or refused too often: only its end may follow.
    over: bool,
    retried: bool,
    failed_at: Option<Timestamp>,
}

/// One sink.
pub(super) struct Reference {
    policy: Policy,
    /// The worker's memory is so small that it can drop a delivery together with its count of poison failures, and read it from
    /// the store again later.
    forgets: bool,
    lanes: BTreeMap<u64, BTreeMap<Seq, Pending>>,
    lane_of: BTreeMap<Seq, u64>,
    /// The newest delivery of each lane that was sent in its normal order, not by an operator's retry.
    newest: BTreeMap<u64, Seq>,
    ids: BTreeMap<Seq, String>,
    dead: BTreeMap<Seq, usize>,
    /// No send may start after the first time and before the second. A pause has no end of its own.
    quiet: Option<(Timestamp, Timestamp)>,
}

impl Reference {
    pub(super) fn new(policy: Policy, forgets: bool) -> Self {
        Self {
            policy,
            forgets,
            lanes: BTreeMap::new(),
            lane_of: BTreeMap::new(),
            newest: BTreeMap::new(),
            ids: BTreeMap::new(),
            dead: BTreeMap::new(),
            quiet: None,
        }
    }

    pub(super) fn accepted(&mut self, seq: Seq, lane: u64, now: Timestamp) {
        self.lane_of.insert(seq, lane);
        self.retry(seq, now, false);
    }

    /// An operator makes it pending again. False when it is already pending.
    pub(super) fn pending_again(&mut self, seq: Seq, now: Timestamp) -> bool {
        !self.is_pending(seq) && self.retry(seq, now, true)
    }

    fn retry(&mut self, seq: Seq, now: Timestamp, retried: bool) -> bool {
        let pending = Pending {
            attempts: 0,
            poison: 0,
            poison_since_start: 0,
            since: now,
            not_before: now,
            over: false,
            retried,
            failed_at: None,
        };
        let lane = self.lanes.entry(self.lane_of[&seq]).or_default();
        lane.insert(seq, pending).is_none()
    }

    /// An operator retries a dead letter.
    pub(super) fn retried(&mut self, seq: Seq, now: Timestamp) {
        *self.dead.get_mut(&seq).unwrap() -= 1;
        self.pending_again(seq, now);
    }

    pub(super) fn dropped(&mut self, seq: Seq) -> bool {
        let lane = self.lanes.entry(self.lane_of[&seq]).or_default();
        lane.remove(&seq).is_some()
    }

    pub(super) fn paused(&mut self, now: Timestamp) {
        self.quiet = Some((now, Timestamp::MAX));
    }

    pub(super) fn resumed(&mut self) {
        self.quiet = None;
    }

    pub(super) fn restarted(&mut self) {
        self.quiet = None;
        let all = self.lanes.values_mut().flat_map(BTreeMap::values_mut);
        all.for_each(|pending| pending.poison_since_start = 0);
    }

    /// Checks a call of the sink.
    pub(super) fn sent(&mut self, sent: &Sent) {
        if let Some((after, until)) = self.quiet {
            let loud = sent.at <= after || sent.at >= until;
            assert!(
                loud,
                "sent during the pause from {after} to {until}: {sent:?}"
            );
        }
        if let Some(seq) = sent.seq {
            let known = self
                .ids
                .entry(seq)
                .or_insert_with(|| sent.delivery_id.clone());
            assert_eq!(*known, sent.delivery_id, "one delivery, one id");
            let late = self
                .newest
                .get(&self.lane_of[&seq])
                .is_some_and(|newest| *newest > seq);
            let pending = self.next(seq, None);
            assert_eq!(sent.attempt, pending.attempts + 1, "{sent:?}");
            assert_eq!(sent.retried, pending.retried, "{sent:?}");
            assert!(
                !late || sent.retried,
                "late and not marked as retried: {sent:?}"
            );
            assert!(
                sent.at >= pending.not_before,
                "before {}: {sent:?}",
                pending.not_before
            );
            assert!(!pending.over, "sent after its last attempt: {sent:?}");
        }
        if let Whim::AsksForQuiet(seconds) = sent.answer {
            let asked = Duration::from_secs(seconds.into());
            let until = (sent.at + asked).max(self.quiet.map_or(sent.at, |(_, until)| until));
            // The pause ends at the latest when the oldest pending delivery reaches `max_age`.
            let life = self
                .lanes
                .values()
                .flat_map(BTreeMap::values)
                .map(|pending| pending.since);
            let end = life
                .min()
                .map_or(until, |since| since + self.policy.max_age);
            self.quiet = Some((sent.at, until.min(end).max(sent.at)));
        }
    }

    /// Checks an event of the worker.
    pub(super) fn reported(&mut self, what: &What, now: Timestamp) {
        match what {
            What::Delivered { seq, attempt, .. } => {
                let pending = self.take(*seq, now);
                assert_eq!(*attempt, pending.attempts + 1);
                if !pending.retried {
                    let lane = self.lane_of[seq];
                    let before = self.newest.insert(lane, *seq);
                    assert!(before < Some(*seq), "{seq} came after {before:?}");
                }
            }
            What::Failed {
                seq,
                attempt,
                class,
                ..
            } => self.failed(*seq, *attempt, *class, now),
            What::Dead {
                seq,
                attempts,
                class,
                ..
            } => {
                let pending = self.take(*seq, now);
                assert_eq!(*attempts, pending.attempts);
                match *class {
                    "poison" => assert!(pending.poison >= 3, "poison after {pending:?}"),
                    "expired" => assert!(now >= pending.since + self.policy.max_age, "{pending:?}"),
                    other => panic!("dead of {other}"),
                }
                *self.dead.entry(*seq).or_default() += 1;
            }
            What::Paused { .. } => self.paused(now),
            _ => {}
        }
    }

    fn failed(&mut self, seq: Seq, attempt: u32, class: Class, now: Timestamp) {
        let wait = self.wait(attempt, class) / 2;
        let (max_age, forgets) = (self.policy.max_age, self.forgets);
        let pending = self.next(seq, Some(now));
        assert_eq!(attempt, pending.attempts + 1);
        pending.attempts = attempt;
        pending.failed_at = Some(now);
        pending.poison += u32::from(class == Class::Poison);
        pending.poison_since_start += u32::from(class == Class::Poison);
        let end = pending.since + max_age;
        pending.not_before = (now + wait).min(end).max(now);
        pending.over = now >= end || pending.poison_since_start >= 3 && !forgets;
    }

    /// A step of the schedule. When an operator must act: from its second half, and at least a minute.
    fn wait(&self, attempt: u32, class: Class) -> Duration {
        let schedule = &self.policy.retry_schedule;
        let (skip, least) = match class {
            Class::Operator => (schedule.len() / 2, Duration::from_mins(1)),
            _ => (0, Duration::ZERO),
        };
        let at = (attempt as usize - 1 + skip).min(schedule.len() - 1);
        schedule[at].max(least)
    }

    /// A delivery that may be sent now: no older one of its lane is pending. Exceptions are older ones that failed with it in one
    /// digest, and older ones that an operator retries, because they may have become pending too late.
    fn next(&mut self, seq: Seq, digest: Option<Timestamp>) -> &mut Pending {
        let lane = self.lanes.entry(self.lane_of[&seq]).or_default();
        for (older, pending) in lane.range(..seq) {
            let with_it = digest.is_some() && pending.failed_at == digest;
            let waits = !with_it && !pending.retried;
            assert!(
                !waits,
                "{older} is pending and is older than {seq} of the same lane"
            );
        }
        lane.get_mut(&seq).expect("it is pending")
    }

    fn take(&mut self, seq: Seq, now: Timestamp) -> Pending {
        let pending = self.next(seq, Some(now)).clone();
        self.dropped(seq);
        pending
    }

    fn is_pending(&self, seq: Seq) -> bool {
        self.lanes
            .get(&self.lane_of[&seq])
            .is_some_and(|lane| lane.contains_key(&seq))
    }

    /// All that is pending, in order of acceptance.
    pub(super) fn pending(&self) -> Vec<Seq> {
        let all = self.lanes.values().flat_map(BTreeMap::keys);
        all.copied().collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Places of all dead letters, in order of acceptance.
    pub(super) fn dead(&self) -> Vec<Seq> {
        let each = self.dead.iter().flat_map(|(seq, count)| vec![*seq; *count]);
        each.collect()
    }
}
