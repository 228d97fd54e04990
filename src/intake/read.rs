//! What a verified callback says: its alerts, or why it cannot be read.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use campanile_model::{Alert, Callback, DedupKey, Fault, Remark, Report, Secret, Severity};
use campanile_providers::{Effect, Reading};
use jiff::Timestamp;

use super::identity;
use crate::snapshot::Source;

/// Alerts in one callback; one that holds more is quarantined.
const ALERTS_MAX: usize = 10_000;

/// What a callback says.
#[derive(Debug, Default)]
pub struct Read {
    /// Its alerts, in their order.
    pub alerts: Vec<Identified>,
    /// What cannot be read: the whole callback where there are no alerts, else single items.
    pub faults: Vec<Fault>,
    /// What was wrong and did not keep the callback from being read: repaired, guessed or left out.
    pub remarks: Vec<Remark>,
    /// Why there is nothing to alert on: a known test or lifecycle message.
    pub ignored: Option<Cow<'static, str>>,
    /// What the server has to do for the vendor.
    pub effect: Option<Effect>,
}

/// An alert with the names that the store knows its message by.
#[derive(Debug)]
pub struct Identified {
    /// Two messages of one key are the same.
    pub key: DedupKey,
    /// A hash over what the message says: another one under the same key is a conflict.
    pub content: u64,
    /// The alert, without an id.
    pub alert: Alert,
}

impl Identified {
    /// The alert of `report`, with the operator's labels of `source`.
    fn of(source: &Source, mut report: Report, received_at: Timestamp) -> Self {
        // Before the operator's labels: changing those must not turn a vendor's repetition into a conflict.
        let key = identity::key(&source.name, &report.message_id);
        let content = identity::content(&report);
        for (name, value) in &source.settings.labels {
            let label = report.labels.entry(name.clone());
            label.or_insert_with(|| value.clone());
        }
        let alert = report.into_alert(&source.name, received_at);
        Self {
            key,
            content,
            alert,
        }
    }

    /// The vendor's word for the severity, where no mapping knows it.
    pub fn unknown_word(&self) -> Option<&str> {
        let unknown = self.alert.severity == Severity::Unknown;
        let word = self.alert.raw.get("severity").map(String::as_str);
        word.filter(|_| unknown)
    }
}

/// What `source` reads from a callback whose sender is verified. Also asked when a stored callback is read again.
pub fn read(source: &Source, call: &Callback, received_at: Timestamp) -> Read {
    let reading = match reading(source, call) {
        Ok(reading) => reading,
        Err(fault) => {
            return Read {
                faults: vec![fault],
                remarks: call.remarks(),
                ..Read::default()
            };
        }
    };
    let mut remarks = call.remarks();
    remarks.extend(reading.remarks());
    let reports = reading.reports.into_iter();
    Read {
        alerts: reports
            .map(|report| Identified::of(source, report, received_at))
            .collect(),
        faults: reading.unreadable,
        remarks,
        ignored: reading.ignored,
        effect: reading.effect,
    }
}

/// Asks the provider. It gets bytes from outside, and a panic in it must not take the thread down.
fn reading(source: &Source, call: &Callback) -> Result<Reading, Fault> {
    let read = AssertUnwindSafe(|| source.provider.read(call, &source.settings));
    let reading = catch_unwind(read).unwrap_or_else(|_panic| {
        tracing::error!(
            source = &*source.name,
            "the provider panicked on a callback; the callback is quarantined"
        );
        Err(Fault::new(
            "provider",
            "it failed on this callback; please report it with the callback",
        ))
    })?;
    let count = reading.reports.len() + reading.unreadable.len();
    if count > ALERTS_MAX {
        let problem = format!("holds {count} alerts; the limit is {ALERTS_MAX}");
        return Err(Fault::new("body", problem));
    }
    Ok(reading)
}

/// What proves the sender. `digests` are those of this request.
pub(super) fn secrets<'s>(
    source: &'s Source,
    digests: &'s [Secret],
) -> impl Iterator<Item = &'s Secret> {
    let settings = &source.settings;
    settings.keys.iter().chain(&settings.tokens).chain(digests)
}

/// The raw request as it is stored: without anything that proves its sender.
pub(super) fn raw(source: &Source, call: &Callback, digests: &[Secret]) -> Vec<u8> {
    let secrets = secrets(source, digests);
    match inflated(call) {
        Some(plain) => plain.to_http_without(secrets),
        None => call.to_http_without(secrets),
    }
}

/// A compressed body is stored inflated: no secret can be found in it otherwise. One that cannot be inflated stays as it is.
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
