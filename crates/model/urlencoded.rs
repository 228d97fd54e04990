//! Decodes `application/x-www-form-urlencoded` text, and text that was encoded twice.

use std::borrow::Cow;

use encoding_rs::Encoding;
use percent_encoding::percent_decode;

use crate::charset;

/// Decodes one name or value of a form or query. `None` when its bytes are not valid in `encoding`.
pub fn decoded(part: &[u8], encoding: &'static Encoding) -> Option<String> {
    let spaced: Cow<'_, [u8]> = if part.contains(&b'+') {
        let blank = |b: &u8| if *b == b'+' { b' ' } else { *b };
        part.iter().map(blank).collect::<Vec<u8>>().into()
    } else {
        part.into()
    };
    let bytes: Cow<'_, [u8]> = percent_decode(&spaced).into();
    charset::decoded(encoding, &bytes).map(Cow::into_owned)
}

/// Guesses the charset of a form or query that declares none.
pub(crate) fn guessed(encoded: &[u8], chinese: bool) -> &'static Encoding {
    if encoded.is_ascii() && !encoded.contains(&b'%') {
        return encoding_rs::UTF_8;
    }
    let bytes: Cow<'_, [u8]> = percent_decode(encoded).into();
    charset::guessed(&bytes, chinese)
}

/// When to decode a value a second time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// The sender is known to encode twice: decode if the text fits the alphabet of an encoder.
    WhenAlphabetFits,
    /// The sender may encode once or twice: decode if the text also contains a `%XX`.
    WhenPercentIsThere,
}

/// Decodes `text`, which was decoded once, a second time if its sender encoded it twice.
///
/// It counts as encoded only if all of it is in the alphabet of an encoder (`A-Z a-z 0-9 - _ . ~ % +`, two hex digits
/// after each `%`), and it decodes to UTF-8 or to the charset that the sender declared. Any other text stays as it is.
pub fn decoded_again<'a>(text: &'a str, again: Again, declared: &'static Encoding) -> Cow<'a, str> {
    if !is_encoded(text) || (again == Again::WhenPercentIsThere && !text.contains('%')) {
        return text.into();
    }
    decoded(text.as_bytes(), encoding_rs::UTF_8)
        .or_else(|| decoded(text.as_bytes(), declared))
        .map_or(text.into(), Cow::Owned)
}

fn is_encoded(text: &str) -> bool {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let fits = match byte {
            b'%' => {
                let hex = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_hexdigit());
                hex(bytes.next()) && hex(bytes.next())
            }
            b'-' | b'_' | b'.' | b'~' | b'+' => true,
            other => other.is_ascii_alphanumeric(),
        };
        if !fits {
            return false;
        }
    }
    true
}
