//! How a callback ends: as exactly one of accepted, duplicate, quarantined and rejected; counted, logged and answered
//! here and nowhere else.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, RETRY_AFTER};
use actix_web::{HttpResponse, HttpResponseBuilder};
use campanile_model::Callback;
use campanile_providers::{Answer, Outcome, Refusal};
use uuid::Uuid;

use super::body::Unread;
use super::callback::Oversize;
use super::{Gateway, Inlet};
use crate::telemetry::metrics::{NO_SOURCE, SourceMeters};
use campanile_model::failpoint;

/// What a vendor is asked to wait, where it asks at all.
const RETRY_AFTER_SECONDS: u64 = 5;

/// How a callback ended.
#[derive(Debug)]
pub(super) enum Ending {
    /// These alerts are new, or there was nothing to alert on.
    Accepted(Vec<Uuid>),
    /// All its alerts were known.
    Duplicate,
    /// It is kept for an operator.
    Quarantined,
    /// The sender is not believed.
    Refused(Refusal),
    /// Sources of more than one vendor know it and believe its sender: whose it is cannot be said. These are their names.
    Ambiguous(String),
    /// It was not taken for another reason.
    Rejected(Reason),
}

/// Why a callback was not taken, apart from its sender not being believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    NotFound,
    Method,
    Target,
    Headers,
    TooLarge,
    Slow,
    Broken,
    Fault,
    Unrecognized,
    Certificate,
    Busy,
    Commit,
    Stopped,
    Late,
}

impl Reason {
    /// The status, the word in the metrics, and what the sender is told.
    fn facts(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::NotFound => (404, "not_found", "nothing is served here"),
            Self::Method => (405, "method", "method not allowed"),
            Self::Target => (414, "uri_too_long", "the URI is too long"),
            Self::Headers => (431, "headers", "the headers are too large or too many"),
            Self::TooLarge => (413, "too_large", "the body is too large"),
            Self::Slow => (408, "slow", "the body came too slowly"),
            Self::Broken => (400, "broken", "the body is incomplete"),
            Self::Fault => (400, "unreadable", "the request cannot be read"),
            Self::Unrecognized => (
                400,
                "unrecognized",
                "no configured source knows this format",
            ),
            Self::Certificate => (503, "certificate", "try again later"),
            Self::Busy => (503, "busy", "try again later"),
            Self::Commit => (503, "commit", "try again later"),
            Self::Stopped => (503, "stopped", "try again later"),
            Self::Late => (503, "deadline", "try again later"),
        }
    }

    fn status(self) -> u16 {
        self.facts().0
    }

    fn is_unavailable(self) -> bool {
        self.status() == 503
    }

    /// The rest of the request may still be on its way: the connection cannot be used again.
    fn closes(self) -> bool {
        matches!(
            self,
            Self::Target | Self::Headers | Self::TooLarge | Self::Slow | Self::Broken
        )
    }
}

impl From<Unread> for Reason {
    fn from(unread: Unread) -> Self {
        match unread {
            Unread::TooLarge => Self::TooLarge,
            Unread::Slow => Self::Slow,
            Unread::Broken => Self::Broken,
        }
    }
}

impl From<Oversize> for Reason {
    fn from(oversize: Oversize) -> Self {
        match oversize {
            Oversize::Target => Self::Target,
            Oversize::Headers => Self::Headers,
        }
    }
}

impl From<&campanile_store::Error> for Reason {
    fn from(error: &campanile_store::Error) -> Self {
        match error {
            campanile_store::Error::Busy => Self::Busy,
            campanile_store::Error::Commit(_) | campanile_store::Error::Read(_) => Self::Commit,
            campanile_store::Error::Stopped(_) | campanile_store::Error::Open(_) => Self::Stopped,
        }
    }
}

impl Ending {
    fn word(&self) -> &'static str {
        match self {
            Self::Accepted(_) => "accepted",
            Self::Duplicate => "duplicate",
            Self::Quarantined => "quarantined",
            Self::Refused(_) | Self::Ambiguous(_) | Self::Rejected(_) => "rejected",
        }
    }

    /// The word in the metrics for why it was not taken; empty when it was.
    fn reason(&self) -> &'static str {
        match self {
            Self::Refused(Refusal::Missing) => "no_proof",
            Self::Refused(Refusal::Wrong) => "wrong_proof",
            Self::Refused(Refusal::Address) => "address",
            Self::Refused(Refusal::Stale) => "stale_proof",
            Self::Refused(Refusal::Uncertified) => "uncertified",
            Self::Refused(Refusal::Unprovable) => "unprovable",
            Self::Ambiguous(_) => "ambiguous",
            Self::Rejected(reason) => reason.facts().1,
            Self::Accepted(_) | Self::Duplicate | Self::Quarantined => "",
        }
    }

    fn outcome<'i>(&'i self, id: &'i str) -> Outcome<'i> {
        match self {
            Self::Accepted(_) => Outcome::Accepted { id },
            Self::Duplicate => Outcome::Duplicate,
            Self::Quarantined => Outcome::Quarantined,
            Self::Refused(refusal) => Outcome::Refused {
                status: refusal.status(),
            },
            Self::Ambiguous(told) => Outcome::Rejected {
                status: 400,
                reason: told,
            },
            Self::Rejected(reason) if reason.is_unavailable() => Outcome::Unavailable,
            Self::Rejected(reason) => Outcome::Rejected {
                status: reason.status(),
                reason: reason.facts().2,
            },
        }
    }

    fn ids(&self) -> &[Uuid] {
        match self {
            Self::Accepted(ids) => ids,
            _ => &[],
        }
    }
}

/// Counts and logs the ending, and words the answer in the vendor's form; in a neutral one where no source is known.
pub(super) fn end(
    gateway: &Gateway,
    inlet: Option<&Inlet>,
    call: &Callback,
    ending: &Ending,
    started: Instant,
) -> HttpResponse {
    let name = inlet.map_or(NO_SOURCE, |inlet| &*inlet.name);
    match inlet {
        Some(inlet) => count(&inlet.meters, ending),
        None => count(&gateway.metrics.source(NO_SOURCE), ending),
    }
    if !ending.reason().is_empty() {
        gateway.metrics.refuse(name, ending.reason());
    }
    let took = started.elapsed();
    if let Some(inlet) = inlet {
        inlet.meters.seconds.record(took.as_secs_f64());
    }
    log(name, ending, took.as_secs_f64() * 1000.0);
    if failpoint::broken("broken-log-secret") {
        tracing::info!(key = call.key.as_deref(), "callback");
    }
    respond(answer(inlet, call, ending), ending)
}

fn count(meters: &SourceMeters, ending: &Ending) {
    match ending {
        Ending::Accepted(_) => meters.accepted.add(),
        Ending::Duplicate => meters.duplicates.add(),
        Ending::Quarantined => meters.quarantined.add(),
        Ending::Refused(_) | Ending::Ambiguous(_) | Ending::Rejected(_) => meters.rejected.add(),
    }
}

/// One line for each callback. Strangers can cause any number of rejections, so those are told at `debug` and
/// counted; what the store could not do is told where it failed.
fn log(source: &str, ending: &Ending, took_ms: f64) {
    let outcome = ending.word();
    match ending {
        // Only who is believed can cause this one, and the operator has to choose.
        Ending::Ambiguous(told) => {
            tracing::warn!(source, outcome, told, took_ms, "callback not taken");
        }
        Ending::Refused(_) | Ending::Rejected(_) => {
            let reason = ending.reason();
            tracing::debug!(source, outcome, reason, took_ms, "callback not taken");
        }
        Ending::Quarantined => tracing::warn!(source, outcome, took_ms, "callback quarantined"),
        Ending::Accepted(_) | Ending::Duplicate => {
            let alerts = Ids(ending.ids());
            tracing::info!(source, outcome, %alerts, took_ms, "callback");
        }
    }
}

/// Ids of alerts in one log line.
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

fn answer(inlet: Option<&Inlet>, call: &Callback, ending: &Ending) -> Answer {
    let id = ending
        .ids()
        .first()
        .map(Uuid::to_string)
        .unwrap_or_default();
    let outcome = ending.outcome(&id);
    let vendors = inlet.and_then(|inlet| {
        let answer = AssertUnwindSafe(|| inlet.feed.provider.answer(call, &outcome));
        catch_unwind(answer).ok()
    });
    vendors.unwrap_or_else(|| Answer::text(outcome.status(), outcome.sentence()))
}

fn respond(answer: Answer, ending: &Ending) -> HttpResponse {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponseBuilder::new(status);
    response.content_type(answer.content_type);
    if let Ending::Rejected(reason) = ending {
        if reason.is_unavailable() {
            response.insert_header((RETRY_AFTER, RETRY_AFTER_SECONDS));
        }
        if reason.closes() {
            response.force_close();
        }
    }
    response.body(answer.body)
}

/// Adds the methods that would be taken.
pub(super) fn allow(mut response: HttpResponse, methods: &str) -> HttpResponse {
    if let Ok(methods) = methods.parse() {
        response.headers_mut().insert(ALLOW, methods);
    }
    response
}
