//! Measures a copy of a SQLite file to PostgreSQL and back: `cargo bench -p campanile-store --bench copy`.
//!
//! It fills a new file and starts PostgreSQL, both in the temporary folder. Environment variable: `STORED` (1000000).

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a measurement that cannot go on has failed"
)]

use std::sync::Arc;
use std::time::Instant;

use campanile_model::{Fingerprint, Severity, Status, StoreUrl};
use campanile_receiver::postgres::Postgres;
use campanile_store::copy::{self, Copied, Wish};
use campanile_store::{Arrival, Entry, NewAlert, Settlement, Store, Verdict};
use futures_util::future::join_all;
use jiff::Timestamp;
use sha2::{Digest, Sha256};

/// Callbacks that are appended at the same time.
const AT_ONCE: u64 = 2_000;

/// One in so many alerts is still pending.
const PENDING: u64 = 100;

fn at(n: u64) -> Timestamp {
    let second = i64::try_from(n / 4).unwrap();
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

/// One callback with one alert of about 400 bytes.
fn entry(n: u64, sink: i64) -> Entry {
    let digest = Sha256::digest(n.to_be_bytes());
    let problem = u64::from_be_bytes(*digest.first_chunk().unwrap()) % 50_000;
    let source = format!("ucloud/region-{}", problem % 20);
    let body = format!(
        r#"{{"source":"{source}","message_id":"{n}","fingerprint":"{problem:016x}","status":"firing","severity":"warning","title":"CPU of web-{problem}","description":"CPUUtilization of uhost-{problem} is above 90 % since five minutes","resource":{{"type":"uhost","id":"uhost-{problem}","name":"web-{problem}","region":"cn-bj2","account":""}},"labels":{{"team":"db"}},"links":[],"raw":{{}}}}"#
    );
    let callback = format!(
        "POST /callback/{source}/*** HTTP/1.1\r\ncontent-type: application/json\r\n\r\n{{\"SessionID\":\"{n}\",\"Region\":\"cn-bj2\",\"ResourceId\":\"uhost-{problem}\"}}"
    );
    let alert = NewAlert {
        key: *digest.last_chunk().unwrap(),
        content: n,
        fingerprint: Fingerprint(problem),
        status: if problem.is_multiple_of(2) {
            Status::Firing
        } else {
            Status::Resolved
        },
        severity: Severity::Warning,
        body: body.into_bytes(),
        sinks: vec![sink],
        said: String::new(),
    };
    Entry {
        source: source.into(),
        received_at: at(n),
        callback: callback.into_bytes(),
        alerts: vec![alert],
        faults: Vec::new(),
        arrival: Arrival::default(),
    }
}

async fn fill(store: &Arc<dyn Store>, from: u64, to: u64) {
    let names = vec!["webhook/one".to_owned()];
    let sink = store.sink_ids(names).await.unwrap()[0];
    let mut n = from;
    while n < to {
        let end = to.min(n + AT_ONCE);
        join_all((n..end).map(|n| store.append(entry(n, sink)))).await;
        let delivered = (n..end).filter(|n| !n.is_multiple_of(PENDING));
        let settlements = delivered.map(|n| Settlement {
            sink,
            seq: i64::try_from(n + 1).unwrap(),
            at: at(n),
            took_ms: 12,
            attempt: 1,
            code: Some(200),
            verdict: Verdict::Delivered,
            handle: None,
            worth: None,
            remark: None,
        });
        store.settle(settlements.collect()).await.unwrap();
        n = end;
    }
}

async fn timed(name: &str, from: &StoreUrl, to: &StoreUrl, finish: bool) -> Copied {
    let wish = Wish {
        finish,
        ..Wish::default()
    };
    let began = Instant::now();
    let copied = copy::copy(from, to, wish, &mut |_| {}).await.unwrap();
    let took = began.elapsed();
    let rate = copied.rows as f64 / took.as_secs_f64();
    println!(
        "{name}: {} rows by place, {took:.1?}, {rate:.0} rows/s; peak memory {}",
        copied.rows,
        peak()
    );
    copied
}

/// Of this process. Linux only.
fn peak() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM"));
    line.unwrap_or_default()
        .replace("VmHWM:", "")
        .trim()
        .to_owned()
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let stored = std::env::var("STORED").map_or(1_000_000, |text| text.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let server = Postgres::start_with_alerts(folder.path(), "secret").await;
    let url = format!(
        "postgres://campanile:secret@127.0.0.1:{}/alerts?sslmode=disable",
        server.port
    );
    let path = folder.path().join("campanile.db");
    let from = StoreUrl::Sqlite(path.clone());
    let to = StoreUrl::Postgres(url.into());
    let store = campanile_store::open(&from, None).await.unwrap().store;
    fill(&store, 0, stored).await;
    store.close().await.unwrap();
    drop(store);
    println!("the file has {} bytes", path.metadata().unwrap().len());

    timed("to PostgreSQL", &from, &to, false).await;
    let store = campanile_store::open(&from, None).await.unwrap().store;
    fill(&store, stored, stored + 2_000).await;
    store.close().await.unwrap();
    drop(store);
    let copied = timed("the end, after 2,000 more", &from, &to, true).await;
    assert!(copied.report.unwrap().is_same());
    let back = StoreUrl::Sqlite(folder.path().join("back.db"));
    timed("back to SQLite", &to, &back, false).await;
    let copied = timed("its end", &to, &back, true).await;
    assert!(copied.report.unwrap().is_same());
    // Known messages stay known in a file with many runs of keys.
    let store = campanile_store::open(&back, None).await.unwrap().store;
    let again = join_all((0..stored).step_by(997).map(|n| store.append(entry(n, 1)))).await;
    let known = |one: &Result<campanile_store::Appended, _>| {
        let alerts = &one.as_ref().unwrap().alerts;
        matches!(
            alerts[..],
            [campanile_store::Appending::Duplicate { conflict: false }]
        )
    };
    assert!(again.iter().all(known));
}
