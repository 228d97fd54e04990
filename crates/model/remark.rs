//! What an operator should know about a callback that was read although something in it was wrong.

use std::fmt;

use crate::Fault;

/// Something that was wrong in a callback and did not keep it from being read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remark {
    /// The body is not valid JSON. It was repaired; see [`crate::lenient`].
    LenientJson,
    /// The text is not UTF-8 and no charset is declared. It was read as this one; see [`crate::charset`].
    GuessedCharset(&'static str),
    /// An optional field cannot be read, and was left out of the alert.
    LeftOut(Fault),
}

impl Remark {
    /// Its kind in one word, for counters: `lenient_json`, `guessed_charset` or `left_out`.
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
                "the body is not valid JSON and was repaired: check the template of the sender for stray commas and unescaped text",
            ),
            Self::GuessedCharset(name) => write!(
                f,
                "the text is not UTF-8 and declares no charset; it was read as {name}: declare the charset in Content-Type"
            ),
            Self::LeftOut(fault) => write!(f, "left out of the alert: {fault}"),
        }
    }
}
