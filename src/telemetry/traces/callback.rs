//! The spans of a callback.

use std::cell::{Cell, RefCell};
use std::time::Instant;

use campanile_model::trace::Context;
use jiff::Timestamp;
use uuid::Uuid;

use super::span::{Kind, Span, nanos};
use crate::intake::{Reason, Verdict};

/// A step of a callback.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// The request is received.
    Receive,
    /// The sender is verified. This includes fetching a certificate or a key.
    Verify,
    /// The message is read.
    Read,
    /// The sinks are decided, and the store commits.
    Commit,
}

/// A callback in progress.
pub struct Began {
    at: Timestamp,
    started: Instant,
    /// The span of the vendor, if it is trusted.
    parent: Option<Context>,
    /// The span of the callback, if it is known before the commit.
    root: Cell<Option<Context>>,
    /// When each step ended.
    steps: RefCell<Vec<(Step, Instant)>>,
    sample_percent: u32,
}

/// How a callback ended.
pub struct Ended<'e> {
    /// The source.
    pub source: &'e str,
    /// The HTTP method.
    pub method: &'e str,
    /// The verdict.
    pub verdict: &'e Verdict,
    /// The HTTP status of the answer.
    pub status: u16,
}

impl Step {
    fn name(self) -> &'static str {
        match self {
            Self::Receive => "receive",
            Self::Verify => "verify",
            Self::Read => "read",
            Self::Commit => "commit",
        }
    }
}

impl Began {
    pub(super) fn new(
        at: Timestamp,
        started: Instant,
        parent: Option<Context>,
        sample_percent: u32,
    ) -> Self {
        let root = parent.map(|parent| parent.with_span(rand::random()));
        Self {
            at,
            started,
            parent,
            root: Cell::new(root),
            steps: RefCell::default(),
            sample_percent,
        }
    }

    /// A step ended.
    pub fn ended(&self, step: Step) {
        self.steps.borrow_mut().push((step, Instant::now()));
    }

    /// What the store keeps of the trace. Without an alert that can name the trace, it gets a random name.
    pub fn stored(&self, alerts: bool) -> String {
        if self.root.get().is_none() && !alerts {
            self.root.set(self.random());
        }
        let root = self.root.get();
        root.map_or_else(|| Uuid::nil().to_string(), Context::header)
    }

    fn random(&self) -> Option<Context> {
        Context::of_callback(rand::random(), self.sample_percent)
    }

    /// The span of the callback. None for unauthenticated senders, because they can cause any number of requests.
    pub(super) fn context(&self, verdict: &Verdict) -> Option<Context> {
        let first = verdict.ids().first().map(Uuid::as_u128);
        let named = || match first {
            Some(id) => Context::of_callback(id, self.sample_percent),
            None => self.random(),
        };
        is_verified(verdict).then(|| self.root.get().or_else(named))?
    }

    /// The span of the callback and one for each step.
    pub(super) fn spans(&self, root: Context, ended: &Ended<'_>) -> impl Iterator<Item = Span> {
        let time = |moment: Instant| nanos(self.at, moment.duration_since(self.started));
        let mut from = time(self.started);
        let steps = self.steps.take();
        let whole = self.whole(root, ended, from, time(Instant::now()));
        let steps: Vec<Span> = steps
            .into_iter()
            .map(|(step, at)| {
                let to = time(at);
                let own = root.with_span(rand::random());
                let mut span = Span::new(step.name(), Kind::Internal, own, from, to);
                span.parent = Some(root);
                from = to;
                span
            })
            .collect();
        std::iter::once(whole).chain(steps)
    }

    fn whole(&self, root: Context, ended: &Ended<'_>, from: i128, to: i128) -> Span {
        let mut span = Span::new("callback", Kind::Server, root, from, to);
        span.parent = self.parent;
        span.add("campanile.source", ended.source);
        span.add("campanile.outcome", ended.verdict.word());
        span.add("campanile.alerts", ended.verdict.ids().len());
        if let Some(first) = ended.verdict.ids().first() {
            span.add("campanile.alert", first.to_string());
        }
        span.add("http.request.method", ended.method);
        span.add("http.response.status_code", ended.status);
        if let Verdict::Rejected(reason) = ended.verdict {
            span.add("error.type", reason.word());
            span.error = Some(reason.sentence().to_owned());
        }
        span
    }
}

/// Whether the sender was verified.
fn is_verified(verdict: &Verdict) -> bool {
    match verdict {
        Verdict::Refused(_) => false,
        // The others are decided before the sender is verified.
        Verdict::Rejected(reason) => matches!(
            reason,
            Reason::Busy | Reason::Commit | Reason::Stopped | Reason::Late
        ),
        Verdict::Accepted(_) | Verdict::Duplicate | Verdict::Ignored | Verdict::Quarantined => true,
    }
}
