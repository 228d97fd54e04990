//! From the bytes of a body to text, JSON or parameters, each step under a limit.

use std::io::Read;

use serde_json::Value;

use crate::model::callback::Callback;
use crate::model::reading::Unreadable;

/// An inflated body larger than this is refused: eight times the largest body that is taken over the wire.
pub const INFLATED_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// The body of `call` as text.
pub(crate) fn text(call: &Callback) -> Result<String, Unreadable> {
    let bytes = inflated(call)?;
    let charset = charset(call);
    let encoding = match charset.as_deref() {
        None => encoding_rs::UTF_8,
        Some(label) => encoding_rs::Encoding::for_label(label.as_bytes()).ok_or_else(|| {
            Unreadable::new(
                "header.content-type",
                format!("unknown charset `{label:.40}`"),
            )
        })?,
    };
    if encoding == encoding_rs::UTF_8 {
        let bytes = bytes
            .strip_prefix(b"\xEF\xBB\xBF")
            .map(<[u8]>::to_vec)
            .unwrap_or(bytes);
        return String::from_utf8(bytes).map_err(|e| {
            let at = e.utf8_error().valid_up_to();
            Unreadable::new(
                "body",
                format!("not UTF-8 at byte {at}, and no other charset is declared"),
            )
        });
    }
    encoding
        .decode_without_bom_handling_and_without_replacement(&bytes)
        .map(std::borrow::Cow::into_owned)
        .ok_or_else(|| {
            Unreadable::new(
                "body",
                format!("not valid {}, which is declared", encoding.name()),
            )
        })
}

fn inflated(call: &Callback) -> Result<Vec<u8>, Unreadable> {
    let coding = call
        .header("content-encoding")
        .unwrap_or("identity")
        .trim()
        .to_ascii_lowercase();
    let mut out = Vec::new();
    let body = call.body.as_slice();
    let read = match coding.as_str() {
        "" | "identity" => return Ok(body.to_vec()),
        "gzip" | "x-gzip" => flate2::read::MultiGzDecoder::new(body)
            .take(INFLATED_BYTES_MAX + 1)
            .read_to_end(&mut out),
        "deflate" => flate2::read::ZlibDecoder::new(body)
            .take(INFLATED_BYTES_MAX + 1)
            .read_to_end(&mut out),
        other => {
            let problem =
                format!("`{other:.40}` is not read; send the body plain, gzip or deflate");
            return Err(Unreadable::new("header.content-encoding", problem));
        }
    };
    read.map_err(|e| Unreadable::new("body", format!("not valid {coding}: {e}")))?;
    if out.len() as u64 > INFLATED_BYTES_MAX {
        let problem = format!("inflates to more than {INFLATED_BYTES_MAX} bytes");
        return Err(Unreadable::new("body", problem));
    }
    Ok(out)
}

fn charset(call: &Callback) -> Option<String> {
    let declared = call.header("content-type")?;
    declared.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let value = value.trim().trim_matches('"');
        (name.trim().eq_ignore_ascii_case("charset") && !value.is_empty()).then(|| value.to_owned())
    })
}

/// `text` as JSON. Depth is limited by the parser (128).
pub(crate) fn json(text: &str) -> Result<Value, Unreadable> {
    serde_json::from_str(text).map_err(|e| {
        let place = format!("body, line {} column {}", e.line(), e.column());
        Unreadable::new(place, format!("not JSON: {}", e.classify_for_people()))
    })
}

trait ForPeople {
    fn classify_for_people(&self) -> String;
}

impl ForPeople for serde_json::Error {
    /// The parser's message without its own copy of the place.
    fn classify_for_people(&self) -> String {
        let message = self.to_string();
        message
            .split(" at line ")
            .next()
            .unwrap_or_default()
            .to_owned()
    }
}

/// The decoded parameters of the query and of a form body.
pub(crate) fn params(call: &Callback) -> Result<Vec<(String, String)>, Unreadable> {
    let mut params = pairs("query", &call.query)?;
    if call.media_type() == "application/x-www-form-urlencoded" {
        params.extend(pairs("body", call.text()?)?);
    }
    Ok(params)
}

fn pairs(place: &str, encoded: &str) -> Result<Vec<(String, String)>, Unreadable> {
    serde_urlencoded_strict(encoded)
        .ok_or_else(|| Unreadable::new(place, "percent-encoded bytes that are not UTF-8"))
}

/// Parameters, or nothing when one is not UTF-8 once decoded: a replaced byte could hide a forged value.
fn serde_urlencoded_strict(encoded: &str) -> Option<Vec<(String, String)>> {
    let decode = |part: &str| {
        let spaced = part.replace('+', " ");
        let bytes: Vec<u8> = percent_encoding::percent_decode_str(&spaced).collect();
        String::from_utf8(bytes).ok()
    };
    encoded
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((decode(name)?, decode(value)?))
        })
        .collect()
}
