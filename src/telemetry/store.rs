//! What the store holds, and how safe it is, as gauges.

use std::time::Duration;

use campanile_store::Replication;

use super::metrics::{
    ALERTS, APPEND_BATCHES, DEAD, GATEWAYS, GATEWAYS_DIFFERING, HELD, Metrics, OLDEST_PENDING,
    PENDING, QUARANTINED, RING_SECONDS, SINKS_OWNED, STORE_BYTES, STORE_COPIES, STORE_FREE_BYTES,
    UNKNOWN_COMMITS, float,
};

impl Metrics {
    /// Sets the gauge of what is pending for one sink.
    pub fn waiting(&self, sink: &str, pending: u64, held: u64, dead: u64) {
        self.gauge(PENDING, &[("sink", sink)]).set(float(pending));
        self.gauge(HELD, &[("sink", sink)]).set(float(held));
        self.gauge(DEAD, &[("sink", sink)]).set(float(dead));
    }

    /// Sets the gauge of the free space on the disk of the store.
    pub fn store_free(&self, bytes: u64) {
        self.gauge(STORE_FREE_BYTES, &[]).set(float(bytes));
    }

    /// Sets what the server of the store does with commits. None: the store is a file.
    pub fn replication(&self, replication: Option<&Replication>) {
        let copies = replication.map_or(1, |of| of.safety.copies());
        self.gauge(STORE_COPIES, &[]).set(f64::from(copies));
        let of = |number: fn(&Replication) -> u64| replication.map_or(0, number);
        self.gauge(RING_SECONDS, &[])
            .set(float(of(|of| of.ring.as_secs())));
        self.counter(APPEND_BATCHES, &[])
            .absolute(of(|of| of.batches));
        self.counter(UNKNOWN_COMMITS, &[])
            .absolute(of(|of| of.unknown_commits));
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
