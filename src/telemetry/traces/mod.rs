//! OTLP traces: from a callback to each attempt to deliver its alerts. Without `[telemetry.otlp]` there is no [`Traces`].
//!
//! The trace id is the id of the first alert ([`Context`]). If the operator trusts the `traceparent` of vendors, the trace of
//! the vendor is continued. What is not known from the ids is stored with the callback, so a trace survives a restart.
//!
//! The crates `opentelemetry`, `opentelemetry_sdk` and `opentelemetry-otlp` (0.33) would do this too, also over the guarded HTTP
//! client. With OTLP in JSON alone they are nine more crates, `prost` among them, and about 60,000 lines; these are 600.

mod callback;
mod export;
mod span;

use std::sync::Arc;
use std::time::{Duration, Instant};

use campanile_model::Clock;
use campanile_model::trace::Context;
use campanile_sinks::BuildError;
use jiff::Timestamp;
use metrics::Counter;
use tokio::sync::{mpsc, oneshot};

pub use callback::{Began, Ended, Step};
use export::{Command, Exporter};
use span::{Kind, Span};

use crate::config::Otlp;
use crate::delivery::{Event, What};

/// Spans that wait for the exporter; more are dropped and counted. A callback has five, a digest one for each alert.
const SPANS_WAITING_MAX: usize = 4096;

/// How long the gateway waits for the last spans when it stops.
const STOP_WITHIN: Duration = Duration::from_secs(2);

/// A reason of a receiver is cut to so many characters.
const REASON_CHARS_MAX: usize = 200;

/// Records spans and passes them to the exporter. Never blocks.
pub struct Traces {
    queue: mpsc::Sender<Command>,
    sample_percent: u32,
    trusts: bool,
    dropped: Counter,
}

impl Traces {
    /// Starts the exporter. Must be called inside a Tokio runtime.
    ///
    /// # Errors
    /// The collector cannot be called with these settings.
    pub fn start(otlp: &Otlp, clock: Clock, dropped: Counter) -> Result<Arc<Self>, BuildError> {
        let (queue, spans) = mpsc::channel(SPANS_WAITING_MAX);
        let exporter = Exporter::new(otlp, clock, dropped.clone())?;
        tokio::spawn(exporter.run(spans));
        Ok(Arc::new(Self {
            queue,
            sample_percent: otlp.sample_percent,
            trusts: otlp.trust_traceparent,
            dropped,
        }))
    }

    /// A callback begins. `traceparent` is the header of the vendor, if there is exactly one.
    pub fn begin(&self, at: Timestamp, started: Instant, traceparent: Option<&str>) -> Began {
        let parent = traceparent.filter(|_| self.trusts);
        let parent = parent.and_then(Context::parse);
        Began::new(at, started, parent, self.sample_percent)
    }

    /// A callback ends. Gives its trace id, if it has a trace.
    pub fn end(&self, began: &Began, ended: &Ended<'_>) -> Option<String> {
        let root = began.context(ended.verdict)?;
        if root.is_sampled() {
            began.spans(root, ended).for_each(|span| self.send(span));
        }
        Some(root.trace_id())
    }

    /// The span of a callback that was stored as this text.
    pub fn stored(&self, text: &str) -> Option<Context> {
        Context::of_stored(text, self.sample_percent)
    }

    /// Records an attempt to deliver an alert, if the event is the end of one.
    pub fn attempted(&self, event: &Event) {
        let traced = event.trace.as_ref();
        let Some(traced) = traced.filter(|traced| traced.attempt.is_sampled()) else {
            return;
        };
        let (attempt, code, took) = match &event.what {
            What::Delivered {
                attempt,
                code,
                took,
                ..
            }
            | What::Failed {
                attempt,
                code,
                took,
                ..
            } => (*attempt, *code, *took),
            _ => return,
        };
        let began = span::nanos(traced.began, Duration::ZERO);
        let ended = span::nanos(traced.began, took);
        let mut span = Span::new("deliver", Kind::Client, traced.attempt, began, ended);
        span.parent = Some(traced.callback);
        span.add("campanile.sink", &*event.sink);
        span.add("campanile.alert", traced.alert.to_string());
        span.add("campanile.attempt", attempt);
        if let Some(code) = code {
            span.add("http.response.status_code", code);
        }
        if let What::Failed { class, reason, .. } = &event.what {
            span.add("error.type", class.as_str());
            let reason = reason.chars().take(REASON_CHARS_MAX);
            let shown = reason.map(|c| if c.is_control() { ' ' } else { c });
            span.error = Some(shown.collect());
        }
        self.send(span);
    }

    /// Sends what waits. Gives up after two seconds.
    pub async fn stop(&self) {
        let (done, waiting) = oneshot::channel();
        let stopping = async {
            if self.queue.send(Command::Stop(done)).await.is_ok() {
                // Without an answer the exporter has ended.
                let _ended = waiting.await;
            }
        };
        if tokio::time::timeout(STOP_WITHIN, stopping).await.is_err() {
            tracing::warn!(
                "the collector of traces is slow; the gateway stops without the last spans"
            );
        }
    }

    fn send(&self, span: Span) {
        let sent = self.queue.try_send(Command::Span(Box::new(span)));
        if sent.is_err() {
            self.dropped.increment(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::Verdict;

    #[test]
    fn spans_for_which_there_is_no_room_are_dropped_and_counted() {
        let recorder = crate::telemetry::Metrics::new();
        let (queue, _nobody_reads) = mpsc::channel(3);
        let traces = Traces {
            queue,
            sample_percent: 100,
            trusts: false,
            dropped: recorder.spans_dropped(),
        };
        let began = traces.begin(Timestamp::UNIX_EPOCH, Instant::now(), None);
        began.ended(Step::Receive);
        let ended = Ended {
            source: "ucloud/prod",
            method: "POST",
            verdict: &Verdict::Duplicate,
            status: 200,
        };
        for _ in 0..4 {
            assert!(traces.end(&began, &ended).is_some());
        }
        // Two spans and then one for each of the others: the steps are taken with the first.
        let text = recorder.render();
        assert!(text.contains("campanile_spans_dropped_total 2\n"), "{text}");
    }
}
