//! Silences: which alerts are not sent for a while. Pure.

use std::sync::Arc;

use jiff::Timestamp;

use super::index::Index;
use super::matcher::{Asked, Matcher};
pub use crate::config::windows::After;
use campanile_language::window::Window;

/// A silence, compiled.
#[derive(Debug)]
pub struct Silence {
    /// Its number, or its name in the configuration.
    pub name: Arc<str>,
    /// Which alerts.
    pub matcher: Matcher,
    /// When.
    pub times: Times,
    /// What happens to what fires at its end.
    pub after: After,
}

/// When a silence holds.
#[derive(Clone, Debug)]
pub enum Times {
    /// From the first time up to the second, which is not in it.
    Span(Timestamp, Timestamp),
    /// While any of these is open.
    Windows(Vec<Arc<Window>>),
}

impl Times {
    fn hold(&self, at: Timestamp) -> bool {
        match self {
            Self::Span(from, until) => (*from..*until).contains(&at),
            Self::Windows(windows) => windows.iter().any(|window| window.holds(at)),
        }
    }

    /// The first time after this one at which it can begin or end.
    fn next_change(&self, after: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Span(from, until) => [*from, *until].into_iter().filter(|at| *at > after).min(),
            Self::Windows(windows) => next_change(windows, after),
        }
    }
}

/// The first time after this one at which any of these windows begins or ends.
pub fn next_change(windows: &[Arc<Window>], after: Timestamp) -> Option<Timestamp> {
    let changes = windows.iter();
    changes.filter_map(|window| window.next_change(after)).min()
}

/// Silences, found through an index.
#[derive(Debug, Default)]
pub struct Silences {
    all: Vec<Silence>,
    index: Index,
}

impl Silences {
    /// These silences.
    pub fn of(all: Vec<Silence>) -> Self {
        let index = Index::of(all.iter().map(|silence| &silence.matcher.equal));
        Self { all, index }
    }

    /// Those that hold now and match the alert. A condition that fails on the alert does not match: it is better to send too much
    /// than too little.
    pub fn holding<'s>(
        &'s self,
        asked: &Asked<'_>,
        now: Timestamp,
    ) -> impl Iterator<Item = &'s Silence> {
        let found = self.index.candidates(asked.alert()).into_iter();
        let found = found.filter_map(|place| self.all.get(place));
        let holds = |silence: &&Silence| {
            silence.times.hold(now) && silence.matcher.holds(asked).unwrap_or(false)
        };
        let found: Vec<&Silence> = found.filter(holds).collect();
        found.into_iter()
    }

    /// The first time after this one at which any of them can begin or end.
    pub fn next_change(&self, after: Timestamp) -> Option<Timestamp> {
        let all = self.all.iter();
        all.filter_map(|silence| silence.times.next_change(after))
            .min()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}
