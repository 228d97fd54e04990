//! Who sent a request to the admin listener, and whether their role allows it.

use std::fmt;

use actix_web::body::{EitherBody, MessageBody};
use actix_web::cookie::Cookie;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::AUTHORIZATION;
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest, ResponseError, web};
use jiff::Timestamp;
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::STATIC_PATH;
use super::error::ApiError;
use super::session::{self, Session};
use super::{proxied, roles};
use crate::config::{Admin, Role, Token};
use crate::http::Gateway;

/// Paths that need no token, for orchestrators. Their response says only ready or not ready.
const OPEN_PATHS: &[&str] = &["/healthz", "/readyz"];

/// Paths for a reader who is not logged in yet. `/preferences` sets the language and the theme of their own pages.
const PATHS_OF_LOGIN: &[&str] = &["/login", "/logout", "/preferences"];

/// Who sent a request. Handlers find it in the extensions of the request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Who {
    /// The name of the token, or of the operator whom the proxy logged in.
    pub(crate) name: String,
    /// What they may do.
    pub(crate) role: Role,
    /// What shows it.
    pub(crate) via: Via,
}

/// What shows who sent a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Via {
    /// Nothing: no token is configured, and everyone who reaches the listener is an admin.
    Open,
    /// A token in the header `Authorization`.
    Token,
    /// The cookie of a browser that logged in with a token.
    Cookie,
    /// A proxy that logged the operator in.
    Proxy,
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::Token => "token",
            Self::Cookie => "cookie",
            Self::Proxy => "proxy",
        })
    }
}

/// Refuses a request from nobody that is known, or from somebody whose role does not allow it.
pub(crate) async fn admit(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<EitherBody<impl MessageBody>>, Error> {
    let Some(gateway) = request.app_data::<web::Data<Gateway>>().cloned() else {
        return Ok(next.call(request).await?.map_into_left_body());
    };
    let (current, now) = (gateway.current(), gateway.clock.now());
    let sender = Sender::of(request.request(), &current.admin, now);
    let pattern = request.match_pattern().unwrap_or_default();
    if let Err(refusal) = judge(request.request(), &pattern, sender.who.as_ref()) {
        let refused = request.into_response(refusal.error_response());
        return Ok(refused.map_into_right_body());
    }
    let acts = roles::acts(request.method(), &pattern) && !needs_nobody(request.path());
    let acts = sender.who.clone().filter(|_| acts);
    if let Some(who) = sender.who {
        request.extensions_mut().insert(who);
    }
    let mut response = next.call(request).await?;
    if let Some(who) = acts {
        log(&who, &response);
    }
    if let Some(cookie) = sender.renewed {
        // Fails only for a cookie that is not valid, and this one is built of valid characters.
        let _added = response.response_mut().add_cookie(&cookie);
    }
    Ok(response.map_into_left_body())
}

/// Whether this sender may send this request.
fn judge(request: &HttpRequest, pattern: &str, who: Option<&Who>) -> Result<(), ApiError> {
    if needs_nobody(request.path()) {
        return Ok(());
    }
    let needed = roles::needed(request.method(), pattern);
    match who {
        Some(who) if who.role >= needed => Ok(()),
        Some(who) => Err(ApiError::role(who, needed)),
        None => Err(ApiError::unauthorized()),
    }
}

/// The sender of a request, as far as it shows who that is.
#[derive(Default)]
struct Sender {
    /// None: nobody that is known.
    who: Option<Who>,
    /// A new cookie for a session that goes on.
    renewed: Option<Cookie<'static>>,
}

impl Sender {
    /// A token counts first, because a program chose to send it. Then the proxy, then a cookie.
    fn of(request: &HttpRequest, admin: &Admin, now: Timestamp) -> Self {
        if let Some(token) = bearer(request, admin) {
            return Self::with(&token, Via::Token);
        }
        let proxy = admin.proxy.as_ref();
        if let Some(who) = proxy.and_then(|proxy| proxied::who(request, proxy)) {
            return Self {
                who: Some(who),
                renewed: None,
            };
        }
        let name = session::name(request.headers(), admin);
        let cookie = request.cookie(name);
        let session = cookie.and_then(|cookie| Session::of(cookie.value(), admin, now));
        if let Some(session) = session {
            let renews = session.is_old(now) && !needs_nobody(request.path());
            let renewed = renews.then(|| session::cookie(&session.token, now, name));
            return Self {
                renewed: renewed.flatten(),
                ..Self::with(&session.token, Via::Cookie)
            };
        }
        let anyone = || Who {
            name: "anyone".to_owned(),
            role: Role::Admin,
            via: Via::Open,
        };
        Self {
            who: admin.is_open().then(anyone),
            renewed: None,
        }
    }

    fn with(token: &Token, via: Via) -> Self {
        let who = Who {
            name: token.name.clone(),
            role: token.role,
            via,
        };
        Self {
            who: Some(who),
            renewed: None,
        }
    }
}

/// Each command is one line of the log: who, what, and how it ended.
fn log<B>(who: &Who, response: &ServiceResponse<B>) {
    let request = response.request();
    let (method, path) = (request.method().as_str(), request.path());
    let (name, role, via) = (&*who.name, who.role.as_str(), who.via);
    let status = response.status().as_u16();
    tracing::info!(who = name, role, %via, method, path, status, "an operator sent a command to the admin listener");
}

/// Whether a request to this path needs nobody that is known.
fn needs_nobody(path: &str) -> bool {
    is_open(path) || PATHS_OF_LOGIN.contains(&path)
}

/// Whether this path needs neither a token nor a `Host` that is known.
pub(super) fn is_open(path: &str) -> bool {
    OPEN_PATHS.contains(&path) || path.starts_with(STATIC_PATH)
}

/// Whether [`admit`] would let this request in now: its token can be removed and its session can end while it is answered.
pub(super) fn is_admitted(request: &HttpRequest, gateway: &Gateway) -> bool {
    let pattern = request.match_pattern().unwrap_or_default();
    let sender = Sender::of(request, &gateway.current().admin, gateway.clock.now());
    judge(request, &pattern, sender.who.as_ref()).is_ok()
}

/// Who sent this request, if [`admit`] has let it in.
pub(crate) fn who(request: &HttpRequest) -> Option<Who> {
    request.extensions().get().cloned()
}

/// The configured token that the request has in its header.
pub(super) fn bearer(request: &HttpRequest, admin: &Admin) -> Option<Token> {
    let given = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, given) = given.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    token(given.trim(), admin)
}

/// The configured token with this secret. Compares hashes in constant time, each of them: hashes have a fixed length, so
/// the time depends neither on the secrets nor on the one that fits.
pub(super) fn token(given: &str, admin: &Admin) -> Option<Token> {
    let given = Sha256::digest(given);
    let mut found = None;
    for token in admin.all_tokens() {
        let same = Sha256::digest(token.secret.expose_secret()).ct_eq(&given);
        if bool::from(same) {
            found.get_or_insert(token);
        }
    }
    found
}
