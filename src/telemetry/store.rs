//! What the store holds, and how safe it is, as gauges.

use std::time::Duration;

use super::metrics::{
    ALERTS, DEAD, GATEWAYS, GATEWAYS_DIFFERING, Metrics, OLDEST_PENDING, PENDING, QUARANTINED,
    SINKS_OWNED, STORE_BYTES, STORE_COPIES, STORE_FREE_BYTES, float,
};

impl Metrics {
    /// Sets the gauge of what is pending for one sink.
    pub fn waiting(&self, sink: &str, pending: u64, dead: u64) {
        self.gauge(PENDING, &[("sink", sink)]).set(float(pending));
        self.gauge(DEAD, &[("sink", sink)]).set(float(dead));
    }

    /// Sets the gauge of the free space on the disk of the store.
    pub fn store_free(&self, bytes: u64) {
        self.gauge(STORE_FREE_BYTES, &[]).set(float(bytes));
    }

    /// Sets the gauge of the servers that have a callback when it is answered.
    pub fn copies(&self, copies: u8) {
        self.gauge(STORE_COPIES, &[]).set(f64::from(copies));
    }

    /// Sets the gauges of the gateways that share the store.
    pub fn gateways(&self, all: usize, differing: usize, owned: usize) {
        self.gauge(GATEWAYS, &[]).set(float(all as u64));
        self.gauge(GATEWAYS_DIFFERING, &[])
            .set(float(differing as u64));
        self.gauge(SINKS_OWNED, &[]).set(float(owned as u64));
    }

    /// Sets the gauge of the age of the first pending delivery of one sink.
    pub fn oldest_pending(&self, sink: &str, age: Duration) {
        self.gauge(OLDEST_PENDING, &[("sink", sink)])
            .set(age.as_secs_f64());
    }

    /// Sets the gauges of the store's size.
    pub fn stored(&self, alerts: u64, quarantined: u64, bytes: u64) {
        self.gauge(ALERTS, &[]).set(float(alerts));
        self.gauge(QUARANTINED, &[]).set(float(quarantined));
        self.gauge(STORE_BYTES, &[]).set(float(bytes));
    }
}
