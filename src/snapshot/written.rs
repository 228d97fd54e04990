//! A route as it was written: what is stored with the callbacks that it was asked about, and shown.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::config::{Route, Routing};

/// The name of what `[routing] otherwise` gives, in the place of a route's name.
pub(crate) const OTHERWISE: &str = "otherwise";

/// A route. All routes of a configuration are one list: a nested route follows the route that it is in. The first versions
/// wrote `when` and `sinks` alone, so all others may be absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Written {
    /// Its name, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// How many routes it is in.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) depth: usize,
    /// Each field with the values that it may have.
    #[serde(rename = "match", skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) matches: BTreeMap<String, Vec<String>>,
    /// Each field with its pattern.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) regex: BTreeMap<String, String>,
    /// Its condition; none matches every alert.
    pub(crate) when: Option<String>,
    /// The percent of the problems that it takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) share: Option<u64>,
    /// The windows in which its sinks get alerts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) active: Vec<String>,
    /// The windows in which its sinks get none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) muted: Vec<String>,
    /// Its sinks get no recoveries.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) firing_only: bool,
    /// The names of its sinks.
    pub(crate) sinks: Vec<String>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(depth: &usize) -> bool {
    *depth == 0
}

impl Written {
    /// Whether it is what `[routing] otherwise` gives, not a route.
    pub(crate) fn is_otherwise(&self) -> bool {
        self.name.as_deref() == Some(OTHERWISE)
    }

    /// All that must hold, in one line. Empty if the route matches every alert.
    pub(crate) fn condition(&self) -> String {
        if self.is_otherwise() {
            return "no route took it".to_owned();
        }
        let equal = self.matches.iter();
        let equal = equal.map(|(field, values)| format!("{field} = {}", values.join(" | ")));
        let regex = self.regex.iter();
        let regex = regex.map(|(field, pattern)| format!("{field} ~ {pattern}"));
        let share = self.share.map(|share| format!("{share} % of the problems"));
        let parts = equal.chain(regex).chain(self.when.clone()).chain(share);
        parts.collect::<Vec<_>>().join(", ")
    }
}

/// All routes, each before those that are nested in it, and `otherwise` last.
pub(crate) fn list(routes: &[Route], routing: &Routing, names: &[&str]) -> Vec<Written> {
    let mut all = Vec::new();
    level(routes, names, 0, &mut all);
    if !routing.otherwise.is_empty() {
        all.push(Written {
            name: Some(OTHERWISE.to_owned()),
            sinks: named(&routing.otherwise, names),
            ..Written::default()
        });
    }
    all
}

fn level(routes: &[Route], names: &[&str], depth: usize, all: &mut Vec<Written>) {
    for route in routes {
        all.push(Written {
            name: route.name.clone(),
            depth,
            matches: route.matching.matches.clone(),
            regex: route.matching.regex.clone(),
            when: route.matching.when.clone(),
            share: route.share,
            active: route.hours.active(),
            muted: route.hours.muted(),
            firing_only: route.firing_only,
            sinks: named(&route.sinks, names),
        });
        level(&route.routes, names, depth + 1, all);
    }
}

fn named(sinks: &[usize], names: &[&str]) -> Vec<String> {
    let sinks = sinks.iter().filter_map(|at| names.get(*at));
    sinks.map(|name| (*name).to_owned()).collect()
}

/// What each route is called: its name, or its number from 1 behind that of its parents, such as `2.1`.
pub(crate) fn titles(routes: &[Written]) -> Vec<String> {
    let mut numbers: Vec<usize> = Vec::new();
    let titles = routes.iter().map(|route| {
        numbers.resize(route.depth + 1, 0);
        if let Some(last) = numbers.last_mut() {
            *last += 1;
        }
        let number = || {
            numbers
                .iter()
                .map(usize::to_string)
                .collect::<Vec<_>>()
                .join(".")
        };
        route.name.clone().unwrap_or_else(number)
    });
    titles.collect()
}
