//! Gives the form of the API to errors of the HTTP library, such as a body that is too large.

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::middleware::Next;
use actix_web::{Error, ResponseError};

use super::error::ApiError;
use super::types::Reason;

/// Replaces the response of an error that is not of the API.
pub(crate) async fn shaped(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<EitherBody<impl MessageBody>>, Error> {
    let response = next.call(request).await?;
    let inner = response.response();
    let known = inner.extensions().contains::<Reason>();
    let Some(error) = inner.error().filter(|_| !known) else {
        return Ok(response.map_into_left_body());
    };
    let error = of(inner.status(), error).error_response();
    Ok(response.into_response(error).map_into_right_body())
}

fn of(status: StatusCode, error: &Error) -> ApiError {
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => ApiError::too_large(),
        StatusCode::NOT_FOUND => ApiError::not_found("this path does not exist"),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => ApiError::not_json(),
        status if status.is_client_error() => {
            ApiError::bad_request(format!("the request cannot be read: {error:.200}"))
        }
        _ => ApiError::failed(format!("the request failed: {error:.200}")),
    }
}
