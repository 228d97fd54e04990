//! What a run records of its current cycle: the figures, and the promises that were broken.

use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::oracle::Breaches;
use crate::report::Cycle;
use crate::stage::millis;

/// The record. It keeps the files and logs of the gateways when a promise was broken.
pub(crate) struct Record {
    seed: u64,
    began: Instant,
    cycle_began: Instant,
    pub(crate) cycle: Cycle,
    pub(crate) breaches: Breaches,
    folder: TempDir,
}

impl Record {
    pub(crate) fn new(seed: u64, kind: &'static str, folder: TempDir) -> Self {
        let now = Instant::now();
        Self {
            seed,
            began: now,
            cycle_began: now,
            cycle: Cycle {
                kind,
                ..Cycle::default()
            },
            breaches: Breaches::default(),
            folder,
        }
    }

    /// Starts a new cycle.
    pub(crate) fn open(&mut self, number: usize) {
        self.cycle_began = Instant::now();
        self.cycle = Cycle {
            seed: self.seed,
            kind: self.cycle.kind,
            cycle: number,
            began_ms: millis(self.began.elapsed()),
            ..Cycle::default()
        };
        self.breaches = Breaches::default();
    }

    /// Records the fault that is injected now.
    pub(crate) fn inject(&mut self, what: impl Into<String>) {
        self.cycle.injected = what.into();
        self.cycle.injected_ms = millis(self.cycle_began.elapsed());
    }

    /// Records a broken promise.
    pub(crate) fn breach(&mut self, invariant: &'static str, what: impl Into<String>) {
        self.breaches.add(invariant, what.into());
    }

    /// Records how long a new alert needed after an event: I6.
    pub(crate) fn recovered(&mut self, took: Duration, most: Duration, event: &str) {
        if took > most {
            let what = format!("a new alert arrived only {took:?} after {event}");
            self.breach("I6", what);
        }
        self.cycle.recovered_ms = self.cycle.recovered_ms.max(Some(millis(took)));
    }

    /// Ends the cycle and returns its result. If a promise was broken, the folder is kept for an analysis.
    pub(crate) fn close(&mut self) -> Cycle {
        let mut cycle = self.cycle.clone();
        cycle.breaches = self.breaches.shown();
        if !cycle.breaches.is_empty() {
            self.folder.disable_cleanup(true);
            let folder = self.folder.path().display();
            let kept = format!("the files and logs of the gateways are kept in {folder}");
            cycle.breaches.push(kept);
        }
        cycle
    }
}
