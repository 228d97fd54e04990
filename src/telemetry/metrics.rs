//! Counters, gauges and histograms, in a recorder of one gateway and not of the whole process.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::intake::drift::{ChangeKind, Drift};
use jiff::Timestamp;
use metrics::{
    Counter, Gauge, Histogram, Key, Label, Level, Metadata, Recorder, SharedString, Unit,
};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

/// What kind of metric it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts observations by size.
    Histogram,
}

/// One metric, as documented.
#[derive(Clone, Copy, Debug)]
pub struct Described {
    /// Its name.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// Its labels.
    pub labels: &'static [&'static str],
    /// What it says, for operators.
    pub help: &'static str,
}

const fn metric(
    name: &'static str,
    kind: Kind,
    labels: &'static [&'static str],
    help: &'static str,
) -> Described {
    Described {
        name,
        kind,
        labels,
        help,
    }
}

const CALLBACKS: &str = "campanile_callbacks_total";
const REFUSED: &str = "campanile_refused_total";
const QUARANTINES: &str = "campanile_quarantines_total";
const REMARKS: &str = "campanile_remarks_total";
const CONFLICTS: &str = "campanile_conflicts_total";
const UNROUTED: &str = "campanile_unrouted_total";
pub(super) const REWRITES_FAILED: &str = "campanile_rewrites_failed_total";
const UNKNOWN_WORDS: &str = "campanile_unknown_severity_total";
const DRIFT: &str = "campanile_drift_total";
const CALLBACK_SECONDS: &str = "campanile_callback_seconds";
const COMMIT_SECONDS: &str = "campanile_commit_seconds";
pub(super) const DELIVERIES: &str = "campanile_deliveries_total";
pub(super) const DELIVERY_SECONDS: &str = "campanile_delivery_seconds";
pub(super) const PENDING: &str = "campanile_pending";
pub(super) const OLDEST_PENDING: &str = "campanile_oldest_pending_seconds";
pub(super) const DEAD: &str = "campanile_dead";
pub(super) const HELD: &str = "campanile_held";
pub(super) const HOLDINGS: &str = "campanile_held_total";
pub(super) const MUTED: &str = "campanile_muted_total";
const SINK_STATE: &str = "campanile_sink_state";
pub(super) const ALERTS: &str = "campanile_alerts";
pub(super) const QUARANTINED: &str = "campanile_quarantined";
pub(super) const STORE_BYTES: &str = "campanile_store_bytes";
pub(super) const STORE_FREE_BYTES: &str = "campanile_store_free_bytes";
pub(super) const STORE_COPIES: &str = "campanile_store_copies";
pub(super) const GATEWAYS: &str = "campanile_gateways";
pub(super) const GATEWAYS_DIFFERING: &str = "campanile_gateways_differing";
pub(super) const SINKS_OWNED: &str = "campanile_sinks_owned";
pub(super) const RING_SECONDS: &str = "campanile_ring_seconds";
pub(super) const APPEND_BATCHES: &str = "campanile_append_batches_total";
pub(super) const UNKNOWN_COMMITS: &str = "campanile_unknown_commits_total";
const LOGINS: &str = "campanile_logins_total";
const SPANS_DROPPED: &str = "campanile_spans_dropped_total";
const LOG_DROPPED: &str = "campanile_log_lines_dropped_total";

/// Every metric.
#[rustfmt::skip]
pub const ALL: &[Described] = &[
    metric(CALLBACKS, Kind::Counter, &["source", "outcome"], "Callbacks by outcome: accepted, duplicate, ignored, quarantined or rejected."),
    metric(REFUSED, Kind::Counter, &["source", "reason"], "Rejected callbacks by reason; source is - if the path does not belong to a source."),
    metric(QUARANTINES, Kind::Counter, &["source", "reason"], "Quarantined callbacks by reason: unreadable, unrecognized (sent to the shared path, the proof holds, the format is unknown) or ambiguous (several vendors know the format)."),
    metric(REMARKS, Kind::Counter, &["source", "kind"], "Faults in callbacks that were read nevertheless: lenient_json (invalid JSON was repaired), guessed_charset (no charset is declared) or left_out (an optional field cannot be read)."),
    metric(CONFLICTS, Kind::Counter, &["source"], "Duplicates whose content differs from the original."),
    metric(UNROUTED, Kind::Counter, &["source"], "Accepted alerts that go to no sink."),
    metric(REWRITES_FAILED, Kind::Counter, &["rewrite", "reason"], "Fields that a rewrite did not set, by reason: expression (it failed), absent (it gave no value), value (the alert cannot take it) or key (no row of the table has the key; counted once for all fields)."),
    metric(UNKNOWN_WORDS, Kind::Counter, &["source"], "Alerts with a severity word that the mapping does not know."),
    metric(DRIFT, Kind::Counter, &["source", "kind"], "Changes of a vendor's payload after the first callbacks: keys that are new or gone, types that changed."),
    metric(CALLBACK_SECONDS, Kind::Histogram, &["source"], "Seconds from the head of a callback to its answer."),
    metric(COMMIT_SECONDS, Kind::Histogram, &[], "Seconds until the store has committed a callback."),
    metric(DELIVERIES, Kind::Counter, &["sink", "verdict"], "Attempts by result: delivered, again (it will be retried) or dead."),
    metric(DELIVERY_SECONDS, Kind::Histogram, &["sink"], "Seconds that an attempt took."),
    metric(PENDING, Kind::Gauge, &["sink"], "Pending deliveries."),
    metric(OLDEST_PENDING, Kind::Gauge, &["sink"], "Age in seconds of the first pending delivery; 0 if none is pending."),
    metric(DEAD, Kind::Gauge, &["sink"], "Dead letters that wait for an operator."),
    metric(HELD, Kind::Gauge, &["sink"], "Alerts that the sink does not get now, because a silence or a window mutes them."),
    metric(HOLDINGS, Kind::Counter, &["sink"], "Deliveries that a silence or a window held back."),
    metric(MUTED, Kind::Counter, &["sink"], "Deliveries that ended without being sent: muted until the problem was over, or for good."),
    metric(SINK_STATE, Kind::Gauge, &["sink", "state"], "1 for the current state of a sink, 0 for its earlier states."),
    metric(ALERTS, Kind::Gauge, &[], "Alerts in the store."),
    metric(QUARANTINED, Kind::Gauge, &[], "Quarantined callbacks that wait for an operator."),
    metric(STORE_BYTES, Kind::Gauge, &[], "Size of the store on disk in bytes."),
    metric(STORE_FREE_BYTES, Kind::Gauge, &[], "Bytes that are free on the disk of the store, looked at every 30 s."),
    metric(STORE_COPIES, Kind::Gauge, &[], "Servers that have a callback when it is answered: 1, or 2 if PostgreSQL waits for a synchronous standby. With `[store] copies = \"storage\"` it is 2."),
    metric(GATEWAYS, Kind::Gauge, &[], "Gateways that share the store, also this one; 1 if the store is a file."),
    metric(GATEWAYS_DIFFERING, Kind::Gauge, &[], "Of these, gateways whose configuration has differed from that of this one for two minutes."),
    metric(SINKS_OWNED, Kind::Gauge, &[], "Sinks that this gateway delivers for. Each part of a sink with `parts` counts."),
    metric(RING_SECONDS, Kind::Gauge, &[], "How far back the callbacks reach that the gateway keeps in memory for a failover of asynchronous PostgreSQL; 0 if it needs none. Under load 64 MiB can be less than 60 s."),
    metric(APPEND_BATCHES, Kind::Counter, &[], "Batches of callbacks that were committed on PostgreSQL. Callbacks divided by batches is the size of a batch."),
    metric(UNKNOWN_COMMITS, Kind::Counter, &[], "Commits whose answer was lost with the connection to PostgreSQL. What became of them is looked up before a callback is answered."),
    metric(LOGINS, Kind::Counter, &["outcome"], "Logins of browsers at the admin listener by outcome: accepted, refused (no token has this secret) or limited (five failed from this address in one minute)."),
    metric(SPANS_DROPPED, Kind::Counter, &[], "Spans of traces that the collector did not take, or was too slow for."),
    metric(LOG_DROPPED, Kind::Counter, &[], "Log lines dropped because the terminal or pipe was too slow."),
];

/// Bounds of the histograms, in seconds.
const SECONDS: &[f64] = &[
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0,
];

/// The label `source` of a callback that no source received.
pub const NO_SOURCE: &str = "-";

/// A counter that can also be read, for the API.
#[derive(Clone)]
pub struct Tally {
    count: Arc<AtomicU64>,
    exported: Counter,
}

impl Tally {
    fn new(exported: Counter) -> Self {
        let count = Arc::default();
        Self { count, exported }
    }

    /// Adds one.
    pub fn add(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.exported.increment(1);
    }

    /// The count since the start.
    pub fn get(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}

/// The counters of one source.
pub struct SourceMeters {
    /// Callbacks with at least one new alert.
    pub accepted: Tally,
    /// Callbacks without an alert: test and lifecycle messages.
    pub ignored: Tally,
    /// Callbacks whose alerts were all known.
    pub duplicates: Tally,
    /// Alerts whose message id was known with other content.
    pub conflicts: Tally,
    /// Callbacks that could not be read.
    pub quarantined: Tally,
    /// Callbacks that were rejected.
    pub rejected: Tally,
    /// Alerts that go to no sink.
    pub unrouted: Counter,
    /// Alerts with a severity word that the mapping does not know.
    pub unknown_words: Counter,
    /// Changes of the payload.
    pub drift: Drift,
    drifted: [Counter; 3],
    /// Seconds from the head of the request to the answer.
    pub seconds: Histogram,
    last_ms: AtomicI64,
}

impl SourceMeters {
    fn new(metrics: &Metrics, source: &str) -> Self {
        let ended = |outcome: &'static str| {
            Tally::new(metrics.counter(CALLBACKS, &[("source", source), ("outcome", outcome)]))
        };
        let drifted = |kind| metrics.counter(DRIFT, &[("source", source), ("kind", kind)]);
        let of = [("source", source)];
        Self {
            accepted: ended("accepted"),
            ignored: ended("ignored"),
            duplicates: ended("duplicate"),
            quarantined: ended("quarantined"),
            rejected: ended("rejected"),
            conflicts: Tally::new(metrics.counter(CONFLICTS, &of)),
            unrouted: metrics.counter(UNROUTED, &of),
            unknown_words: metrics.counter(UNKNOWN_WORDS, &of),
            drift: Drift::default(),
            drifted: ["new", "gone", "type"].map(drifted),
            seconds: metrics.histogram(CALLBACK_SECONDS, &of),
            last_ms: AtomicI64::new(i64::MIN),
        }
    }

    /// Counts a change of the payload.
    pub fn drifted(&self, kind: ChangeKind) {
        let [new, gone, types] = &self.drifted;
        let counter = match kind {
            ChangeKind::New => new,
            ChangeKind::Gone => gone,
            ChangeKind::Type(_) => types,
        };
        counter.increment(1);
    }

    /// Records the arrival of a verified callback.
    pub fn seen(&self, at: Timestamp) {
        self.last_ms.store(at.as_millisecond(), Ordering::Relaxed);
    }

    /// When the last verified callback arrived.
    pub fn last_callback_at(&self) -> Option<Timestamp> {
        Timestamp::from_millisecond(self.last_ms.load(Ordering::Relaxed)).ok()
    }
}

/// All metrics of one gateway.
pub struct Metrics {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    commit_seconds: Histogram,
    slowest_commit_us: AtomicU64,
    sources: Mutex<BTreeMap<String, Arc<SourceMeters>>>,
    states: Mutex<BTreeMap<(String, String), Gauge>>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Metrics that start at zero.
    pub fn new() -> Self {
        let builder = PrometheusBuilder::new();
        // The only refusal is an empty list of bounds.
        let builder = builder.set_buckets(SECONDS).unwrap_or_default();
        let recorder = builder.build_recorder();
        for metric in ALL {
            describe(&recorder, metric);
        }
        let handle = recorder.handle();
        let commit_seconds = recorder.register_histogram(&key(COMMIT_SECONDS, &[]), &METADATA);
        // A counter that appears with its first count has no increase in Prometheus.
        for name in [SPANS_DROPPED, LOG_DROPPED] {
            let _dropped = recorder.register_counter(&key(name, &[]), &METADATA);
        }
        for outcome in ["accepted", "refused", "limited"] {
            let _logins =
                recorder.register_counter(&key(LOGINS, &[("outcome", outcome)]), &METADATA);
        }
        Self {
            recorder,
            handle,
            commit_seconds,
            slowest_commit_us: AtomicU64::new(0),
            sources: Mutex::default(),
            states: Mutex::default(),
        }
    }

    /// The counters of this source. The same name has the same counters, also after a reload.
    pub fn source(&self, name: &str) -> Arc<SourceMeters> {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = sources.get(name) {
            return Arc::clone(known);
        }
        let meters = Arc::new(SourceMeters::new(self, name));
        sources.insert(name.to_owned(), Arc::clone(&meters));
        meters
    }

    /// Counts a rejected callback, by reason.
    pub fn refuse(&self, source: &str, reason: &'static str) {
        self.counter(REFUSED, &[("source", source), ("reason", reason)])
            .increment(1);
    }

    /// Counts a login at the admin listener.
    pub fn login(&self, outcome: &'static str) {
        self.counter(LOGINS, &[("outcome", outcome)]).increment(1);
    }

    /// Counts a quarantined callback, by reason.
    pub fn quarantine(&self, source: &str, reason: &'static str) {
        self.counter(QUARANTINES, &[("source", source), ("reason", reason)])
            .increment(1);
    }

    /// Counts a fault that was repaired, guessed or left out in a callback, by kind.
    pub fn remark(&self, source: &str, kind: &'static str) {
        self.counter(REMARKS, &[("source", source), ("kind", kind)])
            .increment(1);
    }

    /// Counts log lines that were dropped.
    pub fn log_dropped(&self) -> Counter {
        self.counter(LOG_DROPPED, &[])
    }

    /// Counts spans that were dropped.
    pub fn spans_dropped(&self) -> Counter {
        self.counter(SPANS_DROPPED, &[])
    }

    /// Records how long the store took to commit a callback.
    pub fn committed(&self, took: Duration) {
        self.commit_seconds.record(took.as_secs_f64());
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.slowest_commit_us.fetch_max(us, Ordering::Relaxed);
    }

    /// How long the slowest commit took since the last call.
    pub fn take_slowest_commit(&self) -> Duration {
        Duration::from_micros(self.slowest_commit_us.swap(0, Ordering::Relaxed))
    }

    /// Sets the state of one sink to 1 and its other states to 0.
    pub fn sink_state(&self, sink: &str, state: &str) {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        let now = (sink.to_owned(), state.to_owned());
        states
            .entry(now.clone())
            .or_insert_with(|| self.gauge(SINK_STATE, &[("sink", sink), ("state", state)]));
        for (of, gauge) in states.iter().filter(|((name, _), _)| name == sink) {
            gauge.set(if *of == now { 1.0 } else { 0.0 });
        }
    }

    /// Everything as Prometheus text.
    pub fn render(&self) -> String {
        self.handle.render()
    }

    /// Merges observations into their histograms. Without this they use more and more memory if nobody scrapes.
    pub fn upkeep(&self) {
        self.handle.run_upkeep();
    }

    pub(super) fn counter(&self, name: &'static str, labels: &[(&'static str, &str)]) -> Counter {
        self.recorder
            .register_counter(&key(name, labels), &METADATA)
    }

    pub(super) fn gauge(&self, name: &'static str, labels: &[(&'static str, &str)]) -> Gauge {
        self.recorder.register_gauge(&key(name, labels), &METADATA)
    }

    pub(super) fn histogram(
        &self,
        name: &'static str,
        labels: &[(&'static str, &str)],
    ) -> Histogram {
        self.recorder
            .register_histogram(&key(name, labels), &METADATA)
    }
}

const METADATA: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, None);

fn key(name: &'static str, labels: &[(&'static str, &str)]) -> Key {
    let labels = labels
        .iter()
        .map(|(name, value)| Label::new(*name, (*value).to_owned()));
    Key::from_parts(name, labels.collect::<Vec<_>>())
}

fn describe(recorder: &PrometheusRecorder, metric: &Described) {
    let (name, help) = (metric.name.into(), SharedString::from(metric.help));
    match metric.kind {
        Kind::Counter => recorder.describe_counter(name, None, help),
        Kind::Gauge => recorder.describe_gauge(name, None, help),
        Kind::Histogram => recorder.describe_histogram(name, Some(Unit::Seconds), help),
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "Prometheus knows no other number"
)]
pub(super) fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_that_is_counted_is_in_the_table_with_its_labels() {
        let metrics = Metrics::new();
        let source = metrics.source("ucloud/prod");
        source.accepted.add();
        metrics.rewrite_failed("cmdb", "key");
        source.conflicts.add();
        source.unrouted.increment(1);
        source.unknown_words.increment(1);
        source.seconds.record(0.002);
        metrics.refuse("-", "not_found");
        metrics.quarantine("ucloud/prod", "unreadable");
        metrics.remark("ucloud/prod", "lenient_json");
        let sink = metrics.sink("webhook/oncall");
        sink.delivered.increment(1);
        sink.seconds.record(0.1);
        metrics.log_dropped().increment(1);
        metrics.spans_dropped().increment(1);
        metrics.waiting("webhook/oncall", 3, 2, 1);
        metrics.oldest_pending("webhook/oncall", Duration::from_secs(7));
        metrics.committed(Duration::from_millis(3));
        metrics.store_free(4096);
        metrics.gateways(2, 1, 3);
        metrics.replication(None);
        metrics.stored(5, 1, 4096);
        metrics.sink_state("webhook/oncall", "open");
        let text = metrics.render();
        for metric in ALL {
            assert!(
                text.contains(&format!("# HELP {} {}", metric.name, metric.help)),
                "{}",
                metric.name
            );
            let label = |l: &&str| {
                text.lines()
                    .any(|line| line.starts_with(metric.name) && line.contains(&format!("{l}=\"")))
            };
            assert!(metric.labels.iter().all(label), "{}", metric.name);
        }
        assert!(
            text.contains(
                "campanile_callbacks_total{source=\"ucloud/prod\",outcome=\"accepted\"} 1"
            ),
            "{text}"
        );
        assert!(text.contains("campanile_callback_seconds_bucket"));
    }

    #[test]
    fn a_sink_is_in_one_state_at_a_time() {
        let metrics = Metrics::new();
        metrics.sink_state("webhook/oncall", "ok");
        metrics.sink_state("webhook/oncall", "paused");
        let text = metrics.render();
        assert!(text.contains("state=\"ok\"} 0"), "{text}");
        assert!(text.contains("state=\"paused\"} 1"), "{text}");
    }
}
