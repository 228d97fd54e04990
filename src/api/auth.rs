//! Who sent a request to the admin listener, and whether their role allows it.

use std::fmt;

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::AUTHORIZATION;
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest, ResponseError, web};
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::STATIC_PATH;
use super::error::ApiError;
use super::roles;
use crate::config::{Admin, Role, Token};
use crate::http::Gateway;

/// Paths that need no token, for orchestrators. Their response says only ready or not ready.
const OPEN_PATHS: &[&str] = &["/healthz", "/readyz"];

/// Who sent a request. Handlers find it in the extensions of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Who {
    /// The name of the token.
    pub(crate) name: String,
    /// What they may do.
    pub(crate) role: Role,
    /// What shows it.
    pub(crate) via: Via,
}

/// What shows who sent a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Via {
    /// Nothing: no token is configured, and everyone who reaches the listener is an admin.
    Open,
    /// A token in the header `Authorization`.
    Token,
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::Token => "token",
        })
    }
}

/// Refuses a request from nobody that is known, or from somebody whose role does not allow it.
pub(crate) async fn admit(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<EitherBody<impl MessageBody>>, Error> {
    let who = match judge(&request) {
        Ok(who) => who,
        Err(refusal) => {
            let refused = request.into_response(refusal.error_response());
            return Ok(refused.map_into_right_body());
        }
    };
    let acts = who.clone().filter(|_| !is_look(request.method()));
    if let Some(who) = who {
        request.extensions_mut().insert(who);
    }
    let response = next.call(request).await?;
    if let Some(who) = acts {
        log(&who, &response);
    }
    Ok(response.map_into_left_body())
}

/// Who sent the request, if it needs somebody.
fn judge(request: &ServiceRequest) -> Result<Option<Who>, ApiError> {
    let Some(gateway) = request.app_data::<web::Data<Gateway>>() else {
        return Ok(None);
    };
    if is_open(request.path()) {
        return Ok(None);
    }
    let who = who(request, &gateway.current().admin).ok_or_else(ApiError::unauthorized)?;
    let pattern = request.match_pattern().unwrap_or_default();
    let needed = roles::needed(request.method(), &pattern);
    if who.role < needed {
        return Err(ApiError::role(&who, needed));
    }
    Ok(Some(who))
}

/// Who sent the request. None: nobody that is known.
fn who(request: &ServiceRequest, admin: &Admin) -> Option<Who> {
    if let Some(token) = bearer(request, admin) {
        return Some(Who {
            name: token.name,
            role: token.role,
            via: Via::Token,
        });
    }
    admin.is_open().then(|| Who {
        name: "anyone".to_owned(),
        role: Role::Admin,
        via: Via::Open,
    })
}

fn is_look(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// Each change is one line of the log: who, what, and how it ended.
fn log<B>(who: &Who, response: &ServiceResponse<B>) {
    let request = response.request();
    let (method, path) = (request.method().as_str(), request.path());
    let (name, role, via) = (&*who.name, who.role.as_str(), who.via);
    let status = response.status().as_u16();
    tracing::info!(who = name, role, %via, method, path, status, "an operator sent a command to the admin listener");
}

/// Whether this path needs no token.
pub(super) fn is_open(path: &str) -> bool {
    OPEN_PATHS.contains(&path) || path.starts_with(STATIC_PATH)
}

/// The role of the sender of this request. Before [`admit`] has let it in, the sender may only look.
pub(crate) fn role(request: &HttpRequest) -> Role {
    let extensions = request.extensions();
    let who = extensions.get::<Who>();
    who.map_or(Role::Viewer, |who| who.role)
}

/// The configured token that the request has in its header.
pub(super) fn bearer(request: &ServiceRequest, admin: &Admin) -> Option<Token> {
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
