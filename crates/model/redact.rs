//! Removes a secret from a raw request, in any encoding.
//!
//! A secret can be written plain, percent-encoded in either case, with `+` for a space, escaped in JSON, or in a
//! mixture of them, because encoders escape different characters. So the search compares character by character and
//! accepts every encoding of each.

use secrecy::ExposeSecret;

use crate::Secret;

/// The text that replaces a secret.
pub(crate) const REDACTED: &str = "***";

/// `raw` with every occurrence of `secret` replaced.
pub fn without(raw: Vec<u8>, secret: &Secret) -> Vec<u8> {
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

/// The first place where an encoding of `secret` can begin, judged by two bytes. This rejects nearly all places
/// cheaply. Most requests hold no secret except in their path and token.
fn candidate(raw: &[u8], secret: &str) -> Option<usize> {
    let (first, second) = match secret.as_bytes() {
        [first, second, ..] => (*first, Some(*second)),
        [first] => (*first, None),
        [] => return None,
    };
    let escapes = |byte: u8| matches!(byte, b'%' | b'\\' | b'+');
    // Only a space can be written as `+`.
    let begins = memchr::memchr3_iter(first, b'%', b'\\', raw);
    let mut begins = begins.filter(|at| {
        let next = raw.get(at + 1).copied();
        let fits = next.zip(second).is_none_or(|(n, s)| n == s || escapes(n));
        fits || raw.get(*at).is_some_and(|byte| escapes(*byte))
    });
    let begin = begins.next();
    if first == b' ' {
        return memchr::memchr(b'+', raw).into_iter().chain(begin).min();
    }
    begin
}

/// The length of the longest encoding of `secret` at the start of `raw`.
fn written_length(raw: &[u8], secret: &str) -> Option<usize> {
    let rest = if secret.contains(['%', '\\']) {
        shortest_rest(raw, secret)
    } else {
        let step = |rest, sign| json_escape(rest, sign).or_else(|| encoded(rest, sign));
        secret.chars().try_fold(raw, step)
    };
    rest.map(|rest| raw.len() - rest.len())
}

/// If a secret contains `%` or a backslash, the same bytes can be read in two ways: `%25` is an encoded `%` or three
/// characters; two backslashes are one that is escaped, or two. So each way is followed to its end.
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

/// The rest of `raw` after `sign`, which is plain, percent-encoded, or `+` for a space.
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

/// The rest of `raw` after `sign`, which is escaped as in JSON.
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
