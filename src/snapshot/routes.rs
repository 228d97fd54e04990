//! The routes of a configuration, compiled.

use std::sync::Arc;

use campanile_language::{Condition, Mistake};
use campanile_model::SinkId;
use serde::{Deserialize, Serialize};

use crate::config::Route;

/// Which alerts go to which sinks.
#[derive(Debug)]
pub struct Routes {
    /// The routes, in the order of the file. None at all: every alert goes to every sink.
    pub all: Vec<When>,
    /// The sinks of every alert, where no route has a condition: ascending, each once.
    pub always: Option<Vec<SinkId>>,
    /// All routes as JSON, each a [`Written`]. It is stored with the callbacks that they were asked about. None where there
    /// are no routes.
    pub text: Option<Arc<str>>,
}

/// A route as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Written {
    /// Its condition; none matches every alert.
    pub(crate) when: Option<String>,
    /// The names of its sinks.
    pub(crate) sinks: Vec<String>,
}

/// One route.
#[derive(Debug)]
pub struct When {
    /// Its condition; none matches every alert.
    pub condition: Option<Condition>,
    /// The condition as it was written.
    pub text: Option<String>,
    /// Where the alerts go.
    pub sinks: Vec<SinkId>,
}

/// A route that cannot be compiled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("routes[{route}].when: {mistake}")]
pub struct RouteMistake {
    /// Which one, from 0.
    pub route: usize,
    /// What is wrong with its condition, and where in it.
    pub mistake: Mistake,
}

impl Routes {
    /// Compiles `routes`, whose sinks have these numbers in the store. Every mistake is reported, not only the first.
    pub(super) fn compile(
        routes: &[Route],
        sinks: &[SinkId],
        names: &[&str],
    ) -> Result<Self, Vec<RouteMistake>> {
        let mut mistakes = Vec::new();
        let mut all = Vec::new();
        for (route, written) in routes.iter().enumerate() {
            let numbers = written.sinks.iter().filter_map(|at| sinks.get(*at));
            match written.when.as_deref().map(Condition::compile).transpose() {
                Ok(condition) => all.push(When {
                    condition,
                    text: written.when.clone(),
                    sinks: numbers.copied().collect(),
                }),
                Err(mistake) => mistakes.push(RouteMistake { route, mistake }),
            }
        }
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let always = if all.is_empty() {
            Some(sorted(sinks.to_vec()))
        } else {
            let open = all.iter().all(|route| route.condition.is_none());
            open.then(|| sorted(all.iter().flat_map(|route| route.sinks.clone()).collect()))
        };
        Ok(Self {
            all,
            always,
            text: text(routes, names),
        })
    }
}

/// The routes as JSON.
fn text(routes: &[Route], names: &[&str]) -> Option<Arc<str>> {
    let written = routes.iter().map(|route| {
        let sinks = route.sinks.iter().filter_map(|at| names.get(*at));
        Written {
            when: route.when.clone(),
            sinks: sinks.map(|name| (*name).to_owned()).collect(),
        }
    });
    let written: Vec<Written> = written.collect();
    let text = serde_json::to_string(&written).ok()?;
    (!written.is_empty()).then(|| text.into())
}

/// Ascending, each once.
pub(crate) fn sorted(mut sinks: Vec<SinkId>) -> Vec<SinkId> {
    sinks.sort_unstable();
    sinks.dedup();
    sinks
}
