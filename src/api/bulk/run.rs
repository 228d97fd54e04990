//! Does what a bulk action says, in batches.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::future::try_join_all;

use super::rows::{self, Row};
use super::{Act, Acted};
use crate::api::types::{Counted, NotChanged, StillUnreadable};
use crate::api::{Failing, quarantine};
use crate::http::Gateway;
use campanile_store::{Fault, Seq, SinkId};

/// Rows of one batch, which is one transaction of the store.
const BATCH: usize = 500;

/// Rows of one batch if each row is a transaction of its own.
const BATCH_OF_SINGLE: usize = 50;

/// Rows that an answer names.
const NAMED_MAX: usize = 1_000;

/// What an action does.
pub(super) struct Job {
    pub(super) act: Act,
    /// What the store writes to the audit with each batch.
    pub(super) audited: campanile_store::Act,
    pub(super) leave_out_ended: bool,
}

/// How far an action is, and whether it shall end.
#[derive(Default)]
pub(super) struct Progress {
    done: Mutex<Done>,
    stop: AtomicBool,
}

/// What is done.
#[derive(Default)]
pub(super) struct Done {
    /// None while the rows are being found.
    pub(super) total: Option<u64>,
    pub(super) looked_at: u64,
    pub(super) changed: u64,
    pub(super) ended: u64,
    /// Rows that were not changed, at most [`NAMED_MAX`].
    pub(super) results: Vec<NotChanged>,
}

impl Done {
    fn not_changed(&mut self, id: i64, reason: &str, faults: Vec<Fault>) {
        if self.results.len() < NAMED_MAX {
            let reason = reason.to_owned();
            self.results.push(NotChanged { id, reason, faults });
        }
    }
}

impl Progress {
    /// Ends the action after its current batch.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    pub(super) fn now(&self) -> MutexGuard<'_, Done> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn acted(&self) -> Acted {
        let done = self.now();
        let still = done.results.iter().filter(|row| !row.faults.is_empty());
        let still = still.map(|row| StillUnreadable {
            id: row.id,
            faults: row.faults.clone(),
        });
        Acted {
            counted: Counted {
                count: done.changed,
                ended: done.ended,
                left_out: done.ended,
                ..Counted::default()
            },
            selected: done.looked_at,
            still_unreadable: still.collect(),
        }
    }
}

/// Changes the rows, which are given oldest first, until the operator or the gateway stops it.
pub(super) async fn run(
    gateway: &Gateway,
    job: &Job,
    rows: &[Row],
    progress: &Progress,
) -> Failing<()> {
    progress.now().total = Some(number(rows.len()));
    let batch = match job.act {
        Act::DeadRetry | Act::DeadDrop | Act::DeliveriesRetry | Act::QuarantineDrop => BATCH,
        Act::DeliveriesDrop | Act::QuarantineRetry => BATCH_OF_SINGLE,
    };
    for rows in rows.chunks(batch) {
        if progress.stop.load(Ordering::Relaxed) || gateway.is_stopping() {
            break;
        }
        let ended = if job.leave_out_ended {
            rows::ended(gateway, rows).await?
        } else {
            BTreeSet::new()
        };
        let wanted = rows.iter().filter(|row| !ended.contains(&row.seq));
        let wanted: Vec<Row> = wanted.copied().collect();
        let changed = change(gateway, job, &wanted, progress).await?;
        let mut done = progress.now();
        done.looked_at += number(rows.len());
        done.ended += number(rows.len() - wanted.len());
        for row in rows.iter().filter(|row| ended.contains(&row.seq)) {
            done.not_changed(row.id, "ended", Vec::new());
        }
        done.changed += changed;
    }
    Ok(())
}

/// Changes the rows of one batch. Returns how many it changed.
async fn change(gateway: &Gateway, job: &Job, rows: &[Row], progress: &Progress) -> Failing<u64> {
    let (store, ids) = (&gateway.store, || rows.iter().map(|row| row.id).collect());
    let audited = || job.audited.clone();
    match job.act {
        Act::DeadDrop => Ok(store.drop_dead(ids(), audited()).await?),
        Act::QuarantineDrop => Ok(store.drop_quarantined(ids(), audited()).await?),
        Act::DeadRetry => {
            let pending = store.retry_dead(ids(), audited()).await?;
            for (sink, seqs) in by_sink(pending.iter().copied()) {
                gateway.sinks.poke(sink, &seqs);
            }
            let pending: BTreeSet<_> = pending.into_iter().collect();
            gone(progress, rows, |row| pending.contains(&(row.sink, row.seq)));
            Ok(number(pending.len()))
        }
        Act::DeliveriesRetry => {
            store.record(audited(), number(rows.len())).await?;
            for (sink, seqs) in by_sink(rows.iter().map(|row| (row.sink, row.seq))) {
                gateway.sinks.hurry(sink, &seqs);
            }
            Ok(number(rows.len()))
        }
        Act::DeliveriesDrop => {
            // Concurrently, so that the store commits them together.
            let dropped = rows.iter().map(|row| drop_pending(gateway, row, audited()));
            let dropped = try_join_all(dropped).await?;
            let dropped: BTreeSet<_> = dropped.into_iter().flatten().collect();
            gone(progress, rows, |row| dropped.contains(&(row.sink, row.seq)));
            Ok(number(dropped.len()))
        }
        Act::QuarantineRetry => read_again(gateway, job, rows, progress).await,
    }
}

/// Notes the rows that no longer exist.
fn gone(progress: &Progress, rows: &[Row], exists: impl Fn(&Row) -> bool) {
    let mut done = progress.now();
    for row in rows.iter().filter(|row| !exists(row)) {
        done.not_changed(row.id, "gone", Vec::new());
    }
}

/// Returns the delivery if it was pending.
async fn drop_pending(
    gateway: &Gateway,
    row: &Row,
    audited: campanile_store::Act,
) -> Failing<Option<(SinkId, Seq)>> {
    let dropping = gateway.store.drop_pending(row.seq, row.sink, audited);
    let dropped = dropping.await?;
    if dropped {
        gateway.sinks.dropped(row.sink, &[row.seq]);
    }
    Ok(dropped.then_some((row.sink, row.seq)))
}

/// Reads callbacks again, in the order of their arrival.
async fn read_again(
    gateway: &Gateway,
    job: &Job,
    rows: &[Row],
    progress: &Progress,
) -> Failing<u64> {
    let current = gateway.current();
    let mut released = 0;
    for row in rows {
        match quarantine::release(gateway, &current.snapshot, row.id, &job.audited).await? {
            None => progress.now().not_changed(row.id, "gone", Vec::new()),
            Some(Ok(())) => released += 1,
            Some(Err(still)) => {
                let mut done = progress.now();
                done.not_changed(still.id, "unreadable", still.faults);
            }
        }
    }
    Ok(released)
}

fn by_sink(rows: impl Iterator<Item = (SinkId, Seq)>) -> BTreeMap<SinkId, Vec<Seq>> {
    let mut by_sink: BTreeMap<SinkId, Vec<Seq>> = BTreeMap::new();
    for (sink, seq) in rows {
        by_sink.entry(sink).or_default().push(seq);
    }
    by_sink
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
