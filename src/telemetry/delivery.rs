//! The events of delivery as metrics and log lines.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::Metrics;
use super::sinks::SinkMeters;
use crate::delivery::{Event, Observer, PausedBy, What};

/// Counts and logs every event of the workers.
pub struct DeliveryLog {
    metrics: Arc<Metrics>,
    meters: Mutex<HashMap<Arc<str>, Arc<SinkMeters>>>,
}

impl DeliveryLog {
    /// A log that counts in `metrics`.
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self {
            metrics,
            meters: Mutex::default(),
        }
    }

    fn meters(&self, sink: &Arc<str>) -> Arc<SinkMeters> {
        let mut meters = self.meters.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(self.metrics.sink(sink));
        Arc::clone(meters.entry(Arc::clone(sink)).or_insert_with(new))
    }

    /// Counts each attempt under exactly one verdict. The last one of a dead letter counts as dead, when that is committed.
    fn count(&self, Event { sink, what, .. }: &Event) {
        match what {
            What::Delivered { took, .. } => {
                let meters = self.meters(sink);
                meters.delivered.increment(1);
                meters.seconds.record(took.as_secs_f64());
            }
            What::Failed { took, last, .. } => {
                let meters = self.meters(sink);
                meters.again.increment(u64::from(!last));
                meters.seconds.record(took.as_secs_f64());
            }
            What::Dead { .. } => self.meters(sink).dead.increment(1),
            What::Held { .. } => self.meters(sink).held.increment(1),
            What::Muted { .. } => self.meters(sink).muted.increment(1),
            _ => {}
        }
    }
}

impl Observer for DeliveryLog {
    fn observe(&self, event: Event) {
        self.count(&event);
        log(event);
    }
}

/// One line for each event. A warning or an error needs an operator.
fn log(Event { sink, what, trace }: Event) {
    match what {
        What::Delivered { .. }
        | What::Failed { .. }
        | What::Dead { .. }
        | What::Held { .. }
        | What::Muted { .. }
        | What::Digested { .. } => {
            let trace = trace.map(|trace| trace.attempt.trace_id());
            log_delivery(&sink, what, trace.as_deref());
        }
        _ => log_sink(&sink, what),
    }
}

fn log_delivery(sink: &str, what: What, trace: Option<&str>) {
    match what {
        What::Delivered {
            seq,
            attempt,
            took,
            worth,
            remark,
            ..
        } => {
            let took_ms = took.as_millis();
            if let Some(remark) = remark {
                tracing::info!(
                    sink,
                    seq,
                    attempt,
                    remark,
                    trace,
                    "the sink delivered the alert with a remark"
                );
            } else {
                tracing::debug!(
                    sink,
                    seq,
                    attempt,
                    took_ms,
                    ?worth,
                    trace,
                    "the sink delivered the alert"
                );
            }
        }
        What::Failed {
            seq,
            attempt,
            class,
            code,
            reason,
            last: false,
            ..
        } => {
            let class = class.as_str();
            tracing::info!(
                sink,
                seq,
                attempt,
                class,
                code,
                reason,
                trace,
                "an attempt to deliver the alert failed; the sink will retry it"
            );
        }
        What::Dead {
            seq,
            attempts,
            class,
            reason,
        } => {
            tracing::error!(
                sink,
                seq,
                attempts,
                class,
                reason,
                trace,
                "the sink gave up the alert and keeps it as a dead letter; see `campanile dead list`"
            );
        }
        What::Held { seq, by } => {
            tracing::debug!(sink, seq, by, trace, "the sink does not get the alert now");
        }
        What::Muted { seq, by } => {
            tracing::debug!(sink, seq, by, trace, "the sink does not get the alert");
        }
        What::Digested { count } => {
            tracing::info!(
                sink,
                count,
                "the sink delivered the alerts that its limit held back as one digest"
            );
        }
        _ => {}
    }
}

fn log_sink(sink: &str, what: What) {
    match what {
        What::BreakerOpened { until, reason } => {
            tracing::warn!(sink, %until, reason, "the sink fails again and again; its circuit breaker stops all sends until a probe succeeds");
        }
        What::BreakerClosed => {
            tracing::info!(sink, "the sink works again; its circuit breaker is closed");
        }
        What::Paused {
            by: PausedBy::Operator | PausedBy::Hold,
        } => tracing::info!(sink, "an operator paused the sink; its deliveries wait"),
        What::Paused {
            by: PausedBy::Receiver,
        } => {
            tracing::error!(
                sink,
                "the receiver answered 410 Gone; the sink is paused until an operator runs `campanile sinks resume`"
            );
        }
        What::Resumed => tracing::info!(
            sink,
            "an operator resumed the sink; its deliveries are sent again"
        ),
        What::OperatorNeeded { code, reason } => {
            tracing::error!(
                sink,
                code,
                reason,
                "the receiver rejects the requests of the sink: check its address and its secrets; the sink retries slowly"
            );
        }
        What::StoreFailed { unsettled, reason } => {
            tracing::error!(
                sink,
                unsettled,
                reason,
                "the store failed; the results of the sink wait in memory until the store works again"
            );
        }
        What::NotRefreshed { reason } => {
            tracing::warn!(
                sink,
                reason,
                "the sink could not send its open alerts again; the receiver may forget them until this works"
            );
        }
        What::WorkerRestarted => {
            tracing::error!(
                sink,
                "the delivery worker of the sink panicked and was restarted; please report this"
            );
        }
        _ => {}
    }
}
