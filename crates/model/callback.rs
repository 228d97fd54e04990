//! One HTTP request from a vendor, kept byte for byte.

use std::cell::OnceCell;
use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use crate::body::{self, Json, Params, Text};
use crate::redact::{self, REDACTED};
use crate::{Fault, Remark, Secret, charset};

/// Request headers that can carry a secret of any kind. Their values are never kept, and only proofs see them.
pub const SECRET_HEADERS: &[&str] = &["authorization", "proxy-authorization", "cookie"];

/// One HTTP request from a vendor.
///
/// The body is as it was sent. [`Self::text`], [`Self::json`] and [`Self::params`] inflate, decode and parse it once
/// and keep the result: recognizing, proving, reading and answering share the work.
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
    /// The body as it was sent, possibly compressed.
    pub body: Vec<u8>,
    /// The key: the last segment of the path, decoded. It is a secret.
    pub key: Option<String>,
    /// The address of the sender behind trusted proxies. `None` for a fixture.
    pub peer: Option<IpAddr>,
    /// The name in the client certificate that a trusted proxy verified: a common name or a distinguished name.
    pub client_certificate: Option<String>,
    /// When the request arrived. Without it, every proof that must be recent fails, and `received` is absent in
    /// mappings.
    pub received_at: Option<Timestamp>,
    /// Whether the source is in a Chinese time zone. Then text that is not UTF-8 and declares no charset is tried as
    /// GB18030 first. Set this field before the first read.
    pub chinese: bool,
    /// The certificates and keys that a proof needs and the server has fetched.
    pub fetched: Vec<Fetched>,
    text: OnceCell<Result<Text, Fault>>,
    json: OnceCell<Result<Json, Fault>>,
    params: OnceCell<Result<Params, Fault>>,
}

/// A document that the server has fetched for a proof: a vendor's certificate or keys.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The address that it was fetched from. A document is used only for this address.
    pub url: String,
    /// Its bytes.
    pub body: Arc<[u8]>,
}

/// A text that is not an HTTP request.
#[derive(Debug, thiserror::Error)]
#[error("this is not an HTTP request: {0}")]
pub struct Malformed(&'static str);

impl Callback {
    /// The first header of this name (given in lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    }

    /// The document that was fetched from this address for a proof.
    pub fn fetched(&self, url: &str) -> Option<Arc<[u8]>> {
        let mut fetched = self.fetched.iter();
        let found = fetched.find(|document| document.url == url);
        found.map(|document| Arc::clone(&document.body))
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

    /// The body as text: decompressed up to a limit, and decoded. The charset is that of the byte order mark, or the
    /// declared one, or UTF-8, or a guess; see [`charset`].
    pub fn text(&self) -> Result<&str, Fault> {
        let text = self.text.get_or_init(|| body::text(self));
        text.as_ref().map_err(Clone::clone)?.of(&self.body)
    }

    /// The body as JSON. The `Content-Type` is ignored. JSON that is not valid is repaired; see [`crate::lenient`].
    pub fn json(&self) -> Result<&Value, Fault> {
        let parsed = self.json.get_or_init(|| Json::read(self.text()?));
        let parsed = parsed.as_ref().map_err(Clone::clone);
        parsed.map(|json| &json.value)
    }

    /// The decoded parameters: of the query, then of a form body, in their order. A body is a form when it is declared
    /// as one, or when no type is declared and it does not look like JSON or XML.
    pub fn params(&self) -> Result<&[(String, String)], Fault> {
        let params = self.params.get_or_init(|| body::params(self));
        let params = params.as_ref().map_err(Clone::clone);
        params.map(|params| params.pairs.as_slice())
    }

    /// The guesses and repairs that were needed to read this callback so far.
    #[must_use]
    pub fn remarks(&self) -> Vec<Remark> {
        body::remarks(
            read_already(&self.text),
            read_already(&self.json),
            read_already(&self.params),
        )
    }

    /// The first decoded parameter of this name.
    pub fn param(&self, name: &str) -> Option<&str> {
        let params = self.params().ok()?;
        params
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    }

    /// The same request with this body, as plain UTF-8.
    #[must_use]
    pub fn with_body(&self, body: impl Into<Vec<u8>>) -> Self {
        let mut call = self.clone();
        call.body = body.into();
        call.headers
            .retain(|(name, _)| !matches!(name.as_str(), "content-encoding" | "content-length"));
        for (name, value) in &mut call.headers {
            if name == "content-type" && charset::parameter(value).is_some() {
                *value = self.media_type();
            }
        }
        call
    }

    /// Reads a raw HTTP/1.1 request, as fixtures and the store keep it. Lines may end in LF or CRLF; the body is
    /// everything after the empty line. `Content-Length` is ignored.
    pub fn from_http(raw: &[u8]) -> Result<Self, Malformed> {
        let (head, body) =
            split_head(raw).ok_or(Malformed("it has no empty line after the headers"))?;
        let head: String = head.iter().map(|&b| char::from(b)).collect();
        let mut lines = head.lines();
        let mut words = lines.next().unwrap_or_default().split(' ');
        let mut word = || words.next().filter(|word| !word.is_empty());
        let (Some(method), Some(target)) = (word(), word()) else {
            return Err(Malformed("its first line is not `METHOD /path HTTP/1.1`"));
        };
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        if path.is_empty() {
            return Err(Malformed("it has no path before the `?`"));
        }
        Ok(Self {
            method: method.to_ascii_uppercase(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers: lines.map(header_line).collect::<Result<_, _>>()?,
            body: body.to_vec(),
            ..Self::default()
        })
    }

    /// The request as raw HTTP/1.1, the inverse of [`Self::from_http`].
    pub fn to_http(&self) -> Vec<u8> {
        let mut raw = self.head(|_, value| value);
        raw.extend_from_slice(b"\r\n");
        raw.extend_from_slice(&self.body);
        raw
    }

    /// The raw request without any of `secrets`, for the store. The values of headers that carry secrets are removed. A
    /// compressed body is kept decompressed, and a body in UTF-16 is kept as UTF-8, because otherwise a secret cannot
    /// be found in it.
    pub fn to_http_without<'s>(&self, secrets: impl IntoIterator<Item = &'s Secret>) -> Vec<u8> {
        let inflated = body::inflated(self).ok().filter(|_| body::is_coded(self));
        let bytes = inflated.as_deref().unwrap_or(&self.body);
        let is_utf16 = body::is_utf16(self, bytes);
        let text = is_utf16.then(|| self.text().ok()).flatten();
        let mut raw = self.head(|name, value| match name {
            name if SECRET_HEADERS.contains(&name) => REDACTED,
            "content-encoding" if inflated.is_some() => "identity",
            "content-type" if text.is_some() => value.split(';').next().unwrap_or_default(),
            _ => value,
        });
        raw.extend_from_slice(b"\r\n");
        raw.extend_from_slice(text.map_or(bytes, str::as_bytes));
        secrets.into_iter().fold(raw, redact::without)
    }

    /// The request line and the headers. `kept` gives the value to write for each header.
    fn head<'a>(&'a self, kept: impl Fn(&'a str, &'a str) -> &'a str) -> Vec<u8> {
        let mut head = Vec::with_capacity(1024 + self.body.len());
        latin1(&mut head, &self.method);
        head.push(b' ');
        latin1(&mut head, &self.path);
        if !self.query.is_empty() {
            head.push(b'?');
            latin1(&mut head, &self.query);
        }
        head.extend_from_slice(b" HTTP/1.1\r\n");
        for (name, value) in &self.headers {
            latin1(&mut head, name);
            head.extend_from_slice(b": ");
            latin1(&mut head, kept(name, value));
            head.extend_from_slice(b"\r\n");
        }
        head
    }
}

impl Clone for Callback {
    /// Copies the request without the parsed results, because a copy is made to be changed.
    fn clone(&self) -> Self {
        Self {
            method: self.method.clone(),
            path: self.path.clone(),
            query: self.query.clone(),
            headers: self.headers.clone(),
            body: self.body.clone(),
            key: self.key.clone(),
            peer: self.peer,
            client_certificate: self.client_certificate.clone(),
            received_at: self.received_at,
            chinese: self.chinese,
            fetched: self.fetched.clone(),
            ..Self::default()
        }
    }
}

fn read_already<T>(cell: &OnceCell<Result<T, Fault>>) -> Option<&T> {
    cell.get()?.as_ref().ok()
}

fn latin1(out: &mut Vec<u8>, text: &str) {
    if text.is_ascii() {
        out.extend_from_slice(text.as_bytes());
    } else {
        out.extend(text.chars().map(|c| u8::try_from(c).unwrap_or(b'?')));
    }
}

/// Trims only the white space of HTTP: a value in Latin-1 keeps its no-break spaces.
fn header_line(line: &str) -> Result<(String, String), Malformed> {
    let (name, value) = line
        .split_once(':')
        .ok_or(Malformed("a header has no `:`"))?;
    let blank = [' ', '\t', '\r'];
    let name = name.trim_matches(blank).to_ascii_lowercase();
    Ok((name, value.trim_matches(blank).to_owned()))
}

/// The bytes before and after the first empty line.
fn split_head(raw: &[u8]) -> Option<(&[u8], &[u8])> {
    let line_ends = raw.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    line_ends.into_iter().find_map(|(at, _)| {
        let (head, rest) = raw.split_at(at + 1);
        let body = rest
            .strip_prefix(b"\r\n")
            .or_else(|| rest.strip_prefix(b"\n"))?;
        Some((head, body))
    })
}
