//! `match`, `regex` and `when`: the questions that routes, silences and rewrites ask of an alert.

use std::collections::BTreeMap;

use campanile_language::Pattern;
use serde::{Deserialize, Serialize};

/// What must hold of an alert, all of it. Empty, every alert fits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Matching {
    /// The fields of the alert and the values that each may have.
    #[serde(rename = "match", skip_serializing_if = "BTreeMap::is_empty")]
    pub matches: BTreeMap<String, Vec<String>>,
    /// The fields of the alert and the pattern of each whole value.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub regex: BTreeMap<String, String>,
    /// A Jinja expression over the alert's fields (checked at load).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
}

impl Matching {
    /// Whether each alert that fits `later` fits this too, as far as `match` and `regex` tell.
    pub fn covers(&self, later: &Self) -> bool {
        let narrower = |(field, values): (&String, &Vec<String>)| {
            let own = later.matches.get(field);
            own.is_some_and(|own| own.iter().all(|value| values.contains(value)))
        };
        let same = |(field, pattern): (&String, &String)| later.regex.get(field) == Some(pattern);
        self.when.is_none() && self.matches.iter().all(narrower) && self.regex.iter().all(same)
    }

    /// Whether an alert without any field does not fit. As in Alertmanager, one question of that kind is enough.
    pub fn is_narrow(&self) -> bool {
        let asks = |pattern: &String| Pattern::compile(pattern).is_ok_and(|of| !of.holds(""));
        let equal = |values: &Vec<String>| !values.iter().any(String::is_empty);
        self.when.is_some() || self.regex.values().any(asks) || self.matches.values().any(equal)
    }

    /// Whether every alert fits.
    pub fn is_empty(&self) -> bool {
        self.matches.is_empty() && self.regex.is_empty() && self.when.is_none()
    }
}
