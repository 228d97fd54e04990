//! What is decided about an alert before it is stored: which sinks get it, and why. Pure: equal input, equal output.

use std::borrow::Cow;

use campanile_language::Facts;
use campanile_model::{Alert, SinkId};

use crate::snapshot::Snapshot;
use crate::snapshot::routes::{When, sorted};

/// Where an alert goes. It is decided once, when the alert comes in, and stored with the alert.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision<'s> {
    /// The sinks, ascending, each once.
    pub sinks: Cow<'s, [SinkId]>,
    /// What each route said, in the order of the file. Empty where no route has a condition: then every route matches.
    pub because: Vec<Match>,
}

/// What one route said of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    /// The route applies.
    Yes,
    /// Its condition is false.
    No,
    /// Its condition failed on this alert. The route applies: a superfluous alert is better than a lost one.
    Failed,
}

impl Decision<'_> {
    /// How many conditions failed.
    pub fn failed(&self) -> usize {
        let failed = self.because.iter().filter(|said| **said == Match::Failed);
        failed.count()
    }
}

/// Which sinks get `alert`.
pub fn decide<'s>(alert: &Alert, snapshot: &'s Snapshot) -> Decision<'s> {
    let routes = &snapshot.routes;
    if let Some(sinks) = &routes.always {
        return Decision {
            sinks: Cow::Borrowed(sinks),
            because: Vec::new(),
        };
    }
    let facts = Facts::of(alert);
    let because: Vec<Match> = routes
        .all
        .iter()
        .map(|route| asked(route, &facts))
        .collect();
    let matched = routes.all.iter().zip(&because);
    let matched = matched.filter(|(_, said)| **said != Match::No);
    let sinks = matched.flat_map(|(route, _)| route.sinks.iter().copied());
    Decision {
        sinks: Cow::Owned(sorted(sinks.collect())),
        because,
    }
}

fn asked(route: &When, facts: &Facts) -> Match {
    match route.condition.as_ref().map(|when| when.holds(facts)) {
        None | Some(Ok(true)) => Match::Yes,
        Some(Ok(false)) => Match::No,
        Some(Err(_)) => Match::Failed,
    }
}
