//! One HTTP request from a vendor, kept byte for byte.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::fmt::Write as _;
use std::net::IpAddr;

use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde_json::Value;

use super::reading::Unreadable;
use super::source::Secret;
use crate::parse::body;

/// Request headers that can carry a secret of any kind; their values are never kept.
const SECRET_HEADERS: &[&str] = &["authorization", "proxy-authorization", "cookie"];

/// What stands where a secret stood.
const REDACTED: &str = "***";

/// One HTTP request from a vendor.
///
/// The body is as it came over the wire. [`Self::text`], [`Self::json`] and [`Self::params`] inflate, decode and parse
/// it once and remember the result, so that recognizing, proving, reading and answering share the work.
#[derive(Debug, Default)]
pub struct Callback {
    /// The HTTP method in capitals.
    pub method: String,
    /// The path as it was sent, percent-encoded, without the query.
    pub path: String,
    /// The query as it was sent, without its `?`; empty when there is none.
    pub query: String,
    /// The headers in their order, names in lower case. Bytes over 127 are read as Latin-1, as HTTP does.
    pub headers: Vec<(String, String)>,
    /// The body as it came over the wire, perhaps compressed.
    pub body: Vec<u8>,
    /// The secret that stood as the last segment of the path, decoded.
    pub key: Option<String>,
    /// Who called, after trusted proxies are taken off; unknown for a fixture.
    pub peer: Option<IpAddr>,
    /// When it came. Without it no proof holds that has to be recent, and `received` is absent in mappings.
    pub received_at: Option<Timestamp>,
    text: OnceCell<Result<String, Unreadable>>,
    json: OnceCell<Result<Value, Unreadable>>,
    params: OnceCell<Result<Vec<(String, String)>, Unreadable>>,
}

/// A text that is no HTTP request.
#[derive(Debug, thiserror::Error)]
#[error("not an HTTP request: {0}")]
pub struct Malformed(&'static str);

impl Callback {
    /// The first header of this name (given in lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    }

    /// The media type of the body in lower case, without parameters; empty when none is declared.
    pub fn media_type(&self) -> String {
        let declared = self.header("content-type").unwrap_or_default();
        declared
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase()
    }

    /// The body as text: inflated under a cap, decoded by the declared charset, UTF-8 where none is declared.
    pub fn text(&self) -> Result<&str, Unreadable> {
        self.text
            .get_or_init(|| body::text(self))
            .as_deref()
            .map_err(Clone::clone)
    }

    /// The body as JSON, whatever the `Content-Type` says.
    pub fn json(&self) -> Result<&Value, Unreadable> {
        let parsed = self.json.get_or_init(|| body::json(self.text()?));
        parsed.as_ref().map_err(Clone::clone)
    }

    /// The decoded parameters: of the query, then of a form body, in their order.
    pub fn params(&self) -> Result<&[(String, String)], Unreadable> {
        self.params
            .get_or_init(|| body::params(self))
            .as_deref()
            .map_err(Clone::clone)
    }

    /// The first decoded parameter of this name.
    pub fn param(&self, name: &str) -> Option<&str> {
        let params = self.params().ok()?;
        params
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    }

    /// Reads a raw HTTP/1.1 request, as fixtures and the store keep it. Lines may end in LF or CRLF; the body is all
    /// that follows the empty line, whatever `Content-Length` says.
    pub fn from_http(raw: &[u8]) -> Result<Self, Malformed> {
        let (head, body) = split_head(raw).ok_or(Malformed("no empty line after the headers"))?;
        let head: String = head.iter().map(|&b| char::from(b)).collect();
        let mut lines = head.lines();
        let mut words = lines.next().unwrap_or_default().split(' ');
        let (Some(method), Some(target)) = (words.next(), words.next()) else {
            return Err(Malformed("the first line is not `METHOD /path HTTP/1.1`"));
        };
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let headers = lines.map(|line| {
            let (name, value) = line
                .split_once(':')
                .ok_or(Malformed("a header without `:`"))?;
            Ok((name.trim().to_ascii_lowercase(), value.trim().to_owned()))
        });
        Ok(Self {
            method: method.to_ascii_uppercase(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers: headers.collect::<Result<_, Malformed>>()?,
            body: body.to_vec(),
            ..Self::default()
        })
    }

    /// The request as raw HTTP/1.1, the inverse of [`Self::from_http`].
    pub fn to_http(&self) -> Vec<u8> {
        let mut head = format!("{} {}", self.method, self.path);
        if !self.query.is_empty() {
            let _infallible = write!(head, "?{}", self.query);
        }
        head.push_str(" HTTP/1.1\r\n");
        for (name, value) in &self.headers {
            let _infallible = write!(head, "{name}: {value}\r\n");
        }
        head.push_str("\r\n");
        let mut raw: Vec<u8> = head
            .chars()
            .map(|c| u8::try_from(c).unwrap_or(b'?'))
            .collect();
        raw.extend_from_slice(&self.body);
        raw
    }

    /// The raw request with every one of `secrets` taken out, for the store. Headers that exist to carry secrets lose
    /// their values whole.
    pub fn to_http_without<'s>(&self, secrets: impl IntoIterator<Item = &'s Secret>) -> Vec<u8> {
        let headers = self.headers.iter().map(|(name, value)| {
            let secret = SECRET_HEADERS.contains(&name.as_str());
            (
                name.clone(),
                if secret {
                    REDACTED.to_owned()
                } else {
                    value.clone()
                },
            )
        });
        let bare = Self {
            method: self.method.clone(),
            path: self.path.clone(),
            query: self.query.clone(),
            headers: headers.collect(),
            body: self.body.clone(),
            ..Self::default()
        };
        secrets.into_iter().fold(bare.to_http(), |raw, secret| {
            written_forms(secret.expose_secret())
                .iter()
                .fold(raw, |raw, form| replace(raw, form.as_bytes()))
        })
    }
}

impl Clone for Callback {
    /// A copy that parses afresh, because a copy is made to be changed.
    fn clone(&self) -> Self {
        Self {
            method: self.method.clone(),
            path: self.path.clone(),
            query: self.query.clone(),
            headers: self.headers.clone(),
            body: self.body.clone(),
            key: self.key.clone(),
            peer: self.peer,
            received_at: self.received_at,
            ..Self::default()
        }
    }
}

fn split_head(raw: &[u8]) -> Option<(&[u8], &[u8])> {
    let find = |gap: &[u8]| {
        raw.windows(gap.len())
            .position(|w| w == gap)
            .map(|at| (at, gap.len()))
    };
    let ends = [find(b"\r\n\r\n"), find(b"\n\n")];
    let (at, gap) = ends.into_iter().flatten().min()?;
    Some((raw.get(..at)?, raw.get(at + gap..)?))
}

/// The ways in which a secret can stand in a request: as it is, percent-encoded, and escaped in JSON.
fn written_forms(secret: &str) -> Vec<Cow<'_, str>> {
    if secret.is_empty() {
        return Vec::new();
    }
    let encoded = percent_encoding::utf8_percent_encode(secret, percent_encoding::NON_ALPHANUMERIC);
    let form: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let quoted = Value::from(secret).to_string();
    let escaped = quoted.trim_matches('"').to_owned();
    vec![
        Cow::Borrowed(secret),
        encoded.to_string().into(),
        form.into(),
        escaped.into(),
    ]
}

fn replace(raw: Vec<u8>, secret: &[u8]) -> Vec<u8> {
    let mut rest = raw.as_slice();
    let mut out = Vec::new();
    while let Some(at) = rest.windows(secret.len()).position(|w| w == secret) {
        let (before, from) = rest.split_at(at);
        out.extend_from_slice(before);
        out.extend_from_slice(REDACTED.as_bytes());
        rest = from.split_at(secret.len()).1;
    }
    if out.is_empty() {
        return raw;
    }
    out.extend_from_slice(rest);
    out
}
