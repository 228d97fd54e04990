//! Campanile's own alert: a vendor has changed its payload.

use std::sync::Arc;

use campanile_model::{Callback, Fingerprint, Report, Resource, Severity, Status};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::json;

use super::reading::{self, OwedTo};
use super::{Gateway, Inlet, Plan};
use crate::telemetry::drift::Change;
use campanile_store::{Entry, NewAlert};

/// The source of such alerts.
const SOURCE: &str = "campanile/drift";

/// Looks whether a believed callback is as those before it were, and raises an alert where it is not.
pub(super) fn watch(
    gateway: &Gateway,
    plan: &Plan,
    inlet: &Inlet,
    call: &Callback,
    now: Timestamp,
) {
    let Some(changes) = inlet.meters.drift.look(call, now) else {
        return;
    };
    let words: Vec<String> = changes.iter().map(Change::to_string).collect();
    tracing::warn!(
        source = &*inlet.name,
        changes = words.join("; "),
        "the vendor changed its payload"
    );
    let entry = entry(gateway, plan, inlet, &words, now);
    let owed = OwedTo::of(&entry);
    let (store, workers) = (Arc::clone(&gateway.store), Arc::clone(&gateway.sinks));
    // The vendor's answer does not wait for it.
    tokio::spawn(async move {
        match store.append(entry).await {
            Ok(appended) => owed.poke(&*workers, &appended),
            Err(error) => tracing::warn!(error = %error, "the alert about it was not committed"),
        }
    });
}

fn entry(gateway: &Gateway, plan: &Plan, inlet: &Inlet, words: &[String], now: Timestamp) -> Entry {
    let report = report(inlet, words, now);
    let (key, content) = (gateway.hooks.identify)(SOURCE, &report);
    let alert = report.into_alert(SOURCE, now);
    let told = json!({"source": &*inlet.name, "changes": words});
    Entry {
        source: SOURCE.into(),
        received_at: now,
        callback: format!("POST /{SOURCE} HTTP/1.1\r\n\r\n{told}").into_bytes(),
        faults: Vec::new(),
        alerts: vec![NewAlert {
            key,
            content,
            fingerprint: alert.fingerprint,
            status: alert.status,
            severity: alert.severity,
            sinks: (plan.routes)(&alert),
            body: reading::json(&alert),
        }],
    }
}

/// The same source on the same day is the same message, also after a restart: at most one alert a day.
fn report(inlet: &Inlet, words: &[String], now: Timestamp) -> Report {
    let name = &*inlet.name;
    let day = now.to_zoned(TimeZone::UTC).date();
    let fingerprint = Fingerprint::of("campanile", ["drift", name]);
    let mut report = Report::new(format!("{name}/{day}"), fingerprint, Status::Firing);
    report.severity = Severity::Warning;
    report.title = format!("{name}: the vendor changed its payload");
    report.description = format!(
        "{}\nSee what is read of it: campanile renormalize --source {name} --since 1d --dry-run",
        words.join("\n")
    );
    report.resource = Resource {
        kind: Some("source".to_owned()),
        id: Some(name.to_owned()),
        ..Resource::default()
    };
    let provider = inlet.feed.provider.name().to_owned();
    report.labels.insert("provider".to_owned(), provider);
    report.starts_at = Some(now);
    report
}
