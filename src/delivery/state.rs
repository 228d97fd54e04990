//! One sink as operators see it.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Who paused a sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PausedBy {
    /// An operator asked for it.
    Operator,
    /// The receiver answered 410 Gone.
    Receiver,
    /// The gateway was started with `--hold`.
    Hold,
}

/// One sink as operators see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SinkState {
    /// The full name.
    pub name: Arc<str>,
    /// What it is doing.
    pub state: Phase,
    /// Who paused it, while it is paused.
    pub paused_by: Option<PausedBy>,
    /// Sends in flight.
    pub in_flight: usize,
    /// Deliveries held in memory; the store may hold more.
    pub loaded: usize,
    /// When it last succeeded.
    pub last_success_at: Option<Timestamp>,
    /// What went wrong last, without secrets.
    pub last_error: Option<String>,
    /// When that was.
    pub last_error_at: Option<Timestamp>,
    /// When the next attempt can be, while nothing can be sent now.
    pub retry_at: Option<Timestamp>,
}

impl SinkState {
    /// A sink to which nothing was sent yet.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self {
            name: name.into(),
            state: Phase::Ok,
            paused_by: None,
            in_flight: 0,
            loaded: 0,
            last_success_at: None,
            last_error: None,
            last_error_at: None,
            retry_at: None,
        }
    }

    /// A sink to which nothing is sent until an operator resumes it.
    pub(super) fn held(name: impl Into<Arc<str>>) -> Self {
        Self {
            state: Phase::Paused,
            paused_by: Some(PausedBy::Hold),
            ..Self::new(name)
        }
    }

    /// The same state, of a sink that an operator has paused at another gateway.
    #[must_use]
    pub(crate) fn paused_by_operator(mut self) -> Self {
        self.set_paused(true);
        self
    }

    /// The state of a sink, from those of two of its parts: the worse of both.
    #[must_use]
    pub(crate) fn with(self, other: Self) -> Self {
        let is_newer = self.last_error_at > other.last_error_at;
        let retries = self.retry_at.into_iter().chain(other.retry_at);
        Self {
            state: self.state.max(other.state),
            paused_by: self.paused_by.or(other.paused_by),
            in_flight: self.in_flight + other.in_flight,
            loaded: self.loaded + other.loaded,
            last_success_at: self.last_success_at.max(other.last_success_at),
            last_error: if is_newer {
                self.last_error
            } else {
                other.last_error
            },
            last_error_at: self.last_error_at.max(other.last_error_at),
            retry_at: retries.min(),
            name: self.name,
        }
    }

    /// The state after an operator's request, before the worker has read it.
    pub(super) fn set_paused(&mut self, pause: bool) {
        self.state = if pause { Phase::Paused } else { Phase::Ok };
        self.paused_by = pause.then_some(PausedBy::Operator);
        self.retry_at = None;
    }
}

/// What a sink is doing, the worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// It works, and no delivery waits.
    Ok,
    /// Deliveries wait for their next attempt, for the receiver's `Retry-After`, or for a limit.
    Waiting,
    /// It fails, and the circuit breaker is open; a probe is sent from time to time.
    Open,
    /// Nothing is sent until it is resumed.
    Paused,
}

impl Phase {
    /// The word for it in the API and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Waiting => "waiting",
            Self::Open => "open",
            Self::Paused => "paused",
        }
    }

    /// Whether no delivery is sent now, except a probe.
    pub(crate) fn is_stopped(self) -> bool {
        matches!(self, Self::Open | Self::Paused)
    }
}
