//! The longest time in which no callback was answered 2xx, while callers call.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

#[derive(Default)]
pub(crate) struct Silence(Mutex<State>);

#[derive(Default)]
struct State {
    /// The last answer, or the start of the callers. None: nobody calls.
    last: Option<Instant>,
    longest: Duration,
}

impl Silence {
    /// The callers start.
    pub(crate) fn begin(&self) {
        *self.lock() = State {
            last: Some(Instant::now()),
            longest: Duration::ZERO,
        };
    }

    /// A callback was answered 2xx.
    pub(crate) fn ends(&self) {
        let mut state = self.lock();
        if let Some(last) = state.last {
            let now = Instant::now();
            state.longest = state.longest.max(now - last);
            state.last = Some(now);
        }
    }

    /// The callers have stopped. Gives the longest time.
    pub(crate) fn longest(&self) -> Duration {
        self.ends();
        let mut state = self.lock();
        state.last = None;
        state.longest
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
