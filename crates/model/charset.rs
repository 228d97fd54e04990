//! Finds the charset of a text: from its byte order mark, from the declaration of the sender, or from its bytes.

use std::borrow::Cow;

use encoding_rs::{Encoding, GB18030, UTF_8, WINDOWS_1252};
use jiff::tz::TimeZone;

use crate::{Callback, Fault};

/// IANA names of the time zones where senders without a declared charset write GBK or GB18030.
const CHINESE_ZONES: &[&str] = &[
    "Asia/Shanghai",
    "Asia/Chongqing",
    "Asia/Chungking",
    "Asia/Harbin",
    "Asia/Urumqi",
    "Asia/Kashgar",
    "Asia/Taipei",
    "Asia/Hong_Kong",
    "Asia/Macau",
    "Asia/Macao",
    "Hongkong",
    "PRC",
    "ROC",
];

/// Whether `zone` is a Chinese time zone.
#[must_use]
pub fn is_chinese(zone: &TimeZone) -> bool {
    zone.iana_name()
        .is_some_and(|name| CHINESE_ZONES.contains(&name))
}

/// The charset that the `Content-Type` declares, if it declares one.
pub fn declared(call: &Callback) -> Result<Option<&'static Encoding>, Fault> {
    let Some(label) = call.header("content-type").and_then(parameter) else {
        return Ok(None);
    };
    let known = Encoding::for_label(label.as_bytes());
    known.map(Some).ok_or_else(|| {
        let problem = format!("`{label:.40}` is not a known charset");
        Fault::new("header.content-type", problem)
    })
}

/// The charset parameter of a `Content-Type`.
#[must_use]
pub fn parameter(content_type: &str) -> Option<&str> {
    content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let value = value.trim().trim_matches(['"', '\'']).trim();
        (name.trim().eq_ignore_ascii_case("charset") && !value.is_empty()).then_some(value)
    })
}

/// Decodes `bytes` from `encoding`. `None` when they are not valid in it.
pub(crate) fn decoded<'b>(encoding: &'static Encoding, bytes: &'b [u8]) -> Option<Cow<'b, str>> {
    encoding.decode_without_bom_handling_and_without_replacement(bytes)
}

/// Guesses the charset of `bytes`. UTF-8 if they are valid in it. Else GB18030 if they are valid in it and either
/// `chinese` holds or most characters are common Chinese ones. Else Windows-1252, in which all bytes are valid.
#[must_use]
pub fn guessed(bytes: &[u8], chinese: bool) -> &'static Encoding {
    if std::str::from_utf8(bytes).is_ok() {
        return UTF_8;
    }
    if (chinese || looks_chinese(bytes)) && decoded(GB18030, bytes).is_some() {
        return GB18030;
    }
    WINDOWS_1252
}

/// Whether most of the characters outside ASCII are common ones of GB2312: its punctuation (rows 1 to 3) and the 3,755
/// characters of its first level. Accented letters of European languages are single bytes between ASCII: read as GB2312
/// they are rare characters or not valid.
fn looks_chinese(bytes: &[u8]) -> bool {
    let (mut common, mut rare) = (0_usize, 0_usize);
    let mut rest = bytes;
    while let [first, after @ ..] = rest {
        rest = match (first, after) {
            (0..0x80, _) => after,
            (0xA1..=0xA3 | 0xB0..=0xD7, [0xA1..=0xFF, after @ ..]) => {
                common += 1;
                after
            }
            (_, [_, after @ ..]) => {
                rare += 1;
                after
            }
            (_, []) => {
                rare += 1;
                after
            }
        };
    }
    common > 2 * rare
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chinese_and_european_texts_without_a_charset_are_told_apart() {
        for text in [
            "磁盘空间不足 on win-2",
            "中",
            "告警：CPU 使用率 97%，请处理",
        ] {
            let (bytes, ..) = GB18030.encode(text);
            assert_eq!(guessed(&bytes, false), GB18030, "{text}");
        }
        for text in [
            "Gerät überlastet: 95 °C",
            "température élevée",
            "Größe",
            "señal «débil»",
            "é",
            "5 µs ± 1",
        ] {
            let (bytes, ..) = WINDOWS_1252.encode(text);
            assert_eq!(guessed(&bytes, false), WINDOWS_1252, "{text}");
        }
    }

    #[test]
    fn in_a_chinese_zone_rare_characters_are_chinese_too() {
        let (bytes, ..) = GB18030.encode("鑫淼");
        assert_eq!(guessed(&bytes, true), GB18030);
        // Half of a Chinese character is valid only in Windows-1252.
        assert_eq!(guessed(b"ab\xE9", true), WINDOWS_1252);
    }

    #[test]
    fn zones_are_chinese_by_their_names() {
        let zone = |name: &str| TimeZone::get(name).expect("bundled");
        assert!(is_chinese(&zone("Asia/Taipei")));
        assert!(!is_chinese(&zone("Asia/Tokyo")));
        assert!(!is_chinese(&TimeZone::UTC));
    }
}
