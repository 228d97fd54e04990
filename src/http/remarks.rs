//! Records facts about a verified callback: counters, and changes of the vendor's payload.

use std::sync::Arc;

use campanile_model::Callback;
use campanile_store::{Appended, Appending};

use super::commit::{self, wake};
use super::{Current, Gateway};
use crate::intake::drift::{self, Change};
use crate::intake::{Kept, Stray, Verdict};
use crate::snapshot::Source;
use crate::telemetry::metrics::SourceMeters;

/// The parts of a callback that are needed after the commit.
pub(super) struct Remarks<'c> {
    meters: Option<&'c SourceMeters>,
    faulty: bool,
}

/// Counts and logs what is notable about a verified callback.
pub(super) fn of<'c>(
    gateway: &Gateway,
    current: &'c Current,
    source: &Source,
    kept: &Kept,
    call: &Callback,
) -> Remarks<'c> {
    let faulty = !kept.read.faults.is_empty();
    let meters = current.meters(source);
    if faulty {
        let reason = kept.stray.map_or("unreadable", word);
        gateway.metrics.quarantine(&source.name, reason);
    }
    for remark in &kept.read.remarks {
        gateway.metrics.remark(&source.name, remark.kind());
        tracing::debug!(%remark, "the gateway repaired or skipped a part of a callback and read the rest");
    }
    if let (Some(_), Some(fault)) = (kept.stray, kept.read.faults.first()) {
        let problem = &*fault.problem;
        tracing::warn!(
            problem,
            "the gateway quarantines a callback to the shared path"
        );
    }
    if let Some(meters) = meters {
        meters.seen(kept.received_at);
        for alert in &kept.read.alerts {
            if let Some(word) = alert.unknown_word() {
                meters.unknown_words.increment(1);
                meters.drift.unknown_word(word);
            }
        }
        watch(gateway, current, source, meters, call, kept);
    }
    Remarks { meters, faulty }
}

fn word(stray: Stray) -> &'static str {
    match stray {
        Stray::Unrecognized => "unrecognized",
        Stray::Ambiguous => "ambiguous",
    }
}

/// Compares the shape of the callback with earlier callbacks of the source. Raises an alert when the shape has changed.
fn watch(
    gateway: &Gateway,
    current: &Current,
    source: &Source,
    meters: &SourceMeters,
    call: &Callback,
    kept: &Kept,
) {
    if kept.stray.is_some() {
        return;
    }
    let looked = meters.drift.look(call, kept.received_at);
    for kind in looked.found {
        meters.drifted(kind);
    }
    if looked.due.is_empty() {
        return;
    }
    let words: Vec<String> = looked.due.iter().map(Change::to_string).collect();
    let changes = words.join("; ");
    tracing::warn!(
        source = &*source.name,
        changes,
        "the vendor of a source changed its payload"
    );
    let alert = drift::alert(source, &looked.due, kept.received_at);
    let entry = commit::entry(
        &drift::SOURCE.into(),
        alert,
        &current.snapshot,
        &gateway.metrics,
    );
    let (store, workers) = (Arc::clone(&gateway.store), Arc::clone(&gateway.sinks));
    let news = Arc::clone(&gateway.news);
    // The answer to the vendor does not wait for this commit.
    tokio::spawn(async move {
        match store.append(entry).await {
            Ok(appended) => wake(&*workers, &news, &appended),
            Err(error) => {
                tracing::warn!(error = %error, "the gateway did not commit its own alert about a changed payload");
            }
        }
    });
}

/// The verdict on a callback after its commit.
pub(super) fn outcome(remarks: &Remarks<'_>, appended: &Appended) -> Verdict {
    let mut new = Vec::new();
    for appending in &appended.alerts {
        match (appending, remarks.meters) {
            (Appending::Accepted { seq, id }, meters) => {
                new.push(*id);
                let is_sent = appended.pending.iter().any(|(_, of)| of == seq);
                if let (false, Some(meters)) = (is_sent, meters) {
                    meters.unrouted.increment(1);
                }
            }
            (Appending::Duplicate { conflict: true }, Some(meters)) => meters.conflicts.add(),
            (Appending::Duplicate { .. }, _) => {}
        }
    }
    Verdict::of(new, remarks.faulty, appended.alerts.len())
}
