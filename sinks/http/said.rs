//! The receiver's own words about a failure, for the operator.

use crate::secrets::Secrets;

/// At most this much of the receiver's own words is shown.
const WORDS_CHARACTERS_MAX: usize = 200;

/// The whole body, if it is text and not a web page.
pub(crate) fn text(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    let text = text.trim();
    let shown = !text.is_empty() && !text.starts_with('<');
    shown.then(|| text.to_owned())
}

/// The reason with the receiver's own words, if it said any. Secrets are taken out before the words are shortened: a part of
/// a secret would not be found.
pub(crate) fn with_words(reason: String, words: Option<String>, secrets: &Secrets) -> String {
    match words {
        Some(words) => format!("{reason}. It said: {}", short(&secrets.hidden(&words))),
        None => reason,
    }
}

/// The words on one line, shortened.
pub(crate) fn short(words: &str) -> String {
    let words = words.chars().take(WORDS_CHARACTERS_MAX);
    words
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}
