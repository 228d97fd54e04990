//! How long this gateway may start sends, by the boot-time clock of its machine.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use campanile_store::lease::Trust;

use crate::delivery::Trusted;

/// A clock that goes on while the machine is suspended, from any start.
pub(super) type BootClock = Arc<dyn Fn() -> Duration + Send + Sync>;

/// The boot-time clock of the machine. `Instant` stands still in a suspended machine.
pub(super) fn boot_clock() -> BootClock {
    Arc::new(|| {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        Duration::new(
            now.tv_sec.unsigned_abs(),
            u32::try_from(now.tv_nsec).unwrap_or_default(),
        )
    })
}

/// How long this gateway may start sends.
#[derive(Clone)]
pub(super) struct Term {
    trust: Arc<Mutex<Trust>>,
    pub(super) now: BootClock,
}

impl Term {
    pub(super) fn new(now: BootClock) -> Self {
        Self {
            trust: Arc::default(),
            now,
        }
    }

    /// For the workers.
    pub(super) fn trusted(&self) -> Trusted {
        let term = self.clone();
        Arc::new(move || term.holds())
    }

    pub(super) fn holds(&self) -> bool {
        self.lock().holds((self.now)())
    }

    pub(super) fn set(&self, trust: Trust) {
        *self.lock() = trust;
    }

    fn lock(&self) -> MutexGuard<'_, Trust> {
        self.trust.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
