//! What passes between the handle and one sink's worker: requests in, state out.
//!
//! Requests are merged: a mailbox stays small however often it is poked.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::sync::{Notify, oneshot};

use super::state::SinkState;
use campanile_store::Seq;

/// Shared by the handle and the worker of one sink.
#[derive(Debug)]
pub(super) struct Mailbox {
    mail: Mutex<Mail>,
    waiters: Mutex<Vec<Waiter>>,
    state: Mutex<SinkState>,
    /// Wakes the worker when there is mail. A wake is kept until the worker waits for it, so none is lost.
    pub(super) wake: Notify,
}

/// Everything that was requested since the worker last looked.
#[derive(Debug, Default)]
pub(super) struct Mail {
    /// Look into the store, from this place on.
    look: Option<Seq>,
    /// True to pause, false to resume; the last request counts.
    pub(super) pause: Option<bool>,
    /// Start no new sends; what is in flight may last until then.
    pub(super) stop_by: Option<Timestamp>,
    /// Dropped by an operator.
    pub(super) dropped: HashSet<Seq>,
    /// An operator wants these attempted now.
    pub(super) hurry: HashSet<Seq>,
}

/// Is notified when nothing is in flight and nothing is due.
pub(super) type Waiter = oneshot::Sender<()>;

impl Mailbox {
    pub(super) fn new(state: SinkState) -> Self {
        Self {
            mail: Mutex::default(),
            waiters: Mutex::default(),
            state: Mutex::new(state),
            wake: Notify::new(),
        }
    }

    pub(super) fn request(&self, change: impl FnOnce(&mut Mail)) {
        change(&mut locked(&self.mail));
        self.wake.notify_one();
    }

    /// Notifies the waiter once nothing is in flight and nothing is due, in the store as it is now.
    pub(super) fn notify_when_idle(&self, waiter: Waiter) {
        self.poke(1);
        locked(&self.waiters).push(waiter);
        self.wake.notify_one();
    }

    /// Takes all waiters. Call it before the clock is read and the mail is taken: an answer then holds for the time and the
    /// requests of the moment at which the waiter asked.
    pub(super) fn waiters(&self) -> Vec<Waiter> {
        std::mem::take(&mut *locked(&self.waiters))
    }

    /// Look into the store from `seq` on. Wakes the worker once until it has looked: under load most pokes find a wake that
    /// it has not handled yet, and waking a thread costs more than the rest of a poke.
    pub(super) fn poke(&self, seq: Seq) {
        let mut mail = locked(&self.mail);
        let known = mail.look;
        mail.look = Some(known.map_or(seq, |other| other.min(seq)));
        drop(mail);
        if known.is_none() {
            self.wake.notify_one();
        }
    }

    /// Puts these back without waking the worker: the worker looks again when its request to the store is done.
    pub(super) fn defer(&self, dropped: HashSet<Seq>, hurry: HashSet<Seq>) {
        let mut mail = locked(&self.mail);
        mail.dropped.extend(dropped);
        mail.hurry.extend(hurry);
    }

    /// Takes all mail except the request to look. The request to stop stays, for a worker that is restarted after a panic.
    pub(super) fn take(&self) -> Mail {
        let mut mail = locked(&self.mail);
        let (look, stop_by) = (mail.look.take(), mail.stop_by);
        let taken = std::mem::take(&mut *mail);
        (mail.look, mail.stop_by) = (look, stop_by);
        taken
    }

    /// Whether the worker is asked to stop.
    pub(super) fn is_stopping(&self) -> bool {
        locked(&self.mail).stop_by.is_some()
    }

    /// Takes the request to look. A worker that cannot send now leaves it here, and further pokes do not wake it.
    pub(super) fn take_look(&self) -> Option<Seq> {
        locked(&self.mail).look.take()
    }

    pub(super) fn state(&self) -> SinkState {
        locked(&self.state).clone()
    }

    pub(super) fn publish(&self, change: impl FnOnce(&mut SinkState)) {
        change(&mut locked(&self.state));
    }

    /// Asks the worker to pause or resume. Gives the state that follows; the worker refines it at its next step.
    pub(super) fn set_paused(&self, pause: bool) -> SinkState {
        let mut state = locked(&self.state);
        state.set_paused(pause);
        let requested = state.clone();
        drop(state);
        self.request(|mail| mail.pause = Some(pause));
        requested
    }
}

/// A panic elsewhere leaves nothing half-changed here.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
