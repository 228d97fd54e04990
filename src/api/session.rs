//! The cookie of a browser that logged in: `<name>.<role>.<issued>.<signature>`.
//!
//! The key of the signature is derived from the secret of the token. So a session survives a restart, needs no table, and ends
//! when the token is removed, gets another secret or gets another role.

use actix_web::cookie::{Cookie, SameSite, time::Duration as Age};
use actix_web::http::header::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret;
use sha2::Sha256;

use crate::config::{Admin, Token};

/// A session ends so long after its last renewal.
const LASTS: SignedDuration = SignedDuration::from_hours(12);

/// An older session is renewed by the next request.
const RENEWED_AFTER: SignedDuration = SignedDuration::from_hours(1);

/// The cookie over plain HTTP.
const NAME: &str = "campanile";

/// The cookie over HTTPS. Browsers accept this name only from HTTPS, and only for one host.
const SECURE_NAME: &str = "__Host-campanile";

/// Separates the keys of sessions from other uses of a secret.
const PURPOSE: &[u8] = b"campanile session 1";

/// A valid session.
pub(super) struct Session {
    /// The token of the login.
    pub(super) token: Token,
    issued: Timestamp,
}

impl Session {
    /// The session of a cookie value, if it is valid now.
    pub(super) fn of(value: &str, admin: &Admin, now: Timestamp) -> Option<Self> {
        let (signed, signature) = value.rsplit_once('.')?;
        let mut parts = signed.split('.');
        let (name, role, issued) = (parts.next()?, parts.next()?, parts.next()?);
        let issued = Timestamp::from_second(issued.parse().ok()?).ok()?;
        let age = now.duration_since(issued);
        if parts.next().is_some() || age > LASTS || age < -SignedDuration::from_mins(1) {
            return None;
        }
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        let mut tokens = admin.all_tokens();
        let token = tokens.find(|token| {
            let same = token.name == name && token.role.as_str() == role;
            same && signer(token, signed).is_some_and(|mac| mac.verify_slice(&signature).is_ok())
        })?;
        Some(Self { token, issued })
    }

    /// Whether the browser should get a new cookie.
    pub(super) fn is_old(&self, now: Timestamp) -> bool {
        now.duration_since(self.issued) > RENEWED_AFTER
    }
}

/// The signature of `signed` with the key of a token. Any key fits HMAC.
fn signer(token: &Token, signed: &str) -> Option<Hmac<Sha256>> {
    let secret = token.secret.expose_secret().as_bytes();
    let mut derive = Hmac::<Sha256>::new_from_slice(secret).ok()?;
    derive.update(PURPOSE);
    let key = derive.finalize().into_bytes();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).ok()?;
    mac.update(signed.as_bytes());
    Some(mac)
}

/// The name of the cookie of this request.
pub(super) fn name(headers: &HeaderMap, admin: &Admin) -> &'static str {
    if is_https(headers, admin) {
        SECURE_NAME
    } else {
        NAME
    }
}

/// The cookie of a new session.
pub(super) fn cookie(token: &Token, now: Timestamp, name: &'static str) -> Option<Cookie<'static>> {
    let (role, at) = (token.role.as_str(), now.as_second());
    let signed = format!("{}.{role}.{at}", token.name);
    let signature = signer(token, &signed)?.finalize().into_bytes();
    let value = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
    Some(with_age(value, name, Age::seconds(LASTS.as_secs())))
}

/// The cookie that ends a session.
pub(super) fn ended(name: &'static str) -> Cookie<'static> {
    with_age(String::new(), name, Age::ZERO)
}

fn with_age(value: String, name: &'static str, age: Age) -> Cookie<'static> {
    Cookie::build(name, value)
        .path("/")
        .http_only(true)
        // A link in a chat leads to the page, not to the login. A form of another site sends no cookie.
        .same_site(SameSite::Lax)
        .secure(name == SECURE_NAME)
        .max_age(age)
        .finish()
}

/// Whether the browser uses HTTPS: of this listener, or of the proxy. A wrong `X-Forwarded-Proto` gives only its own sender a
/// cookie that their browser refuses.
fn is_https(headers: &HeaderMap, admin: &Admin) -> bool {
    let proto = headers.get("x-forwarded-proto");
    let by_proxy = proto.is_some_and(|proto| proto.as_bytes().eq_ignore_ascii_case(b"https"));
    by_proxy || admin.tls.is_some()
}
