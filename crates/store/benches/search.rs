//! Measures reads of a store with ten million alerts: `cargo bench -p campanile-store --bench search`.
//!
//! It fills a new file in the temporary folder, measures each read with random arguments, prints p50 and p99, and removes the
//! file. Environment variables: `STORED` (10000000), `READS` (300).

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement that cannot go on has failed"
)]

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use campanile_model::{Fingerprint, Severity, Status};
use campanile_store::sqlite::Sqlite;
use campanile_store::{
    AlertFilter, Arrival, DeadFilter, Entry, FiringFilter, NewAlert, Patience, Settlement, Store,
    TallyFilter, Verdict,
};
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

/// Problems that come again and again.
const PROBLEMS: u64 = 50_000;

/// One in so many alerts is of the rare problem and critical.
const RARE: u64 = 400_000;

/// Alerts that arrive in a second.
const PER_SECOND: u64 = 4;

/// A search of the API ends after this time.
const SEARCH_MAX: Duration = Duration::from_millis(50);

fn setting(name: &str, normal: u64) -> u64 {
    std::env::var(name)
        .ok()
        .map_or(normal, |text| text.parse().unwrap())
}

fn at(n: u64) -> Timestamp {
    let second = i64::try_from(n / PER_SECOND).unwrap();
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

/// A mixed number, the same for the same `n`.
fn mixed(n: u64) -> u64 {
    let digest = Sha256::digest(n.to_be_bytes());
    u64::from_be_bytes(*digest.first_chunk().unwrap())
}

fn entry(n: u64, sink: i64) -> Entry {
    let rare = n.is_multiple_of(RARE);
    let problem = mixed(n) % PROBLEMS;
    let source = format!("ucloud/region-{}", problem % 20);
    let severity = match mixed(n) % 100 {
        _ if rare => Severity::Critical,
        0..80 => Severity::Warning,
        80..95 => Severity::Info,
        _ => Severity::Error,
    };
    let word = if rare { "needle" } else { "utilization" };
    let body = format!(
        r#"{{"source":"{source}","message_id":"{n}","fingerprint":"{problem:016x}","status":"firing","severity":"{severity}","title":"CPU {word} of web-{problem}","description":"CPUUtilization of uhost-{problem} is above 90 % since five minutes","resource":{{"type":"uhost","id":"uhost-{problem}","name":"web-{problem}","region":"cn-bj2","account":""}},"labels":{{"team":"db"}},"links":[],"raw":{{}}}}"#
    );
    let callback = format!(
        "POST /callback/{source}/*** HTTP/1.1\r\ncontent-type: application/json\r\n\r\n{{\"SessionID\":\"{n}\",\"Region\":\"cn-bj2\",\"ResourceId\":\"uhost-{problem}\"}}"
    );
    // Few problems fire at the end.
    let status = if (mixed(n) >> 40).is_multiple_of(2) && problem > 3_000 {
        Status::Resolved
    } else {
        Status::Firing
    };
    let alert = NewAlert {
        key: *Sha256::digest(n.to_le_bytes()).first_chunk().unwrap(),
        content: 0,
        fingerprint: Fingerprint(if rare { u64::MAX } else { problem }),
        status,
        severity,
        body: body.into_bytes(),
        sinks: if n.is_multiple_of(2_000) {
            vec![sink]
        } else {
            vec![]
        },
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

async fn fill(store: &Arc<dyn Store>, stored: u64, sink: i64) {
    for some in (1..=stored).collect::<Vec<_>>().chunks(1_024) {
        let appends = some.iter().map(|n| store.append(entry(*n, sink)));
        assert!(join_all(appends).await.iter().all(Result::is_ok));
    }
    // Half of what is pending becomes a dead letter.
    let pending = store.pending(sink, 0, 1_000_000).await.unwrap();
    for some in pending.iter().step_by(2).collect::<Vec<_>>().chunks(500) {
        let dead = |seq| Settlement {
            sink,
            seq,
            at: at(stored),
            took_ms: 5,
            attempt: 3,
            code: Some(503),
            verdict: Verdict::Dead {
                class: "expired",
                error: "503".to_owned(),
            },
            handle: None,
            worth: None,
            remark: None,
        };
        store
            .settle(some.iter().map(|row| dead(row.seq)).collect())
            .await
            .unwrap();
    }
}

/// Measures a read, and prints its row. `read` returns how many rows it found.
async fn measure<F: Future<Output = (usize, bool)>>(
    name: &str,
    reads: u64,
    read: impl Fn(u64) -> F,
) {
    let mut times = Vec::new();
    let (mut rows, mut early) = (0, 0);
    for n in 0..reads {
        let begun = Instant::now();
        let (found, ended_early) = read(mixed(n + 77)).await;
        times.push(begun.elapsed());
        rows += found;
        early += u64::from(ended_early);
    }
    times.sort_unstable();
    let at = |part: u64| {
        let index = usize::try_from((reads - 1) * part / 100).unwrap();
        times[index].as_secs_f64() * 1_000.0
    };
    println!(
        "| {name} | {:.2} | {:.2} | {} | {early} of {reads} |",
        at(50),
        at(99),
        rows as u64 / reads
    );
}

fn page() -> AlertFilter {
    let begun = Instant::now();
    AlertFilter {
        patience: Patience::until(move || begun.elapsed() >= SEARCH_MAX),
        limit: 51,
        ..AlertFilter::default()
    }
}

#[expect(clippy::too_many_lines, reason = "a list of reads")]
async fn reads(store: &Arc<dyn Store>, stored: u64, reads: u64, sink: i64) {
    println!("| read | p50 ms | p99 ms | rows | ended early |\n| --- | --- | --- | --- | --- |");
    let alerts = async |filter: AlertFilter| {
        let listed = store.alerts(filter).await.unwrap();
        (listed.rows.len(), listed.searched.is_some())
    };
    measure("newest alerts", reads, |_| alerts(page())).await;
    measure("problems that fire", reads, async |_| {
        let filter = FiringFilter {
            limit: 51,
            ..FiringFilter::default()
        };
        (store.firing(filter).await.unwrap().rows.len(), false)
    })
    .await;
    measure("history of a problem", reads, |n| {
        alerts(AlertFilter {
            fingerprint: Some(Fingerprint(n % PROBLEMS)),
            ..page()
        })
    })
    .await;
    measure("history of a rare problem", reads, |_| {
        alerts(AlertFilter {
            fingerprint: Some(Fingerprint(u64::MAX)),
            ..page()
        })
    })
    .await;
    measure("a problem that never was", reads, |n| {
        alerts(AlertFilter {
            fingerprint: Some(Fingerprint(n | 1 << 63)),
            ..page()
        })
    })
    .await;
    measure("a rare severity", reads, |_| {
        alerts(AlertFilter {
            severity: Some(Severity::Critical),
            ..page()
        })
    })
    .await;
    measure("a source, resolved", reads, |n| {
        let source = Some(format!("ucloud/region-{}", n % 20));
        alerts(AlertFilter {
            source,
            status: Some(Status::Resolved),
            ..page()
        })
    })
    .await;
    measure("an hour, by time", reads, |n| {
        let since = at(n % stored);
        let until = Some(since + SignedDuration::from_hours(1));
        alerts(AlertFilter {
            since: Some(since),
            until,
            ..page()
        })
    })
    .await;
    measure("a frequent word", reads, |_| {
        alerts(AlertFilter {
            words: vec!["utilization".to_owned()],
            ..page()
        })
    })
    .await;
    measure("a rare word", reads, |_| {
        alerts(AlertFilter {
            words: vec!["needle".to_owned()],
            ..page()
        })
    })
    .await;
    measure("a sink", reads, |_| {
        alerts(AlertFilter {
            sink: Some(sink),
            ..page()
        })
    })
    .await;
    let newest = store.alerts(page()).await.unwrap().rows;
    let newest = newest.first().unwrap().seq;
    measure(
        "one alert: body, callback, arrival, attempts",
        reads,
        async |n| {
            let seq = 1 + i64::try_from(n % stored).unwrap().min(newest - 1);
            let found = store.alerts_by_seq(vec![seq]).await.unwrap();
            let id = found.first().unwrap().id;
            let alert = store.alert(id).await.unwrap();
            store.callback_of(seq).await.unwrap();
            store.arrival_of(seq).await.unwrap();
            store.deliveries_of(seq).await.unwrap();
            store.attempts_of(seq).await.unwrap();
            (usize::from(alert.is_some()), false)
        },
    )
    .await;
    measure("tallies of a day, by 5 minutes", reads, async |_| {
        let until = at(stored);
        let filter = TallyFilter {
            source: None,
            since: until - SignedDuration::from_hours(24),
            until,
            step_minutes: 5,
        };
        (store.tallies(filter).await.unwrap().len(), false)
    })
    .await;
    measure("dead letters", reads, async |_| {
        let filter = DeadFilter {
            limit: 51,
            ..DeadFilter::default()
        };
        (store.dead(filter).await.unwrap().len(), false)
    })
    .await;
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let (stored, count) = (setting("STORED", 10_000_000), setting("READS", 300));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("campanile.db");
    let begun = Instant::now();
    let store: Arc<dyn Store> = Arc::new(Sqlite::open(&path).unwrap());
    let sink = store
        .sink_ids(vec!["webhook/oncall".to_owned()])
        .await
        .unwrap()[0];
    fill(&store, stored, sink).await;
    store.close().await.unwrap();
    drop(store);
    let bytes = std::fs::metadata(&path).unwrap().len();
    println!(
        "{stored} alerts were stored in {:.0} s, {} bytes each",
        begun.elapsed().as_secs_f64(),
        bytes / stored
    );
    let begun = Instant::now();
    let store: Arc<dyn Store> = Arc::new(Sqlite::open(&path).unwrap());
    println!(
        "opened in {:.0} ms\n",
        begun.elapsed().as_secs_f64() * 1_000.0
    );
    reads(&store, stored, count, sink).await;
    store.close().await.unwrap();
}
