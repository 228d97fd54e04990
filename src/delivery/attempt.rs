//! One try: the parcel that is sent, and what follows from how it ended.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use campanile_model::Alert;
use futures_util::FutureExt;
use jiff::Timestamp;

use super::lane::{Claim, Item};
use super::{backoff, later};
use crate::config::Policy;
use crate::pipeline::dedup;
use campanile_model::Clock;
use campanile_model::failpoint;
use campanile_sinks::{Class, Delivered, Failure, Parcel, Sink};
use campanile_store::{StoredAlert, Verdict};

/// A parcel is given up when the sink has called it poison so often: a receiver may err once, hardly three times.
const REFUSALS_MAX: u32 = 3;

/// A sink ends within its own timeout. If it does not, it is dropped after so much more, so that no lane hangs.
const OVERTIME_MAX: Duration = Duration::from_secs(5);

/// A longer cause says nothing more, and is kept with every dead letter.
const CAUSE_CHARS_MAX: usize = 500;

/// Deliveries that go out together: one, or all of a digest.
pub(super) struct Load {
    pub(super) claims: Vec<Claim>,
    pub(super) digest: bool,
    pub(super) probe: bool,
}

/// A try that ended.
pub(super) struct Tried {
    pub(super) load: Load,
    pub(super) result: Result<Delivered, Failure>,
    pub(super) at: Timestamp,
    pub(super) took: Duration,
}

/// What follows from a failure.
pub(super) struct Ruling {
    pub(super) verdict: Verdict,
    /// Poison so far.
    pub(super) refusals: u32,
    /// The receiver wants quiet until then, from all lanes.
    pub(super) hold_until: Option<Timestamp>,
}

/// The parcel of one alert, or why the stored alert is of no use.
pub(super) fn parcel(
    stored: &StoredAlert,
    item: &Item,
    sink: &str,
    at: Timestamp,
) -> Result<Parcel, String> {
    let alert: Alert = serde_json::from_slice(&stored.json)
        .map_err(|e| format!("the stored alert cannot be read: {e}"))?;
    Ok(Parcel {
        delivery_id: dedup::delivery_id(stored.id, sink),
        alert: Arc::new(alert),
        json: stored.json.clone().into(),
        attempt: item.attempts.saturating_add(1),
        redriven: item.retried && !failpoint::broken("broken-late-flag"),
        at,
    })
}

/// Sends once. Ends in any case: by the sink, by its overtime, or by a panic of the sink's code.
pub(super) async fn send(
    sink: Arc<dyn Sink>,
    parcel: Parcel,
    load: Load,
    timeout: Duration,
    clock: Clock,
) -> Tried {
    failpoint::point("before-send");
    if failpoint::broken("broken-settle-before-send") {
        tokio::spawn(async move { sink.send(&parcel).await });
        let (result, at, took) = (Ok(Delivered::default()), clock.now(), Duration::ZERO);
        return Tried {
            load,
            result,
            at,
            took,
        };
    }
    let sending = AssertUnwindSafe(sink.send(&parcel)).catch_unwind();
    let result = tokio::select! {
        result = sending => result.unwrap_or_else(|_panic| Err(failure(
            Class::Poison,
            "the sink's code broke off; this is a fault of Campanile, please report it",
        ))),
        () = clock.sleep(timeout.saturating_add(OVERTIME_MAX)) => Err(failure(
            Class::Transient,
            "the sink did not end within its timeout",
        )),
    };
    failpoint::point("after-send");
    let at = clock.now();
    Tried {
        load,
        result,
        at,
        took: since(parcel.at, at),
    }
}

/// What follows when this delivery failed so. `chance` is from 0 to 1.
pub(super) fn rule(
    failure: &Failure,
    item: &Item,
    policy: &Policy,
    now: Timestamp,
    chance: f64,
) -> Ruling {
    let attempt = item.attempts.saturating_add(1);
    let remaining = policy
        .max_age
        .saturating_sub(since(item.pending_since, now));
    let step = match failure.class {
        Class::Operator => backoff::slow_step(&policy.retry_schedule, attempt),
        Class::Transient | Class::Poison | Class::Gone => {
            backoff::step(&policy.retry_schedule, attempt)
        }
    };
    let quiet = failure
        .retry_after
        .map(|asked| backoff::honoured(asked, step, remaining));
    let wait = backoff::jittered(step, chance).max(quiet.unwrap_or_default());
    let refusals = item.refusals + u32::from(failure.class == Class::Poison);
    let error: String = failure.cause.chars().take(CAUSE_CHARS_MAX).collect();
    let verdict = if refusals >= REFUSALS_MAX {
        let class = "poison";
        Verdict::Dead { class, error }
    } else if remaining.is_zero() {
        let class = "expired";
        Verdict::Dead { class, error }
    } else {
        // The last wait is cut short, so that every delivery gets a last try at the end of its life.
        let due_at = later(now, wait.min(remaining));
        Verdict::Again { due_at, error }
    };
    Ruling {
        verdict,
        refusals,
        hold_until: quiet.map(|quiet| later(now, quiet)),
    }
}

/// The time between, or none when the clock went backwards.
pub(super) fn since(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}

fn failure(class: Class, cause: &str) -> Failure {
    Failure {
        class,
        code: None,
        retry_after: None,
        cause: cause.to_owned(),
    }
}
