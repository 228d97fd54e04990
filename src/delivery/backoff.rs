//! How long to wait before the next attempt: pure arithmetic, chance comes in as a number.

use std::time::Duration;

use campanile_sinks::WAIT_MAX;

/// An operator needs at least this long to fix anything: a refused token is not tried again sooner.
const SLOW_WAIT_MIN: Duration = Duration::from_mins(1);

/// The step of the schedule after the attempt of this number (from 1); the last step repeats.
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

/// Equal jitter: half of the step is fixed, the other half is multiplied by `chance`, from 0 to 1.
///
/// Full jitter could draw nearly zero several times in a row and use up the early attempts at once.
pub fn jittered(step: Duration, chance: f64) -> Duration {
    let half = step / 2;
    half + half.mul_f64(chance.clamp(0.0, 1.0))
}

/// How much of the wait that a sink reports is kept: at most [`WAIT_MAX`], and never beyond the life of the delivery.
pub fn honoured(wait: Duration, remaining: Duration) -> Duration {
    wait.min(WAIT_MAX).min(remaining)
}
