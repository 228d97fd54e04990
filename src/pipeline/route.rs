//! Which alerts go to which sinks. Decided once, when an alert comes in, and then frozen with it.

use campanile_model::Alert;

use crate::config::Route;
use campanile_language::{Condition, Facts, Mistake};

/// The routes, compiled.
#[derive(Debug)]
pub struct Router {
    paths: Vec<Path>,
    /// The answer for every alert, where no route asks anything.
    always: Option<Vec<usize>>,
}

#[derive(Debug)]
struct Path {
    when: Option<Condition>,
    sinks: Vec<usize>,
}

/// Where an alert goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// Indices into the configured sinks, ascending, each once.
    pub sinks: Vec<usize>,
    /// Conditions that failed on this alert and so were taken to hold. To be counted.
    pub failed: usize,
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

impl Router {
    /// Compiles the routes over `sink_count` sinks. No routes at all: every alert goes to every sink. Every mistake is
    /// given, not just the first.
    pub fn compile(routes: &[Route], sink_count: usize) -> Result<Self, Vec<RouteMistake>> {
        let mut mistakes = Vec::new();
        let mut paths = Vec::new();
        for (route, written) in routes.iter().enumerate() {
            match written.when.as_deref().map(Condition::compile).transpose() {
                Ok(when) => paths.push(Path {
                    when,
                    sinks: written.sinks.clone(),
                }),
                Err(mistake) => mistakes.push(RouteMistake { route, mistake }),
            }
        }
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let asks = paths.iter().any(|path| path.when.is_some());
        let always = if paths.is_empty() {
            Some((0..sink_count).collect())
        } else {
            (!asks).then(|| sorted(paths.iter().flat_map(|path| path.sinks.clone()).collect()))
        };
        Ok(Self { paths, always })
    }

    /// Where an alert goes. A condition that fails on it is taken to hold: an alert too many beats one that nobody got.
    pub fn decide(&self, alert: &Alert) -> Decision {
        if let Some(sinks) = &self.always {
            return Decision {
                sinks: sinks.clone(),
                failed: 0,
            };
        }
        let facts = Facts::of(alert);
        let mut decision = Decision::default();
        for path in &self.paths {
            let holds = path
                .when
                .as_ref()
                .map_or(Ok(true), |when| when.holds(&facts));
            decision.failed += usize::from(holds.is_err());
            if holds.unwrap_or(true) {
                decision.sinks.extend(&path.sinks);
            }
        }
        decision.sinks = sorted(decision.sinks);
        decision
    }

    /// [`Self::decide`] without the count.
    pub fn sinks(&self, alert: &Alert) -> Vec<usize> {
        self.decide(alert).sinks
    }
}

fn sorted(mut sinks: Vec<usize>) -> Vec<usize> {
    sinks.sort_unstable();
    sinks.dedup();
    sinks
}
