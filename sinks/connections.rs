//! Open connections of a sink that are not in use.
//!
//! A send takes one, or opens its own, and gives it back only after a complete exchange. A send that is dropped drops its
//! connection too, so no answer of an earlier statement is left in one that is given back.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Servers and proxies close idle connections without a notice after some minutes.
const IDLE_MAX: Duration = Duration::from_mins(1);

#[derive(Debug)]
pub(crate) struct Connections<C>(Mutex<Vec<(Instant, C)>>);

impl<C> Default for Connections<C> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<C> Connections<C> {
    /// The one that was used last. Closes those that were idle for too long.
    pub(crate) fn take(&self) -> Option<C> {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|(since, _)| since.elapsed() < IDLE_MAX);
        idle.pop().map(|(_, connection)| connection)
    }

    /// Keeps it for the next send. A sink has never more than its `in_flight_max`.
    pub(crate) fn give(&self, connection: C) {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push((Instant::now(), connection));
    }
}
