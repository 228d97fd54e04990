//! ACS3-HMAC-SHA256: Alibaba Cloud.

use reqwest::header::{CONTENT_TYPE, HeaderName};
use secrecy::ExposeSecret;

use super::canonical::{hash, headers, hmac, path, query};
use super::{Credentials, set, set_token};
use crate::Failure;
use crate::http::client::Request;

const NONCE: &str = "x-acs-signature-nonce";
/// Hex digits of a nonce.
const NONCE_LENGTH: usize = 32;

pub(super) fn sign(request: &mut Request, credentials: &Credentials) -> Result<(), Failure> {
    let at = request.at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    set(&mut request.headers, "x-acs-date", at)?;
    let body = hash(&request.body);
    set(&mut request.headers, "x-acs-content-sha256", body.clone())?;
    set_token(&mut request.headers, "x-acs-security-token", credentials)?;
    if !request.headers.contains_key(NONCE) {
        let nonce = nonce(request);
        set(&mut request.headers, NONCE, nonce)?;
    }
    let signed = headers(request, signed);
    let canonical = format!(
        "{}\n{}\n{}\n{}\n{}\n{body}",
        request.method,
        path(&request.url),
        query(&request.url),
        signed.lines,
        signed.names,
    );
    let to_sign = format!("ACS3-HMAC-SHA256\n{}", hash(canonical.as_bytes()));
    let key = credentials.key.expose_secret().as_bytes();
    let value = format!(
        "ACS3-HMAC-SHA256 Credential={},SignedHeaders={},Signature={}",
        credentials.id.expose_secret(),
        signed.names,
        hex::encode(hmac(key, &to_sign)),
    );
    set(&mut request.headers, "authorization", value)
}

fn signed(name: &HeaderName) -> bool {
    *name == CONTENT_TYPE || name.as_str().starts_with("x-acs-")
}

/// A nonce that no other request has: the vendor refuses one that it has seen. Every attempt has its own time, in
/// nanoseconds, and a second request within an attempt has another content.
fn nonce(request: &Request) -> String {
    let (path, query) = (request.url.path(), request.url.query().unwrap_or_default());
    let at = request.at.as_nanosecond();
    let mut unique = format!("{at}\n{}\n{path}?{query}\n", request.method).into_bytes();
    unique.extend_from_slice(&request.body);
    let mut nonce = hash(&unique);
    nonce.truncate(NONCE_LENGTH);
    nonce
}
