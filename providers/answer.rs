//! How a callback ended, and what the vendor is told.

/// How a callback ended, as far as its vendor may know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<'a> {
    /// Its alerts are on disk. `id` is that of the first one; empty where the callback held none (a test message).
    Accepted {
        /// Our id of the first alert.
        id: &'a str,
    },
    /// Every alert in it is on disk already.
    Duplicate,
    /// The sender is believed, but the message could not be read. It is kept; vendors hear success, because most never
    /// send again what got a 4xx.
    Quarantined,
    /// The sender is not believed: `status` is 401 or 403. The vendor hears one sentence and never a reason.
    Refused {
        /// The HTTP status, 401 (no proof given) or 403 (a wrong one).
        status: u16,
    },
    /// Neither believed nor readable, or not to be served at all: 400, 413 and the like.
    Rejected {
        /// The HTTP status.
        status: u16,
        /// One sentence that names no value from the request.
        reason: &'a str,
    },
    /// The store cannot commit now: 503, and the vendor is asked to come again.
    Unavailable,
}

impl Outcome<'_> {
    /// The HTTP status that goes with it, unless the vendor's protocol says otherwise.
    pub fn status(&self) -> u16 {
        match self {
            Self::Accepted { .. } | Self::Duplicate | Self::Quarantined => 200,
            Self::Refused { status } | Self::Rejected { status, .. } => *status,
            Self::Unavailable => 503,
        }
    }

    /// One sentence for vendors whose protocol asks for no particular one.
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

/// What the vendor is told.
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

    /// A JSON answer that is written already.
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
