//! How long the parts of a lease last, and how long an owner may start sends.

use std::time::Duration;

use campanile_model::failpoint;

/// Between two beats.
pub const BEAT: Duration = TIMES.beat;

/// A gateway whose beat has not changed for this long is dead.
pub const TTL: Duration = TIMES.ttl;

/// The times of the leases of every gateway. Only a model of the leases has shorter ones.
pub const TIMES: Times = Times {
    beat: Duration::from_secs(2),
    ttl: Duration::from_secs(10),
    margin: Duration::from_secs(2),
    calm: Duration::from_secs(30),
};

/// How long the parts of a lease last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Times {
    /// Between two beats.
    pub beat: Duration,
    /// A gateway whose beat has not changed for this long is dead.
    pub ttl: Duration,
    /// An owner stops this long before another can take its sinks.
    pub margin: Duration,
    /// A gateway gives back what is above its share only after the gateways have not changed for this long.
    pub calm: Duration,
}

impl Times {
    /// What a gateway has after a beat that was sent at this time and accepted. The time of the answer would be too late: the
    /// beat counts from when others can have seen it.
    #[must_use]
    pub fn trust(self, sent: Duration) -> Trust {
        Trust {
            until: sent + self.ttl.saturating_sub(self.margin),
        }
    }
}

/// How long an owner may start sends, by its own clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Trust {
    until: Duration,
}

impl Trust {
    /// [`Times::trust`] of [`TIMES`].
    #[must_use]
    pub fn after(sent: Duration) -> Self {
        TIMES.trust(sent)
    }

    /// Whether a send may start now.
    #[must_use]
    pub fn holds(self, now: Duration) -> bool {
        now < self.until || failpoint::broken("broken-trust")
    }
}
