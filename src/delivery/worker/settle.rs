//! What follows from an attempt that ended: the settlement of each delivery. Nothing is applied before the store has it.

use std::time::Duration;

use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::report::Report;
use crate::config::Policy;
use crate::delivery::attempt::{self, Load, Ruling};
use crate::delivery::books::Outcome;
use crate::delivery::event::What;
use crate::delivery::lane::Claim;
use campanile_sinks::{Class, Delivered, Failure};
use campanile_store::{Held, Settlement, SinkId, Verdict};

/// Turns results into settlements.
pub(super) struct Settle {
    sink: SinkId,
    policy: Policy,
    report: Report,
    chance: StdRng,
    /// The operator was asked to act, and the sink has not succeeded since.
    operator_asked: bool,
}

/// When an attempt ended and how long it took.
#[derive(Clone, Copy)]
pub(super) struct Ended {
    pub(super) at: Timestamp,
    pub(super) took: Duration,
}

impl Settle {
    pub(super) fn new(sink: SinkId, policy: Policy, report: Report, seed: u64) -> Self {
        Self {
            sink,
            policy,
            report,
            chance: StdRng::seed_from_u64(seed ^ u64::from_ne_bytes(sink.to_ne_bytes())),
            operator_asked: false,
        }
    }

    /// The row exists, but its alert cannot be sent: it becomes a dead letter, and the lane goes on.
    pub(super) fn lost(&self, claim: Claim, error: String, at: Timestamp) -> Outcome {
        let class = "lost";
        let what = What::Dead {
            seq: claim.item.seq,
            attempts: claim.item.attempts,
            class,
            reason: error.clone(),
        };
        let ended = Ended {
            at,
            took: Duration::ZERO,
        };
        let verdict = Verdict::Dead { class, error };
        self.outcome(claim, ended, None, verdict, Some(what))
    }

    /// Something mutes it now.
    pub(super) fn held(&self, claim: Claim, reason: String, at: Timestamp) -> Outcome {
        let (seq, by) = (claim.item.seq, reason.clone());
        let what = What::Held { seq, by };
        self.unsent(claim, Verdict::Held { reason }, what, at)
    }

    /// The sink never gets it.
    pub(super) fn muted(&self, claim: Claim, reason: String, at: Timestamp) -> Outcome {
        let (seq, by) = (claim.item.seq, reason.clone());
        let what = What::Muted { seq, by };
        self.unsent(claim, Verdict::Muted { reason }, what, at)
    }

    fn unsent(&self, claim: Claim, verdict: Verdict, what: What, at: Timestamp) -> Outcome {
        let took = Duration::ZERO;
        self.outcome(claim, Ended { at, took }, None, verdict, Some(what))
    }

    /// What becomes of an alert that was held.
    pub(super) fn decided(&self, held: &Held, verdict: Verdict, at: Timestamp) -> Settlement {
        Settlement {
            sink: self.sink,
            seq: held.seq,
            at,
            took_ms: 0,
            attempt: 0,
            code: None,
            verdict,
            handle: None,
            worth: None,
            remark: None,
        }
    }

    /// The receiver took the load.
    pub(super) fn delivered(
        &mut self,
        load: Load,
        delivered: &Delivered,
        ended: Ended,
    ) -> Vec<Outcome> {
        self.operator_asked = false;
        if load.digest {
            let count = load.claims.len();
            self.report.say(What::Digested { count });
        }
        // What a digest returns names the digest, not a message of one episode.
        let handle = delivered.handle.as_ref().filter(|_| !load.digest);
        let outcome = |claim: Claim| {
            let what = What::Delivered {
                seq: claim.item.seq,
                attempt: claim.item.attempts.saturating_add(1),
                code: delivered.code,
                took: ended.took,
                worth: delivered.worth,
                remark: delivered.remark.clone(),
            };
            let verdict = Verdict::Delivered;
            let mut outcome = self.outcome(claim, ended, delivered.code, verdict, Some(what));
            outcome.settlement.handle = handle.cloned();
            outcome.settlement.worth = Some(delivered.worth);
            outcome.settlement.remark.clone_from(&delivered.remark);
            outcome
        };
        load.claims.into_iter().map(outcome).collect()
    }

    /// The attempt failed. Gives also the time until which the receiver asked for no requests.
    pub(super) fn failed(
        &mut self,
        load: Load,
        failure: &Failure,
        ended: Ended,
    ) -> (Vec<Outcome>, Option<Timestamp>) {
        self.ask_operator(failure);
        // One draw for all: the parts of a digest come due together.
        let chance = self.chance.random();
        let mut hold_until = None;
        let mut outcomes = Vec::with_capacity(load.claims.len());
        for claim in load.claims {
            let ruling = attempt::rule(failure, &claim.item, &self.policy, ended.at, chance);
            hold_until = hold_until.max(ruling.hold_until);
            let dead = dead(&claim, &ruling);
            let what = What::Failed {
                seq: claim.item.seq,
                attempt: claim.item.attempts.saturating_add(1),
                class: failure.class,
                code: failure.code,
                reason: failure.reason.clone(),
                took: ended.took,
                last: dead.is_some(),
            };
            self.report.say_of(what, claim.trace.clone());
            let mut outcome = self.outcome(claim, ended, failure.code, ruling.verdict, dead);
            outcome.refusals = ruling.refusals;
            outcomes.push(outcome);
        }
        (outcomes, hold_until)
    }

    fn ask_operator(&mut self, failure: &Failure) {
        if failure.class == Class::Operator && !self.operator_asked {
            self.operator_asked = true;
            let (code, reason) = (failure.code, failure.reason.clone());
            self.report.say(What::OperatorNeeded { code, reason });
        }
    }

    fn outcome(
        &self,
        claim: Claim,
        ended: Ended,
        code: Option<u16>,
        verdict: Verdict,
        what: Option<What>,
    ) -> Outcome {
        let settlement = Settlement {
            sink: self.sink,
            seq: claim.item.seq,
            at: ended.at,
            took_ms: u32::try_from(ended.took.as_millis()).unwrap_or(u32::MAX),
            attempt: claim.item.attempts.saturating_add(1),
            code,
            verdict,
            handle: None,
            worth: None,
            remark: None,
        };
        Outcome {
            refusals: claim.item.refusals,
            claim,
            settlement,
            what,
        }
    }
}

fn dead(claim: &Claim, ruling: &Ruling) -> Option<What> {
    let Verdict::Dead { class, error } = &ruling.verdict else {
        return None;
    };
    Some(What::Dead {
        seq: claim.item.seq,
        attempts: claim.item.attempts.saturating_add(1),
        class,
        reason: error.clone(),
    })
}
