//! How a callback ends: as exactly one of accepted, duplicate, ignored, quarantined and rejected; and what its vendor is
//! answered.

use std::panic::{AssertUnwindSafe, catch_unwind};

use campanile_model::{Callback, Secret, redact};
use campanile_providers::{Answer, Outcome, Refusal};
use uuid::Uuid;

use super::read::{self, Read};
use crate::snapshot::Source;

/// How a callback ends.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// These alerts are new.
    Accepted(Vec<Uuid>),
    /// All its alerts are known.
    Duplicate,
    /// It is a message without an alert.
    Ignored,
    /// It is kept for an operator.
    Quarantined,
    /// The proof of its sender does not hold.
    Refused(Refusal),
    /// It is rejected for another reason.
    Rejected(Reason),
}

/// Why a callback is rejected, apart from its proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Nothing is served at this path.
    NotFound,
    /// Nothing is served at this path, but it differs little from the path of a source.
    NearMiss,
    /// The path does not take this method.
    Method,
    /// Path and query are too long.
    Target,
    /// The headers are too large.
    Headers,
    /// The body is too large.
    TooLarge,
    /// The body came too slowly.
    Slow,
    /// The body is incomplete.
    Broken,
    /// The body that carries the proof cannot be read.
    Fault,
    /// No source recognises it, and no proof holds.
    Unrecognized,
    /// A certificate or key could not be fetched.
    Certificate,
    /// Too many callbacks wait for a commit.
    Busy,
    /// The store cannot commit.
    Commit,
    /// The store has stopped.
    Stopped,
    /// The commit takes too long.
    Late,
}

impl Reason {
    /// The status, the word in the metrics, and the sentence that the sender gets.
    fn facts(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::NotFound => (404, "not_found", "nothing is served here"),
            Self::NearMiss => (404, "near_miss", "nothing is served here"),
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

    /// The HTTP status.
    pub fn status(self) -> u16 {
        self.facts().0
    }

    /// The word in the metrics.
    pub fn word(self) -> &'static str {
        self.facts().1
    }

    /// The sentence that the sender gets.
    pub fn sentence(self) -> &'static str {
        self.facts().2
    }

    /// Whether the sender is asked to try again.
    pub fn is_unavailable(self) -> bool {
        self.status() == 503
    }
}

impl Verdict {
    /// How a verified callback of `alerts` alerts ends, of which these are new. `faulty`: it, or a part of it, cannot be
    /// read.
    pub fn of(new: Vec<Uuid>, faulty: bool, alerts: usize) -> Self {
        match (new.is_empty(), faulty, alerts) {
            (false, _, _) => Self::Accepted(new),
            (true, true, _) => Self::Quarantined,
            (true, false, 0) => Self::Ignored,
            (true, false, _) => Self::Duplicate,
        }
    }

    /// The outcome in metrics, logs and `campanile try`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Accepted(_) => "accepted",
            Self::Duplicate => "duplicate",
            Self::Ignored => "ignored",
            Self::Quarantined => "quarantined",
            Self::Refused(_) | Self::Rejected(_) => "rejected",
        }
    }

    /// The word in the metrics for why it is rejected; empty where it is not.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Refused(Refusal::Missing) => "no_proof",
            Self::Refused(Refusal::Wrong) => "wrong_proof",
            Self::Refused(Refusal::Address) => "address",
            Self::Refused(Refusal::Stale) => "stale_proof",
            Self::Refused(Refusal::Uncertified) => "uncertified",
            Self::Refused(Refusal::Unprovable) => "unprovable",
            Self::Rejected(reason) => reason.word(),
            Self::Accepted(_) | Self::Duplicate | Self::Ignored | Self::Quarantined => "",
        }
    }

    fn outcome<'i>(&self, id: &'i str) -> Outcome<'i> {
        match self {
            Self::Accepted(_) => Outcome::Accepted { id },
            Self::Ignored => Outcome::Accepted { id: "" },
            Self::Duplicate => Outcome::Duplicate,
            Self::Quarantined => Outcome::Quarantined,
            Self::Refused(refusal) => Outcome::Refused {
                status: refusal.status(),
            },
            Self::Rejected(reason) if reason.is_unavailable() => Outcome::Unavailable,
            Self::Rejected(reason) => Outcome::Rejected {
                status: reason.status(),
                reason: reason.sentence(),
            },
        }
    }

    /// The ids of its new alerts.
    pub fn ids(&self) -> &[Uuid] {
        match self {
            Self::Accepted(ids) => ids,
            _ => &[],
        }
    }
}

/// The answer to a callback that is stored, without its secrets. The nil UUID represents the id of the first alert, which is
/// not known before the commit. None when the verdict depends on what the store already has.
pub(super) fn expected(
    source: &Source,
    call: &Callback,
    read: &Read,
    digests: &[Secret],
) -> Option<Answer> {
    let verdict = match (read.alerts.is_empty(), read.faults.is_empty()) {
        (false, true) => Verdict::Accepted(vec![Uuid::nil()]),
        (true, false) => Verdict::Quarantined,
        (true, true) => Verdict::Ignored,
        (false, false) => return None,
    };
    let answer = answer(Some(source), call, &verdict);
    let text = answer.body.into_bytes();
    let text = read::secrets(source, digests).fold(text, redact::without);
    Some(Answer {
        body: String::from_utf8_lossy(&text).into_owned(),
        ..answer
    })
}

/// The answer to the vendor: in the vendor's form, or as plain text where no source is known.
pub fn answer(source: Option<&Source>, call: &Callback, verdict: &Verdict) -> Answer {
    let id = verdict.ids().first().map(Uuid::to_string);
    let id = id.unwrap_or_default();
    let outcome = verdict.outcome(&id);
    let vendors = source.and_then(|source| {
        let answer = AssertUnwindSafe(|| source.provider.answer(call, &outcome));
        catch_unwind(answer).ok()
    });
    vendors.unwrap_or_else(|| Answer::text(outcome.status(), outcome.sentence()))
}
