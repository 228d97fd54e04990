//! D4: the Nth operation on the disk fails, for every N and in every way, once or from then on.
//!
//! `CAMPANILE_DISK=all` tries every N; without it a sample is tried that is spread over the whole run.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use campanile_faultfs::{Disk, Fault, Kind, Loss, Operation};
use jiff::SignedDuration;

use super::{House, came, kept, willing};
use crate::receiver::Receiver;

/// How many moments of a run are tried in the short form, for each way to fail.
const SAMPLE: usize = 7;

/// What became of a run.
#[derive(Default)]
struct Run {
    /// Answered with 2xx.
    promised: BTreeSet<String>,
    /// Of those, what was removed because it was old.
    pruned: BTreeSet<String>,
    /// How much the gateway asked of the disk.
    operations: usize,
}

impl Run {
    async fn alarm(&mut self, house: &House, session: String) {
        let reply = house.alarm(&session).await;
        match reply.status {
            200 => assert!(self.promised.insert(session), "a duplicate"),
            503 => assert_eq!(reply.header("retry-after"), "5", "{reply:?}"),
            _ => panic!("{session}: {reply:?}"),
        }
    }
}

/// A gateway's small life: start, alarms one by one and together, deliveries, looks, pruning.
async fn live(house: &House, name: &str, run: &mut Run) {
    run.alarm(house, format!("{name}-old")).await;
    house.deliver().await;
    house.advance(Duration::from_hours(1)).await;
    for n in 0..3 {
        run.alarm(house, format!("{name}-{n}")).await;
    }
    let together = (3..6).map(|n| format!("{name}-{n}"));
    let mut parts: Vec<Run> = (3..6).map(|_| Run::default()).collect();
    let posts = parts.iter_mut().zip(together);
    futures_util::future::join_all(posts.map(|(part, session)| part.alarm(house, session))).await;
    run.promised
        .extend(parts.into_iter().flat_map(|part| part.promised));
    house.deliver().await;
    let before = house.clock.now() - SignedDuration::from_mins(30);
    run.pruned.insert(format!("{name}-old"));
    while house.app.store().prune(before).await.unwrap_or(false) {}
    for page in [
        "/api/v1/alerts",
        "/api/v1/deliveries",
        "/metrics",
        "/readyz",
    ] {
        let status = house.look(page).await.status;
        assert!([200, 500, 503].contains(&status), "{page}: {status}");
    }
    run.alarm(house, format!("{name}-last")).await;
}

/// What a power cut leaves right now holds all that was promised.
async fn check_power_cut(disk: &Disk, run: &Run) {
    let left = tempfile::tempdir().unwrap();
    disk.cut(Loss::Everything, left.path()).unwrap();
    check_kept(left.path(), run).await;
}

async fn check_kept(folder: &Path, run: &Run) {
    let kept = kept(folder).await;
    let lost: Vec<_> = run.promised.difference(&kept).collect();
    let lost: Vec<_> = lost
        .iter()
        .filter(|id| !run.pruned.contains(**id))
        .collect();
    assert!(lost.is_empty(), "answered with 2xx and not there: {lost:?}");
}

/// One life with one fault, and what must hold during and after it.
async fn suffer(fault: Option<Fault>, name: &str, receivers: &[&Receiver]) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::under(folder.path()).unwrap();
    if let Some(fault) = fault {
        disk.fail(fault);
    }
    let mut run = Run::default();
    match House::open(folder.path(), receivers).await {
        Ok(house) => {
            live(&house, name, &mut run).await;
            check_power_cut(&disk, &run).await;
            disk.repair();
            let reply = house.alarm(&format!("{name}-after")).await;
            assert_eq!(reply.status, 200, "mended, it accepts again: {reply:?}");
            run.promised.insert(format!("{name}-after"));
            assert_eq!(house.look("/readyz").await.status, 200);
            house.deliver().await;
            house.advance(Duration::from_mins(1)).await;
            house.advance(Duration::from_mins(1)).await;
            check_power_cut(&disk, &run).await;
            house.stop().await;
        }
        Err(error) => {
            let said = error.to_string();
            assert!(said.contains("campanile.db"), "names no file: {said}");
            disk.repair();
            let house = House::open(folder.path(), receivers).await;
            let house = house.unwrap_or_else(|e| panic!("mended, it does not start: {e}"));
            run.alarm(&house, format!("{name}-after")).await;
            assert_eq!(run.promised.len(), 1, "mended, it accepts again");
            house.deliver().await;
            house.stop().await;
        }
    }
    check_kept(folder.path(), &run).await;
    for receiver in receivers {
        let came: BTreeSet<_> = came(&receiver.got()).into_iter().collect();
        let missing: Vec<_> = run.promised.difference(&came).collect();
        assert!(missing.is_empty(), "never delivered: {missing:?}");
    }
    run.operations = fault.map_or(0, |fault| disk.seen(fault.operation));
    run
}

/// The moments to try of a run with so many operations.
fn moments(operations: usize) -> Vec<usize> {
    let step = match std::env::var("CAMPANILE_DISK") {
        Ok(how) if how == "all" => 1,
        _ => operations.div_ceil(SAMPLE).max(1),
    };
    // From the end, so that the sample is not always the same beginning of each part.
    (1..=operations).rev().step_by(step).collect()
}

async fn every(operation: Operation, kinds: &[Kind]) {
    let (first, second) = (willing().await, willing().await);
    let receivers = [&first, &second];
    let whole = Fault {
        operation,
        kind: Kind::Io,
        nth: usize::MAX,
        lasting: false,
    };
    let operations = suffer(Some(whole), "none", &receivers).await.operations;
    assert!(operations > 0, "{operation:?} never happens");
    let mut runs = 0;
    for kind in kinds {
        for lasting in [false, true] {
            for nth in moments(operations) {
                let fault = Fault {
                    kind: *kind,
                    nth,
                    lasting,
                    ..whole
                };
                println!("{fault:?}");
                suffer(
                    Some(fault),
                    &format!("{kind:?}-{lasting}-{nth}"),
                    &receivers,
                )
                .await;
                runs += 1;
            }
        }
    }
    println!("{operation:?}: {operations} in a run, {runs} runs with one failing");
}

#[tokio::test(flavor = "multi_thread")]
async fn when_any_write_fails_nothing_is_promised_that_is_not_kept() {
    every(Operation::Write, &[Kind::Io, Kind::Full, Kind::Short]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_any_sync_fails_nothing_is_promised_that_is_not_kept() {
    every(Operation::Sync, &[Kind::Io]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_a_file_cannot_grow_nothing_is_promised_that_is_not_kept() {
    every(Operation::Grow, &[Kind::Full]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_any_read_or_open_fails_nothing_is_promised_that_is_not_kept() {
    for operation in [Operation::Read, Operation::Open, Operation::Map] {
        every(operation, &[Kind::Io]).await;
    }
}
