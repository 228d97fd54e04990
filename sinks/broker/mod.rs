//! What the kinds share that send to a message broker: one connection, one message for each alert, names made from alerts.

mod line;
mod part;
mod topic;

pub(crate) use line::{Line, Link, Unsent, within};
#[cfg(feature = "kafka")]
pub(crate) use part::short;
pub(crate) use part::{Part, SHORTENED, parts};
pub(crate) use topic::{Rules, Topic, is_plain};
