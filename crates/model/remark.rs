//! A fault in a callback that did not prevent reading it, for the operator.

use std::fmt;

use crate::Fault;

/// A fault in a callback that did not prevent reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remark {
    /// The body is not valid JSON. It was repaired; see [`crate::lenient`].
    LenientJson,
    /// The text is not UTF-8 and no charset is declared. It was read in this charset; see [`crate::charset`].
    GuessedCharset(&'static str),
    /// An optional field cannot be read and was left out of the alert.
    LeftOut(Fault),
}

impl Remark {
    /// The kind of the remark in one word, for counters: `lenient_json`, `guessed_charset` or `left_out`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::LenientJson => "lenient_json",
            Self::GuessedCharset(_) => "guessed_charset",
            Self::LeftOut(_) => "left_out",
        }
    }
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LenientJson => f.write_str(
                "the body was not valid JSON and was repaired: check the sender's template for extra commas and text that is not escaped",
            ),
            Self::GuessedCharset(name) => write!(
                f,
                "the text is not UTF-8 and declares no charset. It was read as {name}: declare the charset in Content-Type"
            ),
            Self::LeftOut(fault) => write!(f, "a field was left out of the alert: {fault}"),
        }
    }
}
