//! What a worker knows that is not in the rows of its sink: how much it has sent, and that the sink fails. When several gateways
//! share a store, it goes to the next owner of the sink. Times are ages: clocks of machines differ.

use std::time::Duration;

use campanile_store::Handover;
use serde::{Deserialize, Serialize};

/// What goes from one worker to the next, as JSON in the lease of the sink.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Left {
    /// The sends of each limit.
    pub(super) limits: Vec<LeftLimit>,
    /// The circuit breaker is open, and stays open for this long between two probes.
    pub(super) open_ms: Option<u64>,
    /// The receiver asked for no requests for so long.
    pub(super) hold_ms: Option<u64>,
}

/// The sends of one limit.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LeftLimit {
    /// The length of its window.
    pub(super) window_ms: u64,
    /// How long ago, and how many. The oldest first.
    pub(super) sends: Vec<(u64, u32)>,
}

impl Left {
    /// What is in the text of a handover. A text that cannot be read is of a newer version: nothing is known.
    pub(super) fn read(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }

    /// None if there is nothing to say.
    pub(super) fn text(&self) -> Option<String> {
        if *self == Self::default() {
            return None;
        }
        serde_json::to_string(self).ok()
    }
}

/// Whether something for the next worker is stored.
#[derive(Debug)]
pub(super) struct Stored {
    /// It is, or can be: a settlement that failed can be committed.
    now: bool,
    /// What was given to the store last is not empty.
    next: bool,
}

impl Stored {
    pub(super) fn of(handover: &Handover) -> Self {
        let now = !handover.text.is_empty();
        Self { now, next: now }
    }

    /// What goes to the store. None if that is nothing, and nothing is stored.
    pub(super) fn give(&mut self, left: &Left) -> Option<String> {
        let text = left.text();
        self.next = text.is_some();
        self.now |= self.next;
        text.or_else(|| self.now.then(String::new))
    }

    /// What was given last is committed.
    pub(super) fn committed(&mut self) {
        self.now = self.next;
    }
}

pub(super) fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::delivery::breaker::Breaker;
    use crate::delivery::limit::Limits;

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(1_767_225_600 + second).unwrap()
    }

    fn limits() -> Limits {
        Limits::new(&crate::config::Policy {
            per_minute: Some(20),
            ..crate::config::Policy::default()
        })
    }

    #[test]
    fn the_next_worker_counts_what_the_last_one_sent_by_any_clock() {
        let mut old = limits();
        old.take(second(0), 8);
        old.take(second(30), 7);
        let left = old.left(second(40));
        // The clock of the new machine is a year behind, and five seconds passed.
        let now = |at: i64| second(at - 31_536_000);
        let mut new = limits();
        new.inherit(now(45), Duration::from_secs(5), &left);
        assert_eq!(new.room(now(45)), 5);
        assert_eq!(new.room(now(59)), 5);
        assert_eq!(new.room(now(60)), 13);
        assert_eq!(new.room(now(90)), 20);
    }

    #[test]
    fn an_open_breaker_stays_open_but_for_a_probe() {
        let mut new = Breaker::new();
        new.inherit(second(0), Duration::from_mins(2));
        assert!(!new.is_closed());
        assert_eq!(new.open_until(), Some(second(0)));
        let probe = new.admit(true);
        let _opened = new.record(second(1), false, probe);
        assert_eq!(new.open_until(), Some(second(1 + 240)));
    }

    #[test]
    fn that_nothing_is_left_is_written_until_it_is_stored_and_then_no_more() {
        let open = Left {
            open_ms: Some(1),
            ..Left::default()
        };
        let mut stored = Stored::of(&Handover::default());
        assert_eq!(stored.give(&Left::default()), None);
        assert!(stored.give(&open).is_some());
        // Not known whether it is stored.
        assert_eq!(stored.give(&Left::default()), Some(String::new()));
        assert_eq!(stored.give(&Left::default()), Some(String::new()));
        stored.committed();
        assert_eq!(stored.give(&Left::default()), None);
    }

    #[test]
    fn what_a_newer_version_left_is_not_an_error() {
        let text = r#"{"limits":[{"window_ms":60000,"sends":[[5,1]]}],"later":true}"#;
        assert_eq!(Left::read(text).limits.len(), 1);
        assert_eq!(Left::read("what is this"), Left::default());
        assert_eq!(Left::default().text(), None);
    }
}
