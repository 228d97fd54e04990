//! The voice of one sink: its events, with its name.

use std::sync::Arc;

use crate::delivery::breaker::Change;
use crate::delivery::event::{Event, Observer, Traced, What};
use campanile_sinks::{Delivered, Failure};

/// Reports what happens to one sink.
#[derive(Clone)]
pub(super) struct Report {
    pub(super) sink: Arc<str>,
    pub(super) events: Arc<dyn Observer>,
}

impl Report {
    pub(super) fn say(&self, what: What) {
        self.say_of(what, None);
    }

    /// The same of an attempt that is part of a trace.
    pub(super) fn say_of(&self, what: What, trace: Option<Arc<Traced>>) {
        let sink = self.sink.clone();
        self.events.observe(Event { sink, what, trace });
    }

    pub(super) fn breaker(&self, change: Option<Change>, result: &Result<Delivered, Failure>) {
        match change {
            Some(Change::Opened(until)) => {
                let reason = result.as_ref().err().map(|failure| failure.reason.clone());
                let reason = reason.unwrap_or_default();
                self.say(What::BreakerOpened { until, reason });
            }
            Some(Change::Closed) => self.say(What::BreakerClosed),
            None => {}
        }
    }
}
