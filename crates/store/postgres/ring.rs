//! What this gateway acknowledged in the last minute, in memory: a failover to an asynchronous standby can lose it.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::Seq;
use crate::packed::Slim;

/// How far back it reaches. A standby is usually less than a second behind. What is older than this is lost with a standby that is
/// further behind.
const REACH: Duration = Duration::from_mins(1);

/// Bytes at most. Then the oldest go first.
const BYTES_MAX: usize = 64 * 1024 * 1024;

/// Where the rows of a callback are that no dedup key finds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Receipt {
    /// The place and the batch of a callback without an alert.
    pub(super) bare: Option<(Seq, i64)>,
    /// The number in quarantine.
    pub(super) quarantine: Option<i64>,
}

/// One callback.
pub(super) struct Kept {
    at: Instant,
    pub(super) slim: Slim,
    pub(super) receipt: Receipt,
}

/// Callbacks, oldest first.
pub(super) struct Ring {
    inner: Mutex<Inner>,
    bytes_max: usize,
}

impl Default for Ring {
    fn default() -> Self {
        Self {
            inner: Mutex::default(),
            bytes_max: BYTES_MAX,
        }
    }
}

#[derive(Default)]
struct Inner {
    kept: VecDeque<Kept>,
    bytes: usize,
}

impl Ring {
    /// Keeps a callback that was acknowledged now.
    pub(super) fn keep(&self, now: Instant, slim: Slim, receipt: Receipt) {
        let mut inner = self.lock();
        inner.bytes += slim.bytes();
        let at = now;
        inner.kept.push_back(Kept { at, slim, receipt });
        inner.shorten(now, self.bytes_max);
    }

    /// Forgets what is too old. Only while the database answers: what was acknowledged before an outage must last until its end.
    pub(super) fn expire(&self, now: Instant) {
        self.lock().shorten(now, self.bytes_max);
    }

    /// Forgets everything, and gives back the memory.
    pub(super) fn clear(&self) {
        *self.lock() = Inner::default();
    }

    /// How far back it reaches.
    pub(super) fn reach(&self, now: Instant) -> Duration {
        let first = self.lock().kept.front().map(|kept| kept.at);
        first.map_or(Duration::ZERO, |at| now.saturating_duration_since(at))
    }

    /// Takes everything out. What is left in it when it is dropped is kept again.
    pub(super) fn take(&self) -> Taken<'_> {
        let left = std::mem::take(&mut *self.lock()).kept;
        Taken { ring: self, left }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn shorten(&mut self, now: Instant, bytes_max: usize) {
        let over = |inner: &Self, first: &Kept| {
            inner.bytes > bytes_max || now.saturating_duration_since(first.at) > REACH
        };
        while let Some(first) = self.kept.front()
            && over(self, first)
        {
            self.bytes -= first.slim.bytes();
            self.kept.pop_front();
        }
    }
}

/// What was taken out of a ring.
pub(super) struct Taken<'r> {
    ring: &'r Ring,
    pub(super) left: VecDeque<Kept>,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let mut inner = self.ring.lock();
        inner.bytes += self
            .left
            .iter()
            .map(|kept| kept.slim.bytes())
            .sum::<usize>();
        // The older ones stay in front.
        self.left.append(&mut inner.kept);
        std::mem::swap(&mut inner.kept, &mut self.left);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::Timestamp;

    use super::*;
    use crate::packed::Packed;
    use crate::{Arrival, Entry};

    /// A callback that does not become smaller when it is compressed.
    fn callback(bytes: usize) -> Slim {
        let mut noise = vec![0; bytes];
        rand::fill(&mut noise[..]);
        Packed::new(Entry {
            source: Arc::from("a/b"),
            received_at: Timestamp::UNIX_EPOCH,
            callback: noise,
            alerts: Vec::new(),
            faults: Vec::new(),
            arrival: Arrival::default(),
        })
        .slim()
    }

    #[test]
    fn it_reaches_back_a_minute_and_is_bounded() {
        let bytes_max = 1024 * 1024;
        let ring = Ring {
            bytes_max,
            ..Ring::default()
        };
        let start = Instant::now();
        let later = |seconds| start + Duration::from_secs(seconds);
        for second in 0..100 {
            ring.keep(later(second), callback(100), Receipt::default());
        }
        assert_eq!(ring.reach(later(99)), REACH);
        ring.expire(later(120));
        assert_eq!(ring.lock().kept.len(), 40);
        for _ in 0..70 {
            ring.keep(later(120), callback(bytes_max / 64), Receipt::default());
        }
        assert_eq!(ring.lock().kept.len(), 62);
        assert!(ring.lock().bytes <= bytes_max);
        ring.clear();
        assert_eq!(ring.reach(later(120)), Duration::ZERO);
        let inner = ring.lock();
        assert_eq!((inner.bytes, inner.kept.capacity()), (0, 0));
    }

    #[test]
    fn what_was_taken_and_not_used_is_kept_in_its_order() {
        let (ring, now) = (Ring::default(), Instant::now());
        let numbered = |id| Receipt {
            quarantine: Some(id),
            ..Receipt::default()
        };
        for id in 1..=3 {
            ring.keep(now, callback(100), numbered(id));
        }
        let bytes = ring.lock().bytes;
        let mut taken = ring.take();
        ring.keep(now, callback(100), numbered(4));
        taken.left.pop_front();
        drop(taken);
        let ids = ring
            .lock()
            .kept
            .iter()
            .map(|kept| kept.receipt.quarantine.unwrap())
            .collect::<Vec<_>>();
        assert_eq!(ids, [2, 3, 4]);
        assert_eq!(ring.lock().bytes, bytes);
    }
}
