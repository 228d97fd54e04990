//! How much text a receiver takes, in the unit that it counts.

use campanile_language::phone::cut;
use serde::Deserialize;

/// How much text a receiver takes.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum Room {
    /// In UTF-8.
    Bytes(usize),
    /// In Unicode characters.
    Characters(usize),
    /// In UTF-16 code units: an emoji counts as two.
    Utf16(usize),
}

impl Room {
    /// Half of it, for a receiver that found the message too long.
    pub(crate) fn half(self) -> Self {
        match self {
            Self::Bytes(most) => Self::Bytes(most / 2),
            Self::Characters(most) => Self::Characters(most / 2),
            Self::Utf16(most) => Self::Utf16(most / 2),
        }
    }

    fn most(self) -> usize {
        match self {
            Self::Bytes(most) | Self::Characters(most) | Self::Utf16(most) => most,
        }
    }

    fn size(self, c: char) -> usize {
        match self {
            Self::Bytes(_) => c.len_utf8(),
            Self::Characters(_) => 1,
            Self::Utf16(_) => c.len_utf16(),
        }
    }

    /// The text if it fits, else its beginning with `…`.
    pub(crate) fn cut(self, text: &str) -> String {
        cut(text, self.most(), |c| self.size(c))
    }
}
