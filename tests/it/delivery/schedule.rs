//! The wait before the next attempt.

use std::time::Duration;

use campanile::delivery::backoff;

use super::rig::policy;
use super::{HOUR, MINUTE, SECOND};

#[test]
fn the_schedule_is_waited_with_equal_jitter_and_its_last_step_repeats() {
    let schedule = policy().retry_schedule;
    let seconds = |attempt, chance| {
        backoff::jittered(backoff::step(&schedule, attempt), chance).as_secs_f64()
    };
    let least: Vec<f64> = (1..=12).map(|attempt| seconds(attempt, 0.0)).collect();
    let most: Vec<f64> = (1..=12).map(|attempt| seconds(attempt, 1.0)).collect();
    let table = [
        1., 5., 15., 30., 60., 120., 300., 600., 900., 1800., 1800., 1800.,
    ];
    assert_eq!(most, table);
    assert_eq!(least, table.map(|step| step / 2.0));
    let between = backoff::jittered(backoff::step(&schedule, 2), 0.5);
    assert_eq!(between, Duration::from_millis(3_750));
}

#[test]
fn what_an_operator_must_mend_is_tried_slowly() {
    let schedule = policy().retry_schedule;
    let slow = |attempt| backoff::slow_step(&schedule, attempt).as_secs();
    assert_eq!(
        [1, 2, 3, 4, 5, 6].map(slow),
        [120, 300, 600, 900, 1800, 1800]
    );
    assert_eq!(backoff::slow_step(&[SECOND], 1), MINUTE);
}

#[test]
fn a_sink_may_ask_for_a_month_of_quiet_and_never_for_more_than_a_delivery_lives() {
    let honoured = backoff::honoured;
    assert_eq!(honoured(10 * SECOND, 24 * HOUR), 10 * SECOND);
    assert_eq!(honoured(90_000 * HOUR, 90_000 * HOUR), 31 * 24 * HOUR);
    assert_eq!(honoured(90_000 * HOUR, MINUTE), MINUTE);
}
