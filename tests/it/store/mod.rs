//! What every store must do, asked of each one that there is.

mod acceptance;
mod deliveries;
mod episodes;
mod file;
mod retention;
mod upgrade;

use std::path::Path;
use std::sync::Arc;

use campanile_model::{Fingerprint, Severity, Status};
use campanile_store::sqlite::Sqlite;
use campanile_store::{AlertFilter, Appending, Entry, NewAlert, Seq, Settlement, Store, Verdict};
use jiff::Timestamp;
use sha2::{Digest, Sha256};

fn open(folder: &Path) -> Arc<dyn Store> {
    Arc::new(Sqlite::open(&folder.join("campanile.db")).unwrap())
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn alert(message: &str, problem: u64, status: Status, sinks: &[i64]) -> NewAlert {
    NewAlert {
        key: Sha256::digest(message).first_chunk().copied().unwrap(),
        content: 7,
        fingerprint: Fingerprint(problem),
        status,
        severity: Severity::Warning,
        body: format!(r#"{{"source":"ucloud/prod","message_id":"{message}"}}"#).into_bytes(),
        sinks: sinks.to_vec(),
    }
}

fn entry(alerts: Vec<NewAlert>) -> Entry {
    let callback = b"POST /callback/ucloud/prod/*** HTTP/1.1\r\n\r\n{}".to_vec();
    Entry {
        source: "ucloud/prod".into(),
        received_at: at(0),
        callback,
        alerts,
        faults: Vec::new(),
    }
}

fn firing(message: &str, problem: u64, sinks: &[i64]) -> Entry {
    entry(vec![alert(message, problem, Status::Firing, sinks)])
}

fn all() -> AlertFilter {
    AlertFilter {
        limit: 1000,
        ..AlertFilter::default()
    }
}

fn settlement(sink: i64, seq: Seq, verdict: Verdict) -> Settlement {
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

async fn accepted(store: &Arc<dyn Store>, entry: Entry) -> (Seq, uuid::Uuid) {
    match store.append(entry).await.unwrap().alerts[..] {
        [Appending::Accepted { seq, id }] => (seq, id),
        ref other => panic!("not accepted: {other:?}"),
    }
}
