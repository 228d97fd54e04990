//! What a route said of an alert, for the API, the command line and the page.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::pipeline::Match;
use crate::snapshot::written::{Written, titles};

/// What a route said of an alert.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RouteSaid {
    /// The name of the route, or its number, such as `2.1` for the first route inside of the second. `otherwise` is what
    /// `[routing] otherwise` gives.
    #[serde(default)]
    pub name: String,
    /// How many routes it is in.
    #[serde(default)]
    pub depth: usize,
    /// Each field with the values that it may have.
    #[serde(rename = "match", default)]
    pub equal: BTreeMap<String, Vec<String>>,
    /// Each field with the pattern of its whole value.
    #[serde(default)]
    pub regex: BTreeMap<String, String>,
    /// The Jinja condition, or null.
    pub when: Option<String>,
    /// The percent of the problems that the route takes.
    #[serde(default)]
    pub share: Option<u64>,
    /// The sinks of the route.
    pub sinks: Vec<String>,
    /// `yes`, `no`, `failed` (its condition failed, so it is applied), `nested` (it matches, and a route inside of it took the
    /// alert) or `skipped` (it was not asked).
    pub matches: String,
}

impl RouteSaid {
    /// All that must hold, in one line. Empty if the route matches every alert.
    pub fn condition(&self) -> String {
        let route = Written {
            name: Some(self.name.clone()),
            matches: self.equal.clone(),
            regex: self.regex.clone(),
            when: self.when.clone(),
            share: self.share,
            ..Written::default()
        };
        route.condition()
    }
}

/// Every route of a configuration with what it said.
pub(crate) fn all(routes: Vec<(Written, Match)>) -> Vec<RouteSaid> {
    let (routes, said): (Vec<Written>, Vec<Match>) = routes.into_iter().unzip();
    let names = titles(&routes);
    let all = routes.into_iter().zip(names).zip(said);
    all.map(|((route, name), said)| RouteSaid {
        name,
        depth: route.depth,
        equal: route.matches,
        regex: route.regex,
        when: route.when,
        share: route.share,
        sinks: route.sinks,
        matches: word(said).to_owned(),
    })
    .collect()
}

fn word(said: Match) -> &'static str {
    match said {
        Match::Yes => "yes",
        Match::No => "no",
        Match::Failed => "failed",
        Match::Nested => "nested",
        Match::Skipped => "skipped",
    }
}
