//! The suggestion "did you mean ...?" for keys, values and names in the config, in mappings and on the command line.

/// How similar a word must be to a known one to be taken as a misspelling of it (0 is different, 1 is equal).
const NEAR: f64 = 0.6;

/// A longer word gets no suggestion, because the cost of a comparison is the product of both lengths.
const WORD_BYTES_MAX: usize = 128;

/// The known word that is nearest to `word`, if one is near.
#[must_use]
pub fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    if word.len() > WORD_BYTES_MAX {
        return None;
    }
    let word = word.to_lowercase();
    known
        .into_iter()
        .map(|known| (strsim::normalized_damerau_levenshtein(&word, known), known))
        .filter(|(likeness, _)| *likeness >= NEAR)
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_misspelt_word_is_found_and_another_word_is_not() {
        let known = ["severity", "status", "source"];
        assert_eq!(nearest("severty", known), Some("severity"));
        assert_eq!(nearest("STATUS", known), Some("status"));
        assert_eq!(nearest("labels", known), None);
        assert_eq!(nearest(&"s".repeat(200), known), None);
    }
}
