//! The parts of a request in the one form that sender and receiver both hash.

use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use reqwest::header::{HOST, HeaderName};
use sha2::{Digest, Sha256};
use url::{Position, Url};

use crate::http::client::Request;

/// Everything but the unreserved characters of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// The signed headers.
pub(super) struct Headers {
    /// `name:value` in lines, sorted by name.
    pub(super) lines: String,
    /// The names, separated by semicolons.
    pub(super) names: String,
}

/// The headers that `wanted` holds for, and `host`, which the client adds.
pub(super) fn headers(request: &Request, wanted: impl Fn(&HeaderName) -> bool) -> Headers {
    let host = request.url[Position::BeforeHost..Position::AfterPort].to_owned();
    let sent = request.headers.iter().filter(|(name, _)| wanted(name));
    let sent = sent.map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes());
        (name.as_str(), value.trim().to_owned())
    });
    let mut all: Vec<_> = sent.chain([(HOST.as_str(), host)]).collect();
    all.sort_by_key(|(name, _)| *name);
    let names: Vec<_> = all.iter().map(|(name, _)| *name).collect();
    let lines: Vec<_> = all
        .iter()
        .map(|(name, value)| format!("{name}:{value}\n"))
        .collect();
    Headers {
        names: names.join(";"),
        lines: lines.concat(),
    }
}

/// The path with each segment encoded once.
pub(super) fn path(url: &Url) -> String {
    let segments = url.path().split('/').map(|segment| {
        let bytes: Vec<u8> = percent_decode_str(segment).collect();
        percent_encoding::percent_encode(&bytes, RESERVED).to_string()
    });
    segments.collect::<Vec<_>>().join("/")
}

/// The query, sorted, each name and value encoded once.
pub(super) fn query(url: &Url) -> String {
    let encoded = |text: &str| utf8_percent_encode(text, RESERVED).to_string();
    let pairs = url.query_pairs();
    let mut pairs: Vec<_> = pairs
        .map(|(name, value)| format!("{}={}", encoded(&name), encoded(&value)))
        .collect();
    pairs.sort();
    pairs.join("&")
}

/// The SHA-256 in hex.
pub(super) fn hash(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// The HMAC with SHA-256.
pub(super) fn hmac(key: &[u8], message: &str) -> Vec<u8> {
    let mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of every length");
    let mac = mac.chain_update(message.as_bytes());
    mac.finalize().into_bytes().to_vec()
}
