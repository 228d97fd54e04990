//! What gateways that share a store tell each other at once. Only hints: each of them can be lost, and the tables say the same
//! a second or two later.

use serde::{Deserialize, Serialize};

use crate::{Seq, SinkId};

/// A hint from one gateway to the others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Hint {
    /// From this place on, deliveries of the sink are pending.
    Pending(SinkId, Seq),
    /// An operator dropped these deliveries of the sink.
    Dropped(SinkId, Vec<Seq>),
    /// An operator wants these deliveries of the sink attempted now.
    Hurry(SinkId, Vec<Seq>),
    /// An operator resumed the sink, also if it was its receiver that paused it.
    Resume(SinkId),
    /// Leases or pauses changed.
    Leases,
}
