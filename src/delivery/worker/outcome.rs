//! What a worker does with attempts that ended: note the outcome, and go on once it is committed.

use std::time::Duration;

use jiff::Timestamp;
use rand::RngExt;

use super::Worker;
use crate::delivery::attempt::{self, Attempted, Load, Ruling};
use crate::delivery::books::Outcome;
use crate::delivery::event::What;
use crate::delivery::lane::Claim;
use crate::delivery::state::PausedBy;
use campanile_sinks::{Class, Delivered, Failure};
use campanile_store::{Settlement, Verdict};

impl Worker {
    /// The row exists, but its alert cannot be sent: it becomes a dead letter, and the lane goes on.
    pub(super) fn lost(&mut self, claim: Claim, error: String, now: Timestamp) {
        let class = "lost";
        let what = What::Dead {
            seq: claim.item.seq,
            attempts: claim.item.attempts,
            class,
            reason: error.clone(),
        };
        let verdict = Verdict::Dead { class, error };
        let outcome = self.outcome(claim, now, Duration::ZERO, None, verdict, Some(what));
        self.books.note(outcome);
    }

    pub(super) fn attempted(&mut self, attempted: Attempted) {
        let Attempted {
            load,
            result,
            at,
            took,
        } = attempted;
        // A receiver that refuses a message, or asks to stop, works.
        let healthy = !matches!(
            result.as_ref().map_err(|failure| failure.class),
            Err(Class::Transient | Class::Operator)
        );
        let change = self.breaker.record(at, healthy, load.probe);
        self.report_breaker(change, &result);
        match result {
            Ok(delivered) => self.delivered(load, &delivered, at, took),
            Err(failure) => self.failed(load, failure, at, took),
        }
    }

    fn delivered(&mut self, load: Load, delivered: &Delivered, at: Timestamp, took: Duration) {
        self.operator_told = false;
        self.mailbox
            .publish(|state| state.last_success_at = Some(at));
        if load.digest {
            let count = load.claims.len();
            self.report(What::Digested { count });
        }
        for claim in load.claims {
            let what = What::Delivered {
                seq: claim.item.seq,
                attempt: claim.item.attempts.saturating_add(1),
                took,
                worth: delivered.worth,
                remark: delivered.remark.clone(),
            };
            let verdict = Verdict::Delivered;
            let mut outcome = self.outcome(claim, at, took, delivered.code, verdict, Some(what));
            // What a digest returns names the digest, not a message of one episode.
            let handle = delivered.handle.clone().filter(|_| !load.digest);
            outcome.settlement.handle = handle;
            outcome.settlement.worth = Some(delivered.worth);
            outcome.settlement.remark.clone_from(&delivered.remark);
            self.books.note(outcome);
        }
    }

    fn failed(&mut self, load: Load, mut failure: Failure, at: Timestamp, took: Duration) {
        self.note_failure(&failure, at);
        if load.digest && failure.class.is_refusal() {
            // The digest is refused, not the alerts in it: each gets its own chance.
            self.digest_refused = true;
            failure.class = Class::Transient;
        }
        // One draw for all: the parts of a digest come due together.
        let chance = self.chance.random();
        for claim in load.claims {
            let ruling = attempt::rule(&failure, &claim.item, &self.outlet.policy, at, chance);
            self.hold_until = self.hold_until.max(ruling.hold_until);
            let dead = dead(&claim, &ruling);
            self.report(What::Failed {
                seq: claim.item.seq,
                attempt: claim.item.attempts.saturating_add(1),
                class: failure.class,
                code: failure.code,
                reason: failure.reason.clone(),
                took,
                last: dead.is_some(),
            });
            let Ruling {
                verdict, refusals, ..
            } = ruling;
            let mut outcome = self.outcome(claim, at, took, failure.code, verdict, dead);
            outcome.refusals = refusals;
            self.books.note(outcome);
        }
    }

    fn note_failure(&mut self, failure: &Failure, at: Timestamp) {
        let (code, reason) = (failure.code, failure.reason.clone());
        self.mailbox.publish(|state| {
            state.last_error = Some(reason.clone());
            state.last_error_at = Some(at);
        });
        if failure.class == Class::Gone && self.paused.is_none() {
            let by = PausedBy::Receiver;
            self.paused = Some(by);
            self.report(What::Paused { by });
        } else if failure.class == Class::Operator && !self.operator_told {
            self.operator_told = true;
            self.report(What::OperatorNeeded { code, reason });
        }
    }

    fn outcome(
        &self,
        claim: Claim,
        at: Timestamp,
        took: Duration,
        code: Option<u16>,
        verdict: Verdict,
        what: Option<What>,
    ) -> Outcome {
        let settlement = Settlement {
            sink: self.outlet.id,
            seq: claim.item.seq,
            at,
            took_ms: u32::try_from(took.as_millis()).unwrap_or(u32::MAX),
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

    pub(super) fn settled(&mut self, outcomes: Vec<Outcome>) {
        for outcome in outcomes {
            outcome.apply(&mut self.lanes);
            if let Some(what) = outcome.what {
                self.report(what);
            }
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
