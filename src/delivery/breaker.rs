//! The circuit breaker of a sink: it stops the calls to a sink that fails, so that an outage uses up no attempts.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;

use super::later;
use campanile_model::failpoint;

/// Opens after so many failures in a row,
const CONSECUTIVE_MAX: u32 = 5;
/// or when half of at least so many attempts
const ATTEMPTS_MIN: u32 = 20;
/// in so many seconds failed.
const WINDOW_SECONDS: i64 = 60;
/// How long it stays open the first time; each failed probe doubles it
const OPEN_MIN: Duration = Duration::from_secs(10);
/// up to here, so that a sink that works again is found within minutes.
const OPEN_MAX: Duration = Duration::from_mins(5);

/// The breaker of one sink.
#[derive(Debug)]
pub(super) struct Breaker {
    state: State,
    consecutive: u32,
    recent: VecDeque<Tally>,
    open_for: Duration,
    /// How often an operator resumed the sink.
    resumes: u32,
}

/// How the breaker admitted an attempt.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Admission {
    /// It shows whether the sink works.
    pub(super) probe: bool,
    /// How often an operator had resumed the sink.
    resumes: u32,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Closed,
    Open { until: Timestamp },
    Probing,
}

#[derive(Debug)]
struct Tally {
    second: i64,
    attempts: u32,
    failures: u32,
}

/// What may be sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admits {
    /// Everything.
    All,
    /// One delivery, to see whether the sink works.
    Probe,
    /// Nothing.
    Nothing,
}

/// How a recorded attempt changed the breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// It opened, or a probe failed and it stays open.
    Opened(Timestamp),
    /// The sink works again.
    Closed,
}

impl Breaker {
    pub(super) fn new() -> Self {
        Self {
            state: State::Closed,
            consecutive: 0,
            recent: VecDeque::new(),
            open_for: OPEN_MIN,
            resumes: 0,
        }
    }

    pub(super) fn admits(&self, now: Timestamp) -> Admits {
        match self.state {
            State::Closed => Admits::All,
            State::Open { .. } if failpoint::broken("broken-breaker") => Admits::Probe,
            State::Open { until } if until <= now => Admits::Probe,
            State::Open { .. } | State::Probing => Admits::Nothing,
        }
    }

    /// When the next probe may go, while it is open.
    pub(super) fn open_until(&self) -> Option<Timestamp> {
        match self.state {
            State::Open { until } => Some(until),
            State::Closed | State::Probing => None,
        }
    }

    /// How long it stays open between two probes, for the next worker. None while it is closed.
    pub(super) fn left(&self) -> Option<Duration> {
        (!self.is_closed()).then_some(self.open_for)
    }

    /// It was open at the last worker: it begins with a probe.
    pub(super) fn inherit(&mut self, now: Timestamp, open_for: Duration) {
        self.open_for = open_for.clamp(OPEN_MIN, OPEN_MAX);
        self.state = State::Open { until: now };
    }

    pub(super) fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// Admits an attempt.
    pub(super) fn admit(&mut self, probe: bool) -> Admission {
        if probe {
            self.state = State::Probing;
        }
        Admission {
            probe,
            resumes: self.resumes,
        }
    }

    /// An operator resumed the sink after a fix: a probe may go at once. What is in flight was sent before, and its failure
    /// is ignored.
    pub(super) fn fixed(&mut self, now: Timestamp) {
        self.resumes = self.resumes.wrapping_add(1);
        self.probe_wanted(now);
    }

    /// The probe was not sent: another may go at once.
    pub(super) fn probe_wanted(&mut self, now: Timestamp) {
        if !self.is_closed() {
            self.state = State::Open { until: now };
        }
    }

    /// Records an attempt. While open only the probe counts: the others were sent before the breaker opened.
    pub(super) fn record(
        &mut self,
        now: Timestamp,
        healthy: bool,
        by: Admission,
    ) -> Option<Change> {
        if !healthy && by.resumes != self.resumes {
            return None;
        }
        match (self.state, by.probe) {
            (State::Closed, _) => {
                self.count(now, healthy);
                self.trips().then(|| self.open(now))
            }
            (_, true) if healthy => {
                let resumes = self.resumes;
                *self = Self {
                    resumes,
                    ..Self::new()
                };
                Some(Change::Closed)
            }
            (_, true) => {
                self.open_for = self.open_for.saturating_mul(2).min(OPEN_MAX);
                Some(self.open(now))
            }
            (_, false) => None,
        }
    }

    fn open(&mut self, now: Timestamp) -> Change {
        let until = later(now, self.open_for);
        self.state = State::Open { until };
        Change::Opened(until)
    }

    fn count(&mut self, now: Timestamp, healthy: bool) {
        self.consecutive = if healthy { 0 } else { self.consecutive + 1 };
        let second = now.as_second();
        let old = |s: &Tally| s.second <= second - WINDOW_SECONDS;
        while self.recent.front().is_some_and(old) {
            self.recent.pop_front();
        }
        if self.recent.back().is_none_or(|s| s.second != second) {
            self.recent.push_back(Tally {
                second,
                attempts: 0,
                failures: 0,
            });
        }
        if let Some(last) = self.recent.back_mut() {
            last.attempts += 1;
            last.failures += u32::from(!healthy);
        }
    }

    fn trips(&self) -> bool {
        let attempts: u32 = self.recent.iter().map(|s| s.attempts).sum();
        let failures: u32 = self.recent.iter().map(|s| s.failures).sum();
        self.consecutive >= CONSECUTIVE_MAX
            || (attempts >= ATTEMPTS_MIN && failures * 2 >= attempts)
    }
}
