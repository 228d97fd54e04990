//! The bearer token of the admin listener.

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::AUTHORIZATION;
use actix_web::middleware::Next;
use actix_web::{Error, HttpRequest, ResponseError, web};
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::STATIC_PATH;
use super::error::ApiError;
use crate::config::Admin;
use crate::http::Gateway;

/// Paths that need no token, for orchestrators. Their response says only ready or not ready.
const OPEN_PATHS: &[&str] = &["/healthz", "/readyz"];

/// Refuses a request without the token, unless it needs none.
pub(crate) async fn bearer(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<EitherBody<impl MessageBody>>, Error> {
    let gateway = request.app_data::<web::Data<Gateway>>();
    let current = gateway.map(|gateway| gateway.current());
    let allowed = current.is_none_or(|current| {
        current.admin.token.is_none()
            || is_open(request.path())
            || has_token(&request, &current.admin)
    });
    if allowed {
        return next
            .call(request)
            .await
            .map(ServiceResponse::map_into_left_body);
    }
    let refused = ApiError::unauthorized().error_response();
    Ok(request.into_response(refused).map_into_right_body())
}

/// Whether this path needs no token.
pub(super) fn is_open(path: &str) -> bool {
    OPEN_PATHS.contains(&path) || path.starts_with(STATIC_PATH)
}

/// What the sender of a request may do. Each role includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(dead_code, reason = "tokens have no roles yet")]
pub(crate) enum Role {
    /// Sees everything but secrets.
    Viewer,
    /// Also sends alerts again, and pauses and resumes sinks.
    Operator,
    /// Also drops what is stored.
    Admin,
}

/// The role of the sender of this request, which [`bearer`] has let in.
pub(crate) fn role(_request: &HttpRequest) -> Role {
    Role::Admin
}

/// Whether a token is configured and the request has it.
pub(super) fn has_token(request: &ServiceRequest, admin: &Admin) -> bool {
    let token = admin.token.as_ref();
    token.is_some_and(|token| holds(request, token.expose_secret()))
}

/// Compares hashes in constant time. Hashes have a fixed length, so the time does not depend on the token.
fn holds(request: &ServiceRequest, wanted: &str) -> bool {
    let given = request.headers().get(AUTHORIZATION);
    let given = given.and_then(|value| value.to_str().ok());
    let Some((scheme, given)) = given.and_then(|value| value.split_once(' ')) else {
        return false;
    };
    let same = Sha256::digest(given.trim()).ct_eq(&Sha256::digest(wanted));
    scheme.eq_ignore_ascii_case("bearer") && same.into()
}
