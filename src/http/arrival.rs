//! What each route said of an alert, as text for the store. It is written and read here only.

use campanile_store::ArrivalRow;

use crate::pipeline::{Decision, Match};
use crate::snapshot::routes::Written;

/// What each route said, one letter for each. Empty where all of them apply.
pub(super) fn said(decision: &Decision<'_>) -> String {
    let letters = decision.because.iter().map(|said| match said {
        Match::Yes => 'y',
        Match::No => 'n',
        Match::Failed => 'f',
    });
    letters.collect()
}

/// The routes of a stored alert, each with `yes`, `no` or `failed`.
pub(crate) fn routes(row: &ArrivalRow) -> Vec<(Written, &'static str)> {
    let text = row.arrival.routes.as_deref().unwrap_or("[]");
    let routes: Vec<Written> = serde_json::from_str(text).unwrap_or_default();
    let mut letters = row.said.chars();
    let word = |letter| match letter {
        Some('n') => "no",
        Some('f') => "failed",
        _ => "yes",
    };
    let said = routes
        .into_iter()
        .map(|route| (route, word(letters.next())));
    said.collect()
}
