//! The raw request as it is stored, without the values that rewrites redacted.

use campanile_model::{Secret, redact};
use jiff::Timestamp;

use crate::intake::{read, stored};
use crate::pipeline::redaction::{HIDDEN, VALUES_MAX, holds};
use crate::snapshot::Source;

/// `raw` without `secrets`, in any encoding. What is left is read again, as it would be after a fix of the mapping: if a value
/// is still found, an encoding hides it from the search, and the request is stored without its headers and its body.
pub(super) fn without(
    source: Option<&Source>,
    raw: Vec<u8>,
    received_at: Timestamp,
    secrets: &[Secret],
) -> Vec<u8> {
    if secrets.is_empty() {
        return raw;
    }
    if secrets.len() > VALUES_MAX {
        return line_alone(&raw);
    }
    let raw = secrets.iter().fold(raw, redact::without);
    let found = source.is_some_and(|source| is_found(source, &raw, received_at, secrets));
    if found { line_alone(&raw) } else { raw }
}

fn is_found(source: &Source, raw: &[u8], received_at: Timestamp, secrets: &[Secret]) -> bool {
    let Ok(call) = stored(source, raw, received_at) else {
        return false;
    };
    let alerts = read(source, &call, received_at).alerts;
    alerts
        .iter()
        .any(|identified| holds(&identified.alert, secrets))
}

/// The method and the path, and nothing that the vendor says.
fn line_alone(raw: &[u8]) -> Vec<u8> {
    let line = raw
        .split(|byte| matches!(byte, b'?' | b'\r' | b'\n'))
        .next();
    let line = String::from_utf8_lossy(line.unwrap_or_default());
    let line = line.trim_end_matches(" HTTP/1.1");
    format!("{line} HTTP/1.1\r\n\r\n{HIDDEN}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left_of(raw: &str, secrets: &[&str]) -> String {
        let secrets: Vec<Secret> = secrets.iter().map(|secret| (*secret).into()).collect();
        let raw = without(None, raw.into(), Timestamp::UNIX_EPOCH, &secrets);
        String::from_utf8(raw).unwrap()
    }

    #[test]
    fn a_value_is_removed_in_every_encoding() {
        let raw = "POST /callback/a?p=pa%20ss%2Fword HTTP/1.1\r\nx: 1\r\n\r\n{\"a\":\"pa ss\\/word\",\"b\":\"pa\\u0020ss/word\"}";
        let left = left_of(raw, &["pa ss/word"]);
        assert_eq!(
            left,
            "POST /callback/a?p=*** HTTP/1.1\r\nx: 1\r\n\r\n{\"a\":\"***\",\"b\":\"***\"}"
        );
        assert_eq!(left_of(raw, &[]), raw);
    }

    #[test]
    fn with_too_many_values_the_line_alone_is_stored() {
        let values: Vec<String> = (0..=VALUES_MAX).map(|n| format!("value-{n:04}")).collect();
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        let raw = "GET /callback/a?p=value-0001 HTTP/1.1\r\nx: 1\r\n\r\nbody";
        assert_eq!(left_of(raw, &values), "GET /callback/a HTTP/1.1\r\n\r\n***");
        let raw = "POST /callback/a HTTP/1.1\r\nx: 1\r\n\r\nbody";
        assert_eq!(
            left_of(raw, &values),
            "POST /callback/a HTTP/1.1\r\n\r\n***"
        );
    }
}
