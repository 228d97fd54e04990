//! `[routing]` and `[[routes]]`: which alerts go to which sinks.

use std::sync::Arc;

use campanile_language::window::Window;
use jiff::Timestamp;

use super::Matching;

/// How deep routes may nest. A route of the file is at depth 1.
pub const DEPTH_MAX: usize = 8;

/// `[routing]`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routing {
    /// Which of the routes that match take an alert.
    pub take: Take,
    /// Where alerts go that no route took: indices into [`super::Config::sinks`].
    pub otherwise: Vec<usize>,
    /// What happens to a recovery whose firing is not known.
    pub orphans: Orphans,
}

/// What happens to a recovery whose firing is not known: no firing of its problem came, or an older build took it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Orphans {
    /// It goes where the routes say.
    #[default]
    Route,
    /// It is stored, and goes nowhere.
    Drop,
}

/// Which of the routes of one level that match take an alert.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Take {
    /// Every route that matches.
    #[default]
    All,
    /// The first that matches. One that says `continue` lets the following routes take it too.
    First,
}

/// When the sinks of a route get alerts, by windows with their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Hours {
    /// At any time.
    #[default]
    Always,
    /// While one of these is open.
    Active(Vec<(String, Arc<Window>)>),
    /// While none of these is open.
    Muted(Vec<(String, Arc<Window>)>),
}

impl Hours {
    /// Whether its sinks get alerts now.
    pub fn hold(&self, at: Timestamp) -> bool {
        let open = |windows: &[(String, Arc<Window>)]| {
            let mut windows = windows.iter();
            windows.any(|(_, window)| window.holds(at))
        };
        match self {
            Self::Always => true,
            Self::Active(windows) => open(windows),
            Self::Muted(windows) => !open(windows),
        }
    }

    /// The first time after this one at which that can change.
    pub fn next_change(&self, after: Timestamp) -> Option<Timestamp> {
        let windows = self.windows().iter();
        windows
            .filter_map(|(_, window)| window.next_change(after))
            .min()
    }

    fn windows(&self) -> &[(String, Arc<Window>)] {
        match self {
            Self::Always => &[],
            Self::Active(windows) | Self::Muted(windows) => windows,
        }
    }

    /// The names of the windows outside of which its sinks get nothing.
    pub fn active(&self) -> Vec<String> {
        match self {
            Self::Active(_) => self.names(),
            Self::Always | Self::Muted(_) => Vec::new(),
        }
    }

    /// The names of the windows in which its sinks get nothing.
    pub fn muted(&self) -> Vec<String> {
        match self {
            Self::Muted(_) => self.names(),
            Self::Always | Self::Active(_) => Vec::new(),
        }
    }

    /// The names of its windows.
    pub fn names(&self) -> Vec<String> {
        let windows = self.windows().iter();
        windows.map(|(name, _)| name.clone()).collect()
    }
}

/// One `[[routes]]` table, or a `[[routes.routes]]` inside of one. `matching` and `share` must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Route {
    /// A name that no other route has, shown instead of its number.
    pub name: Option<String>,
    /// What must hold of the alert.
    pub matching: Matching,
    /// Only so many percent of the problems, by fingerprint.
    pub share: Option<u64>,
    /// With [`Take::First`]: the following routes are asked too.
    pub goes_on: bool,
    /// When its sinks get alerts.
    pub hours: Hours,
    /// Its sinks get no recoveries.
    pub firing_only: bool,
    /// Indices into [`super::Config::sinks`]. For what no nested route took.
    pub sinks: Vec<usize>,
    /// The nested routes. They are asked only about alerts that this route matches.
    pub routes: Vec<Self>,
}

impl Route {
    /// Whether each alert that `later` matches is one that this route matches too, as far as `match` and `regex` tell.
    fn covers(&self, later: &Self) -> bool {
        self.share.is_none() && self.matching.covers(&later.matching)
    }
}

/// The way to a route, from the numbers of its parents to its own, each from 0: `routes[1].routes[0]`.
pub fn path(numbers: &[usize]) -> String {
    path_of("routes", numbers)
}

/// The same in another list than that of the routes.
pub fn path_of(section: &str, numbers: &[usize]) -> String {
    let steps = numbers.iter().map(|number| format!("{section}[{number}]"));
    steps.collect::<Vec<_>>().join(".")
}

/// What an operator should know of valid routes.
pub fn warnings(routes: &[Route], routing: &Routing) -> Vec<String> {
    let mut found = Found::default();
    found.level(routes, routing.take, &[]);
    if found.unfiled > UNFILED_MAX {
        let unfiled = found.unfiled;
        found.warnings.push(format!(
            "{unfiled} routes have no `match`, so each of them is asked about every alert. `match` finds its routes through an index"
        ));
    }
    found.warnings
}

/// So many routes may be asked about every alert without a warning.
const UNFILED_MAX: usize = 20;

#[derive(Default)]
struct Found {
    warnings: Vec<String>,
    /// Routes without a `match`.
    unfiled: usize,
}

impl Found {
    /// The routes of one level, whose parents are at `above`.
    fn level(&mut self, routes: &[Route], take: Take, above: &[usize]) {
        let at = |number: usize| path(&[above, &[number]].concat());
        for (number, route) in routes.iter().enumerate() {
            self.unfiled += usize::from(route.matching.matches.is_empty());
            let mut before = routes.iter().take(number);
            let hides = before.position(|earlier| !earlier.goes_on && earlier.covers(route));
            if let Some(earlier) = hides.filter(|_| take == Take::First) {
                let (here, earlier) = (at(number), at(earlier));
                self.warnings.push(format!(
                    "{here} gets no alert: {earlier} takes them first. Move {here} up, or write `continue = true` in {earlier}"
                ));
            }
            if route.goes_on && take == Take::All {
                let here = at(number);
                self.warnings.push(format!(
                    "{here}: `continue` has no effect without `[routing] take = \"first\"`"
                ));
            }
            self.level(&route.routes, take, &[above, &[number]].concat());
        }
    }
}
