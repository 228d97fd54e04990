//! The conformance suite of a store. A test program includes this module and calls [`conformance!`] with a [`Place`] for its
//! implementation.

#[macro_use]
mod list;

pub(crate) mod acceptance;
pub(crate) mod audit;
pub(crate) mod deliveries;
pub(crate) mod episodes;
pub(crate) mod model;
pub(crate) mod mutes;
pub(crate) mod plans;
pub(crate) mod retention;
pub(crate) mod search;
pub(crate) mod tallies;

use std::future::Future;
use std::sync::Arc;

use campanile_model::{Fingerprint, Severity, Status};
use campanile_store::{
    Act, AlertFilter, Appending, Arrival, Entry, NewAlert, Seq, Settlement, Store, Verdict,
};
use jiff::Timestamp;
use sha2::{Digest, Sha256};

/// The location of one store: a folder, a database. It is removed when the place is dropped.
pub(crate) trait Place: Sized {
    /// Whether [`Stats::alerts`](campanile_store::Stats) is exact. Else it can have more, at most what fits between the first and the
    /// last alert.
    const COUNTS_ALERTS: bool;

    /// A new place with an empty store.
    fn new() -> Self;

    /// Opens the store at this place. The caller has closed or dropped the earlier one.
    fn open(&self) -> impl Future<Output = Arc<dyn Store>>;

    /// A copy of what the disk holds when the process or the machine stops now, while the store is open.
    fn crashed(&self) -> Self;
}

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

pub(crate) fn alert(message: &str, problem: u64, status: Status, sinks: &[i64]) -> NewAlert {
    NewAlert {
        key: Sha256::digest(message).first_chunk().copied().unwrap(),
        content: 7,
        fingerprint: Fingerprint(problem),
        status,
        severity: Severity::Warning,
        body: format!(r#"{{"source":"ucloud/prod","message_id":"{message}"}}"#).into_bytes(),
        sinks: sinks.to_vec(),
        said: String::new(),
    }
}

/// An act five seconds after the start.
pub(crate) fn act(action: &str) -> Act {
    Act::new(at(5), action)
}

pub(crate) fn entry(alerts: Vec<NewAlert>) -> Entry {
    let callback = b"POST /callback/ucloud/prod/*** HTTP/1.1\r\n\r\n{}".to_vec();
    Entry {
        source: "ucloud/prod".into(),
        received_at: at(0),
        callback,
        alerts,
        faults: Vec::new(),
        arrival: Arrival::default(),
    }
}

pub(crate) fn firing(message: &str, problem: u64, sinks: &[i64]) -> Entry {
    entry(vec![alert(message, problem, Status::Firing, sinks)])
}

pub(crate) fn all() -> AlertFilter {
    AlertFilter {
        limit: 1000,
        ..AlertFilter::default()
    }
}

pub(crate) fn settlement(sink: i64, seq: Seq, verdict: Verdict) -> Settlement {
    Settlement {
        sink,
        seq,
        at: at(1),
        took_ms: 5,
        attempt: 1,
        code: Some(200),
        verdict,
        handle: None,
        worth: None,
        remark: None,
    }
}

pub(crate) async fn accepted(store: &Arc<dyn Store>, entry: Entry) -> (Seq, uuid::Uuid) {
    match store.append(entry).await.unwrap().alerts[..] {
        [Appending::Accepted { seq, id }] => (seq, id),
        ref other => panic!("not accepted: {other:?}"),
    }
}
