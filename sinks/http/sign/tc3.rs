//! TC3-HMAC-SHA256: Tencent Cloud API 3.0.

use reqwest::header::{CONTENT_TYPE, HeaderName};
use secrecy::ExposeSecret;

use super::canonical::{hash, headers, hmac};
use super::{Credentials, set, set_token};
use crate::Failure;
use crate::http::client::Request;

const ACTION: HeaderName = HeaderName::from_static("x-tc-action");

pub(super) fn sign(
    request: &mut Request,
    credentials: &Credentials,
    service: &str,
) -> Result<(), Failure> {
    let at = request.at.as_second().to_string();
    set(&mut request.headers, "x-tc-timestamp", at)?;
    set_token(&mut request.headers, "x-tc-token", credentials)?;
    let secret = format!("TC3{}", credentials.key.expose_secret());
    let date = hmac(secret.as_bytes(), &date(request));
    let key = hmac(&hmac(&date, service), "tc3_request");
    let signature = hex::encode(hmac(&key, &string_to_sign(request, service)));
    let value = format!(
        "TC3-HMAC-SHA256 Credential={}/{}, SignedHeaders={}, Signature={signature}",
        credentials.id.expose_secret(),
        scope(request, service),
        headers(request, signed).names,
    );
    set(&mut request.headers, "authorization", value)
}

/// What is signed with the key of the day.
pub fn string_to_sign(request: &Request, service: &str) -> String {
    let signed = headers(request, signed);
    let canonical = format!(
        "{}\n{}\n{}\n{}\n{}\n{}",
        request.method,
        request.url.path(),
        request.url.query().unwrap_or_default(),
        signed.lines.to_lowercase(),
        signed.names,
        hash(&request.body),
    );
    format!(
        "TC3-HMAC-SHA256\n{}\n{}\n{}",
        request.at.as_second(),
        scope(request, service),
        hash(canonical.as_bytes())
    )
}

fn signed(name: &HeaderName) -> bool {
    [CONTENT_TYPE, ACTION].contains(name)
}

fn scope(request: &Request, service: &str) -> String {
    format!("{}/{service}/tc3_request", date(request))
}

/// The date in UTC. A local date differs from it for a part of the day.
fn date(request: &Request) -> String {
    request.at.strftime("%Y-%m-%d").to_string()
}
