//! Tables from a vendor's words to ours.

use crate::source::Source;
use campanile_model::Severity;

/// A vendor's words for severities, in lower case.
pub type Table = [(&'static str, Severity)];

/// The severity that `word` stands for: by the operator's table, then by the vendor's. A word in neither is unknown,
/// never a default.
pub fn severity(source: &Source, table: &Table, word: &str) -> Severity {
    let ours = || {
        let mut words = table.iter();
        words.find(|(known, _)| known.eq_ignore_ascii_case(word))
    };
    operators(source, word)
        .or_else(|| ours().map(|(_, severity)| *severity))
        .unwrap_or_default()
}

/// The severity that the operator gives to `word`, if any.
pub fn operators(source: &Source, word: &str) -> Option<Severity> {
    let in_any_case = || {
        let mut words = source.severities.iter();
        words.find(|(known, _)| known.eq_ignore_ascii_case(word))
    };
    source
        .severities
        .get(word)
        .or_else(|| in_any_case().map(|(_, severity)| severity))
        .copied()
}
