//! Commits what intake kept: decides the sinks of each alert, appends to the store, then wakes the workers.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use campanile_model::{Alert, Secret, failpoint};
use campanile_store::{Answered, Appended, Arrival, Entry, Error, NewAlert, Seq, SinkId};

use super::news::News;
use super::{Gateway, SinkControl, arrival, redacted};
use crate::intake::{Identified, Kept, Reason};
use crate::pipeline::redaction::hide;
use crate::pipeline::rewrite::Why;
use crate::pipeline::{self, Decision, Rewritten};
use crate::snapshot::Snapshot;
use crate::telemetry::metrics::Metrics;

/// The vendor gets an answer within this time. A commit that takes longer may still succeed: then the vendor's next
/// attempt is a duplicate.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(4);

/// The entry that the store commits for `source`.
pub(crate) fn entry(
    source: &Arc<str>,
    kept: Kept,
    snapshot: &Snapshot,
    metrics: &Metrics,
) -> Entry {
    entry_and_secrets(source, kept, snapshot, metrics).0
}

/// The same, and the values that rewrites redacted in it.
pub(super) fn entry_and_secrets(
    source: &Arc<str>,
    mut kept: Kept,
    snapshot: &Snapshot,
    metrics: &Metrics,
) -> (Entry, Vec<Secret>) {
    let mut alerts: Vec<&mut Alert> = kept
        .read
        .alerts
        .iter_mut()
        .map(|identified| &mut identified.alert)
        .collect();
    let (decisions, rewritten) = pipeline::prepare(&mut alerts, snapshot);
    count(source, &rewritten, snapshot, metrics);
    let secrets = rewritten.secrets;
    let received_at = kept.received_at;
    let of = snapshot.source(source);
    for fault in &mut kept.read.faults {
        hide(&mut fault.problem, &secrets);
    }
    let alerts = kept.read.alerts.into_iter().zip(decisions);
    let entry = Entry {
        source: Arc::clone(source),
        received_at,
        callback: redacted::without(of, kept.raw, received_at, &secrets),
        faults: kept.read.faults,
        alerts: alerts
            .map(|(identified, decision)| new_alert(identified, decision))
            .collect(),
        arrival: Arrival {
            routes: snapshot.routes.text.clone(),
            from: kept.from,
            answer: kept.answer.map(|answer| Answered {
                status: answer.status,
                text: answer.body,
            }),
            trace: None,
        },
    };
    (entry, secrets)
}

/// Counts and logs what rewrites could not do. Data that is not there is usual; an expression that fails is a mistake.
fn count(source: &str, rewritten: &Rewritten, snapshot: &Snapshot, metrics: &Metrics) {
    let names: Vec<_> = snapshot.rewrites.names().collect();
    for applied in rewritten.alerts.iter().flatten() {
        let Some(rewrite) = names.get(applied.rewrite) else {
            continue;
        };
        for failed in &applied.failed {
            metrics.rewrite_failed(rewrite, failed.why.word());
            let (field, words) = (&*failed.field, &*failed.words);
            if matches!(failed.why, Why::Expression | Why::Value) {
                tracing::warn!(
                    source,
                    rewrite = &***rewrite,
                    field,
                    reason = words,
                    "a rewrite failed on an alert; the gateway kept the field as it was"
                );
            } else {
                tracing::debug!(
                    source,
                    rewrite = &***rewrite,
                    field,
                    reason = words,
                    "a rewrite has no value for an alert; the gateway kept the field as it was"
                );
            }
        }
    }
}

fn new_alert(identified: Identified, decision: Decision<'_>) -> NewAlert {
    let Identified {
        key,
        content,
        alert,
    } = identified;
    let failed = decision.failed;
    if failed > 0 {
        tracing::warn!(failed, source = %alert.source, "route conditions failed on an alert; the gateway applied these routes");
    }
    NewAlert {
        key,
        content,
        fingerprint: alert.fingerprint,
        status: alert.status,
        severity: alert.severity,
        said: arrival::said(&decision),
        sinks: decision.sinks.into_owned(),
        body: json(&alert),
    }
}

/// The alert as JSON. It cannot fail: all keys of its maps are strings.
fn json(alert: &Alert) -> Vec<u8> {
    serde_json::to_vec(alert).unwrap_or_default()
}

/// Wakes the workers of the sinks that have new alerts to deliver, and those who follow the gateway.
pub(crate) fn wake(workers: &dyn SinkControl, news: &News, appended: &Appended) {
    let mut by_sink: BTreeMap<SinkId, Vec<Seq>> = BTreeMap::new();
    for (sink, seq) in &appended.pending {
        by_sink.entry(*sink).or_default().push(*seq);
    }
    for (sink, seqs) in by_sink {
        workers.poke(sink, &seqs);
    }
    news.appended();
}

/// Commits `entry` and wakes the workers. Waits at most [`ANSWER_WITHIN`]. After that the commit continues without a
/// waiter.
pub(super) async fn commit(gateway: &Gateway, entry: Entry) -> Result<Appended, Reason> {
    let store = Arc::clone(&gateway.store);
    let (workers, news) = (Arc::clone(&gateway.sinks), Arc::clone(&gateway.news));
    let (metrics, began) = (Arc::clone(&gateway.metrics), Instant::now());
    let append = async move {
        let appended = store.append(entry).await?;
        metrics.committed(began.elapsed());
        wake(&*workers, &news, &appended);
        Ok(appended)
    };
    if failpoint::broken("broken-ack-before-commit") {
        tokio::spawn(append);
        return Ok(Appended::default());
    }
    let mut committing = Committing(Some(Box::pin(append)));
    let done = match committing.0.as_mut() {
        Some(append) => tokio::time::timeout(ANSWER_WITHIN, append).await,
        None => return Err(Reason::Stopped),
    };
    let Ok(done) = done else {
        tracing::warn!(
            within_s = ANSWER_WITHIN.as_secs(),
            "a commit takes too long; the gateway asks the vendor to send the callback again"
        );
        return Err(Reason::Late);
    };
    committing.0 = None;
    done.inspect_err(|e| tracing::debug!(error = %e, "the store did not commit a callback; the gateway asks the vendor to send it again"))
        .map_err(|e| reason(&e))
}

/// The reason for the rejection of a callback when the store fails.
pub(super) fn reason(error: &Error) -> Reason {
    match error {
        Error::Busy => Reason::Busy,
        Error::Commit(_) | Error::Unreplicated(_) | Error::Read(_) | Error::NotOwner => {
            Reason::Commit
        }
        Error::Stopped(_) | Error::Open(_) | Error::Outgrown(_) => Reason::Stopped,
    }
}

type Append = Pin<Box<dyn Future<Output = Result<Appended, Error>> + Send>>;

/// A commit that continues in its own task when it is dropped: the vendor closed the connection, or the time limit
/// passed. The workers must be woken in these cases too.
struct Committing(Option<Append>);

impl Drop for Committing {
    fn drop(&mut self) {
        let Some(append) = self.0.take() else {
            return;
        };
        // Without a runtime the process is about to end. The next start finds the committed alerts.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(append);
        }
    }
}
