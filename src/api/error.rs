//! Errors of the API. All have the form of RFC 9457:
//! `{"type":"/problems/not_found","title":"...","status":404,"detail":"..."}`.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use uuid::Uuid;

use super::COMMAND_BYTES_MAX;
use super::auth::{Via, Who};
use super::codes::Code;
use super::types::{Mistake, Reason, Refused};
use crate::config::Role;

/// The name of a parameter is cut in the response, in characters.
const PARAMETER_CHARACTERS_MAX: usize = 40;

/// The content type of an error.
const KIND: &str = "application/problem+json";

/// An error of the API: a code for programs, and a sentence with the problem and the fix.
#[derive(Debug)]
pub(crate) struct ApiError {
    code: &'static Code,
    message: String,
    /// The parts of the request that are wrong, if they are known.
    mistakes: Vec<Mistake>,
}

impl ApiError {
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new("bad_request", message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new("not_found", message)
    }

    pub(super) fn unauthorized() -> Self {
        let message = "the token is missing or wrong: send the value of `[admin] token`, or of `secret` in `[admin.tokens.NAME]`, \
             in the header `Authorization: Bearer TOKEN`";
        Self::new("unauthorized", message)
    }

    /// A browser sent a token that is not configured.
    pub(super) fn wrong_login() -> Self {
        let message = "no token has this secret: enter the value of `[admin] token`, or of `secret` in `[admin.tokens.NAME]`";
        Self::new("wrong_token", message)
    }

    /// This address tried too many tokens.
    pub(super) fn too_many_logins() -> Self {
        let message = "five logins from this address failed in one minute: try again in a minute";
        Self::new("too_many_logins", message)
    }

    /// The role of the sender does not allow it.
    pub(super) fn role(who: &Who, needed: Role) -> Self {
        let (name, role, needed) = (&who.name, who.role.as_str(), needed.as_str());
        let place = match who.via {
            Via::Proxy => "`roles` or `role` in `[admin.proxy]`".to_owned(),
            _ => format!("`role` in `[admin.tokens.{name}]`"),
        };
        let message = format!(
            "this needs the role `{needed}`, but `{name:.40}` has the role `{role}`: use the token of somebody with the role \
             `{needed}`, or change {place}"
        );
        Self::new("role_too_low", message)
    }

    /// The `Host` of the request does not name this listener.
    pub(super) fn wrong_host(host: &str) -> Self {
        let message = format!(
            "`Host` is `{host:.80}`, which is not an address of the admin listener; use a loopback address or \
             `[admin] listen`, or set `[admin] public_url` to the address that you use"
        );
        Self::new("wrong_host", message)
    }

    /// A browser sent the request for a web page of another origin.
    pub(super) fn other_page() -> Self {
        let message = "a web page of another origin sent this request, but only pages of the admin listener may send \
             changes; if this origin is your own address behind a proxy, set `[admin] public_url` to it";
        Self::new("other_origin", message)
    }

    /// The body is not declared as JSON.
    pub(super) fn not_json() -> Self {
        let message = "the `Content-Type` is not JSON: send the body as JSON with the header `Content-Type: application/json`";
        Self::new("unsupported_media_type", message)
    }

    /// A stored row is damaged, or a later version of Campanile wrote it.
    pub(super) fn unreadable(what: impl fmt::Display) -> Self {
        let message = format!("this version of Campanile cannot read a row in the store: {what}");
        Self::new("store_unreadable", message)
    }

    /// All streams are in use.
    pub(super) fn too_many_streams(most: usize) -> Self {
        let message = format!(
            "{most} streams are open, and there can be no more; close a page or a `--follow`, or try again later"
        );
        Self::new("too_many_streams", message)
    }

    /// The gateway stops.
    pub(super) fn stopping() -> Self {
        let message = "the gateway is stopping; try again when it runs";
        Self::new("stopping", message)
    }

    pub(super) fn method() -> Self {
        let message =
            "this path does not support this method; /api/v1/openapi.json lists what it supports";
        Self::new("method_not_allowed", message)
    }

    /// The operator counted other items than there are now.
    pub(super) fn changed(expected: u64, now: u64) -> Self {
        let message = format!(
            "`count` is {expected}, but now there are {now} such items: send the request with `\"dry_run\":true` again, and \
             then its `count` and `seen_to`"
        );
        Self::new("changed", message).at_pointer("/count")
    }

    pub(crate) fn is_changed(&self) -> bool {
        self.code.word == "changed"
    }

    /// Another job of this action is running.
    pub(super) fn job_running(action: &str, id: Uuid) -> Self {
        let message = format!(
            "the job {id} does `{action}` now, and only one can do it at a time: wait until it ends, or stop it with \
             POST /api/v1/jobs/{id}/stop"
        );
        Self::new("job_running", message)
    }

    /// The first request with the same `Idempotency-Key` is being worked on.
    pub(super) fn key_in_use() -> Self {
        let message = "the first request with this `Idempotency-Key` has no answer yet: send it again in a moment";
        Self::new("key_in_use", message).at_parameter("Idempotency-Key")
    }

    /// The body differs from that of the first request with the same `Idempotency-Key`.
    pub(super) fn key_reused() -> Self {
        let message =
            "another body was sent with this `Idempotency-Key`: use a new key for each new request";
        Self::new("key_reused", message).at_parameter("Idempotency-Key")
    }

    /// The body is larger than the listener takes.
    pub(super) fn too_large() -> Self {
        let most = COMMAND_BYTES_MAX / 1024;
        let message =
            format!("the body is too large for this path: a command can have at most {most} KiB");
        Self::new("too_large", message)
    }

    /// Something failed that has no other code.
    pub(super) fn failed(message: impl Into<String>) -> Self {
        Self::new("failed", message)
    }

    fn new(word: &str, message: impl Into<String>) -> Self {
        Self {
            code: Code::of(word),
            message: message.into(),
            mistakes: Vec::new(),
        }
    }

    /// The same error, for this parameter of the query.
    pub(super) fn at_parameter(self, name: &str) -> Self {
        let name = name.chars().take(PARAMETER_CHARACTERS_MAX).collect();
        let detail = self.message.clone();
        self.at(Mistake {
            parameter: Some(name),
            pointer: None,
            detail,
        })
    }

    /// The same error, for this place in the body: a JSON pointer such as `/ids/0`.
    pub(super) fn at_pointer(self, pointer: &str) -> Self {
        let detail = self.message.clone();
        self.at_pointer_because(pointer, detail)
    }

    /// The same error, for this place in the body, with a reason that is more exact.
    pub(super) fn at_pointer_because(self, pointer: &str, detail: String) -> Self {
        self.at(Mistake {
            parameter: None,
            pointer: Some(format!("#{pointer}")),
            detail,
        })
    }

    fn at(mut self, mistake: Mistake) -> Self {
        self.mistakes.push(mistake);
        self
    }

    fn refused(&self) -> Refused {
        Refused {
            r#type: self.code.path(),
            title: self.code.title.to_owned(),
            status: self.code.status.as_u16(),
            detail: self.message.clone(),
            errors: self.mistakes.clone(),
            error: Reason {
                code: self.code.to_string(),
                message: self.message.clone(),
            },
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
        self.code.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.code.status);
        if self.code.status == StatusCode::UNAUTHORIZED {
            response.insert_header((WWW_AUTHENTICATE, "Bearer"));
        }
        if self.code.status == StatusCode::SERVICE_UNAVAILABLE {
            response.insert_header((RETRY_AFTER, "5"));
        }
        let refused = self.refused();
        // A browser gets the same reason as a page (`src/page/failure.rs`).
        response.extensions_mut().insert(refused.error.clone());
        response.content_type(KIND).json(refused)
    }
}

impl From<campanile_store::Error> for ApiError {
    fn from(error: campanile_store::Error) -> Self {
        match error {
            campanile_store::Error::Read(_) => Self::new("store_unreadable", error.to_string()),
            _ => Self::new("store_unavailable", error.to_string()),
        }
    }
}
