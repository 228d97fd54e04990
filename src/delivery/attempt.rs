//! One attempt: the message that is sent, and what follows from its result.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use campanile_model::Alert;
use futures_util::FutureExt;
use jiff::Timestamp;

use super::breaker::Admission;
use super::id;
use super::lane::{Claim, Item};
use super::{backoff, later};
use crate::config::Policy;
use campanile_model::Clock;
use campanile_model::failpoint;
use campanile_sinks::{Class, Delivered, Failure, Message, Sink};
use campanile_store::{AlertToSend, StoredAlert, Verdict};

/// A delivery is given up after this many refusals: a receiver can be wrong once, hardly three times.
const REFUSALS_MAX: u32 = 3;

/// A sink ends within its own timeout. If it does not, its future is dropped after this additional time: no lane hangs.
const OVERTIME_MAX: Duration = Duration::from_secs(5);

/// A longer reason is cut: the store keeps it with every dead letter.
const REASON_CHARS_MAX: usize = 500;

/// Deliveries that go out together: one, or all of a digest.
pub(super) struct Load {
    pub(super) claims: Vec<Claim>,
    pub(super) digest: bool,
    pub(super) admission: Admission,
}

/// An attempt that ended.
pub(super) struct Attempted {
    pub(super) load: Load,
    pub(super) result: Result<Delivered, Failure>,
    pub(super) at: Timestamp,
    pub(super) took: Duration,
}

/// What follows from a failure.
pub(super) struct Ruling {
    pub(super) verdict: Verdict,
    /// Refusals until now.
    pub(super) refusals: u32,
    /// The receiver asked for a pause of the whole sink until then.
    pub(super) hold_until: Option<Timestamp>,
}

/// The message of one alert, or the reason for which the stored alert cannot be used.
pub(super) fn message(
    stored: AlertToSend,
    item: &Item,
    sink: &str,
    at: Timestamp,
) -> Result<Message, String> {
    let own = stored.alert.id;
    // An opening that cannot be read is left out: the alert itself can be sent.
    let opened = stored.opened.filter(|opened| opened.id != own);
    let opened = opened.and_then(|opened| read(&opened).ok().map(Arc::new));
    let alert = read(&stored.alert)?;
    // Nobody else holds the alert now, so the bytes are moved and not copied.
    let json = Arc::unwrap_or_clone(stored.alert).json;
    Ok(Message {
        stored: vec![json.into()],
        opened,
        episode_open: stored.episode_open,
        handle: stored.handle,
        attempt: item.attempts.saturating_add(1),
        retried_by_operator: item.retried && !failpoint::broken("broken-late-flag"),
        ..Message::of(alert, id::delivery_id(own, sink), at)
    })
}

pub(super) fn read(stored: &StoredAlert) -> Result<Alert, String> {
    serde_json::from_slice(&stored.json)
        .map_err(|e| format!("the stored alert cannot be read: {e}"))
}

/// Sends once. Always ends: when the sink ends, after its overtime, or when the code of the sink panics.
pub(super) async fn send(
    sink: Arc<dyn Sink>,
    message: Message,
    load: Load,
    timeout: Duration,
    clock: Clock,
) -> Attempted {
    failpoint::point("before-send");
    if failpoint::broken("broken-settle-before-send") {
        tokio::spawn(async move { sink.send(&message).await });
        let (result, at, took) = (Ok(Delivered::default()), clock.now(), Duration::ZERO);
        return Attempted {
            load,
            result,
            at,
            took,
        };
    }
    let sending = AssertUnwindSafe(sink.send(&message)).catch_unwind();
    let result = tokio::select! {
        result = sending => result.unwrap_or_else(|_panic| Err(Failure::new(
            Class::Poison,
            "the code of the sink panicked; this is a bug in Campanile, please report it",
        ))),
        () = clock.sleep(timeout.saturating_add(OVERTIME_MAX)) => Err(Failure::new(
            Class::Transient,
            "the sink did not end within its timeout",
        )),
    };
    failpoint::point("after-send");
    let at = clock.now();
    Attempted {
        load,
        result,
        at,
        took: since(message.at, at),
    }
}

/// What follows from this failure of a delivery. `chance` is from 0 to 1.
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
        Class::Transient | Class::TooLarge | Class::Poison | Class::Gone => {
            backoff::step(&policy.retry_schedule, attempt)
        }
    };
    let quiet = failure
        .retry_after
        .map(|asked| backoff::honoured(asked, remaining));
    let wait = backoff::jittered(step, chance).max(quiet.unwrap_or_default());
    let refusals = item.refusals + u32::from(failure.class.is_refusal());
    let error = one_line(&failure.reason);
    let verdict = if refusals >= REFUSALS_MAX {
        let class = failure.class.as_str();
        Verdict::Dead { class, error }
    } else if remaining.is_zero() {
        let class = "expired";
        Verdict::Dead { class, error }
    } else {
        // The last wait is cut: every delivery gets a last attempt when it reaches `max_age`.
        let due_at = later(now, wait.min(remaining));
        Verdict::Again { due_at, error }
    };
    Ruling {
        verdict,
        refusals,
        hold_until: quiet.map(|quiet| later(now, quiet)),
    }
}

/// The reason as it is stored: a receiver's own words can have line breaks and other control characters.
fn one_line(reason: &str) -> String {
    let kept = reason.chars().take(REASON_CHARS_MAX);
    kept.map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The time between, or zero when the clock went backwards.
pub(super) fn since(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}
