//! What delivery tells the outside: events as they happen, and the state of each sink when asked.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use campanile_sinks::Class;
use campanile_store::Seq;

/// Hears what happens: metrics, logs, Campanile's own alerts. Must not block.
pub trait Observer: Send + Sync {
    /// Something happened. Events hold no secrets.
    fn observe(&self, event: Event);
}

/// Something that happened to a sink or one of its deliveries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The sink has it, and that is committed.
    Delivered {
        /// The sink's full name.
        sink: Arc<str>,
        /// The alert.
        seq: Seq,
        /// The number of the try that succeeded.
        attempt: u32,
        /// How long the try took.
        took: Duration,
    },
    /// One try failed; [`Event::Dead`] follows if it was the last.
    Failed {
        /// The sink's full name.
        sink: Arc<str>,
        /// The alert.
        seq: Seq,
        /// The number of the try.
        attempt: u32,
        /// The kind of failure.
        class: Class,
        /// The HTTP status, where there was one.
        code: Option<u16>,
        /// What went wrong.
        cause: String,
        /// How long the try took.
        took: Duration,
    },
    /// Given up, and the dead letter is committed.
    Dead {
        /// The sink's full name.
        sink: Arc<str>,
        /// The alert.
        seq: Seq,
        /// Tries.
        attempts: u32,
        /// `poison`, `expired` or `lost`.
        class: &'static str,
        /// What went wrong last.
        cause: String,
    },
    /// So many deliveries went out as one digest message.
    Digested {
        /// The sink's full name.
        sink: Arc<str>,
        /// How many.
        count: usize,
    },
    /// The sink fails; nothing is sent to it until a probe at this time.
    BreakerOpened {
        /// The sink's full name.
        sink: Arc<str>,
        /// When the next probe goes.
        until: Timestamp,
        /// What went wrong last.
        cause: String,
    },
    /// A probe went through: the sink works again.
    BreakerClosed {
        /// The sink's full name.
        sink: Arc<str>,
    },
    /// Nothing is sent until an operator resumes the sink (or the gateway is started anew).
    Paused {
        /// The sink's full name.
        sink: Arc<str>,
        /// Who wanted it.
        by: PausedBy,
    },
    /// The sink is sent to again.
    Resumed {
        /// The sink's full name.
        sink: Arc<str>,
    },
    /// An operator must mend something (a token, an address). Told once until the sink takes something again.
    OperatorNeeded {
        /// The sink's full name.
        sink: Arc<str>,
        /// The HTTP status, where there was one.
        code: Option<u16>,
        /// What went wrong.
        cause: String,
    },
    /// The store did not answer; nothing is sent until it does, and no outcome is forgotten.
    StoreFailed {
        /// The sink's full name.
        sink: Arc<str>,
        /// Outcomes that wait to be committed.
        unsettled: usize,
        /// What the store said.
        cause: String,
    },
    /// The sink's worker broke off by a fault of ours and was started anew from the store.
    WorkerRestarted {
        /// The sink's full name.
        sink: Arc<str>,
    },
}

/// Who paused a sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PausedBy {
    /// An operator asked for it.
    Operator,
    /// The receiver said that it wants no more (410).
    Receiver,
}

/// One sink as operators see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SinkState {
    /// The full name.
    pub name: Arc<str>,
    /// What it is doing.
    pub state: Phase,
    /// Who paused it, while it is paused.
    pub paused_by: Option<PausedBy>,
    /// Sends that run now.
    pub in_flight: usize,
    /// Deliveries held in memory; the store may hold more.
    pub loaded: usize,
    /// When it last took something.
    pub last_success_at: Option<Timestamp>,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// And when.
    pub last_error_at: Option<Timestamp>,
    /// When the next try can be, while nothing can be sent now.
    pub retry_at: Option<Timestamp>,
}

/// What a sink is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Takes what comes.
    Ok,
    /// Something is pending, and waits for its next try, for the receiver's `Retry-After`, or for a limit.
    Waiting,
    /// It fails; a probe goes now and then.
    Open,
    /// Nothing is sent until it is resumed.
    Paused,
}
