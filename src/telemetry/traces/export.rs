//! Posts spans to a collector as OTLP over HTTP with JSON. A collector that is down costs its spans and one log line.

use std::time::Duration;

use bytes::Bytes;
use campanile_model::Clock;
use campanile_sinks::BuildError;
use campanile_sinks::http::client::{Client, Request, Response, Settings};
use campanile_sinks::http::guard::Egress;
use metrics::Counter;
use reqwest::header::HeaderMap;
use reqwest::{Method, Url};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use super::span::{self, Span};
use crate::config::Otlp;

/// The most spans in one request.
const SPANS_AT_ONCE: usize = 512;

/// Spans that end within this time go together.
const LINGER: Duration = Duration::from_millis(200);

/// How long a request may take. Meanwhile spans wait, and are dropped when too many wait.
const TIMEOUT: Duration = Duration::from_secs(10);

pub(super) enum Command {
    Span(Box<Span>),
    /// Send what waits, then answer.
    Stop(oneshot::Sender<()>),
}

/// The only task that talks to the collector.
pub(super) struct Exporter {
    client: Client,
    url: Url,
    headers: HeaderMap,
    clock: Clock,
    dropped: Counter,
    /// The last request failed, and the log says so.
    failing: bool,
}

impl Exporter {
    pub(super) fn new(otlp: &Otlp, clock: Clock, dropped: Counter) -> Result<Self, BuildError> {
        let (url, headers) = otlp.request()?;
        let client = Client::new(Settings {
            egress: Egress::Any,
            timeout: TIMEOUT,
            ca_file: None,
            skip_tls_verification: false,
            proxy: None,
        })?;
        Ok(Self {
            client,
            url,
            headers,
            clock,
            dropped,
            failing: false,
        })
    }

    /// Runs until nobody can send a span.
    pub(super) async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let mut waiting = Vec::new();
        while commands.recv_many(&mut waiting, SPANS_AT_ONCE).await > 0 {
            let stops = |waiting: &[Command]| {
                let mut all = waiting.iter();
                all.any(|command| matches!(command, Command::Stop(_)))
            };
            if !stops(&waiting) && waiting.len() < SPANS_AT_ONCE {
                linger(&mut commands, &mut waiting).await;
            }
            let (mut spans, mut stopped) = (Vec::new(), Vec::new());
            for command in waiting.drain(..) {
                match command {
                    Command::Span(span) => spans.push(*span),
                    Command::Stop(done) => stopped.push(done),
                }
            }
            self.export(&spans).await;
            for done in stopped {
                // The one that asked may be gone.
                let _gone = done.send(());
            }
        }
    }

    async fn export(&mut self, spans: &[Span]) {
        if spans.is_empty() {
            return;
        }
        let request = Request {
            method: Method::POST,
            url: self.url.clone(),
            headers: self.headers.clone(),
            body: Bytes::from(span::request(spans).to_string()),
            at: self.clock.now(),
        };
        let result = self.client.exchange(request).await;
        let result = result.map_err(|failure| failure.reason);
        let (refused, problem) = match result.and_then(|response| taken(&response)) {
            Ok(0) => (0, None),
            Ok(refused) => (refused, Some("it refused some of them".to_owned())),
            Err(problem) => (
                u64::try_from(spans.len()).unwrap_or(u64::MAX),
                Some(problem),
            ),
        };
        self.dropped.increment(refused);
        self.report(problem);
    }

    /// One line when it begins to fail, and one when it works again.
    fn report(&mut self, problem: Option<String>) {
        let failed = problem.is_some();
        match problem {
            Some(reason) if !self.failing => tracing::warn!(
                reason,
                "the collector of traces does not take spans; the gateway drops them until it does"
            ),
            None if self.failing => tracing::info!("the collector of traces takes spans again"),
            _ => {}
        }
        self.failing = failed;
    }
}

/// Waits for spans that end soon, until there are enough for a request.
async fn linger(commands: &mut mpsc::Receiver<Command>, waiting: &mut Vec<Command>) {
    let more = async {
        while waiting.len() < SPANS_AT_ONCE
            && let Some(command) = commands.recv().await
        {
            let stops = matches!(command, Command::Stop(_));
            waiting.push(command);
            if stops {
                return;
            }
        }
    };
    // What came until then is in `waiting`.
    let _late = tokio::time::timeout(LINGER, more).await;
}

/// How many of the spans the collector refused.
///
/// # Errors
/// The reason for which it took none.
fn taken(response: &Response) -> Result<u64, String> {
    if !(200..300).contains(&response.status) {
        return Err(format!("it answered {}", response.status));
    }
    let answer: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    // OTLP writes whole numbers as text, but some collectors do not.
    let refused = &answer["partialSuccess"]["rejectedSpans"];
    let text = refused.as_str().and_then(|text| text.parse().ok());
    Ok(text.or_else(|| refused.as_u64()).unwrap_or(0))
}
