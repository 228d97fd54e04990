//! What the worker of a sink leaves for the next one, which can be at another gateway.

use std::time::Duration;

/// What the last worker of a sink left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Handover {
    /// Its own words. Empty if it left nothing.
    pub text: String,
    /// How long ago that was, by the clock of the store.
    pub age: Duration,
    /// The gateway of that worker was declared dead: it can have sent more since then.
    pub died: bool,
}
