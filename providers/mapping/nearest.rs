//! The word that somebody most likely meant.

/// A longer word is no known one misspelt; comparing costs the product of both lengths.
const WORD_BYTES_MAX: usize = 128;

/// The known word nearest to `word`, if one is near at all.
pub(crate) fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    known
        .into_iter()
        .filter(|_| word.len() <= WORD_BYTES_MAX)
        .map(|candidate| (strsim::jaro_winkler(word, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}
