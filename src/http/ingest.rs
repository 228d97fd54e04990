//! The steps of one callback: read, take, commit, answer. The sender is verified before the message is interpreted, and
//! a success is answered only after the commit.

use std::time::Instant;

use actix_web::http::{ConnectionType, Method};
use actix_web::{HttpRequest, HttpResponse, web};
use campanile_model::{Callback, Fetched, Secret, failpoint};
use campanile_providers::Needed;
use campanile_store::Appending;
use tracing::Instrument;

use super::commit::{self, commit};
use super::recent::Call;
use super::remarks::{self, outcome};
use super::{Current, Gateway, body, callback, ending, list, traced};
use crate::intake::target::{near_miss, normal};
use crate::intake::verdict::answer;
use crate::intake::{Kept, Reason, Taken, Target, Trust, Turned, Verdict, shown, take_in_steps};
use crate::pipeline::redaction::hide;
use crate::snapshot::Source;
use crate::telemetry::metrics::NO_SOURCE;
use crate::telemetry::traces::{self, Began, Step};

/// The most documents that are fetched for one request. Several sources may each need one.
const FETCHES_MAX: usize = 4;

/// The reason for a conflict.
const CONFLICT: &str =
    "its message id was accepted before with other content; the first content is kept";

/// Serves every request to the public listener.
pub(super) async fn serve(
    request: HttpRequest,
    payload: web::Payload,
    gateway: web::Data<Gateway>,
) -> HttpResponse {
    let current = gateway.current();
    let path = normal(request.uri().path());
    let started = Instant::now();
    let began = traced::began(&gateway, &request, started);
    let visit = Visit {
        gateway: &gateway,
        current: &current,
        started,
        began: began.as_ref(),
    };
    let mut response = match Target::of(&path, &current.snapshot) {
        Some(target) => visit.enter(target, &path, &request, payload).await,
        None => visit.nowhere(&path, &request),
    };
    if gateway.is_stopping() {
        // The next request of this sender goes to another gateway.
        let head = response.head_mut();
        head.set_connection_type(ConnectionType::Close);
    }
    response
}

/// One request in progress.
#[derive(Clone, Copy)]
struct Visit<'v> {
    gateway: &'v Gateway,
    current: &'v Current,
    started: Instant,
    /// What its trace needs, if there are traces.
    began: Option<&'v Began>,
}

/// What became of a callback whose sender is verified.
struct Ended {
    verdict: Verdict,
    /// Nothing is new, and a known message had other content.
    conflict: bool,
    /// The values that rewrites redacted in it.
    secrets: Vec<Secret>,
}

impl<'v> Visit<'v> {
    async fn enter(
        self,
        target: Target<'v, '_>,
        path: &str,
        request: &HttpRequest,
        payload: web::Payload,
    ) -> HttpResponse {
        let server = &self.current.snapshot.server;
        let body = match self.check_head(&target, request) {
            Ok(()) => body::read(payload, callback::announced(request), server).await,
            Err(reason) => Err(reason),
        };
        self.ended(Step::Receive);
        let (body, unread) = match body {
            Ok(body) => (body, None),
            Err(reason) => (Vec::new(), Some(reason)),
        };
        let mut call = callback::of(request, server, body);
        target.mark(path, &mut call);
        call.received_at = Some(self.gateway.clock.now());
        let taken = match unread {
            Some(reason) => turned(target.source(), reason),
            None => self.take(&target, &mut call).await,
        };
        let response = self.conclude(taken, &call).await;
        let shown = *request.method() == Method::OPTIONS || unread == Some(Reason::Method);
        if shown {
            return ending::allow(response, &target.methods(&self.current.snapshot));
        }
        response
    }

    /// Checks what can be checked before the body is read.
    fn check_head(self, target: &Target<'_, '_>, request: &HttpRequest) -> Result<(), Reason> {
        callback::check_head(request)?;
        let method = request.method();
        let served = target.serves(method.as_str(), &self.current.snapshot);
        if served || *method == Method::OPTIONS {
            return Ok(());
        }
        Err(Reason::Method)
    }

    /// Calls intake. If a proof needs a document, fetches it and calls intake again.
    async fn take(self, target: &Target<'v, '_>, call: &mut Callback) -> Taken<'v> {
        for _ in 0..FETCHES_MAX {
            let (source, needed) = match self.take_once(target, call) {
                Taken::Needs(source, needed) => (source, needed),
                taken => return taken,
            };
            let Some(fetched) = self.fetch(needed).await else {
                return turned(Some(source), Reason::Certificate);
            };
            call.fetched.push(fetched);
        }
        self.take_once(target, call)
    }

    fn take_once(self, target: &Target<'v, '_>, call: &Callback) -> Taken<'v> {
        let verified = || self.ended(Step::Verify);
        let taken = take_in_steps(
            target,
            call,
            &self.current.snapshot,
            Trust::Proven,
            verified,
        );
        if let Taken::Kept(..) = taken {
            self.ended(Step::Read);
        }
        taken
    }

    /// A step of the callback ended.
    fn ended(self, step: Step) {
        if let Some(began) = self.began {
            began.ended(step);
        }
    }

    async fn fetch(self, needed: Needed) -> Option<Fetched> {
        let url = needed.url.clone();
        let body = self.gateway.outside.document(needed).await?;
        Some(Fetched { url, body })
    }

    async fn conclude(self, taken: Taken<'v>, call: &Callback) -> HttpResponse {
        match taken {
            Taken::Kept(source, kept) => {
                let span = tracing::info_span!("callback", source = &*source.name);
                let ended = self.keep(source, kept, call).instrument(span.clone()).await;
                let Ended {
                    verdict,
                    conflict,
                    secrets,
                } = ended;
                span.in_scope(|| {
                    let word = if conflict { "conflict" } else { verdict.word() };
                    let request = || {
                        let mut text = shown::request(Some(source), call, &self.current.snapshot);
                        hide(&mut text, &secrets);
                        text
                    };
                    self.finish(Some(source), &verdict, word, request, call)
                })
            }
            Taken::List(source) => match list::of(self.gateway, source).await {
                Ok(response) => response,
                Err(reason) => self.end(Some(source), &Verdict::Rejected(reason), call),
            },
            Taken::Consent(headers) => consent(headers),
            Taken::Needs(source, _) => {
                self.end(Some(source), &Verdict::Rejected(Reason::Certificate), call)
            }
            Taken::Turned(Turned { source, verdict }) => self.end(source, &verdict, call),
        }
    }

    /// Commits what intake kept.
    async fn keep(self, source: &Source, mut kept: Kept, call: &Callback) -> Ended {
        let effect = kept.read.effect.take();
        let remarks = remarks::of(self.gateway, self.current, source, &kept, call);
        let (snapshot, metrics) = (&self.current.snapshot, &self.gateway.metrics);
        let (mut entry, secrets) = commit::entry_and_secrets(&source.name, kept, snapshot, metrics);
        let alerts = !entry.alerts.is_empty();
        entry.arrival.trace = self.began.map(|began| began.stored(alerts));
        failpoint::point("after-parse");
        let committed = commit(self.gateway, entry).await;
        self.ended(Step::Commit);
        let appended = match committed {
            Ok(committed) => committed,
            Err(reason) => {
                return Ended {
                    verdict: Verdict::Rejected(reason),
                    conflict: false,
                    secrets,
                };
            }
        };
        if let Some(effect) = effect {
            self.gateway.outside.carry_out(effect);
        }
        failpoint::point("before-answer");
        after_answer();
        let verdict = outcome(&remarks, &appended);
        let conflict = Appending::Duplicate { conflict: true };
        let conflict = matches!(verdict, Verdict::Duplicate) && appended.alerts.contains(&conflict);
        Ended {
            verdict,
            conflict,
            secrets,
        }
    }

    /// Answers a request to a path that is not served.
    fn nowhere(self, path: &str, request: &HttpRequest) -> HttpResponse {
        let near = near_miss(path, &self.current.snapshot);
        let reason = near.map_or(Reason::NotFound, |source| {
            self.gateway
                .near_miss(&self.current.snapshot.server, source);
            Reason::NearMiss
        });
        let verdict = Verdict::Rejected(reason);
        let mut call = Callback::default();
        call.peer = callback::peer(request, &self.current.snapshot.server);
        let line = || shown::nowhere(request.method().as_str(), path);
        self.finish(near, &verdict, verdict.word(), line, &call)
    }

    /// Ends a callback that intake did not keep.
    fn end(self, source: Option<&Source>, verdict: &Verdict, call: &Callback) -> HttpResponse {
        let request = || shown::request(source, call, &self.current.snapshot);
        self.finish(source, verdict, verdict.word(), request, call)
    }

    /// Keeps what the store does not have, and answers.
    fn finish(
        self,
        source: Option<&Source>,
        verdict: &Verdict,
        word: &'static str,
        request: impl FnOnce() -> String,
        call: &Callback,
    ) -> HttpResponse {
        let answer = answer(source, call, verdict);
        let trace = self.traced(source, verdict, &call.method, answer.status);
        let (about, trace) = ((source, call), trace.as_deref());
        self.remember(about, verdict, word, request, (trace, answer.status));
        let Self {
            gateway,
            current,
            started,
            ..
        } = self;
        ending::end(gateway, current, about, (verdict, answer), started, trace)
    }

    /// Records the spans of the callback. Gives the id of its trace, if it has one.
    fn traced(
        self,
        source: Option<&Source>,
        verdict: &Verdict,
        method: &str,
        status: u16,
    ) -> Option<String> {
        let (traces, began) = self.gateway.traces.as_ref().zip(self.began)?;
        let ended = traces::Ended {
            source: source.map_or(NO_SOURCE, |source| &*source.name),
            method,
            verdict,
            status,
        };
        traces.end(began, &ended)
    }

    /// Keeps a callback in memory that the store does not have.
    fn remember(
        self,
        (source, call): (Option<&Source>, &Callback),
        verdict: &Verdict,
        word: &'static str,
        request: impl FnOnce() -> String,
        (trace, status): (Option<&str>, u16),
    ) {
        let at = call.received_at.unwrap_or_else(|| self.gateway.clock.now());
        let name = source.map(|source| &source.name);
        let stored = matches!(
            verdict,
            Verdict::Accepted(_) | Verdict::Ignored | Verdict::Quarantined
        );
        if stored || !self.gateway.recent.wants(name, at) {
            return;
        }
        let reason = match word {
            "conflict" => CONFLICT.to_owned(),
            _ => shown::reason(verdict, source, call, &self.current.snapshot),
        };
        self.gateway.recent.push(Call {
            number: 0,
            at,
            source: name.cloned(),
            from: call.peer,
            verdict: word,
            status,
            trace: trace.map(ToOwned::to_owned),
            reason,
            request: request(),
        });
    }
}

fn turned(source: Option<&Source>, reason: Reason) -> Taken<'_> {
    let verdict = Verdict::Rejected(reason);
    Taken::Turned(Turned { source, verdict })
}

/// The answer to `OPTIONS`.
fn consent(headers: Vec<(&'static str, String)>) -> HttpResponse {
    if headers.is_empty() {
        return HttpResponse::NoContent().finish();
    }
    let mut response = HttpResponse::Ok();
    for header in headers {
        response.insert_header(header);
    }
    response.finish()
}

/// A failpoint directly after the answer: this thread writes the answer before it starts another task.
fn after_answer() {
    #[cfg(feature = "faults")]
    actix_web::rt::spawn(async { failpoint::point("after-answer") });
}
