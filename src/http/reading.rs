//! From a believed callback to an [`Entry`] for the store. Also used when a quarantined callback is read again.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use campanile_model::{Alert, Callback, Fault, Report, Severity};
use campanile_providers::{Effect, Reading};
use jiff::Timestamp;

use super::{Gateway, Inlet, Plan, SinkControl};
use campanile_store::{Appended, Appending, Entry, NewAlert, Seq, SinkId};

/// Alerts in one callback; one that holds more is quarantined.
const ALERTS_MAX: usize = 10_000;

/// What `inlet` makes of a callback, with the raw request as it is to be kept.
pub(crate) fn entry(
    gateway: &Gateway,
    plan: &Plan,
    inlet: &Inlet,
    call: &Callback,
    received_at: Timestamp,
) -> (Entry, Option<Effect>) {
    let (reading, fault) = match read(inlet, call) {
        Ok(reading) => (reading, None),
        Err(fault) => (Reading::default(), Some(fault)),
    };
    let faults = reading.unreadable.into_iter().chain(fault).map(told);
    let reports = reading.reports.into_iter();
    let entry = Entry {
        source: inlet.name.clone(),
        received_at,
        callback: raw(inlet, call),
        faults: faults.collect(),
        alerts: reports
            .map(|report| new_alert(gateway, plan, inlet, report, received_at))
            .collect(),
    };
    (entry, reading.effect)
}

/// The sinks of each alert of an entry, kept while the store has the entry.
#[derive(Default)]
pub(crate) struct OwedTo(pub(crate) Vec<Vec<SinkId>>);

impl OwedTo {
    pub(crate) fn of(entry: &Entry) -> Self {
        Self(
            entry
                .alerts
                .iter()
                .map(|alert| alert.sinks.clone())
                .collect(),
        )
    }

    /// Tells the workers what they now owe.
    pub(crate) fn poke(&self, workers: &dyn SinkControl, appended: &Appended) {
        let mut by_sink: BTreeMap<SinkId, Vec<Seq>> = BTreeMap::new();
        for (appending, sinks) in appended.alerts.iter().zip(&self.0) {
            if let Appending::Accepted { seq, .. } = appending {
                for sink in sinks {
                    by_sink.entry(*sink).or_default().push(*seq);
                }
            }
        }
        for (sink, seqs) in by_sink {
            workers.poke(sink, &seqs);
        }
    }
}

/// What the provider reads. It is given strangers' bytes, so that a fault in it must not take the worker down.
pub(crate) fn read(inlet: &Inlet, call: &Callback) -> Result<Reading, Fault> {
    let read = AssertUnwindSafe(|| inlet.feed.provider.read(call, inlet.source()));
    let reading = catch_unwind(read).unwrap_or_else(|_panic| {
        tracing::error!(
            source = &*inlet.name,
            "the provider failed on a callback; it is quarantined"
        );
        Err(Fault::new(
            "provider",
            "it failed on this callback; please report it with the callback",
        ))
    })?;
    let count = reading.reports.len() + reading.unreadable.len();
    if count > ALERTS_MAX {
        let problem = format!("holds {count} alerts; {ALERTS_MAX} are read at the most");
        return Err(Fault::new("body", problem));
    }
    Ok(reading)
}

fn new_alert(
    gateway: &Gateway,
    plan: &Plan,
    inlet: &Inlet,
    mut report: Report,
    received_at: Timestamp,
) -> NewAlert {
    if report.severity == Severity::Unknown
        && let Some(word) = report.raw.get("severity")
    {
        inlet.meters.unknown_words.increment(1);
        inlet.meters.drift.unknown_word(word);
    }
    // Before the operator's labels, so that changing those does not make a vendor's repetition a conflict.
    let (key, content) = (gateway.hooks.identify)(&inlet.name, &report);
    label(inlet, &mut report);
    let alert = report.into_alert(&inlet.name, received_at);
    NewAlert {
        key,
        content,
        fingerprint: alert.fingerprint,
        status: alert.status,
        severity: alert.severity,
        sinks: (plan.routes)(&alert),
        body: json(&alert),
    }
}

/// Adds the operator's labels.
pub(crate) fn label(inlet: &Inlet, report: &mut Report) {
    for (name, value) in &inlet.source().labels {
        let label = report.labels.entry(name.clone());
        label.or_insert_with(|| value.clone());
    }
}

/// The alert as JSON. Maps with text for keys always serialize.
pub(crate) fn json(alert: &Alert) -> Vec<u8> {
    serde_json::to_vec(alert).unwrap_or_default()
}

/// The raw request without anything that proves who sent it.
fn raw(inlet: &Inlet, call: &Callback) -> Vec<u8> {
    let source = inlet.source();
    let digests = inlet.feed.provider.proof(call, source).digests();
    let secrets = source.keys.iter().chain(&source.tokens).chain(&digests);
    match inflated(call) {
        Some(plain) => plain.to_http_without(secrets),
        None => call.to_http_without(secrets),
    }
}

/// A compressed body is kept inflated: inside it no secret could be found. One that cannot be inflated stays as it came.
fn inflated(call: &Callback) -> Option<Callback> {
    call.header("content-encoding")?;
    let body = call.text().ok()?.as_bytes().to_vec();
    let mut plain = call.clone();
    plain.body = body;
    plain.headers.retain(|(name, _)| name != "content-encoding");
    for (name, value) in &mut plain.headers {
        // The text is UTF-8 now, whatever it was before.
        if name == "content-type" && value.to_ascii_lowercase().contains("charset") {
            *value = call.media_type();
        }
    }
    Some(plain)
}

pub(crate) fn told(unreadable: Fault) -> Fault {
    let Fault { place, problem } = unreadable;
    Fault { place, problem }
}
