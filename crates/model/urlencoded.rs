//! `application/x-www-form-urlencoded` text, and text that was encoded so once more.

use std::borrow::Cow;

use encoding_rs::Encoding;
use percent_encoding::percent_decode;

use crate::charset;

/// One name or value of a form or query; nothing when its bytes are not in `encoding`.
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

/// The charset of a form or query that declares none.
pub(crate) fn guessed(encoded: &[u8], chinese: bool) -> &'static Encoding {
    if encoded.is_ascii() && !encoded.contains(&b'%') {
        return encoding_rs::UTF_8;
    }
    let bytes: Cow<'_, [u8]> = percent_decode(encoded).into();
    charset::guessed(&bytes, chinese)
}

/// Whether a value that was decoded once may have been encoded twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// The sender says that it encodes twice; the alphabet must agree.
    WhenAlphabetFits,
    /// The sender may encode once or twice; there must also be a `%XX`.
    WhenPercentIsThere,
}

/// `text`, which was decoded once, decoded again if its sender encoded it again.
///
/// It is taken as encoded only if it is wholly in the alphabet of an encoder (`A-Z a-z 0-9 - _ . ~ % +`, two hex digits
/// after each `%`) and decodes to UTF-8, or else to the charset that the sender declared. Anything else was written by
/// a sender that did not encode, and stays as it is.
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
