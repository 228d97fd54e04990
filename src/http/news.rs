//! What just happened, for those who follow the gateway live. It costs one atomic read while nobody does.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::sync::{Notify, watch};

use crate::delivery::{Event, Observer, What};
use campanile_model::Clock;

/// Events that wait for the reader. What comes when so many wait is left out, and [`Happened::left_out`] says so.
const EVENTS_MAX: usize = 1024;

/// Wakes the reader when alerts were accepted, and keeps the events of delivery until they are taken.
pub struct News {
    clock: Clock,
    followed: AtomicBool,
    notify: Notify,
    happened: Mutex<Happened>,
    stopping: watch::Sender<bool>,
}

/// The events since the last time.
#[derive(Debug, Default)]
pub(crate) struct Happened {
    /// Each with its time.
    pub(crate) events: VecDeque<(Timestamp, Event)>,
    /// Whether there were more.
    pub(crate) left_out: bool,
}

impl News {
    /// News that nobody follows yet.
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            followed: AtomicBool::new(false),
            notify: Notify::new(),
            happened: Mutex::default(),
            stopping: watch::Sender::new(false),
        }
    }

    /// Whether events are kept.
    pub fn is_followed(&self) -> bool {
        self.followed.load(Ordering::SeqCst)
    }

    /// Starts or ends the keeping of events.
    pub(crate) fn set_followed(&self, followed: bool) {
        self.followed.store(followed, Ordering::SeqCst);
        if !followed {
            self.take();
        }
    }

    /// Alerts were committed.
    pub(crate) fn appended(&self) {
        if self.is_followed() {
            self.wake();
        }
    }

    /// Wakes the reader. A wake is kept until the reader waits.
    pub fn wake(&self) {
        self.notify.notify_one();
    }

    /// Waits until something happened.
    pub(crate) async fn woken(&self) {
        self.notify.notified().await;
    }

    /// Takes the events.
    pub(crate) fn take(&self) -> Happened {
        std::mem::take(&mut *self.happened())
    }

    /// The gateway stops: those who follow it end.
    pub(crate) fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Becomes true when the gateway stops.
    pub(crate) fn stopping(&self) -> watch::Receiver<bool> {
        self.stopping.subscribe()
    }

    fn happened(&self) -> MutexGuard<'_, Happened> {
        self.happened.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for News {
    fn observe(&self, event: Event) {
        if !self.is_followed() || !is_news(&event.what) {
            return;
        }
        let at = self.clock.now();
        let mut happened = self.happened();
        if happened.events.len() < EVENTS_MAX {
            happened.events.push_back((at, event));
        } else {
            happened.left_out = true;
        }
        drop(happened);
        self.wake();
    }
}

/// Whether those who follow the gateway see it. The last failed attempt is reported as dead, when that is committed.
fn is_news(what: &What) -> bool {
    matches!(
        what,
        What::Delivered { .. }
            | What::Failed { last: false, .. }
            | What::Dead { .. }
            | What::BreakerOpened { .. }
            | What::BreakerClosed
            | What::Paused { .. }
            | What::Resumed
    )
}
