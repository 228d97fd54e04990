//! The source of time: the system clock, or a clock that a test moves.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use tokio::sync::watch;

/// Gives the time and waits for a time. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Clock(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Machine,
    Manual(Arc<watch::Sender<Timestamp>>),
}

impl Clock {
    /// The system clock.
    pub fn machine() -> Self {
        Self(Kind::Machine)
    }

    /// A clock that shows `start` until [`Self::advance`] moves it.
    pub fn manual(start: Timestamp) -> Self {
        Self(Kind::Manual(Arc::new(watch::Sender::new(start))))
    }

    /// The time now.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the only place that reads the system clock"
    )]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Kind::Machine => Timestamp::now(),
            Kind::Manual(now) => *now.borrow(),
        }
    }

    /// Moves a manual clock forward and wakes all tasks whose time has come.
    ///
    /// # Panics
    /// When the clock is the system clock.
    pub fn advance(&self, by: Duration) {
        match &self.0 {
            Kind::Machine => panic!("the system clock cannot be moved"),
            Kind::Manual(now) => now.send_modify(|at| *at += by),
        }
    }

    /// Waits until the clock shows `due` or later.
    pub fn sleep_until(&self, due: Timestamp) -> BoxFuture<'static, ()> {
        match &self.0 {
            Kind::Machine => {
                let wait = due.duration_since(self.now()).unsigned_abs();
                let wait = if due > self.now() {
                    wait
                } else {
                    Duration::ZERO
                };
                Box::pin(tokio::time::sleep(wait))
            }
            Kind::Manual(now) => {
                let mut now = now.subscribe();
                Box::pin(async move {
                    // The sender lives as long as any clone of the clock. An error means that no clone is left.
                    let _gone = now.wait_for(|at| *at >= due).await.map(|_| ());
                })
            }
        }
    }

    /// Waits for this long on this clock.
    pub fn sleep(&self, wait: Duration) -> BoxFuture<'static, ()> {
        self.sleep_until(self.now() + wait)
    }
}
