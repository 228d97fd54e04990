//! What passes between the handle and one sink's worker: wishes in, state out.
//!
//! Wishes are folded together, so that a mailbox stays small however often it is poked.

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
    /// Rings when there is mail. A ring while nobody listens is kept, so none is lost.
    pub(super) bell: Notify,
}

/// Everything that was wished for since the worker last looked.
#[derive(Debug, Default)]
pub(super) struct Mail {
    /// Look into the store, from this place on.
    look: Option<Seq>,
    /// True to pause, false to resume; the last word counts.
    pub(super) pause: Option<bool>,
    /// No new sends; what is in flight may last until then.
    pub(super) stop_by: Option<Timestamp>,
    /// Dropped by an operator.
    pub(super) forget: HashSet<Seq>,
    /// An operator wants these attempted now.
    pub(super) hurry: HashSet<Seq>,
}

/// Somebody who wants to know when nothing is in flight and nothing is due.
pub(super) type Waiter = oneshot::Sender<()>;

impl Mailbox {
    pub(super) fn new(state: SinkState) -> Self {
        Self {
            mail: Mutex::default(),
            waiters: Mutex::default(),
            state: Mutex::new(state),
            bell: Notify::new(),
        }
    }

    pub(super) fn wish(&self, change: impl FnOnce(&mut Mail)) {
        change(&mut locked(&self.mail));
        self.bell.notify_one();
    }

    /// Tells the waiter once nothing is in flight and nothing is due, in the store as it is now.
    pub(super) fn tell_when_idle(&self, waiter: Waiter) {
        self.poke(1);
        locked(&self.waiters).push(waiter);
        self.bell.notify_one();
    }

    /// Takes all who wait. To be asked before the clock is read and the mail is taken: an answer then holds for the time
    /// and the wishes of the moment at which the waiter asked.
    pub(super) fn waiters(&self) -> Vec<Waiter> {
        std::mem::take(&mut *locked(&self.waiters))
    }

    /// Look into the store from `seq` on. Rings once until the worker has looked: under load most pokes find a ring that
    /// is still to be heard, and waking a thread costs more than all else that a poke does.
    pub(super) fn poke(&self, seq: Seq) {
        let mut mail = locked(&self.mail);
        let known = mail.look;
        mail.look = Some(known.map_or(seq, |other| other.min(seq)));
        drop(mail);
        if known.is_none() {
            self.bell.notify_one();
        }
    }

    /// Puts wishes back without ringing: the worker looks again when its request to the store is done.
    pub(super) fn defer(&self, forget: HashSet<Seq>, hurry: HashSet<Seq>) {
        let mut mail = locked(&self.mail);
        mail.forget.extend(forget);
        mail.hurry.extend(hurry);
    }

    /// Takes all mail but the wish to look. The order to stop stays, for a worker that is started anew after a fault.
    pub(super) fn take(&self) -> Mail {
        let mut mail = locked(&self.mail);
        let (look, stop_by) = (mail.look.take(), mail.stop_by);
        let taken = std::mem::take(&mut *mail);
        (mail.look, mail.stop_by) = (look, stop_by);
        taken
    }

    /// Takes the wish to look. A worker that could not send what it would see leaves it here, and further pokes need not
    /// wake it.
    pub(super) fn take_look(&self) -> Option<Seq> {
        locked(&self.mail).look.take()
    }

    pub(super) fn state(&self) -> SinkState {
        locked(&self.state).clone()
    }

    pub(super) fn publish(&self, change: impl FnOnce(&mut SinkState)) {
        change(&mut locked(&self.state));
    }

    /// Asks the worker to pause or resume. Gives the state that follows; the worker refines it when it has heard.
    pub(super) fn set_paused(&self, pause: bool) -> SinkState {
        let mut state = locked(&self.state);
        state.set_paused(pause);
        let wished = state.clone();
        drop(state);
        self.wish(|mail| mail.pause = Some(pause));
        wished
    }
}

/// A panic elsewhere leaves nothing half-changed here.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
