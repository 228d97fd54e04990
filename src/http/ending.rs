//! The end of a callback: the only place that counts and logs it, and builds the response.

use std::time::Instant;

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, HeaderValue, RETRY_AFTER};
use actix_web::{HttpResponse, HttpResponseBuilder};
use campanile_model::{Callback, failpoint};
use campanile_providers::Answer;
use uuid::Uuid;

use super::traced::TRACE_ID;
use super::{Current, Gateway};
use crate::intake::{Reason, Verdict};
use crate::snapshot::Source;
use crate::telemetry::metrics::{NO_SOURCE, SourceMeters};

/// The `Retry-After` of an answer that asks the vendor to try again.
const RETRY_AFTER_SECONDS: u64 = 5;

/// Counts and logs the verdict on a callback and builds the response with the answer to the vendor. `trace` is the id of its trace.
pub(super) fn end(
    gateway: &Gateway,
    current: &Current,
    (source, call): (Option<&Source>, &Callback),
    (verdict, answer): (&Verdict, Answer),
    started: Instant,
    trace: Option<&str>,
) -> HttpResponse {
    let name = source.map_or(NO_SOURCE, |source| &*source.name);
    let took = started.elapsed();
    match source.and_then(|source| current.meters(source)) {
        Some(meters) => {
            count(meters, verdict);
            meters.seconds.record(took.as_secs_f64());
        }
        None => count(&gateway.metrics.source(NO_SOURCE), verdict),
    }
    if !verdict.reason().is_empty() {
        gateway.metrics.refuse(name, verdict.reason());
    }
    log(name, verdict, took.as_secs_f64() * 1000.0, trace);
    if failpoint::broken("broken-log-secret") {
        tracing::info!(key = call.key.as_deref(), "callback");
    }
    let mut response = respond(answer, verdict);
    if let Some(Ok(trace)) = trace.map(HeaderValue::from_str) {
        response.headers_mut().insert(TRACE_ID, trace);
    }
    response
}

fn count(meters: &SourceMeters, verdict: &Verdict) {
    match verdict {
        Verdict::Accepted(_) => meters.accepted.add(),
        Verdict::Duplicate => meters.duplicates.add(),
        Verdict::Ignored => meters.ignored.add(),
        Verdict::Quarantined => meters.quarantined.add(),
        Verdict::Refused(_) | Verdict::Rejected(_) => meters.rejected.add(),
    }
}

/// Logs one line for each callback. Unauthenticated senders can cause any number of rejections, so these are logged at
/// `debug`. The metrics count them. The store logs its own failures.
fn log(source: &str, verdict: &Verdict, took_ms: f64, trace: Option<&str>) {
    let outcome = verdict.word();
    match verdict {
        Verdict::Refused(_) | Verdict::Rejected(_) => {
            let reason = verdict.reason();
            tracing::debug!(
                source,
                outcome,
                reason,
                took_ms,
                trace,
                "the gateway rejected a callback"
            );
        }
        Verdict::Quarantined => tracing::warn!(
            source,
            outcome,
            took_ms,
            trace,
            "the gateway quarantined a callback; see `campanile quarantine list`"
        ),
        Verdict::Accepted(_) | Verdict::Duplicate | Verdict::Ignored => {
            let alerts = Ids(verdict.ids());
            tracing::info!(source, outcome, %alerts, took_ms, trace, "the gateway committed a callback");
        }
    }
}

/// The most alert ids in one log line.
const IDS_LOGGED_MAX: usize = 20;

struct Ids<'a>(&'a [Uuid]);

impl std::fmt::Display for Ids<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, id) in self.0.iter().take(IDS_LOGGED_MAX).enumerate() {
            let gap = if i == 0 { "" } else { " " };
            write!(f, "{gap}{id}")?;
        }
        match self.0.len().checked_sub(IDS_LOGGED_MAX) {
            None | Some(0) => Ok(()),
            Some(more) => write!(f, " and {more} more"),
        }
    }
}

fn respond(answer: Answer, verdict: &Verdict) -> HttpResponse {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponseBuilder::new(status);
    response.content_type(answer.content_type);
    if let Verdict::Rejected(reason) = verdict {
        if reason.is_unavailable() {
            response.insert_header((RETRY_AFTER, RETRY_AFTER_SECONDS));
        }
        if closes(*reason) {
            response.force_close();
        }
    }
    response.body(answer.body)
}

/// Whether a part of the request may still arrive: then the connection cannot be used for another request.
fn closes(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::Target | Reason::Headers | Reason::TooLarge | Reason::Slow | Reason::Broken
    )
}

/// Adds the `Allow` header with the methods that are served.
pub(super) fn allow(mut response: HttpResponse, methods: &[&str]) -> HttpResponse {
    if let Ok(methods) = methods.join(", ").parse() {
        response.headers_mut().insert(ALLOW, methods);
    }
    response
}
