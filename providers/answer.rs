//! How a callback ended, and the answer to the vendor.

/// How a callback ended, with only what the vendor may learn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<'a> {
    /// Its alerts are on disk. `id` is the id of the first alert; it is empty if the callback had none (a test message).
    Accepted {
        /// The id that Campanile gave to the first alert.
        id: &'a str,
    },
    /// All its alerts are already on disk.
    Duplicate,
    /// The sender is verified, but the message could not be read. It is kept. The vendor gets a success answer, because most
    /// vendors never retry after a 4xx.
    Quarantined,
    /// The sender is not verified: `status` is 401 or 403. The vendor gets one sentence without a reason.
    Refused {
        /// The HTTP status, 401 (no proof given) or 403 (a wrong one).
        status: u16,
    },
    /// Not verified and not readable, or not served at all: 400, 413 and so on.
    Rejected {
        /// The HTTP status.
        status: u16,
        /// One sentence that names no value from the request.
        reason: &'a str,
    },
    /// The store cannot commit now: 503. The vendor is asked to retry.
    Unavailable,
}

impl Outcome<'_> {
    /// Its HTTP status, unless the vendor's protocol defines another.
    pub fn status(&self) -> u16 {
        match self {
            Self::Accepted { .. } | Self::Duplicate | Self::Quarantined => 200,
            Self::Refused { status } | Self::Rejected { status, .. } => *status,
            Self::Unavailable => 503,
        }
    }

    /// One sentence, for vendors whose protocol does not define the body.
    pub fn sentence(&self) -> &str {
        match self {
            Self::Accepted { .. } => "accepted",
            Self::Duplicate => "duplicate",
            Self::Quarantined => "accepted for review",
            Self::Refused { .. } => "not authorized",
            Self::Rejected { reason, .. } => reason,
            Self::Unavailable => "try again later",
        }
    }
}

/// The answer to the vendor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The `Content-Type`.
    pub content_type: &'static str,
    /// The body, UTF-8.
    pub body: String,
}

impl Answer {
    /// A JSON answer.
    pub fn json(status: u16, body: &serde_json::Value) -> Self {
        Self {
            status,
            content_type: "application/json",
            body: body.to_string(),
        }
    }

    /// A JSON answer whose text is ready.
    pub(crate) fn written(status: u16, body: String) -> Self {
        Self {
            status,
            content_type: "application/json",
            body,
        }
    }

    /// A plain text answer.
    pub fn text(status: u16, body: impl Into<String>) -> Self {
        Self {
            status,
            content_type: "text/plain; charset=utf-8",
            body: body.into(),
        }
    }
}
