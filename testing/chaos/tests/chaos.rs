//! Runs a few cycles of each kind of fault. `scripts/soak` runs many.

#![expect(
    clippy::print_stdout,
    reason = "a failed test shows what each cycle did"
)]

use std::path::PathBuf;
use std::time::Duration;

use campanile_chaos::{Kind, Report, Wish, points, run};

/// The seeds are fixed, so a failure is caused by the current change. No time limits are checked, because the machine
/// may be busy.
async fn run_of(kind: Kind, cycles: Option<usize>) -> Report {
    run_with(1, kind, cycles).await
}

async fn run_with(replicas: usize, kind: Kind, cycles: Option<usize>) -> Report {
    let wish = Wish {
        seed: 20_261_121,
        kind,
        replicas,
        cycles,
        stop_after: None,
        program: PathBuf::from(env!("CARGO_BIN_EXE_campanile-chaos")),
        recover_within: Duration::from_mins(1),
        patience: Duration::from_mins(1),
    };
    let report = run(&wish, |cycle| println!("{}", cycle.shown())).await;
    report.unwrap_or_else(|trouble| panic!("{trouble}"))
}

fn kept(report: &Report) {
    let breaches: Vec<_> = report.breaches().collect();
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
    let total = report.total();
    assert_eq!((total.losses, total.order_breaks), (0, 0));
    assert!(total.obligations > 0, "nothing was promised");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn killed_under_load_it_delivers_every_alert_that_it_has_answered() {
    kept(&run_of(Kind::Kill, Some(3)).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn dying_at_any_point_it_delivers_every_alert_that_it_has_answered() {
    let report = run_of(Kind::Points, None).await;
    kept(&report);
    // On a busy machine, a kill can miss the checkpoint. A failpoint is always reached.
    for point in points().filter(|point| *point != "mid-checkpoint") {
        assert_eq!(
            report.died_at.get(point),
            Some(&1),
            "the gateway did not abort at {point}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn stopped_under_load_it_ends_well_and_nothing_is_lost_or_comes_twice() {
    let report = run_of(Kind::Term, Some(2)).await;
    kept(&report);
    assert_eq!(report.total().duplicates, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn replaced_under_load_it_takes_every_call_or_hangs_up_and_loses_nothing() {
    kept(&run_of(Kind::Upgrade, Some(1)).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn killed_while_it_makes_its_tables_it_starts_again_and_makes_them() {
    kept(&run_of(Kind::Migrate, Some(2)).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn receivers_that_fail_get_every_alert_in_order_or_a_dead_letter_says_why_not() {
    let report = run_of(Kind::Sinks, Some(2)).await;
    kept(&report);
    assert_eq!(report.total().duplicates, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_sinks_of_a_killed_gateway_get_every_alert_from_the_others() {
    kept(&run_with(2, Kind::Kill, Some(1)).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_sinks_of_a_frozen_gateway_get_every_alert_in_order_also_when_it_wakes() {
    kept(&run_with(3, Kind::Freeze, Some(1)).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_sinks_of_a_gateway_without_its_database_get_every_alert_from_the_others() {
    kept(&run_with(2, Kind::Cut, Some(1)).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_sinks_of_a_stopped_gateway_get_every_alert_once() {
    let report = run_with(2, Kind::Term, Some(1)).await;
    kept(&report);
    assert_eq!(report.total().duplicates, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn several_gateways_lose_nothing_when_their_database_dies() {
    kept(&run_with(2, Kind::Database, Some(1)).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_message_on_a_hundred_connections_to_all_gateways_is_accepted_once() {
    let report = run_with(3, Kind::Same, Some(1)).await;
    kept(&report);
    assert_eq!(report.total().duplicates, 0);
}
