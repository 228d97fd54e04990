//! Errors of the API, in its one form: `{"error":{"code":"not_found","message":"..."}}`.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};

use super::types::{Reason, Refused};

/// Why the API did not do what was asked, and what to do about it.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl ApiError {
    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", message)
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    pub(super) fn unauthorized() -> Self {
        let message =
            "send the value of `[admin] token` in the header `Authorization: Bearer TOKEN`";
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
    }

    /// The request was sent to a name that is not this listener's.
    pub(super) fn wrong_host(host: &str) -> Self {
        let message = format!(
            "`Host` is `{host:.80}`, which is not an address of the admin listener; use a loopback address or \
             `[admin] listen`, or set `[admin] public_url` to the address that you use"
        );
        Self::new(StatusCode::FORBIDDEN, "wrong_host", message)
    }

    /// A browser sent it for a page of another origin.
    pub(super) fn other_page() -> Self {
        let message = "a web page of another origin sent this request, and only pages of this listener may change \
             something; if this is your own address behind a proxy, set `[admin] public_url` to it";
        Self::new(StatusCode::FORBIDDEN, "other_origin", message)
    }

    /// The body is not declared as JSON.
    pub(super) fn not_json() -> Self {
        let message = "send the body as JSON with the header `Content-Type: application/json`";
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            message,
        )
    }

    /// A stored row is damaged, or a later version wrote it.
    pub(super) fn unreadable(what: impl fmt::Display) -> Self {
        let message = format!("the store holds what this version cannot read: {what}");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "store_unreadable",
            message,
        )
    }

    pub(super) fn method() -> Self {
        let message =
            "this path does not support this method; /api/v1/openapi.json lists what it supports";
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            message,
        )
    }

    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            status,
            code,
            message,
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        if self.status == StatusCode::UNAUTHORIZED {
            response.insert_header((WWW_AUTHENTICATE, "Bearer"));
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.insert_header((RETRY_AFTER, "5"));
        }
        let error = Reason {
            code: self.code.to_owned(),
            message: self.message.clone(),
        };
        response.json(Refused { error })
    }
}

impl From<campanile_store::Error> for ApiError {
    fn from(error: campanile_store::Error) -> Self {
        match error {
            campanile_store::Error::Read(_) => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "store_unreadable",
                error.to_string(),
            ),
            _ => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "store_unavailable",
                error.to_string(),
            ),
        }
    }
}
