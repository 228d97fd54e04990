//! Reads the query parameters of lists.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::{Duration, Instant};

use campanile_model::Severity;
use jiff::Timestamp;

use super::error::ApiError;
use super::types::{Page, Searched};
use super::{Failing, Names};
use campanile_store::{
    AlertFilter, DeadFilter, DeliveryFilter, Listed, Patience, QuarantineFilter, SinkId,
};

/// The default number of items per page.
const LIMIT: u32 = 50;

/// The largest number of items per page.
pub(super) const LIMIT_MAX: u32 = 500;

const TIME: &str = "a time such as 2026-01-31T08:00:00Z";

/// A list of alerts answers within this time what it has found, and how far it looked.
const SEARCH_MAX: Duration = Duration::from_millis(50);

/// The largest number of words in `q`, and the longest `q` in bytes.
const WORDS_MAX: usize = 8;
const WORDS_BYTES_MAX: usize = 200;

/// The largest number of labels in one query.
const LABELS_MAX: usize = 8;

/// In a list of allowed names: `label.` and any name.
pub(super) const LABEL: &str = "label.NAME";

const CURSOR: &str = "the `next` of the previous page";

/// The parameters of a query. All names are known.
pub(super) struct Query(BTreeMap<String, String>);

impl Query {
    /// Reads a query. Only the allowed names may occur, each at most once.
    pub(super) fn of(query: &str, allowed: &[&str]) -> Failing<Self> {
        let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query)
            .map_err(|e| ApiError::bad_request(format!("the query string cannot be read: {e}")))?;
        let mut known = BTreeMap::new();
        for (name, value) in pairs {
            let is_allowed = |allowed: &&str| match *allowed {
                LABEL => label(&name).is_some(),
                allowed => allowed == name,
            };
            if !allowed.iter().any(is_allowed) {
                let allowed = allowed.join("`, `");
                let message = format!(
                    "`{name:.40}` is not a valid parameter; the parameters are `{allowed}`"
                );
                return Err(ApiError::bad_request(message).at_parameter(&name));
            }
            if known.insert(name.clone(), value).is_some() {
                let message = format!("`{name:.40}` is given twice; give it once");
                return Err(ApiError::bad_request(message).at_parameter(&name));
            }
        }
        Ok(Self(known))
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The value of a parameter. `allowed` describes the valid values.
    fn parsed<T: FromStr>(&self, name: &str, allowed: impl Display) -> Failing<Option<T>> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        let wrong = |_| {
            let message = format!("`{name}` is `{text:.40}`, but must be {allowed}");
            ApiError::bad_request(message).at_parameter(name)
        };
        text.parse().map(Some).map_err(wrong)
    }

    /// The value of a parameter that is a time.
    pub(super) fn time(&self, name: &str) -> Failing<Option<Timestamp>> {
        self.parsed(name, TIME)
    }

    pub(super) fn severity(&self) -> Failing<Option<Severity>> {
        self.parsed("severity", "critical, error, warning, info or unknown")
    }

    /// A place of a list that has its own form.
    pub(super) fn cursor<T: FromStr>(&self) -> Failing<Option<T>> {
        self.parsed("before", CURSOR)
    }

    /// Of which alerts. `names` are needed if the query may have `sink`.
    pub(super) fn alerts(&self, names: Option<&Names>) -> Failing<AlertFilter> {
        let firing = "firing or resolved";
        Ok(AlertFilter {
            source: self.text("source").map(str::to_owned),
            status: self.parsed("status", firing)?,
            severity: self.severity()?,
            fingerprint: self.parsed("fingerprint", "16 hexadecimal digits")?,
            since: self.time("since")?,
            until: self.time("until")?,
            words: self.words()?,
            labels: self.labels()?,
            sink: names.map(|names| self.sink(names)).transpose()?.flatten(),
            patience: patience(),
            before: self.before()?,
            limit: self.limit()?,
        })
    }

    /// The words of `q`.
    fn words(&self) -> Failing<Vec<String>> {
        let text = self.text("q").unwrap_or("");
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        if words.len() > WORDS_MAX || text.len() > WORDS_BYTES_MAX {
            let message = format!(
                "`q` is too long: it can have {WORDS_MAX} words and {WORDS_BYTES_MAX} bytes"
            );
            return Err(ApiError::bad_request(message).at_parameter("q"));
        }
        Ok(words)
    }

    /// The labels and their values.
    fn labels(&self) -> Failing<Vec<(String, String)>> {
        let given = self.0.iter();
        let labels =
            given.filter_map(|(name, value)| Some((label(name)?.to_owned(), value.clone())));
        let labels: Vec<_> = labels.collect();
        if labels.len() > LABELS_MAX {
            let message =
                format!("more than {LABELS_MAX} labels are given; give at most {LABELS_MAX}");
            return Err(ApiError::bad_request(message).at_parameter("label"));
        }
        Ok(labels)
    }

    pub(super) fn deliveries(&self, names: &Names) -> Failing<DeliveryFilter> {
        Ok(DeliveryFilter {
            sink: self.sink(names)?,
            before: self.before()?,
            limit: self.limit()?,
        })
    }

    pub(super) fn dead(&self, names: &Names) -> Failing<DeadFilter> {
        Ok(DeadFilter {
            sink: self.sink(names)?,
            before: self.before()?,
            limit: self.limit()?,
        })
    }

    pub(super) fn quarantine(&self) -> Failing<QuarantineFilter> {
        Ok(QuarantineFilter {
            source: self.text("source").map(str::to_owned),
            before: self.before()?,
            limit: self.limit()?,
        })
    }

    /// A place in the stream.
    pub(super) fn place(&self, name: &str) -> Failing<Option<i64>> {
        self.parsed(name, "the id of an event of this stream")
    }

    /// A number in a range.
    pub(super) fn number(&self, name: &str, range: RangeInclusive<u32>) -> Failing<Option<u32>> {
        let allowed = format!("a number from {} to {}", range.start(), range.end());
        let number = self.parsed(name, &allowed)?;
        match number.filter(|number| !range.contains(number)) {
            None => Ok(number),
            Some(wrong) => {
                let message = format!("`{name}` is {wrong}, but must be {allowed}");
                Err(ApiError::bad_request(message).at_parameter(name))
            }
        }
    }

    fn sink(&self, names: &Names) -> Failing<Option<SinkId>> {
        let sink = self.text("sink").map(|sink| names.id(sink)).transpose();
        sink.map_err(|error| error.at_parameter("sink"))
    }

    fn before(&self) -> Failing<Option<i64>> {
        self.cursor()
    }

    pub(super) fn limit(&self) -> Failing<u32> {
        Ok(self.number("limit", 1..=LIMIT_MAX)?.unwrap_or(LIMIT))
    }
}

/// The name of the label in `label.NAME`.
fn label(parameter: &str) -> Option<&str> {
    let label = parameter.strip_prefix("label.");
    label.filter(|label| !label.is_empty())
}

/// From now on.
pub(super) fn patience() -> Patience {
    let begun = Instant::now();
    Patience::until(move || begun.elapsed() >= SEARCH_MAX)
}

/// The page of a search that was asked for one more row than `limit`. `place` is the cursor of a row.
pub(super) fn searched<T>(listed: Listed<T>, limit: u32, place: impl Fn(&T) -> i64) -> Searched<T> {
    let page = page(listed.rows, limit, place);
    let searched = listed.searched.filter(|_| page.next.is_none());
    Searched {
        items: page.items,
        next: page
            .next
            .or(searched.map(|searched| searched.before.to_string())),
        searched_to: searched.map(|searched| searched.at),
    }
}

/// Removes the extra row that was requested to detect a next page, and returns the cursor of the next page.
pub(super) fn page<T, P: Display>(
    mut rows: Vec<T>,
    limit: u32,
    place: impl Fn(&T) -> P,
) -> Page<T> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(place);
    Page {
        next: next.map(|place| place.to_string()),
        items: rows,
    }
}
