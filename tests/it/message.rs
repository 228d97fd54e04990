//! A vendor's message, in the form that the store accepts.

use campanile::intake::identity;
use campanile_model::{Fingerprint, Report, Severity, Status};
use campanile_store::{Arrival, Entry, NewAlert, SinkId};
use jiff::Timestamp;

const SOURCE: &str = "test/source";

/// A message about the problem `lane`, pending for these sinks.
pub(crate) fn alert(
    message: &str,
    lane: u64,
    status: Status,
    at: Timestamp,
    sinks: Vec<SinkId>,
) -> NewAlert {
    let mut report = Report::new(message, Fingerprint(lane), status);
    message.clone_into(&mut report.title);
    NewAlert {
        key: identity::key(SOURCE, message),
        content: 0,
        fingerprint: Fingerprint(lane),
        status,
        severity: Severity::Unknown,
        body: serde_json::to_vec(&report.into_alert(SOURCE, at)).unwrap(),
        sinks,
        said: String::new(),
    }
}

/// The callback that carried them.
pub(crate) fn entry(alerts: Vec<NewAlert>, at: Timestamp) -> Entry {
    Entry {
        source: SOURCE.into(),
        received_at: at,
        callback: Vec::new(),
        alerts,
        faults: Vec::new(),
        arrival: Arrival::default(),
    }
}
