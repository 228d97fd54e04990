//! What is held for one sink, looked at again when what mutes has changed. Decides, and does no I/O.

use jiff::Timestamp;

use super::gate::Gate;
use super::later;
use super::worker::RECHECK;
use campanile_store::HeldPlace;

/// How far a look at what is held is.
#[derive(Debug)]
pub(super) struct Holding {
    /// The version of the gate that the last look began with. None: there was none.
    seen: Option<u64>,
    /// When the next window or silence begins or ends.
    next_at: Option<Timestamp>,
    /// A look is going on: the place that it has reached.
    look: Option<HeldPlace>,
    /// The look passed over a lane that was busy.
    passed_over: bool,
}

impl Holding {
    /// Looks once at the start: what held an alert can have ended meanwhile.
    pub(super) fn new() -> Self {
        Self {
            seen: None,
            next_at: None,
            look: None,
            passed_over: false,
        }
    }

    /// Begins a look if what mutes has changed since the last one.
    pub(super) fn wake(&mut self, gate: &dyn Gate, now: Timestamp) {
        let version = gate.version();
        let due = self.next_at.is_some_and(|at| at <= now);
        if self.seen != Some(version) || due {
            self.seen = Some(version);
            self.next_at = gate.next_change(now);
            self.look = Some(HeldPlace::START);
            self.passed_over = false;
        }
    }

    /// The place after which to look, while a look is going on.
    pub(super) fn look(&self) -> Option<HeldPlace> {
        self.look
    }

    /// The look has reached this place. It ends there if there is nothing more.
    pub(super) fn reached(&mut self, place: Option<HeldPlace>, more: bool, now: Timestamp) {
        self.look = place.filter(|_| more);
        if !more && self.passed_over {
            let again = later(now, RECHECK);
            self.next_at = Some(self.next_at.map_or(again, |at| at.min(again)));
        }
    }

    /// The lane of a held alert is busy: it is looked at again soon.
    pub(super) fn pass_over(&mut self) {
        self.passed_over = true;
    }

    /// When to look again if nothing else happens.
    pub(super) fn next_at(&self) -> Option<Timestamp> {
        self.next_at
    }
}
