//! What delivery reports: events as they happen, and the state of each sink on request.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use campanile_model::trace::Context;
use campanile_sinks::{Class, Worth};
use campanile_store::Seq;

use super::state::PausedBy;

/// Receives events: metrics, logs, Campanile's own alerts. Must not block.
pub trait Observer: Send + Sync {
    /// Something happened. Events hold no secrets.
    fn observe(&self, event: Event);

    /// The span of a callback whose trace was stored as this text. None if nothing is traced.
    fn trace(&self, _stored: &str) -> Option<Context> {
        None
    }
}

/// Something that happened to a sink or one of its deliveries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The sink's full name.
    pub sink: Arc<str>,
    /// What happened.
    pub what: What,
    /// Where the attempt is in a trace, if it has one.
    pub trace: Option<Arc<Traced>>,
}

/// An attempt to deliver one alert, as a part of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traced {
    /// The span of the callback.
    pub callback: Context,
    /// The span of the attempt.
    pub attempt: Context,
    /// The alert.
    pub alert: Uuid,
    /// When the attempt began.
    pub began: Timestamp,
}

impl Event {
    /// An event that is not of a trace.
    pub(super) fn of(sink: Arc<str>, what: What) -> Self {
        let trace = None;
        Self { sink, what, trace }
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// The receiver has the alert, and the store has committed that.
    Delivered {
        /// The alert.
        seq: Seq,
        /// The number of the attempt that succeeded.
        attempt: u32,
        /// The HTTP status, where there was one.
        code: Option<u16>,
        /// How long the attempt took.
        took: Duration,
        /// What the success means.
        worth: Worth,
        /// A remark of the sink: delivered in part, cut, or to no subscriber.
        remark: Option<String>,
    },
    /// An attempt failed. It is retried, unless it was the last.
    Failed {
        /// The alert.
        seq: Seq,
        /// The number of the attempt.
        attempt: u32,
        /// The kind of failure.
        class: Class,
        /// The HTTP status, where there was one.
        code: Option<u16>,
        /// What went wrong.
        reason: String,
        /// How long the attempt took.
        took: Duration,
        /// It was the last attempt: [`What::Dead`] follows when that is committed.
        last: bool,
    },
    /// Given up, and the dead letter is committed.
    Dead {
        /// The alert.
        seq: Seq,
        /// Attempts.
        attempts: u32,
        /// `poison`, `too_large`, `expired` or `lost`.
        class: &'static str,
        /// What went wrong last.
        reason: String,
    },
    /// The sink does not get it now, and the store has committed that.
    Held {
        /// The alert.
        seq: Seq,
        /// What holds it.
        by: String,
    },
    /// The sink never gets it, and the store has committed that.
    Muted {
        /// The alert.
        seq: Seq,
        /// Why.
        by: String,
    },
    /// This many deliveries went out in one digest. Each of them is reported as delivered too.
    Digested {
        /// How many.
        count: usize,
    },
    /// The sink fails; the circuit breaker stops sends until a probe at this time.
    BreakerOpened {
        /// When the next probe goes.
        until: Timestamp,
        /// What went wrong last.
        reason: String,
    },
    /// Open episodes could not be sent again to a receiver that forgets. Reported once until it works again.
    NotRefreshed {
        /// What went wrong.
        reason: String,
    },
    /// A probe succeeded: the sink works again.
    BreakerClosed,
    /// Nothing is sent until an operator resumes the sink (or the gateway is restarted).
    Paused {
        /// Who paused it.
        by: PausedBy,
    },
    /// The sink is in use again.
    Resumed,
    /// An operator must fix something (a token, an address). Reported once until the sink succeeds again.
    OperatorNeeded {
        /// The HTTP status, where there was one.
        code: Option<u16>,
        /// What went wrong.
        reason: String,
    },
    /// The store failed; nothing is sent until it works, and no outcome is lost.
    StoreFailed {
        /// Outcomes that wait to be committed.
        unsettled: usize,
        /// The store's error.
        reason: String,
    },
    /// The sink's worker panicked and was restarted from the store.
    WorkerRestarted,
}
