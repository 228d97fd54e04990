//! Tables from a vendor's words to severities.

use crate::source::Source;
use campanile_model::Severity;

/// A vendor's words for severities, in lower case.
pub type Table = [(&'static str, Severity)];

/// The severity of `word`, from the operator's table, then from the vendor's. A word in neither is unknown, never a
/// default. Case and blanks around a word do not matter.
pub fn severity(source: &Source, table: &Table, word: &str) -> Severity {
    let vendors = || table.iter().find(|(known, _)| is(known, word));
    operators(source, word)
        .or_else(|| vendors().map(|(_, severity)| *severity))
        .unwrap_or_default()
}

/// The severity that the operator gives to `word`, if any. An exact match has priority.
pub fn operators(source: &Source, word: &str) -> Option<Severity> {
    let exact = source.severities.get(word);
    let found = exact.or_else(|| {
        let mut words = source.severities.iter();
        words.find(|(known, _)| is(known, word)).map(|(_, is)| is)
    });
    found.copied()
}

fn is(known: &str, word: &str) -> bool {
    known.trim().eq_ignore_ascii_case(word.trim())
}
