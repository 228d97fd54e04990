//! Counts what rewrites could not do.

use super::Metrics;
use super::metrics::REWRITES_FAILED;

impl Metrics {
    /// Counts something that a rewrite could not do.
    pub fn rewrite_failed(&self, rewrite: &str, reason: &'static str) {
        let labels = [("rewrite", rewrite), ("reason", reason)];
        self.counter(REWRITES_FAILED, &labels).increment(1);
    }

    /// Makes the counters of a rewrite: a counter that appears with its first count has no increase in Prometheus.
    pub fn rewrite(&self, rewrite: &str, reasons: impl IntoIterator<Item = &'static str>) {
        for reason in reasons {
            let labels = [("rewrite", rewrite), ("reason", reason)];
            let _zero = self.counter(REWRITES_FAILED, &labels);
        }
    }
}
