//! What is decided about an alert before it is stored: what is changed in it, which sinks get it, and why. Pure: equal input,
//! equal output.

pub mod redaction;
pub mod rewrite;

pub mod gate;

use std::borrow::Cow;

use campanile_model::{Alert, Severity, SinkId, Status};

pub use rewrite::Rewritten;

use crate::snapshot::Snapshot;
use crate::snapshot::matcher::Asked;
use crate::snapshot::routes::{Level, Orphans, Routes, Ruled, Take, sorted};

/// Where an alert goes as far as the routes say. It is decided once, when the alert comes in. The store adds what it knows of the
/// episode: a recovery goes where its firing went, and these sinks are only for one whose firing is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision<'s> {
    /// The sinks, ascending, each once.
    pub sinks: Cow<'s, [SinkId]>,
    /// What each route said: each before those that are nested in it, and `otherwise` last, if it is set. Empty where
    /// every alert has the same sinks.
    pub because: Vec<Match>,
    /// How many conditions failed.
    pub failed: usize,
}

/// What one route said of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    /// The route applies.
    Yes,
    /// It does not match.
    No,
    /// Its condition failed on this alert. The route applies: a superfluous alert is better than a lost one.
    Failed,
    /// It matches, and a nested route took the alert: its own sinks do not count.
    Nested,
    /// It was not asked: the route that it is in does not match, or an earlier one took the alert.
    Skipped,
}

/// Rewrites the alerts of one callback, then decides the sinks of each. All that takes a callback asks here.
pub fn prepare<'s>(
    alerts: &mut [&mut Alert],
    snapshot: &'s Snapshot,
) -> (Vec<Decision<'s>>, Rewritten) {
    let rewritten = rewrite::rewrite(
        alerts.iter_mut().map(|alert| &mut **alert),
        &snapshot.rewrites,
    );
    let decisions = alerts.iter().map(|alert| decide(alert, snapshot));
    (decisions.collect(), rewritten)
}

/// Which sinks get `alert`, which is rewritten already.
pub fn decide<'s>(alert: &Alert, snapshot: &'s Snapshot) -> Decision<'s> {
    let routes = &snapshot.routes;
    let mut decision = asked(alert, routes);
    for other in other_severities(alert, routes) {
        decision.add(asked(&other, routes));
    }
    if alert.status == Status::Resolved && routes.orphans == Orphans::Drop {
        decision.sinks = Cow::Borrowed(&[]);
    }
    decision
}

/// The routes that give an alert to a sink now. Empty if every alert has the same sinks.
pub fn givers<'r>(alert: &Alert, sink: SinkId, routes: &'r Routes) -> Vec<&'r Ruled> {
    let because = asked(alert, routes).because;
    let gives = |route: &&Ruled| {
        let said = because.get(route.number);
        matches!(said, Some(Match::Yes | Match::Failed)) && route.sinks.contains(&sink)
    };
    routes.level.all().filter(gives).collect()
}

/// A recovery with each severity that its firing can have had. Many vendors send none with a recovery, so a route for
/// `severity == 'critical'` would never get the end of what it got.
fn other_severities(alert: &Alert, routes: &Routes) -> Vec<Alert> {
    let unknown = alert.status == Status::Resolved && alert.severity == Severity::Unknown;
    if !unknown || !routes.asks_severity || routes.always.is_some() {
        return Vec::new();
    }
    let others = Severity::ALL.iter();
    let others = others.filter(|other| **other != Severity::Unknown);
    let alerts = others.map(|severity| Alert {
        severity: *severity,
        ..alert.clone()
    });
    alerts.collect()
}

impl Decision<'_> {
    /// Adds what the routes say of the same alert with another severity.
    fn add(&mut self, other: Decision<'_>) {
        self.sinks = Cow::Owned(sorted([&*self.sinks, &*other.sinks].concat()));
        for (said, other) in self.because.iter_mut().zip(other.because) {
            if other.weight() > said.weight() {
                *said = other;
            }
        }
        self.failed = self.failed.max(other.failed);
    }
}

impl Match {
    /// The more a route counts for the sinks, the higher.
    fn weight(self) -> u8 {
        match self {
            Self::Skipped | Self::No => 0,
            Self::Nested => 1,
            Self::Failed => 2,
            Self::Yes => 3,
        }
    }
}

/// What the routes say of an alert.
fn asked<'s>(alert: &Alert, routes: &'s Routes) -> Decision<'s> {
    if let Some(sinks) = &routes.always {
        return Decision {
            sinks: Cow::Borrowed(sinks),
            ..Decision::default()
        };
    }
    let mut asking = Asking {
        alert: Asked::of(alert),
        take: routes.take,
        said: vec![Match::Skipped; routes.level.end],
        sinks: Vec::new(),
        failed: 0,
    };
    let taken = asking.level(&routes.level);
    let Asking {
        mut said,
        mut sinks,
        failed,
        ..
    } = asking;
    if !routes.otherwise.is_empty() {
        said.push(if taken { Match::Skipped } else { Match::Yes });
    }
    if !taken {
        sinks.extend(&routes.otherwise);
    }
    Decision {
        sinks: Cow::Owned(sorted(sinks)),
        because: said,
        failed,
    }
}

/// One alert on its way through the routes.
struct Asking<'a> {
    alert: Asked<'a>,
    take: Take,
    said: Vec<Match>,
    sinks: Vec<SinkId>,
    failed: usize,
}

impl Asking<'_> {
    /// Asks the routes of one level. Whether any of them took the alert.
    fn level(&mut self, level: &Level) -> bool {
        for route in &level.routes {
            self.put(route.number, Match::No);
        }
        let mut taken = false;
        for place in level.index.candidates(self.alert.alert()) {
            let Some(route) = level.routes.get(place) else {
                continue;
            };
            let said = self.one(route);
            if said == Match::No {
                continue;
            }
            taken = true;
            let said = self.apply(route, said);
            self.put(route.number, said);
            // A condition that failed must not hide the route that the alert is for.
            if self.take == Take::First && !route.goes_on && said != Match::Failed {
                self.skip(level, place);
                break;
            }
        }
        taken
    }

    /// The sinks of a route that matches: its own, unless a nested route takes the alert.
    fn apply(&mut self, route: &Ruled, said: Match) -> Match {
        if self.level(&route.nested) {
            return if said == Match::Failed {
                said
            } else {
                Match::Nested
            };
        }
        self.sinks.extend(&route.sinks);
        said
    }

    /// What one route says.
    fn one(&mut self, route: &Ruled) -> Match {
        let fits = |share: u64| self.alert.alert().fingerprint.0 % 100 < share;
        if !route.share.is_none_or(fits) {
            return Match::No;
        }
        match route.matcher.holds(&self.alert) {
            Ok(true) => Match::Yes,
            Ok(false) => Match::No,
            Err(_) => {
                self.failed += 1;
                Match::Failed
            }
        }
    }

    /// The routes after the one at `place` are not asked.
    fn skip(&mut self, level: &Level, place: usize) {
        for later in level.routes.iter().skip(place + 1) {
            self.put(later.number, Match::Skipped);
        }
    }

    fn put(&mut self, number: usize, said: Match) {
        if let Some(place) = self.said.get_mut(number) {
            *place = said;
        }
    }
}
