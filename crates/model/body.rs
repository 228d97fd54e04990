//! From the bytes of a body to text, JSON or parameters, each step under a limit.

use std::borrow::Cow;
use std::io::Read;

use encoding_rs::Encoding;
use serde_json::Value;

use super::{multipart, urlencoded};
use crate::callback::Callback;
use crate::fault::Fault;

/// An inflated body larger than this is refused: eight times the largest body that is taken over the wire.
pub const INFLATED_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// Values in one JSON body: a few kilobytes can inflate to millions of them, and each takes the room of fifty bytes of text.
/// The largest real bodies hold a tenth of this.
const VALUES_MAX: usize = 500_000;

/// Parameters in one query or form.
const PARAMS_MAX: usize = 10_000;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// The text of a body: the bytes themselves where they are UTF-8, as nearly always, or what they decode to.
#[derive(Debug)]
pub enum Text {
    /// The body from this byte on; a byte order mark stands before it.
    Plain(usize),
    /// Inflated or decoded.
    Decoded(String),
}

impl Text {
    /// The text, of the body that it was made from.
    ///
    /// Looking again whether a body is UTF-8 costs less than a copy of it.
    pub fn of<'a>(&'a self, body: &'a [u8]) -> Result<&'a str, Fault> {
        match self {
            Self::Plain(from) => utf8(body.get(*from..).unwrap_or_default()),
            Self::Decoded(text) => Ok(text),
        }
    }
}

/// The body of `call` as text.
pub fn text(call: &Callback) -> Result<Text, Fault> {
    let bytes = inflated(call)?;
    let encoding = encoding(call)?;
    if encoding != encoding_rs::UTF_8 {
        return decoded(encoding, &bytes).map(Text::Decoded);
    }
    let mark = if bytes.starts_with(BYTE_ORDER_MARK) {
        BYTE_ORDER_MARK.len()
    } else {
        0
    };
    let text = utf8(bytes.get(mark..).unwrap_or_default())?;
    Ok(match bytes {
        Cow::Borrowed(_) => Text::Plain(mark),
        Cow::Owned(_) => Text::Decoded(text.to_owned()),
    })
}

fn utf8(bytes: &[u8]) -> Result<&str, Fault> {
    std::str::from_utf8(bytes).map_err(|e| {
        let at = e.valid_up_to();
        let problem = format!("not UTF-8 at byte {at}, and no other charset is declared");
        Fault::new("body", problem)
    })
}

fn decoded(encoding: &'static Encoding, bytes: &[u8]) -> Result<String, Fault> {
    encoding
        .decode_without_bom_handling_and_without_replacement(bytes)
        .map(Cow::into_owned)
        .ok_or_else(|| {
            let problem = format!("not valid {}, which is declared", encoding.name());
            Fault::new("body", problem)
        })
}

/// The charset that is declared; UTF-8 where none is.
pub fn encoding(call: &Callback) -> Result<&'static Encoding, Fault> {
    let Some(label) = call.header("content-type").and_then(charset) else {
        return Ok(encoding_rs::UTF_8);
    };
    Encoding::for_label(label.as_bytes()).ok_or_else(|| {
        let problem = format!("unknown charset `{label:.40}`");
        Fault::new("header.content-type", problem)
    })
}

/// The charset parameter of a `Content-Type`.
pub fn charset(content_type: &str) -> Option<&str> {
    content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let value = value.trim().trim_matches('"');
        (name.trim().eq_ignore_ascii_case("charset") && !value.is_empty()).then_some(value)
    })
}

fn coding(call: &Callback) -> &str {
    call.header("content-encoding").unwrap_or_default().trim()
}

/// Whether the body is compressed, or said to be.
pub fn is_coded(call: &Callback) -> bool {
    let coding = coding(call);
    !(coding.is_empty() || coding.eq_ignore_ascii_case("identity"))
}

/// The body, inflated under a cap.
pub fn inflated(call: &Callback) -> Result<Cow<'_, [u8]>, Fault> {
    if !is_coded(call) {
        return Ok(Cow::Borrowed(&call.body));
    }
    let coding = coding(call).to_ascii_lowercase();
    let body = call.body.as_slice();
    let mut out = Vec::new();
    let read = match coding.as_str() {
        "gzip" | "x-gzip" => flate2::read::MultiGzDecoder::new(body)
            .take(INFLATED_BYTES_MAX + 1)
            .read_to_end(&mut out),
        "deflate" => flate2::read::ZlibDecoder::new(body)
            .take(INFLATED_BYTES_MAX + 1)
            .read_to_end(&mut out),
        other => {
            let problem =
                format!("`{other:.40}` is not read; send the body plain, gzip or deflate");
            return Err(Fault::new("header.content-encoding", problem));
        }
    };
    read.map_err(|e| Fault::new("body", format!("not valid {coding}: {e}")))?;
    if out.len() as u64 > INFLATED_BYTES_MAX {
        let problem = format!("inflates to more than {INFLATED_BYTES_MAX} bytes");
        return Err(Fault::new("body", problem));
    }
    Ok(Cow::Owned(out))
}

/// `text` as JSON. Depth is limited by the parser (128). An integer that no 64 bits hold becomes a string of its
/// digits, where the parser alone would round it.
///
/// Templates of vendors put texts into JSON as they are, line breaks and tabs included. A body that is no JSON for that
/// reason alone is read all the same.
pub fn json(text: &str) -> Result<Value, Fault> {
    if holds_more(text.as_bytes(), VALUES_MAX, |byte| {
        matches!(byte, b',' | b'[' | b'{')
    }) {
        let problem = format!("more than {VALUES_MAX} values");
        return Err(Fault::new("body", problem));
    }
    let text = wide_integers_quoted(text);
    serde_json::from_str(&text).or_else(|e| {
        let mended = controls_escaped(&text).and_then(|mended| serde_json::from_str(&mended).ok());
        mended.ok_or_else(|| {
            let place = format!("body, line {} column {}", e.line(), e.column());
            Fault::new(place, format!("not JSON: {}", without_place(&e)))
        })
    })
}

/// Whether more than `max` of the bytes are such. Most bodies are too short for that.
fn holds_more(bytes: &[u8], max: usize, such: impl Fn(u8) -> bool) -> bool {
    bytes.len() > max && bytes.iter().filter(|byte| such(**byte)).count() > max
}

/// `text` with the control characters inside its strings escaped; nothing when there are none.
fn controls_escaped(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(token) = token(rest) {
        let (head, tail) = rest.split_at(token);
        if head.starts_with('"') {
            out.extend(head.chars().map(|c| match c {
                '\n' => Cow::Borrowed("\\n"),
                c if c.is_ascii_control() => Cow::Owned(format!("\\u{:04x}", u32::from(c))),
                c => Cow::Owned(c.to_string()),
            }));
        } else {
            out.push_str(head);
        }
        rest = tail;
    }
    (out.len() != text.len()).then_some(out)
}

/// The parser's message without its own copy of the place.
fn without_place(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let problem = message.split(" at line ").next().unwrap_or_default();
    problem.to_owned()
}

/// The fewest digits of an integer that can be too wide for 64 bits (`-9223372036854775809`).
const WIDE_DIGITS_MIN: usize = 19;

/// Whether there are so many digits in a row. Such a run covers one of every so many bytes, and nearly all of those are none.
fn has_long_number(text: &[u8]) -> bool {
    let digits = |bytes: &mut dyn Iterator<Item = &u8>| {
        bytes
            .take_while(|byte| byte.is_ascii_digit())
            .take(WIDE_DIGITS_MIN)
            .count()
    };
    let sampled = (0..text.len()).skip(WIDE_DIGITS_MIN - 1);
    sampled.step_by(WIDE_DIGITS_MIN).any(|at| {
        let (before, after) = text.split_at(at);
        let after = digits(&mut after.iter());
        after > 0 && digits(&mut before.iter().rev()) + after >= WIDE_DIGITS_MIN
    })
}

fn wide_integers_quoted(text: &str) -> Cow<'_, str> {
    if !has_long_number(text.as_bytes()) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(token) = token(rest) {
        let (head, tail) = rest.split_at(token);
        if is_wide_integer(head) {
            out.extend(["\"", head, "\""]);
        } else {
            out.push_str(head);
        }
        rest = tail;
    }
    Cow::Owned(out)
}

/// The length of the first token of `text` as far as needed here: a string, a number, or the run of anything else.
fn token(text: &str) -> Option<usize> {
    let is_number = |b: u8| b.is_ascii_digit() || matches!(b, b'-' | b'+' | b'.' | b'e' | b'E');
    let bytes = text.as_bytes();
    let first = *bytes.first()?;
    let until = |stop: &dyn Fn(u8) -> bool| bytes.iter().position(|b| stop(*b));
    let length = match first {
        b'"' => {
            let mut escaped = false;
            let close = bytes.iter().skip(1).position(|&b| {
                let closes = b == b'"' && !escaped;
                escaped = b == b'\\' && !escaped;
                closes
            });
            close.map(|at| at + 2)
        }
        b'-' | b'0'..=b'9' => until(&|b| !is_number(b)),
        _ => until(&|b| matches!(b, b'"' | b'-' | b'0'..=b'9')),
    };
    Some(length.unwrap_or(bytes.len()))
}

fn is_wide_integer(token: &str) -> bool {
    let digits = token.strip_prefix('-').unwrap_or(token);
    // JSON knows no leading zero; such a token is left for the parser to refuse.
    digits.len() >= WIDE_DIGITS_MIN
        && digits.bytes().all(|b| b.is_ascii_digit())
        && !digits.starts_with('0')
        && token.parse::<u64>().is_err()
        && token.parse::<i64>().is_err()
}

/// The decoded parameters of the query and of a form body.
pub fn params(call: &Callback) -> Result<Vec<(String, String)>, Fault> {
    let mut params = pairs("query", call.query.as_bytes(), encoding_rs::UTF_8)?;
    if is_form(call) {
        let encoding = encoding(call)?;
        if encoding.is_ascii_compatible() {
            params.extend(pairs("body", &inflated(call)?, encoding)?);
        } else {
            let text = call.text()?;
            params.extend(pairs("body", text.as_bytes(), encoding_rs::UTF_8)?);
        }
    }
    if call.media_type() == "multipart/form-data" {
        let declared = call.header("content-type").unwrap_or_default();
        params.extend(multipart::parts(declared, call.text()?, PARAMS_MAX));
    }
    Ok(params)
}

fn is_form(call: &Callback) -> bool {
    let declared = call.header("content-type").unwrap_or_default().trim();
    if declared.is_empty() {
        let first = call.body.iter().find(|b| !b.is_ascii_whitespace());
        return first.is_some_and(|b| !matches!(b, b'{' | b'[' | b'<'));
    }
    let media_type = declared.split(';').next().unwrap_or_default().trim();
    media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// Parameters whose bytes are in `encoding` once percent-decoded. One that is not makes all unreadable: a replaced byte
/// could hide a forged value.
fn pairs(
    place: &str,
    encoded: &[u8],
    encoding: &'static Encoding,
) -> Result<Vec<(String, String)>, Fault> {
    let text = |part: &[u8]| {
        urlencoded::decoded(part, encoding).ok_or_else(|| {
            let problem = format!("percent-encoded bytes that are not {}", encoding.name());
            Fault::new(place, problem)
        })
    };
    if holds_more(encoded, PARAMS_MAX, |byte| byte == b'&') {
        let problem = format!("more than {PARAMS_MAX} parameters");
        return Err(Fault::new(place, problem));
    }
    encoded
        .split(|b| *b == b'&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let equals = pair.iter().position(|b| *b == b'=').unwrap_or(pair.len());
            let (name, value) = pair.split_at(equals);
            Ok((text(name)?, text(value.get(1..).unwrap_or_default())?))
        })
        .collect()
}
