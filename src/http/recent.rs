//! The last callbacks that the store does not have: refused, duplicate, conflict. They are in memory, because any sender can
//! cause any number of them, and are lost at a restart.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};

/// Callbacks of one source.
const PER_SOURCE: usize = 200;

/// Bytes of all requests and reasons together. Beyond it the oldest of the source with the most is removed.
const BYTES_MAX: usize = 16 * 1024 * 1024;

/// Callbacks of one source in one second. More are counted by the metrics only: taking the secrets out of a request costs
/// time.
const PER_SECOND: usize = 20;

/// A callback that is not in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    /// Its number, from 1 at each start.
    pub(crate) number: i64,
    /// When it arrived.
    pub(crate) at: Timestamp,
    /// The source; none when no source received it.
    pub(crate) source: Option<Arc<str>>,
    /// The address of the caller.
    pub(crate) from: Option<IpAddr>,
    /// `rejected`, `duplicate` or `conflict`.
    pub(crate) verdict: &'static str,
    /// The status of the answer.
    pub(crate) status: u16,
    /// The id of its trace.
    pub(crate) trace: Option<String>,
    /// The reason, with the fix.
    pub(crate) reason: String,
    /// The request without secrets.
    pub(crate) request: String,
}

/// The rings of all sources.
#[derive(Default)]
pub(crate) struct Recent(Mutex<Rings>);

#[derive(Default)]
struct Rings {
    last: i64,
    bytes: usize,
    by_source: HashMap<Option<Arc<str>>, VecDeque<Call>>,
}

impl Recent {
    /// Whether a callback of this source at this time is to be kept.
    pub(crate) fn wants(&self, source: Option<&Arc<str>>, at: Timestamp) -> bool {
        let rings = self.rings();
        let ring = rings.by_source.get(&source.cloned());
        let nth = ring.and_then(|ring| ring.len().checked_sub(PER_SECOND).map(|nth| &ring[nth]));
        // Also after the clock was set back: then the others are of later than now.
        nth.is_none_or(|nth| at.duration_since(nth.at).abs() >= SignedDuration::from_secs(1))
    }

    /// Keeps a callback and gives it its number. Removes the oldest.
    pub(crate) fn push(&self, mut call: Call) {
        let mut rings = self.rings();
        rings.last += 1;
        call.number = rings.last;
        rings.bytes += call.bytes();
        let ring = rings.by_source.entry(call.source.clone()).or_default();
        ring.push_back(call);
        let removed = if ring.len() > PER_SOURCE {
            ring.pop_front()
        } else {
            None
        };
        rings.bytes -= removed.map_or(0, |call| call.bytes());
        while rings.bytes > BYTES_MAX {
            let largest = rings.by_source.values_mut().max_by_key(|ring| ring.len());
            let Some(removed) = largest.and_then(VecDeque::pop_front) else {
                return;
            };
            rings.bytes -= removed.bytes();
        }
    }

    /// Those with a smaller number than `before`, newest first.
    pub(crate) fn list(
        &self,
        before: i64,
        limit: usize,
        wanted: impl Fn(&Call) -> bool,
    ) -> Vec<Call> {
        let rings = self.rings();
        let all = rings.by_source.values().flatten();
        let mut found: Vec<&Call> = all
            .filter(|call| call.number < before && wanted(call))
            .collect();
        found.sort_unstable_by_key(|call| std::cmp::Reverse(call.number));
        found.into_iter().take(limit).cloned().collect()
    }

    fn rings(&self) -> MutexGuard<'_, Rings> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Call {
    fn bytes(&self) -> usize {
        let trace = self.trace.as_ref().map_or(0, String::len);
        size_of::<Self>() + trace + self.reason.len() + self.request.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(source: usize, second: i64, bytes: usize) -> Call {
        Call {
            number: 0,
            at: Timestamp::from_second(second).unwrap(),
            source: (source > 0).then(|| format!("ucloud/{source}").into()),
            from: None,
            verdict: "rejected",
            status: 403,
            trace: None,
            reason: String::new(),
            request: "x".repeat(bytes),
        }
    }

    #[test]
    fn each_source_keeps_its_last_two_hundred_whatever_the_others_do() {
        let recent = Recent::default();
        recent.push(call(1, 0, 9));
        for second in 0..999 {
            recent.push(call(2, second, 9));
        }
        let all = recent.list(i64::MAX, 999, |_| true);
        assert_eq!(all.len(), PER_SOURCE + 1);
        assert_eq!((all[0].number, all[PER_SOURCE].number), (1000, 1));
        let one = recent.list(1000, 1, |call| call.source.as_deref() == Some("ucloud/2"));
        assert_eq!(one[0].number, 999);
    }

    #[test]
    fn all_sources_together_keep_at_most_16_mib() {
        let recent = Recent::default();
        for n in 0..6000 {
            recent.push(call(n % 40, 0, 4096));
        }
        let all = recent.list(i64::MAX, usize::MAX, |_| true);
        let bytes: usize = all.iter().map(Call::bytes).sum();
        assert_eq!(bytes, recent.rings().bytes);
        assert!((BYTES_MAX / 2..=BYTES_MAX).contains(&bytes), "{bytes}");
        assert_eq!(all[0].number, 6000, "the newest is kept");
    }

    #[test]
    fn a_flood_of_one_source_is_not_kept_whole_and_hides_no_other() {
        let recent = Recent::default();
        let at = |second| Timestamp::from_second(second).unwrap();
        let (one, other) = ("ucloud/1".into(), "ucloud/2".into());
        for _ in 0..PER_SECOND {
            assert!(recent.wants(Some(&one), at(0)));
            recent.push(call(1, 0, 9));
        }
        assert!(!recent.wants(Some(&one), at(0)));
        assert!(recent.wants(Some(&other), at(0)) && recent.wants(None, at(0)));
        assert!(recent.wants(Some(&one), at(1)));
        assert!(
            recent.wants(Some(&one), at(-3600)),
            "the clock was set back"
        );
    }
}
