//! What a worker tells the outside: its state after every step, and events as they happen.

use std::time::Duration;

use jiff::Timestamp;

use super::Worker;
use crate::delivery::attempt::Ruling;
use crate::delivery::breaker::Change;
use crate::delivery::event::{Event, Phase, SinkState};
use crate::delivery::lane::Claim;
use campanile_sinks::{Delivered, Failure};
use campanile_store::{Error, Seq, Verdict};

impl Worker {
    pub(super) fn publish(&mut self, now: Timestamp) {
        let limited = self.limits.blocked(now);
        let open = self.breaker.open_until();
        let held = self.hold_until.or(self.books.retry_at());
        let stuck = self.lanes.ready() == 0 && self.lanes.loaded() > 0 && self.sends.is_empty();
        let next_due = if stuck { self.lanes.next_due() } else { None };
        let retry_at = open.max(held).or(limited).or(next_due);
        let phase = match () {
            () if self.paused.is_some() => Phase::Paused,
            () if !self.breaker.is_closed() => Phase::Open,
            () if self.lanes.loaded() > 0 && retry_at.is_some() => Phase::Waiting,
            () => Phase::Ok,
        };
        let (in_flight, loaded) = (self.sends.len(), self.lanes.loaded());
        let paused_by = self.paused;
        self.mailbox.publish(|state: &mut SinkState| {
            state.state = phase;
            state.paused_by = paused_by;
            state.in_flight = in_flight;
            state.loaded = loaded;
            state.retry_at = retry_at.filter(|_| phase != Phase::Paused && phase != Phase::Ok);
        });
        let still = self.sends.is_empty() && self.fetching.is_none();
        if still && self.books.is_quiet(&self.lanes) {
            for waiter in self.idle.drain(..) {
                // Whoever asked may have gone.
                let _gone = waiter.send(());
            }
        }
    }

    pub(super) fn tell_breaker(&self, change: Option<Change>, result: &Result<Delivered, Failure>) {
        let sink = self.outlet.name.clone();
        match change {
            Some(Change::Opened(until)) => {
                let cause = result.as_ref().err().map(|failure| failure.reason.clone());
                let cause = cause.unwrap_or_default();
                self.tell(Event::BreakerOpened { sink, until, cause });
            }
            Some(Change::Closed) => self.tell(Event::BreakerClosed { sink }),
            None => {}
        }
    }

    pub(super) fn tell_failed(&self, seq: Seq, attempt: u32, failure: &Failure, took_ms: u32) {
        self.tell(Event::Failed {
            sink: self.outlet.name.clone(),
            seq,
            attempt,
            class: failure.class,
            code: failure.code,
            cause: failure.reason.clone(),
            took: Duration::from_millis(took_ms.into()),
        });
    }

    pub(super) fn dead_event(&self, claim: &Claim, ruling: &Ruling) -> Option<Event> {
        let Verdict::Dead { class, error } = &ruling.verdict else {
            return None;
        };
        Some(Event::Dead {
            sink: self.outlet.name.clone(),
            seq: claim.item.seq,
            attempts: claim.item.attempts.saturating_add(1),
            class,
            cause: error.clone(),
        })
    }

    pub(super) fn store_failed(&self, error: &Error) {
        self.tell(Event::StoreFailed {
            sink: self.outlet.name.clone(),
            unsettled: self.books.unsettled(),
            cause: error.to_string(),
        });
    }

    pub(super) fn tell(&self, event: Event) {
        self.around.events.observe(event);
    }
}
