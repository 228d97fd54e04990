//! What the templates of `/deliveries` and `/dead` have in common: rows of one sink or of all, and what the last action did.

use serde::Serialize;

use super::filter::Filter;
use crate::http::Gateway;

/// A page of rows.
#[derive(Serialize)]
pub(super) struct List<Row> {
    filter: Filter,
    sinks: Vec<String>,
    rows: Vec<Row>,
    older: Option<String>,
    done: String,
    /// The number of rows that the last action changed.
    count: u64,
}

impl<Row> List<Row> {
    /// The rows of the page at this path. `next` is the cursor of the older ones.
    pub(super) fn new(
        path: &str,
        rows: impl Iterator<Item = Row>,
        next: Option<String>,
        filter: Filter,
        gateway: &Gateway,
    ) -> Self {
        let states = gateway.sinks.states().into_iter();
        Self {
            sinks: states.map(|state| state.name.to_string()).collect(),
            rows: rows.collect(),
            older: next.map(|next| filter.href(path, &[("before", &next)])),
            done: filter.text("done").to_owned(),
            count: filter.text("count").parse().unwrap_or_default(),
            filter,
        }
    }
}
