//! The filters of a list, which are the parameters of its address.

use std::collections::BTreeMap;

use campanile_language::duration;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::api::Failing;
use crate::api::error::ApiError;

/// Parameters that every page has, and that no list of the API reads.
const OF_PAGES: &[&str] = &["tz", "done", "count"];

/// The parameters of a list with a value.
#[derive(Serialize)]
#[serde(transparent)]
pub(super) struct Filter {
    given: BTreeMap<String, String>,
    #[serde(skip)]
    now: Timestamp,
}

impl Filter {
    /// Reads a query. A parameter without a value is left out, because a form sends all of its fields.
    pub(super) fn of(query: &str, now: Timestamp) -> Failing<Self> {
        let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query).map_err(|error| {
            ApiError::bad_request(format!("the query string cannot be read: {error}"))
        })?;
        let given = pairs.into_iter().filter(|(_, value)| !value.is_empty());
        Ok(Self {
            given: given.collect(),
            now,
        })
    }

    /// The value of a parameter, or an empty text.
    pub(super) fn text(&self, name: &str) -> &str {
        self.given.get(name).map_or("", String::as_str)
    }

    /// The filters by label: the parameters `label.NAME` and their values.
    pub(super) fn labels(&self) -> Vec<(String, String)> {
        let given = self.given.iter();
        let labels = given.filter(|(name, _)| name.starts_with("label."));
        labels
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    /// The query for the API: without the parameters that the page reads, and with more.
    pub(super) fn query(&self, own: &[&str], more: &[(&str, &str)]) -> String {
        let given = self
            .given
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let kept = given.filter(|(name, _)| !own.contains(name) && !OF_PAGES.contains(name));
        let absolute = |(name, value): (&str, &str)| match name {
            "since" | "until" => (name.to_owned(), self.time(value)),
            _ => (name.to_owned(), value.to_owned()),
        };
        let pairs: BTreeMap<String, String> =
            kept.chain(more.iter().copied()).map(absolute).collect();
        encoded(&pairs)
    }

    /// A time, or a duration before now, such as `24h`.
    fn time(&self, value: &str) -> String {
        let seconds = duration::seconds(value)
            .and_then(|seconds| SignedDuration::try_from_secs_f64(seconds).ok());
        let time = seconds.and_then(|seconds| self.now.checked_sub(seconds).ok());
        time.map_or_else(|| value.to_owned(), |time| time.to_string())
    }

    /// The time of a parameter that is a time. None if it has no value, or one that is not valid.
    pub(super) fn at(&self, name: &str) -> Option<Timestamp> {
        self.time(self.given.get(name)?).parse().ok()
    }

    /// The address of this list with other values. An empty value removes the parameter.
    pub(super) fn href(&self, path: &str, changed: &[(&str, &str)]) -> String {
        let mut pairs = self.given.clone();
        for name in ["before", "done", "count"] {
            pairs.remove(name);
        }
        let changed = changed
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        pairs.extend(changed);
        pairs.retain(|_, value| !value.is_empty());
        format!("{path}?{}", encoded(&pairs))
    }
}

fn encoded(pairs: &BTreeMap<String, String>) -> String {
    serde_urlencoded::to_string(pairs).unwrap_or_default()
}
