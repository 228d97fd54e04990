//! What a worker reports: its state after every step, and events as they happen.

use jiff::Timestamp;

use super::Worker;
use crate::delivery::breaker::Change;
use crate::delivery::event::{Event, What};
use crate::delivery::state::{Phase, SinkState};
use campanile_sinks::{Delivered, Failure};
use campanile_store::Error;

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
                // The one that asked may be gone.
                let _gone = waiter.send(());
            }
        }
    }

    pub(super) fn report_breaker(
        &self,
        change: Option<Change>,
        result: &Result<Delivered, Failure>,
    ) {
        match change {
            Some(Change::Opened(until)) => {
                let reason = result.as_ref().err().map(|failure| failure.reason.clone());
                let reason = reason.unwrap_or_default();
                self.report(What::BreakerOpened { until, reason });
            }
            Some(Change::Closed) => self.report(What::BreakerClosed),
            None => {}
        }
    }

    pub(super) fn store_failed(&self, error: &Error) {
        self.report(What::StoreFailed {
            unsettled: self.books.unsettled(),
            reason: error.to_string(),
        });
    }

    pub(super) fn report(&self, what: What) {
        let sink = self.outlet.name.clone();
        self.around.events.observe(Event { sink, what });
    }
}
