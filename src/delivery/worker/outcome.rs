//! What a worker does with tries that ended: note the outcome, and go on once it is committed.

use std::time::Duration;

use jiff::Timestamp;
use rand::RngExt;

use super::Worker;
use crate::delivery::attempt::{self, Attempted, Load, Ruling};
use crate::delivery::books::Outcome;
use crate::delivery::event::{Event, PausedBy};
use crate::delivery::lane::Claim;
use campanile_sinks::{Class, Delivered, Failure};
use campanile_store::{Settlement, Verdict};

impl Worker {
    /// The row stands, but its alert cannot be sent by anyone: a dead letter, so that the lane goes on.
    pub(super) fn lost(&mut self, claim: Claim, error: String, now: Timestamp) {
        let class = "lost";
        let event = Event::Dead {
            sink: self.outlet.name.clone(),
            seq: claim.item.seq,
            attempts: claim.item.attempts,
            class,
            cause: error.clone(),
        };
        let verdict = Verdict::Dead { class, error };
        let outcome = self.outcome(claim, now, 0, None, verdict, Some(event));
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
        self.tell_breaker(change, &result);
        let took_ms = u32::try_from(took.as_millis()).unwrap_or(u32::MAX);
        match result {
            Ok(delivered) => self.delivered(load, &delivered, at, took_ms),
            Err(failure) => self.failed(load, &failure, at, took_ms),
        }
    }

    pub(super) fn delivered(
        &mut self,
        load: Load,
        delivered: &Delivered,
        at: Timestamp,
        took_ms: u32,
    ) {
        self.operator_told = false;
        self.mailbox
            .publish(|state| state.last_success_at = Some(at));
        if load.digest {
            self.tell(Event::Digested {
                sink: self.outlet.name.clone(),
                count: load.claims.len(),
            });
        }
        for claim in load.claims {
            let event = Event::Delivered {
                sink: self.outlet.name.clone(),
                seq: claim.item.seq,
                attempt: claim.item.attempts.saturating_add(1),
                took: Duration::from_millis(took_ms.into()),
            };
            let (code, event) = (delivered.code, Some(event));
            let mut outcome = self.outcome(claim, at, took_ms, code, Verdict::Delivered, event);
            // What a digest returns names the digest, not a message of one episode.
            let handle = delivered.handle.clone().filter(|_| !load.digest);
            outcome.settlement.handle = handle;
            outcome.settlement.worth = Some(delivered.worth);
            outcome.settlement.remark.clone_from(&delivered.remark);
            self.books.note(outcome);
        }
    }

    pub(super) fn failed(&mut self, load: Load, failure: &Failure, at: Timestamp, took_ms: u32) {
        self.note_failure(failure, at);
        let mut failure = failure.clone();
        if load.digest && failure.class.is_refusal() {
            // The digest is refused, not the alerts in it: each gets its own chance.
            self.digest_refused = true;
            failure.class = Class::Transient;
        }
        // One draw for all, so that the parts of a digest come due together.
        let chance = self.chance.random();
        for claim in load.claims {
            self.tell_failed(claim.item.seq, claim.item.attempts + 1, &failure, took_ms);
            let ruling = attempt::rule(&failure, &claim.item, &self.outlet.policy, at, chance);
            self.hold_until = self.hold_until.max(ruling.hold_until);
            let event = self.dead_event(&claim, &ruling);
            let Ruling {
                verdict, refusals, ..
            } = ruling;
            let mut outcome = self.outcome(claim, at, took_ms, failure.code, verdict, event);
            outcome.refusals = refusals;
            self.books.note(outcome);
        }
    }

    pub(super) fn note_failure(&mut self, failure: &Failure, at: Timestamp) {
        self.mailbox.publish(|state| {
            state.last_error = Some(failure.reason.clone());
            state.last_error_at = Some(at);
        });
        let sink = self.outlet.name.clone();
        if failure.class == Class::Gone && self.paused.is_none() {
            let by = PausedBy::Receiver;
            self.paused = Some(by);
            self.tell(Event::Paused { sink, by });
        } else if failure.class == Class::Operator && !self.operator_told {
            self.operator_told = true;
            let (code, cause) = (failure.code, failure.reason.clone());
            self.tell(Event::OperatorNeeded { sink, code, cause });
        }
    }

    pub(super) fn outcome(
        &self,
        claim: Claim,
        at: Timestamp,
        took_ms: u32,
        code: Option<u16>,
        verdict: Verdict,
        event: Option<Event>,
    ) -> Outcome {
        let settlement = Settlement {
            sink: self.outlet.id,
            seq: claim.item.seq,
            at,
            took_ms,
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
            event,
        }
    }

    pub(super) fn settled(&mut self, outcomes: Vec<Outcome>) {
        for outcome in outcomes {
            outcome.apply(&mut self.lanes);
            if let Some(event) = outcome.event {
                self.tell(event);
            }
        }
    }
}
