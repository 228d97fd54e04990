//! The contract of a sink: what it gets, what it answers, and what each kind of failure leads to.
//!
//! A sink sends once and reports the result. When to retry, how often and how fast is decided by delivery.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
pub use campanile_model::Worth;
use campanile_model::{Alert, Status};
use futures_util::future::BoxFuture;
use jiff::Timestamp;

/// A longer handle is not kept.
pub const HANDLE_BYTES_MAX: usize = 512;

/// A receiver gets no request for at most this long, even if its sink reports a longer wait: one month, for a monthly quota.
pub const WAIT_MAX: Duration = Duration::from_hours(31 * 24);

/// One delivery on its way.
#[derive(Clone, Debug)]
pub struct Message {
    /// The delivery's id: the same on every attempt, which lets a receiver drop the second copy.
    pub delivery_id: String,
    /// One alert, or the parts of a digest or notice. Never empty.
    pub alerts: Vec<Arc<Alert>>,
    /// The stored JSON of each of `alerts`, in the same order, so that a sink does not serialize them again. Empty for a
    /// message that does not come from the store. Read it with [`Message::json`].
    pub stored: Vec<Bytes>,
    /// The firing that opened the episode, when this is a later message of it.
    pub opened: Option<Arc<Alert>>,
    /// False when the episode was resolved meanwhile.
    pub episode_open: bool,
    /// What this sink returned as [`Delivered::handle`] for an earlier message of the episode.
    pub handle: Option<String>,
    /// The number of this attempt, from 1.
    pub attempt: u32,
    /// An operator retried this delivery.
    pub retried_by_operator: bool,
    /// Something mutes the problem, and the receiver was informed of it before: without mention and sound, where the sink can do that.
    pub quiet: bool,
    /// The time of this attempt.
    pub at: Timestamp,
    /// The span of this attempt as W3C Trace Context writes it, for receivers that take it.
    pub traceparent: Option<String>,
}

impl Message {
    /// The first attempt to send one alert, with no earlier message of its episode.
    pub fn of(alert: impl Into<Arc<Alert>>, delivery_id: impl Into<String>, at: Timestamp) -> Self {
        let alert = alert.into();
        Self {
            delivery_id: delivery_id.into(),
            opened: None,
            episode_open: alert.status == Status::Firing,
            alerts: vec![alert],
            stored: Vec::new(),
            handle: None,
            attempt: 1,
            retried_by_operator: false,
            quiet: false,
            at,
            traceparent: None,
        }
    }

    /// Each alert as the API shows it: the stored JSON, or else the alert serialized now.
    pub fn json(&self) -> impl Iterator<Item = Bytes> {
        let stored = self.stored.len() == self.alerts.len();
        self.alerts.iter().enumerate().map(move |(index, alert)| {
            let json = self.stored.get(index).filter(|_| stored).cloned();
            // Texts, numbers and maps with text keys: nothing here can fail to serialize.
            json.unwrap_or_else(|| serde_json::to_vec(alert).unwrap_or_default().into())
        })
    }

    /// The alert, where there is exactly one. None for a digest.
    pub fn only(&self) -> Option<&Alert> {
        match self.alerts.as_slice() {
            [alert] => Some(alert),
            _ => None,
        }
    }
}

/// What the sink reports for a message that its receiver accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delivered {
    /// The HTTP status, where there was one.
    pub code: Option<u16>,
    /// A name for this message at the receiver (a message id, a ticket), at most [`HANDLE_BYTES_MAX`]. It is kept per sink
    /// and episode and given back with later messages of the episode.
    pub handle: Option<String>,
    /// What this success means.
    pub worth: Worth,
    /// One sentence for the operator when the message was delivered only in part, was cut, or reached no subscriber.
    pub remark: Option<String>,
}

impl Delivered {
    /// An HTTP receiver accepted it.
    pub fn with_code(code: u16) -> Self {
        Self {
            code: Some(code),
            ..Self::default()
        }
    }
}

/// The kind of a failure. It decides what follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// It passes without an operator: 408, 425, 429, 5xx, timeouts, DNS, TLS, a full disk. Retried; a wait in
    /// [`Failure::retry_after`] holds the whole sink.
    Transient,
    /// An operator must act: 401, 403, 404, 407, a redirect, a refused address. Retried slowly.
    Operator,
    /// The message is too long for the receiver. A kind that can shorten has done so once within the attempt, and this is
    /// the receiver's answer to the short form. Three attempts, then dead.
    TooLarge,
    /// The receiver will never take this message: 400, 415, 422, a template that fails on it. Three attempts, then dead.
    Poison,
    /// The receiver asks for no more messages: 410. The sink is paused.
    Gone,
}

impl Class {
    /// The word for it in logs and dead letters.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::Operator => "operator",
            Self::TooLarge => "too_large",
            Self::Poison => "poison",
            Self::Gone => "gone",
        }
    }

    /// Whether the receiver works and rejects this one message.
    pub fn is_refusal(self) -> bool {
        matches!(self, Self::TooLarge | Self::Poison)
    }
}

/// An attempt that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Failure {
    /// What follows from it.
    pub class: Class,
    /// The HTTP status, where there was one.
    pub code: Option<u16>,
    /// The receiver must be left alone for this long, at most [`WAIT_MAX`].
    pub retry_after: Option<Duration>,
    /// What went wrong: one sentence for an operator, without any secret (URLs are secrets).
    pub reason: String,
}

impl Failure {
    /// A failure without a status.
    pub fn new(class: Class, reason: impl Into<String>) -> Self {
        Self {
            class,
            code: None,
            retry_after: None,
            reason: reason.into(),
        }
    }
}

/// One configured destination.
pub trait Sink: Send + Sync {
    /// Sends one message, once. Ends within the sink's timeout; dropping the future ends it at once, and nothing is sent
    /// later.
    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<Delivered, Failure>>;

    /// The receiver forgets what is not sent again: how often [`Sink::refresh`] is called for the open episodes for which
    /// [`Sink::send`] returned a handle.
    fn refresh_every(&self) -> Option<Duration> {
        None
    }

    /// Sends the firings of open episodes again, so that the receiver does not forget them. A failure is not retried: the
    /// next call sends them all again.
    fn refresh<'a>(&'a self, _message: &'a Message) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async { Ok(()) })
    }

    /// Asks the receiver at this time whether the settings are right, without sending a message. Gives what it says in one
    /// sentence. None if there is nothing that can be asked.
    fn probe(&self, _at: Timestamp) -> Option<BoxFuture<'_, Result<String, Failure>>> {
        None
    }

    /// What would be sent, for `campanile try`: a request or a line, secrets taken out.
    fn render(&self, message: &Message) -> Result<String, Failure>;
}
