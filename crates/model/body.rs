//! Converts the bytes of a body into text, JSON or parameters. Each step has a limit.

use std::borrow::Cow;
use std::io::Read;

use encoding_rs::{Encoding, UTF_8};
use serde_json::Value;

use crate::charset::{self, declared};
use crate::{Callback, Fault, Remark, lenient, multipart, urlencoded};

/// The most bytes of a decompressed body. A larger body is refused.
pub const INFLATED_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// The most values in one JSON body. A few compressed kilobytes can hold millions of values, and each value needs as
/// much memory as fifty bytes of text. The largest real bodies hold a tenth of this.
const VALUES_MAX: usize = 500_000;

/// The most parameters in one query or form.
const PARAMS_MAX: usize = 10_000;

/// The text of a body.
#[derive(Debug)]
pub enum Text {
    /// The body itself, from this byte on. It is UTF-8. The bytes before it are a byte order mark.
    Plain(usize),
    /// The body was decompressed, or decoded from another charset.
    Decoded {
        /// The text.
        text: String,
        /// The guessed charset, when none was declared and the bytes are not UTF-8.
        guessed: Option<&'static Encoding>,
    },
}

impl Text {
    /// The text. `body` is the body that it was made from.
    ///
    /// The UTF-8 of a plain body is checked again, because that costs less than a copy.
    pub fn of<'a>(&'a self, body: &'a [u8]) -> Result<&'a str, Fault> {
        match self {
            Self::Plain(from) => {
                let text = charset::decoded(UTF_8, body.get(*from..).unwrap_or_default());
                match text {
                    Some(Cow::Borrowed(text)) => Ok(text),
                    _ => Err(not_in(UTF_8)),
                }
            }
            Self::Decoded { text, .. } => Ok(text),
        }
    }
}

/// The body of `call` as text.
pub fn text(call: &Callback) -> Result<Text, Fault> {
    let bytes = inflated(call)?;
    let charset = Charset::of(call, &bytes)?;
    let text = charset.decoded(bytes.get(charset.mark..).unwrap_or_default())?;
    let text = match (&bytes, text) {
        (Cow::Borrowed(_), Cow::Borrowed(_)) => return Ok(Text::Plain(charset.mark)),
        (_, text) => text.into_owned(),
    };
    let guessed = charset.is_guessed.then_some(charset.encoding);
    Ok(Text::Decoded { text, guessed })
}

/// The charset of a body.
struct Charset {
    encoding: &'static Encoding,
    /// The length of the byte order mark.
    mark: usize,
    is_guessed: bool,
}

impl Charset {
    /// A byte order mark wins over the declared charset.
    fn of(call: &Callback, bytes: &[u8]) -> Result<Self, Fault> {
        let (encoding, mark, is_guessed) = match (Encoding::for_bom(bytes), declared(call)?) {
            (Some((encoding, mark)), _) => (encoding, mark, false),
            (None, Some(encoding)) => (encoding, 0, false),
            (None, None) => {
                let encoding = charset::guessed(bytes, call.chinese);
                (encoding, 0, encoding != UTF_8)
            }
        };
        Ok(Self {
            encoding,
            mark,
            is_guessed,
        })
    }

    fn decoded<'b>(&self, bytes: &'b [u8]) -> Result<Cow<'b, str>, Fault> {
        charset::decoded(self.encoding, bytes).ok_or_else(|| not_in(self.encoding))
    }
}

fn not_in(encoding: &'static Encoding) -> Fault {
    let problem = format!("is not valid {}, the declared charset", encoding.name());
    Fault::new("body", problem)
}

/// Whether a body of these bytes is UTF-16, by its byte order mark or by declaration.
pub(crate) fn is_utf16(call: &Callback, bytes: &[u8]) -> bool {
    let marked = Encoding::for_bom(bytes).map(|(encoding, _)| encoding);
    let encoding = marked.or_else(|| declared(call).ok().flatten());
    encoding.is_some_and(|encoding| !encoding.is_ascii_compatible())
}

fn coding(call: &Callback) -> &str {
    call.header("content-encoding").unwrap_or_default().trim()
}

/// Whether the `Content-Encoding` declares a compressed body.
pub fn is_coded(call: &Callback) -> bool {
    let coding = coding(call);
    !(coding.is_empty() || coding.eq_ignore_ascii_case("identity"))
}

/// The body, decompressed up to [`INFLATED_BYTES_MAX`].
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
            let problem = format!(
                "`{other:.40}` is not a supported encoding. Send the body uncompressed, or with gzip or deflate"
            );
            return Err(Fault::new("header.content-encoding", problem));
        }
    };
    read.map_err(|e| Fault::new("body", format!("is not valid {coding}: {e}")))?;
    if out.len() as u64 > INFLATED_BYTES_MAX {
        let problem = format!("inflates to more than {INFLATED_BYTES_MAX} bytes");
        return Err(Fault::new("body", problem));
    }
    Ok(Cow::Owned(out))
}

/// A parsed JSON text.
#[derive(Clone, Debug, PartialEq)]
pub struct Json {
    /// The value.
    pub value: Value,
    /// Whether the text was not valid JSON and was repaired first; see [`lenient`].
    pub is_repaired: bool,
}

/// Parses `text` as JSON; see [`Json::read`].
pub fn json(text: &str) -> Result<Value, Fault> {
    Json::read(text).map(|json| json.value)
}

impl Json {
    /// Parses `text`. The parser limits the depth to 128. An integer that does not fit into 64 bits becomes a string of
    /// its digits, because the parser would round it. Text that is not valid JSON is repaired once; see [`lenient`].
    pub fn read(text: &str) -> Result<Self, Fault> {
        if holds_more(text.as_bytes(), VALUES_MAX, |byte| {
            matches!(byte, b',' | b'[' | b'{')
        }) {
            let problem = format!("holds more than {VALUES_MAX} values");
            return Err(Fault::new("body", problem));
        }
        let text = wide_integers_quoted(text);
        let strict = match serde_json::from_str(&text) {
            Ok(value) => {
                return Ok(Self {
                    value,
                    is_repaired: false,
                });
            }
            Err(error) => error,
        };
        let value = serde_json::from_str(&lenient::repaired(&text)).map_err(|_| {
            let place = format!("body, line {} column {}", strict.line(), strict.column());
            Fault::new(
                place,
                format!("is not valid JSON: {}", without_place(&strict)),
            )
        })?;
        Ok(Self {
            value,
            is_repaired: true,
        })
    }
}

/// Whether `such` holds for more than `max` of the bytes. Most bodies are too short for that, so the length is checked
/// first.
fn holds_more(bytes: &[u8], max: usize, such: impl Fn(u8) -> bool) -> bool {
    bytes.len() > max && bytes.iter().filter(|byte| such(**byte)).count() > max
}

/// The message of the parser without the line and column that it appends.
fn without_place(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let problem = message.split(" at line ").next().unwrap_or_default();
    problem.to_owned()
}

/// The fewest digits of an integer that can be too wide for 64 bits (`-9223372036854775809`).
const WIDE_DIGITS_MIN: usize = 19;

/// Whether `text` has a run of at least [`WIDE_DIGITS_MIN`] digits. Such a run covers one of every `WIDE_DIGITS_MIN`
/// bytes, so only these bytes are checked first. Nearly all of them are not digits.
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

/// The length of the first token of `text`: a string, a number, or a run of other bytes.
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
    // JSON does not allow a leading zero. The parser refuses such a token.
    digits.len() >= WIDE_DIGITS_MIN
        && digits.bytes().all(|b| b.is_ascii_digit())
        && !digits.starts_with('0')
        && token.parse::<u64>().is_err()
        && token.parse::<i64>().is_err()
}

/// The decoded parameters of a request.
#[derive(Debug, Default)]
pub struct Params {
    /// Names and values, those of the query first.
    pub pairs: Vec<(String, String)>,
    /// The guessed charset of the query or the form, when none was declared and the bytes are not UTF-8.
    pub guessed: Option<&'static Encoding>,
}

/// The decoded parameters of the query and of a form body.
pub fn params(call: &Callback) -> Result<Params, Fault> {
    let mut params = Params::default();
    params.extend("query", call.query.as_bytes(), None, call.chinese)?;
    if is_form(call) {
        let bytes = inflated(call)?;
        let marked = Encoding::for_bom(&bytes).is_some();
        let declared = declared(call)?;
        if marked || declared.is_some_and(|encoding| !encoding.is_ascii_compatible()) {
            let text = call.text()?;
            params.extend("body", text.as_bytes(), Some(UTF_8), false)?;
        } else {
            params.extend("body", &bytes, declared, call.chinese)?;
        }
    }
    if call.media_type() == "multipart/form-data" {
        let declared = call.header("content-type").unwrap_or_default();
        params
            .pairs
            .extend(multipart::parts(declared, call.text()?, PARAMS_MAX));
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

impl Params {
    /// Adds the parameters in `encoded`, all in one charset. One byte that is not valid in it makes all of them
    /// unreadable, because a replaced byte could hide a forged value.
    fn extend(
        &mut self,
        place: &str,
        encoded: &[u8],
        declared: Option<&'static Encoding>,
        chinese: bool,
    ) -> Result<(), Fault> {
        if holds_more(encoded, PARAMS_MAX, |byte| byte == b'&') {
            let problem = format!("holds more than {PARAMS_MAX} parameters");
            return Err(Fault::new(place, problem));
        }
        let encoding = declared.unwrap_or_else(|| urlencoded::guessed(encoded, chinese));
        if declared.is_none() && encoding != UTF_8 {
            self.guessed = Some(encoding);
        }
        let text = |part: &[u8]| {
            urlencoded::decoded(part, encoding).ok_or_else(|| {
                let problem = format!(
                    "holds percent-encoded bytes that are not {}",
                    encoding.name()
                );
                Fault::new(place, problem)
            })
        };
        for pair in encoded
            .split(|b| *b == b'&')
            .filter(|pair| !pair.is_empty())
        {
            let equals = pair.iter().position(|b| *b == b'=').unwrap_or(pair.len());
            let (name, value) = pair.split_at(equals);
            self.pairs
                .push((text(name)?, text(value.get(1..).unwrap_or_default())?));
        }
        Ok(())
    }
}

/// The guesses and repairs that were needed to read these. Empty for a valid request.
pub(crate) fn remarks(
    text: Option<&Text>,
    json: Option<&Json>,
    params: Option<&Params>,
) -> Vec<Remark> {
    let of_text = text.and_then(|text| match text {
        Text::Decoded { guessed, .. } => *guessed,
        Text::Plain(_) => None,
    });
    let guessed = of_text.or_else(|| params?.guessed);
    let mut remarks = Vec::new();
    remarks.extend(guessed.map(|encoding| Remark::GuessedCharset(encoding.name())));
    if json.is_some_and(|json| json.is_repaired) {
        remarks.push(Remark::LenientJson);
    }
    remarks
}
