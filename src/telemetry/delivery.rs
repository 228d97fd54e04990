//! What delivery tells, as log lines and figures.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::Metrics;
use super::metrics::SinkMeters;
use crate::delivery::{Event, Observer, PausedBy};

/// Writes every event of the workers down, once.
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

    fn count(&self, event: &Event) {
        match event {
            Event::Delivered { sink, took, .. } => {
                let meters = self.meters(sink);
                meters.delivered.increment(1);
                meters.seconds.record(took.as_secs_f64());
            }
            Event::Failed { sink, took, .. } => {
                let meters = self.meters(sink);
                meters.again.increment(1);
                meters.seconds.record(took.as_secs_f64());
            }
            Event::Dead { sink, .. } => self.meters(sink).dead.increment(1),
            Event::Digested { sink, count } => self.meters(sink).delivered.increment(*count as u64),
            _ => {}
        }
    }
}

impl Observer for DeliveryLog {
    fn observe(&self, event: Event) {
        self.count(&event);
        tell(event);
    }
}

/// One line for each event. What an operator must do something about is a warning or an error.
fn tell(event: Event) {
    match event {
        Event::Delivered {
            sink,
            seq,
            attempt,
            took,
        } => {
            let took_ms = took.as_millis();
            tracing::debug!(%sink, seq, attempt, took_ms, "delivered");
        }
        Event::Failed {
            sink,
            seq,
            attempt,
            class,
            code,
            cause,
            ..
        } => {
            tracing::info!(%sink, seq, attempt, ?class, code, cause, "a try failed; it will be tried again");
        }
        Event::Dead {
            sink,
            seq,
            attempts,
            class,
            cause,
        } => {
            tracing::error!(%sink, seq, attempts, class, cause, "given up: see `campanile dead list`");
        }
        Event::Digested { sink, count } => {
            tracing::info!(%sink, count, "held back by a limit and sent as one digest");
        }
        Event::BreakerOpened { sink, until, cause } => {
            tracing::warn!(%sink, %until, cause, "the sink fails: nothing is sent to it until a probe goes through");
        }
        Event::BreakerClosed { sink } => tracing::info!(%sink, "the sink works again"),
        Event::Paused {
            sink,
            by: PausedBy::Operator,
        } => tracing::info!(%sink, "paused by an operator"),
        Event::Paused {
            sink,
            by: PausedBy::Receiver,
        } => {
            tracing::error!(%sink, "the receiver wants no more (410): paused until `campanile sinks resume`");
        }
        Event::Resumed { sink } => tracing::info!(%sink, "sent to again"),
        Event::OperatorNeeded { sink, code, cause } => {
            tracing::error!(%sink, code, cause, "the sink needs an operator: look at its address and its secret");
        }
        Event::StoreFailed {
            sink,
            unsettled,
            cause,
        } => {
            tracing::error!(%sink, unsettled, cause, "the store does not answer; outcomes wait to be written");
        }
        Event::WorkerRestarted { sink } => {
            tracing::error!(%sink, "the worker broke off by a fault of ours and was started anew");
        }
    }
}
