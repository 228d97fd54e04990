//! The bearer token of the admin listener.

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::AUTHORIZATION;
use actix_web::middleware::Next;
use actix_web::{Error, ResponseError, web};
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::http::Gateway;
use crate::http::error::ApiError;

/// What orchestrators ask without a token; neither says more than yes or no.
const OPEN_PATHS: &[&str] = &["/healthz", "/readyz"];

/// Lets a request through that carries the token, or needs none.
pub(in crate::http) async fn bearer(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<EitherBody<impl MessageBody>>, Error> {
    let gateway = request.app_data::<web::Data<Gateway>>();
    let wanted = gateway.and_then(|gateway| gateway.current().admin.token.clone());
    let open = OPEN_PATHS.contains(&request.path());
    if open || wanted.is_none_or(|token| holds(&request, token.expose_secret())) {
        return next
            .call(request)
            .await
            .map(ServiceResponse::map_into_left_body);
    }
    let refused = ApiError::unauthorized().error_response();
    Ok(request.into_response(refused).map_into_right_body())
}

/// Compares hashes, which have one length, so that the time tells nothing of the token.
fn holds(request: &ServiceRequest, wanted: &str) -> bool {
    let given = request.headers().get(AUTHORIZATION);
    let given = given.and_then(|value| value.to_str().ok());
    let Some((scheme, given)) = given.and_then(|value| value.split_once(' ')) else {
        return false;
    };
    let same = Sha256::digest(given.trim()).ct_eq(&Sha256::digest(wanted));
    scheme.eq_ignore_ascii_case("bearer") && same.into()
}
