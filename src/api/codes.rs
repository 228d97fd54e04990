//! The codes of errors, each with its status and its title. `docs/problems.md` explains each.

use std::fmt;

use actix_web::http::StatusCode;

/// A kind of error. A program compares its word, so a word never changes.
#[derive(Debug)]
pub(crate) struct Code {
    pub(crate) word: &'static str,
    pub(super) status: StatusCode,
    /// The kind of error in words, the same for each error of this kind.
    pub(super) title: &'static str,
}

/// Every code, in the order of the status.
pub(crate) const CODES: &[Code] = &[
    code(
        StatusCode::BAD_REQUEST,
        "bad_request",
        "The request is not valid",
    ),
    code(
        StatusCode::UNAUTHORIZED,
        "unauthorized",
        "The token is missing or wrong",
    ),
    code(
        StatusCode::UNAUTHORIZED,
        "wrong_token",
        "No token has this secret",
    ),
    code(
        StatusCode::FORBIDDEN,
        "other_origin",
        "A page of another origin sent this",
    ),
    code(
        StatusCode::FORBIDDEN,
        "role_too_low",
        "The role does not allow this",
    ),
    code(
        StatusCode::FORBIDDEN,
        "wrong_host",
        "The host is not the admin listener",
    ),
    code(StatusCode::NOT_FOUND, "not_found", "This does not exist"),
    code(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "The path does not have this method",
    ),
    code(StatusCode::CONFLICT, "changed", "The selection has changed"),
    code(StatusCode::CONFLICT, "job_running", "Such a job is running"),
    code(
        StatusCode::CONFLICT,
        "key_in_use",
        "The first request with this key is not answered yet",
    ),
    code(
        StatusCode::PAYLOAD_TOO_LARGE,
        "too_large",
        "The body is too large",
    ),
    code(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported_media_type",
        "The body is not declared as JSON",
    ),
    code(
        StatusCode::UNPROCESSABLE_ENTITY,
        "key_reused",
        "The key is that of another request",
    ),
    code(
        StatusCode::TOO_MANY_REQUESTS,
        "too_many_logins",
        "Too many logins failed",
    ),
    code(
        StatusCode::INTERNAL_SERVER_ERROR,
        "store_unreadable",
        "A row of the store cannot be read",
    ),
    code(
        StatusCode::SERVICE_UNAVAILABLE,
        "stopping",
        "The gateway is stopping",
    ),
    code(
        StatusCode::SERVICE_UNAVAILABLE,
        "store_unavailable",
        "The store does not answer",
    ),
    code(
        StatusCode::SERVICE_UNAVAILABLE,
        "too_many_streams",
        "Too many streams are open",
    ),
    FAILED,
];

/// The request failed and no other code says why.
const FAILED: Code = code(
    StatusCode::INTERNAL_SERVER_ERROR,
    "failed",
    "The request failed",
);

const fn code(status: StatusCode, word: &'static str, title: &'static str) -> Code {
    Code {
        word,
        status,
        title,
    }
}

impl Code {
    /// The code with this word.
    pub(super) fn of(word: &str) -> &'static Self {
        let found = CODES.iter().find(|code| code.word == word);
        debug_assert!(found.is_some(), "{word} is not in the table of codes");
        found.unwrap_or(&FAILED)
    }

    /// The path on the admin listener that leads to the explanation. It also names the type of the error (RFC 9457).
    pub(crate) fn path(&self) -> String {
        format!("/problems/{self}")
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word)
    }
}
