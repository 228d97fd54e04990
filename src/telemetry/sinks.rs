//! The counters of sinks.

use metrics::{Counter, Histogram};

use super::metrics::{DELIVERIES, DELIVERY_SECONDS, HOLDINGS, MUTED, Metrics};

/// The counters of one sink.
pub struct SinkMeters {
    /// Attempts that the receiver accepted.
    pub delivered: Counter,
    /// Attempts that failed and are retried.
    pub again: Counter,
    /// Attempts after which the delivery was given up.
    pub dead: Counter,
    /// Deliveries that became held.
    pub held: Counter,
    /// Deliveries that ended because something muted them.
    pub muted: Counter,
    /// How long attempts took.
    pub seconds: Histogram,
}

impl Metrics {
    /// The counters of this sink.
    pub fn sink(&self, name: &str) -> SinkMeters {
        let ended = |verdict| self.counter(DELIVERIES, &[("sink", name), ("verdict", verdict)]);
        SinkMeters {
            delivered: ended("delivered"),
            again: ended("again"),
            dead: ended("dead"),
            held: self.counter(HOLDINGS, &[("sink", name)]),
            muted: self.counter(MUTED, &[("sink", name)]),
            seconds: self.histogram(DELIVERY_SECONDS, &[("sink", name)]),
        }
    }
}
