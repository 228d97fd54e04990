//! What the gate lets through: of what was claimed, and of what is held.

use std::collections::HashSet;

use campanile_model::{Fingerprint, Status, failpoint};
use campanile_sinks::Message;
use campanile_store::{AlertToSend, Held, Verdict};
use jiff::Timestamp;

use super::Worker;
use crate::delivery::attempt;
use crate::delivery::books::HeldPage;
use crate::delivery::gate::{Answer, Asked};
use crate::delivery::lane::Claim;

impl Worker {
    /// The message of each claim that may go now. One whose alert cannot be read is settled as lost.
    pub(super) fn messages(
        &mut self,
        claims: Vec<Claim>,
        alerts: Vec<AlertToSend>,
        now: Timestamp,
    ) -> Vec<(Claim, Message)> {
        let mut alerts = alerts.into_iter().peekable();
        let mut ready: Vec<(Claim, Message)> = Vec::with_capacity(claims.len());
        let mut stopped: HashSet<Fingerprint> = HashSet::new();
        for mut claim in claims {
            // They come in the order of the claims; what is missing is left out.
            let stored = alerts.next_if(|found| found.alert.seq == claim.item.seq);
            if stopped.contains(&claim.lane) {
                // What became of the one before it must be known first.
                self.dispatch.lanes.release(&claim);
                continue;
            }
            claim.trace = stored.as_ref().and_then(|stored| self.traced(stored, now));
            let untold = stored.as_ref().is_some_and(|stored| stored.untold);
            let message = stored
                .ok_or_else(|| "the alert is no longer in the store, or damaged there".to_owned())
                .and_then(|a| attempt::message(a, &claim.item, &self.built.name, now));
            match message {
                Ok(mut message) => {
                    let trace = claim.trace.as_ref();
                    message.traceparent = trace.map(|trace| trace.attempt.header());
                    let answer = self.ask(&claim, &message, untold, now);
                    message.quiet = answer == Answer::Quiet;
                    let outcome = match answer {
                        Answer::Send | Answer::Quiet => {
                            ready.push((claim, message));
                            continue;
                        }
                        _ if ready.iter().any(|(other, _)| other.lane == claim.lane) => {
                            stopped.insert(claim.lane);
                            self.dispatch.lanes.release(&claim);
                            continue;
                        }
                        Answer::Hold(reason) => self.settle.held(claim, reason, now),
                        Answer::Mute(reason) => self.settle.muted(claim, reason, now),
                    };
                    stopped.insert(outcome.claim.lane);
                    self.books.note(outcome);
                }
                Err(error) => self.books.note(self.settle.lost(claim, error, now)),
            }
        }
        ready
    }

    /// What the gate says. What an operator asked for again is sent in any case.
    fn ask(&self, claim: &Claim, message: &Message, untold: bool, now: Timestamp) -> Answer {
        let skipped = claim.item.attempts > 0 && failpoint::broken("broken-gate-skipped-on-retry");
        let Some(alert) = message.only().filter(|_| !claim.item.retried && !skipped) else {
            return Answer::Send;
        };
        self.around.gate.ask(&Asked {
            sink: self.built.part.sink,
            alert: message.opened.as_deref().unwrap_or(alert),
            fires: alert.status == Status::Firing,
            untold,
            now,
        })
    }

    /// Decides about a page of what is held.
    pub(super) fn judge(&mut self, page: &HeldPage, now: Timestamp) {
        let mut settlements = Vec::new();
        for (held, stored) in &page.rows {
            // An alert of the same problem is on its way: what becomes of it decides about this one too.
            if self.dispatch.lanes.has(held.fingerprint) {
                self.holding.pass_over();
                continue;
            }
            if let Some(verdict) = self.verdict(held, stored.as_ref(), now) {
                settlements.push(self.settle.decided(held, verdict, now));
            }
        }
        let last = page.rows.last().map(|(held, _)| held.place);
        self.holding.reached(last, page.is_full, now);
        self.books.decide(settlements);
    }

    /// None: it stays held.
    fn verdict(
        &self,
        held: &Held,
        stored: Option<&AlertToSend>,
        now: Timestamp,
    ) -> Option<Verdict> {
        let alert = stored.and_then(|stored| attempt::read(&stored.alert).ok());
        let (Some(stored), Some(alert)) = (stored, alert) else {
            // Delivery says that it is lost.
            return Some(Verdict::Released);
        };
        let fires = alert.status == Status::Firing;
        if fires && !stored.episode_open {
            let reason = held.reason.clone();
            return Some(Verdict::Muted { reason });
        }
        let answer = self.around.gate.ask(&Asked {
            sink: self.built.part.sink,
            alert: &alert,
            fires,
            untold: stored.untold,
            now,
        });
        match answer {
            Answer::Send | Answer::Quiet => Some(Verdict::Released),
            Answer::Hold(_) => None,
            Answer::Mute(reason) => Some(Verdict::Muted { reason }),
        }
    }
}
