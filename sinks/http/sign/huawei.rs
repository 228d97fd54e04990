//! SDK-HMAC-SHA256: Huawei Cloud.

use secrecy::ExposeSecret;

use super::canonical::{hash, headers, hmac, path, query};
use super::{Credentials, set, set_token};
use crate::Failure;
use crate::http::client::Request;

pub(super) fn sign(request: &mut Request, credentials: &Credentials) -> Result<(), Failure> {
    let at = request.at.strftime("%Y%m%dT%H%M%SZ").to_string();
    set(&mut request.headers, "x-sdk-date", at.clone())?;
    set_token(&mut request.headers, "x-security-token", credentials)?;
    let signed = headers(request, |_| true);
    let canonical = format!(
        "{}\n{}\n{}\n{}\n{}\n{}",
        request.method,
        closed(path(&request.url)),
        query(&request.url),
        signed.lines,
        signed.names,
        hash(&request.body),
    );
    let to_sign = format!("SDK-HMAC-SHA256\n{at}\n{}", hash(canonical.as_bytes()));
    let key = credentials.key.expose_secret().as_bytes();
    let value = format!(
        "SDK-HMAC-SHA256 Access={}, SignedHeaders={}, Signature={}",
        credentials.id.expose_secret(),
        signed.names,
        hex::encode(hmac(key, &to_sign)),
    );
    set(&mut request.headers, "authorization", value)
}

/// The path with a `/` at its end, which the scheme wants even if the request has none.
fn closed(path: String) -> String {
    if path.ends_with('/') {
        path
    } else {
        path + "/"
    }
}
