//! How much text a receiver takes, in the unit that it counts.

use serde::Deserialize;

/// Ends a text that was cut.
const MARK: char = '…';

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

    /// The text if it fits, else its beginning, cut on a border of characters, with `…` where something is missing.
    pub(crate) fn cut(self, text: &str) -> String {
        let size = |c: char| self.size(c);
        if text.chars().map(size).sum::<usize>() <= self.most() {
            return text.to_owned();
        }
        let mut left = self.most().saturating_sub(size(MARK));
        let fits = |c: &char| {
            let room = left.checked_sub(size(*c));
            left = room.unwrap_or(left);
            room.is_some()
        };
        let mut kept: String = text.chars().take_while(fits).collect();
        kept.push(MARK);
        kept
    }
}
