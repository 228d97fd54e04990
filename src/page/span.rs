//! The time that a chart shows, in steps that begin at round times of the reader.

use jiff::{SignedDuration, Timestamp};

use super::view::View;

const MINUTE: i64 = 60;
const DAY_MINUTES: i64 = 24 * 60;

/// The lengths of a step in minutes. A longer one has whole days.
const LENGTHS: &[i64] = &[1, 2, 5, 10, 15, 30, 60, 120, 240, 360, 720, DAY_MINUTES];

/// The longest time of a chart, in days: the API answers with so many steps of a day.
const DAYS_MAX: i64 = 1_400;

/// A time in equal steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    /// The begin of the first step.
    pub(super) since: Timestamp,
    /// The number of steps, at least one.
    pub(super) steps: i64,
    /// The minutes of a step.
    pub(super) minutes: i64,
}

impl Span {
    /// Whole steps that have the times from `since` to `until`: `most` of them or fewer, and one more if they begin in the middle of
    /// one. None if `until` is before `since`.
    pub(super) fn of(view: &View, since: Timestamp, until: Timestamp, most: i64) -> Option<Self> {
        let seconds = until.duration_since(since).as_secs();
        let seconds = seconds.min(DAYS_MAX * DAY_MINUTES * MINUTE);
        if since > until {
            return None;
        }
        let minutes = length(ceil(seconds, MINUTE), most);
        let begin = |second| begin(view, until, second, minutes * MINUTE);
        let first = begin(until.as_second() - seconds);
        let last = begin(until.as_second());
        Some(Self {
            since: Timestamp::from_second(first).ok()?,
            steps: (last - first) / (minutes * MINUTE) + 1,
            minutes,
        })
    }

    /// The hour of now, and the hours before it.
    pub(super) fn hours(view: &View, hours: i64) -> Self {
        let now = view.now();
        let first = begin(view, now, now.as_second(), 60 * MINUTE) - (hours - 1) * 60 * MINUTE;
        Self {
            since: Timestamp::from_second(first).unwrap_or(now),
            steps: hours,
            minutes: 60,
        }
    }

    /// The begin of this step.
    pub(super) fn begin(&self, step: i64) -> Timestamp {
        let after = SignedDuration::from_mins(step.saturating_mul(self.minutes));
        self.since.checked_add(after).unwrap_or(Timestamp::MAX)
    }

    /// The end of the last step.
    pub(super) fn until(&self) -> Timestamp {
        self.begin(self.steps)
    }

    /// The step that has this time.
    pub(super) fn step(&self, at: Timestamp) -> Option<usize> {
        let minutes = at.duration_since(self.since).as_mins();
        usize::try_from(minutes.div_euclid(self.minutes)).ok()
    }

    /// Round times within this span, at most about this many, and the minutes between them.
    pub(super) fn ticks(&self, view: &View, most: i64) -> (Vec<Timestamp>, i64) {
        let each = length(self.steps * self.minutes, most);
        let until = self.until().as_second();
        let first = begin(view, self.since, until, each * MINUTE);
        let seconds = (0..=most).map(|back| first - back * each * MINUTE);
        let times = seconds.filter_map(|second| Timestamp::from_second(second).ok());
        (times.filter(|at| *at > self.since).collect(), each)
    }

    /// The step for a read of the counts, of which a whole number makes one step of these.
    pub(super) fn counted(&self) -> u32 {
        u32::try_from(self.minutes.min(DAY_MINUTES)).unwrap_or(1)
    }
}

/// The minutes of a step, so that at most this many have a number of minutes.
fn length(minutes: i64, most: i64) -> i64 {
    let fits = |length: &&i64| ceil(minutes, **length) <= most;
    let days = || ceil(minutes, most * DAY_MINUTES) * DAY_MINUTES;
    LENGTHS.iter().find(fits).copied().unwrap_or_else(days)
}

/// The last second before `second`, or this one, that is a multiple of `length` in the zone of the reader.
fn begin(view: &View, at: Timestamp, second: i64, length: i64) -> i64 {
    let offset = i64::from(view.zoned(at).offset().seconds());
    second - (second + offset).rem_euclid(length)
}

/// How many times `of` is needed to have `number`.
fn ceil(number: i64, of: i64) -> i64 {
    (number + of - 1) / of
}
