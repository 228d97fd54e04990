//! What mutes alerts, as the workers ask it before each attempt: a silence that is made during an outage acts on what is pending
//! already.

use jiff::Timestamp;

use crate::pipeline::gate::answer;
pub use crate::pipeline::gate::{Answer, Asked};

/// What mutes alerts. It changes while deliveries run.
pub trait Gate: Send + Sync {
    /// Whether the sink may get this alert now.
    fn ask(&self, asked: &Asked<'_>) -> Answer;

    /// Grows with every change, so that what is held is asked about again.
    fn version(&self) -> u64;

    /// The first time after this one at which a window or a silence begins or ends.
    fn next_change(&self, after: Timestamp) -> Option<Timestamp>;
}

/// Nothing is muted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Open;

impl Gate for Open {
    fn ask(&self, asked: &Asked<'_>) -> Answer {
        answer(asked, None, [])
    }

    fn version(&self) -> u64 {
        0
    }

    fn next_change(&self, _after: Timestamp) -> Option<Timestamp> {
        None
    }
}
