//! How long to wait before the next try: pure arithmetic, chance comes in as a number.

use std::time::Duration;

/// An operator needs at least so long to mend anything: a refused token is not tried sooner.
const SLOW_WAIT_MIN: Duration = Duration::from_mins(1);

/// A receiver may always ask to be left alone for so long, even early in the schedule.
const RETRY_AFTER_MAX: Duration = Duration::from_hours(1);

/// The step of the schedule after the try of this number (from 1); the last step repeats.
pub fn step(schedule: &[Duration], attempt: u32) -> Duration {
    let index = usize::try_from(attempt.saturating_sub(1)).unwrap_or(usize::MAX);
    let last = schedule.last().copied().unwrap_or(SLOW_WAIT_MIN);
    schedule.get(index).copied().unwrap_or(last)
}

/// The step when an operator must act first: the later half of the schedule.
pub fn slow_step(schedule: &[Duration], attempt: u32) -> Duration {
    let later = schedule.get(schedule.len() / 2..).unwrap_or(schedule);
    step(later, attempt).max(SLOW_WAIT_MIN)
}

/// Equal jitter: half of the step stands, the other half is taken by `chance`, from 0 to 1.
///
/// Full jitter could draw nearly nothing several times in a row and use up the early tries at once.
pub fn jittered(step: Duration, chance: f64) -> Duration {
    let half = step / 2;
    half + half.mul_f64(chance.clamp(0.0, 1.0))
}

/// How much of a receiver's `Retry-After` is honoured.
///
/// A receiver that asks for ten years must not hold alerts back beyond their life, nor far beyond the schedule.
pub fn honoured(retry_after: Duration, step: Duration, remaining: Duration) -> Duration {
    let cap = step.saturating_mul(2).max(RETRY_AFTER_MAX);
    retry_after.min(cap).min(remaining)
}
