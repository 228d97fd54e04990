//! Taking a secret out of a raw request, however it is written there.
//!
//! A secret can stand plain, percent-encoded in either case, with `+` for a blank, escaped in JSON, or in a mixture of
//! them: encoders differ in what they leave alone. So the search goes sign by sign and takes any writing of each.

use secrecy::ExposeSecret;

use crate::Secret;

/// What stands where a secret stood.
pub(crate) const REDACTED: &str = "***";

/// `raw` with `secret` taken out.
pub(crate) fn without(raw: Vec<u8>, secret: &Secret) -> Vec<u8> {
    let secret = secret.expose_secret();
    if secret.is_empty() {
        return raw;
    }
    let mut out = Vec::new();
    let mut kept = 0;
    let mut at = 0;
    while let Some(step) = raw.get(at..).and_then(|rest| candidate(rest, secret)) {
        at += step;
        let Some(length) = written_length(raw.get(at..).unwrap_or_default(), secret) else {
            at += 1;
            continue;
        };
        out.extend_from_slice(raw.get(kept..at).unwrap_or_default());
        out.extend_from_slice(REDACTED.as_bytes());
        at += length;
        kept = at;
    }
    if kept == 0 {
        return raw;
    }
    out.extend_from_slice(raw.get(kept..).unwrap_or_default());
    out
}

/// The first place where a writing of `secret` may begin, told by two bytes. Nearly all fail here, and nearly all requests
/// hold no secret beyond their path and token.
fn candidate(raw: &[u8], secret: &str) -> Option<usize> {
    let (first, second) = match secret.as_bytes() {
        [first, second, ..] => (*first, Some(*second)),
        [first] => (*first, None),
        [] => return None,
    };
    let escapes = |byte: u8| matches!(byte, b'%' | b'\\' | b'+');
    // A blank is the only sign that may begin with `+`.
    let begins = memchr::memchr3_iter(first, b'%', b'\\', raw);
    let mut begins = begins.filter(|at| {
        let next = raw.get(at + 1).copied();
        let told = next.zip(second).is_none_or(|(n, s)| n == s || escapes(n));
        told || raw.get(*at).is_some_and(|byte| escapes(*byte))
    });
    let begin = begins.next();
    if first == b' ' {
        return memchr::memchr(b'+', raw).into_iter().chain(begin).min();
    }
    begin
}

/// How many bytes at the start of `raw` are a writing of `secret`, the longest one.
fn written_length(raw: &[u8], secret: &str) -> Option<usize> {
    let rest = if secret.contains(['%', '\\']) {
        shortest_rest(raw, secret)
    } else {
        let step = |rest, sign| json_escape(rest, sign).or_else(|| encoded(rest, sign));
        secret.chars().try_fold(raw, step)
    };
    rest.map(|rest| raw.len() - rest.len())
}

/// Where these signs stand in a secret, the same bytes can be read in two ways: `%25` is a `%` that is encoded, or the
/// beginning of three signs; two backslashes are one that is escaped, or two. So each way is followed to its end.
fn shortest_rest<'r>(raw: &'r [u8], secret: &str) -> Option<&'r [u8]> {
    let mut rests = vec![raw];
    for sign in secret.chars() {
        let mut next: Vec<&[u8]> = Vec::new();
        for rest in rests {
            let plain = rest.strip_prefix(sign.encode_utf8(&mut [0; 4]).as_bytes());
            let ways = [json_escape(rest, sign), encoded(rest, sign), plain];
            for way in ways.into_iter().flatten() {
                if next.iter().all(|known| known.len() != way.len()) {
                    next.push(way);
                }
            }
        }
        rests = next;
    }
    rests.into_iter().min_by_key(|rest| rest.len())
}

/// What follows `sign`, written byte by byte: plain, percent-encoded, or `+` for a blank.
fn encoded(raw: &[u8], sign: char) -> Option<&[u8]> {
    let mut buffer = [0; 4];
    let bytes = sign.encode_utf8(&mut buffer).bytes();
    bytes.into_iter().try_fold(raw, |rest, byte| match rest {
        [b'%', high, low, rest @ ..]
            if hex::decode([*high, *low]).is_ok_and(|code| code == [byte]) =>
        {
            Some(rest)
        }
        [b'+', rest @ ..] if byte == b' ' => Some(rest),
        [given, rest @ ..] if *given == byte => Some(rest),
        _ => None,
    })
}

/// What follows `sign`, written as JSON may escape it.
fn json_escape(raw: &[u8], sign: char) -> Option<&[u8]> {
    let escaped = raw.strip_prefix(b"\\")?;
    if let ('"' | '\\' | '/', [given, rest @ ..]) = (sign, escaped)
        && char::from(*given) == sign
    {
        return Some(rest);
    }
    let mut units = [0; 2];
    sign.encode_utf16(&mut units)
        .iter()
        .try_fold(raw, |rest, unit| {
            let (digits, rest) = rest.strip_prefix(b"\\u")?.split_at_checked(4)?;
            (hex::decode(digits).ok()? == unit.to_be_bytes()).then_some(rest)
        })
}
