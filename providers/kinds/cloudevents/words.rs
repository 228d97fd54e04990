//! The words of senders for status and severity. The standard defines none.

use crate::parse::table::Table;
use campanile_model::{Severity, Status};

pub(crate) const WORDS: &Table = &[
    ("critical", Severity::Critical),
    ("fatal", Severity::Critical),
    ("emergency", Severity::Critical),
    ("error", Severity::Error),
    ("high", Severity::Error),
    ("major", Severity::Error),
    ("warning", Severity::Warning),
    ("warn", Severity::Warning),
    ("medium", Severity::Warning),
    ("minor", Severity::Warning),
    ("info", Severity::Info),
    ("informational", Severity::Info),
    ("notice", Severity::Info),
    ("low", Severity::Info),
];

/// Words of senders for a resolved problem.
const OVER: &[&str] = &[
    "resolved",
    "resolve",
    "ok",
    "recovered",
    "recovery",
    "closed",
    "cleared",
    "up",
    "healthy",
    "normal",
    "inactive",
];

/// Words of senders for a firing problem.
const THERE: &[&str] = &[
    "firing",
    "fired",
    "alerting",
    "alarm",
    "alert",
    "open",
    "opened",
    "triggered",
    "trigger",
    "active",
    "down",
    "unhealthy",
    "problem",
    "critical",
    "error",
    "warning",
];

/// A type without its last word, if that is a status, and that word.
pub(crate) fn status_word(kind: &str) -> (&str, Option<&str>) {
    match kind.rsplit_once(['.', '/', ':']) {
        Some((stem, last)) if meaning(last).is_some() => (stem, Some(last)),
        _ => (kind, None),
    }
}

pub(crate) fn meaning(word: &str) -> Option<Status> {
    let is_one_of = |words: &[&str]| words.iter().any(|known| known.eq_ignore_ascii_case(word));
    if is_one_of(OVER) {
        Some(Status::Resolved)
    } else {
        is_one_of(THERE).then_some(Status::Firing)
    }
}
