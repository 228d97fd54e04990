//! The routes of a configuration, compiled.

use std::sync::Arc;

use campanile_language::Mistake;
use campanile_model::SinkId;

use super::index::Index;
use super::matcher::Matcher;
use super::written::{self, Written};
use crate::config::routing::{self, Hours, Route, Routing};
pub(crate) use crate::config::{Orphans, Take};

/// Which alerts go to which sinks.
#[derive(Debug)]
pub struct Routes {
    /// The routes of the file. None at all: every alert goes to every sink, or to `otherwise`.
    pub level: Level,
    /// Which of the routes that match take an alert.
    pub take: Take,
    /// The sinks of alerts that no route took.
    pub otherwise: Vec<SinkId>,
    /// What happens to a recovery whose firing is not known.
    pub orphans: Orphans,
    /// What each route is called, by number.
    pub titles: Vec<String>,
    /// Any of them has windows, or sends no recoveries.
    pub restricts: bool,
    /// Any of them asks for the severity.
    pub asks_severity: bool,
    /// The sinks of every alert, where every alert has the same: ascending, each once.
    pub always: Option<Vec<SinkId>>,
    /// All routes as JSON, each a [`Written`]. It is stored with the callbacks that they were asked about. None where there
    /// are no routes.
    pub text: Option<Arc<str>>,
    /// The same, for a forecast. Where `otherwise` is set, it is the last.
    pub(crate) written: Vec<Written>,
}

/// Routes that are asked one after the other: those of the file, or those inside of one route.
#[derive(Debug, Default)]
pub struct Level {
    /// The routes, in the order of the file.
    pub routes: Vec<Ruled>,
    /// Finds those that can match.
    pub index: Index,
    /// The number of the route after the last of this level and of all levels in it.
    pub end: usize,
}

/// One route.
#[derive(Debug)]
pub struct Ruled {
    /// Its place in the list of all routes, each before those that are nested in it.
    pub number: usize,
    /// What must hold of the alert.
    pub matcher: Matcher,
    /// The percent of the problems that it takes.
    pub share: Option<u64>,
    /// When its sinks get alerts.
    pub hours: Hours,
    /// Its sinks get no recoveries.
    pub firing_only: bool,
    /// The following routes are asked too.
    pub goes_on: bool,
    /// Where the alerts go that no nested route took.
    pub sinks: Vec<SinkId>,
    /// The nested routes.
    pub nested: Level,
}

impl Level {
    /// The routes of this level, and of all levels in them.
    pub fn all(&self) -> Box<dyn Iterator<Item = &Ruled> + '_> {
        let routes = self.routes.iter();
        Box::new(routes.flat_map(|route| std::iter::once(route).chain(route.nested.all())))
    }
}

/// A route or a rewrite that cannot be compiled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}.{setting}: {mistake}", routing::path_of(.section, .route))]
pub struct RouteMistake {
    /// The list that it is in: `routes` or `rewrites`.
    pub section: &'static str,
    /// Which one, each number from 0: those of the routes that it is in, then its own.
    pub route: Vec<usize>,
    /// Which of its settings.
    pub setting: &'static str,
    /// What is wrong with it, and where in it.
    pub mistake: Mistake,
}

impl Routes {
    /// Compiles `routes`, whose sinks have these numbers in the store. Every mistake is reported, not only the first.
    pub(super) fn compile(
        (routes, routing): (&[Route], &Routing),
        sinks: &[SinkId],
        names: &[&str],
    ) -> Result<Self, Vec<RouteMistake>> {
        let mut compiler = Compiler {
            sinks,
            count: 0,
            mistakes: Vec::new(),
        };
        let level = compiler.level(routes, &[]);
        let otherwise = compiler.numbers(&routing.otherwise);
        if !compiler.mistakes.is_empty() {
            return Err(compiler.mistakes);
        }
        let always = always(&level, routing, &otherwise, sinks);
        let mut written = written::list(routes, routing, names);
        if always.is_some() && !routes.is_empty() {
            // Every alert has a route: nothing is left for `otherwise`.
            written.retain(|route| !route.is_otherwise());
        }
        let text = serde_json::to_string(&written).ok();
        let restricts = level.all().any(|route| !route.is_plain());
        Ok(Self {
            level,
            take: routing.take,
            otherwise,
            orphans: routing.orphans,
            titles: written::titles(&written),
            restricts,
            asks_severity: text.as_ref().is_some_and(|text| text.contains("severity")),
            always,
            text: text.filter(|_| !written.is_empty()).map(Into::into),
            written,
        })
    }
}

/// The sinks of every alert, if each route takes every alert.
fn always(
    level: &Level,
    routing: &Routing,
    otherwise: &[SinkId],
    sinks: &[SinkId],
) -> Option<Vec<SinkId>> {
    if level.routes.is_empty() {
        let all = if otherwise.is_empty() {
            sinks
        } else {
            otherwise
        };
        return Some(sorted(all.to_vec()));
    }
    let open = routing.take == Take::All && level.routes.iter().all(Ruled::is_open);
    let all = level.routes.iter().flat_map(|route| route.sinks.clone());
    open.then(|| sorted(all.collect()))
}

impl Ruled {
    /// Whether its sinks get alerts at any time, and recoveries.
    fn is_plain(&self) -> bool {
        matches!(self.hours, Hours::Always) && !self.firing_only
    }

    /// Whether it takes every alert, and sends all of them to the same sinks.
    fn is_open(&self) -> bool {
        self.is_plain()
            && self.matcher.is_open()
            && self.share.is_none()
            && self.nested.routes.is_empty()
    }
}

struct Compiler<'a> {
    sinks: &'a [SinkId],
    /// The routes so far.
    count: usize,
    mistakes: Vec<RouteMistake>,
}

impl Compiler<'_> {
    fn level(&mut self, routes: &[Route], above: &[usize]) -> Level {
        let routes: Vec<Ruled> = routes
            .iter()
            .enumerate()
            .map(|(place, route)| self.route(route, &[above, &[place]].concat()))
            .collect();
        Level {
            index: Index::of(routes.iter().map(|route| &route.matcher.equal)),
            routes,
            end: self.count,
        }
    }

    fn route(&mut self, route: &Route, at: &[usize]) -> Ruled {
        let number = self.count;
        self.count += 1;
        Ruled {
            number,
            matcher: self.matcher(route, at),
            share: route.share,
            hours: route.hours.clone(),
            firing_only: route.firing_only,
            goes_on: route.goes_on,
            sinks: self.numbers(&route.sinks),
            nested: self.level(&route.routes, at),
        }
    }

    fn matcher(&mut self, route: &Route, at: &[usize]) -> Matcher {
        let compiled = Matcher::compile(&route.matching);
        compiled.unwrap_or_else(|wrong| {
            let mistakes = wrong.into_iter().map(|(setting, mistake)| RouteMistake {
                section: "routes",
                route: at.to_vec(),
                setting,
                mistake,
            });
            self.mistakes.extend(mistakes);
            Matcher::default()
        })
    }

    fn numbers(&self, sinks: &[usize]) -> Vec<SinkId> {
        let numbers = sinks.iter().filter_map(|at| self.sinks.get(*at));
        numbers.copied().collect()
    }
}

/// Ascending, each once.
pub(crate) fn sorted(mut sinks: Vec<SinkId>) -> Vec<SinkId> {
    sinks.sort_unstable();
    sinks.dedup();
    sinks
}
