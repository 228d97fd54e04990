//! Errors of the API. All have one form: `{"error":{"code":"not_found","message":"..."}}`.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};

use super::auth::Who;
use super::types::{Reason, Refused};
use crate::config::Role;

/// Every code. A program compares it, so a code never changes. `docs/problems.md` explains each.
pub(crate) const CODES: &[&str] = &[
    "bad_request",
    "method_not_allowed",
    "not_found",
    "other_origin",
    "role_too_low",
    "stopping",
    "store_unavailable",
    "store_unreadable",
    "too_many_logins",
    "too_many_streams",
    "unauthorized",
    "unsupported_media_type",
    "wrong_host",
    "wrong_token",
];

/// An error of the API: status, code for programs, and a sentence with the problem and the fix.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl ApiError {
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    pub(super) fn unauthorized() -> Self {
        let message = "the token is missing or wrong: send the value of `[admin] token`, or of `secret` in `[admin.tokens.NAME]`, \
             in the header `Authorization: Bearer TOKEN`";
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
    }

    /// A browser sent a token that is not configured.
    pub(super) fn wrong_login() -> Self {
        let message = "no token has this secret: enter the value of `[admin] token`, or of `secret` in `[admin.tokens.NAME]`";
        Self::new(StatusCode::UNAUTHORIZED, "wrong_token", message)
    }

    /// This address tried too many tokens.
    pub(super) fn too_many_logins() -> Self {
        let message = "five logins from this address failed in one minute: try again in a minute";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_logins", message)
    }

    /// The role of the sender does not allow it.
    pub(super) fn role(who: &Who, needed: Role) -> Self {
        let (name, role, needed) = (&who.name, who.role.as_str(), needed.as_str());
        let message = format!(
            "this needs the role `{needed}`, but `{name}` has the role `{role}`: use the token of somebody with the role \
             `{needed}`, or change `role` in `[admin.tokens.{name}]`"
        );
        Self::new(StatusCode::FORBIDDEN, "role_too_low", message)
    }

    /// The `Host` of the request does not name this listener.
    pub(super) fn wrong_host(host: &str) -> Self {
        let message = format!(
            "`Host` is `{host:.80}`, which is not an address of the admin listener; use a loopback address or \
             `[admin] listen`, or set `[admin] public_url` to the address that you use"
        );
        Self::new(StatusCode::FORBIDDEN, "wrong_host", message)
    }

    /// A browser sent the request for a web page of another origin.
    pub(super) fn other_page() -> Self {
        let message = "a web page of another origin sent this request, but only pages of the admin listener may send \
             changes; if this origin is your own address behind a proxy, set `[admin] public_url` to it";
        Self::new(StatusCode::FORBIDDEN, "other_origin", message)
    }

    /// The body is not declared as JSON.
    pub(super) fn not_json() -> Self {
        let message = "the `Content-Type` is not JSON: send the body as JSON with the header `Content-Type: application/json`";
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            message,
        )
    }

    /// A stored row is damaged, or a later version of Campanile wrote it.
    pub(super) fn unreadable(what: impl fmt::Display) -> Self {
        let message = format!("this version of Campanile cannot read a row in the store: {what}");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "store_unreadable",
            message,
        )
    }

    /// All streams are in use.
    pub(super) fn too_many_streams(most: usize) -> Self {
        let message = format!(
            "{most} streams are open, and there can be no more; close a page or a `--follow`, or try again later"
        );
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_streams", message)
    }

    /// The gateway stops.
    pub(super) fn stopping() -> Self {
        let message = "the gateway is stopping; try again when it runs";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", message)
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
        debug_assert!(CODES.contains(&code), "{code} is not in the table of codes");
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
        // A browser gets the same reason as a page (`src/page/failure.rs`).
        response.extensions_mut().insert(error.clone());
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
