//! D4: the Nth operation on the disk fails, for every N and every kind of fault, once or from then on.
//!
//! `CAMPANILE_DISK=all` tries every N. Without it, the test tries a sample from the whole run.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use campanile_faultfs::{Disk, Fault, Kind, Loss, Operation};
use jiff::SignedDuration;

use super::{Gateway, came, kept, willing};
use crate::receiver::Receiver;

/// The size of the sample, for each kind of fault.
const SAMPLE: usize = 7;

/// The result of a run.
#[derive(Default)]
struct Run {
    /// Sessions that were answered with 2xx.
    promised: BTreeSet<String>,
    /// Of those, the sessions that were pruned.
    pruned: BTreeSet<String>,
    /// The number of disk operations.
    operations: usize,
}

impl Run {
    async fn alarm(&mut self, gateway: &Gateway, session: String) {
        let reply = gateway.alarm(&session).await;
        match reply.status {
            200 => assert!(self.promised.insert(session), "a duplicate"),
            503 => assert_eq!(reply.header("retry-after"), "5", "{reply:?}"),
            _ => panic!("{session}: {reply:?}"),
        }
    }
}

/// One short run of a gateway: alarms one by one and at once, deliveries, reads, pruning.
async fn live(gateway: &Gateway, name: &str, run: &mut Run) {
    run.alarm(gateway, format!("{name}-old")).await;
    gateway.deliver().await;
    gateway.advance(Duration::from_hours(1)).await;
    for n in 0..3 {
        run.alarm(gateway, format!("{name}-{n}")).await;
    }
    let together = (3..6).map(|n| format!("{name}-{n}"));
    let mut parts: Vec<Run> = (3..6).map(|_| Run::default()).collect();
    let posts = parts.iter_mut().zip(together);
    futures_util::future::join_all(posts.map(|(part, session)| part.alarm(gateway, session))).await;
    run.promised
        .extend(parts.into_iter().flat_map(|part| part.promised));
    gateway.deliver().await;
    let before = gateway.clock.now() - SignedDuration::from_mins(30);
    run.pruned.insert(format!("{name}-old"));
    while gateway.app.store().prune(before).await.unwrap_or(false) {}
    for page in [
        "/api/v1/alerts",
        "/api/v1/deliveries",
        "/metrics",
        "/readyz",
    ] {
        let status = gateway.look(page).await.status;
        assert!([200, 500, 503].contains(&status), "{page}: {status}");
    }
    run.alarm(gateway, format!("{name}-last")).await;
}

/// After a power cut at this moment the disk holds all that was promised.
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

/// One run with one fault, and the rules during and after it.
async fn suffer(fault: Option<Fault>, name: &str, receivers: &[&Receiver]) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::under(folder.path()).unwrap();
    if let Some(fault) = fault {
        disk.fail(fault);
    }
    let mut run = Run::default();
    match Gateway::open(folder.path(), receivers).await {
        Ok(gateway) => {
            live(&gateway, name, &mut run).await;
            check_power_cut(&disk, &run).await;
            disk.repair();
            let reply = gateway.alarm(&format!("{name}-after")).await;
            assert_eq!(
                reply.status, 200,
                "it does not accept after the repair: {reply:?}"
            );
            run.promised.insert(format!("{name}-after"));
            assert_eq!(gateway.look("/readyz").await.status, 200);
            gateway.deliver().await;
            gateway.advance(Duration::from_mins(1)).await;
            gateway.advance(Duration::from_mins(1)).await;
            check_power_cut(&disk, &run).await;
            gateway.stop().await;
        }
        Err(error) => {
            let said = error.to_string();
            assert!(said.contains("campanile.db"), "names no file: {said}");
            disk.repair();
            let gateway = Gateway::open(folder.path(), receivers).await;
            let gateway =
                gateway.unwrap_or_else(|e| panic!("it does not start after the repair: {e}"));
            run.alarm(&gateway, format!("{name}-after")).await;
            assert_eq!(run.promised.len(), 1, "it does not accept after the repair");
            gateway.deliver().await;
            gateway.stop().await;
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

/// The values of N to try in a run with this number of operations.
fn moments(operations: usize) -> Vec<usize> {
    let step = match std::env::var("CAMPANILE_DISK") {
        Ok(how) if how == "all" => 1,
        _ => operations.div_ceil(SAMPLE).max(1),
    };
    // Counted from the end, so the sample does not always have the same first values.
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
