//! Rate limits of a sink: so many sends in any second, minute, hour and day.
//!
//! Windows slide. Their memory is fixed: sends close together are counted as one span, and a span leaves the window
//! when its last send does. The limit is never exceeded within one run. A restart on a file begins to count from zero; with several
//! gateways on one store, the next owner of a sink goes on counting.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;

use super::handover::{LeftLimit, ms};
use super::later;
use crate::config::Policy;

/// A window is cut into at most so many spans.
const SPANS: u32 = 60;

/// All limits of one sink.
#[derive(Debug)]
pub(super) struct Limits(Vec<Limit>);

#[derive(Debug)]
struct Limit {
    window: Duration,
    max: u32,
    spans: VecDeque<Span>,
}

#[derive(Debug)]
struct Span {
    first: Timestamp,
    last: Timestamp,
    count: u32,
}

impl Limits {
    pub(super) fn new(policy: &Policy) -> Self {
        let all = [
            (Duration::from_secs(1), policy.per_second),
            (Duration::from_mins(1), policy.per_minute),
            (Duration::from_hours(1), policy.per_hour),
            (Duration::from_hours(24), policy.per_day),
        ];
        let set = |(window, max): (Duration, Option<u32>)| {
            Some(Limit {
                window,
                max: max?.max(1),
                spans: VecDeque::new(),
            })
        };
        Self(all.into_iter().filter_map(set).collect())
    }

    /// How many sends fit now.
    pub(super) fn room(&mut self, now: Timestamp) -> usize {
        let rooms = self.0.iter_mut().map(|limit| limit.room(now));
        rooms.min().unwrap_or(usize::MAX)
    }

    pub(super) fn take(&mut self, now: Timestamp, count: usize) {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        for limit in &mut self.0 {
            limit.take(now, count);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The sends of each limit, for the next worker.
    pub(super) fn left(&self, now: Timestamp) -> Vec<LeftLimit> {
        let left = |limit: &Limit| {
            let ago = |at| Duration::try_from(now.duration_since(at)).unwrap_or_default();
            let spans = limit.spans.iter();
            LeftLimit {
                window_ms: ms(limit.window),
                sends: spans.map(|span| (ms(ago(span.last)), span.count)).collect(),
            }
        };
        self.0.iter().map(left).collect()
    }

    /// Counts what the last worker sent, this long ago. Limits of the configuration that it did not have begin to count now.
    pub(super) fn inherit(&mut self, now: Timestamp, age: Duration, left: &[LeftLimit]) {
        for limit in &mut self.0 {
            let same = left.iter().find(|left| left.window_ms == ms(limit.window));
            let sends = same.map_or(&[][..], |left| &left.sends);
            for (ago, count) in sends {
                let ago = Duration::from_millis(*ago).saturating_add(age);
                let at = now.checked_sub(ago).unwrap_or(Timestamp::MIN);
                limit.spans.push_back(Span {
                    first: at,
                    last: at,
                    count: *count,
                });
            }
        }
    }

    /// When something fits again, while a limit is reached.
    pub(super) fn blocked(&mut self, now: Timestamp) -> Option<Timestamp> {
        let until = |limit: &mut Limit| (limit.room(now) == 0).then(|| limit.free_at())?;
        self.0.iter_mut().filter_map(until).max()
    }
}

impl Limit {
    fn room(&mut self, now: Timestamp) -> usize {
        while self.free_at().is_some_and(|at| at <= now) {
            self.spans.pop_front();
        }
        let used: u32 = self.spans.iter().map(|span| span.count).sum();
        usize::try_from(self.max.saturating_sub(used)).unwrap_or(usize::MAX)
    }

    /// When the oldest span leaves the window.
    fn free_at(&self) -> Option<Timestamp> {
        let oldest = self.spans.front()?;
        Some(later(oldest.last, self.window))
    }

    fn take(&mut self, now: Timestamp, count: u32) {
        let width = self.window / SPANS;
        match self.spans.back_mut() {
            Some(span) if now < later(span.first, width) => {
                span.last = now;
                span.count = span.count.saturating_add(count);
            }
            _ => self.spans.push_back(Span {
                first: now,
                last: now,
                count,
            }),
        }
    }
}
