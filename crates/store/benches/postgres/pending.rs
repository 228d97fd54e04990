//! Claims and settlements of one sink with a million pending deliveries.

use std::sync::Arc;
use std::time::{Duration, Instant};

use campanile_model::{Clock, Fingerprint};
use campanile_store::lease::{Member, Wish};
use campanile_store::postgres::Postgres;
use campanile_store::{Inbox, Membership, Outbox, Pending, Seq, Settlement, SinkId, Verdict};
use uuid::Uuid;

use crate::entries::entry;
use crate::place::Place;
use crate::setting;

/// Problems of what is pending.
const LANES: u64 = 100_000;

/// As the workers of a gateway.
const PAGE: usize = 1_000;
const SETTLED_AT_ONCE: usize = 256;
const SENT_AT_ONCE: usize = 16;

/// Callbacks that wait for their commit while the database is filled.
const AT_ONCE: u64 = 512;

/// The lane whose head is never delivered.
const STUCK: Fingerprint = Fingerprint(7);

/// Prints the rates.
pub(crate) async fn measure(place: &Place) {
    let count = setting("PENDING", 1_000_000);
    let database = place.fresh().await;
    let store = Arc::new(Postgres::open(&database.url).await.expect("it opens"));
    let sink = own(&store).await;
    let began = Instant::now();
    fill(&store, count, sink).await;
    let size = "SELECT pg_database_size(current_database()) / 1048576, pg_relation_size('dedup_pkey') / 1048576";
    println!(
        "{count} alerts appended in {:.1?}; MiB of the database and of the index of keys: {}",
        began.elapsed(),
        place.sql(&database.name, size).await
    );
    place.sql("postgres", "CHECKPOINT").await;
    bodies(&store, sink).await;
    let half = usize::try_from(count / 2).unwrap_or(usize::MAX);
    let after = drain(&store, sink, 0, half, "a million pending").await;
    let held = count / 10;
    let stick = format!(
        "UPDATE pending SET lane = {} WHERE seq > {after} AND seq <= {}",
        STUCK.0,
        after.unsigned_abs() + held
    );
    place.sql(&database.name, &stick).await;
    place.sql("postgres", "CHECKPOINT").await;
    let name = format!("behind a stuck lane of {held}");
    drain(&store, sink, 0, half, &name).await;
    drop(store);
    place.remove(database).await;
}

/// A sink whose lease this gateway has.
async fn own(store: &Postgres) -> SinkId {
    let names = vec!["webhook/s1".to_owned()];
    let sinks = store.sink_ids(names).await.expect("it gets a number");
    let (sink, id) = (sinks[0], Uuid::from_u128(1));
    let member = Member {
        id,
        name: "one".to_owned(),
        sinks,
        parts: vec![1],
        config: String::new(),
    };
    store.join(member).await.expect("it joins");
    let view = store.beat(id, String::new(), false).await;
    let view = view.expect("it beats").expect("it lives");
    let free = view.leases.into_iter().find(|row| row.part.sink == sink);
    let take = Wish::Take(free.expect("a lease"));
    assert!(store.fulfil(id, take).await.expect("it takes"));
    sink
}

async fn fill(store: &Arc<Postgres>, count: u64, sink: SinkId) {
    let tasks: Vec<_> = (0..AT_ONCE)
        .map(|task| {
            let store = Arc::clone(store);
            let share = count / AT_ONCE + u64::from(task < count % AT_ONCE);
            tokio::spawn(async move {
                for _ in 0..share {
                    let entry = entry(1, LANES, &[sink]);
                    store.append(entry).await.expect("it is appended");
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("a task ends");
    }
}

/// How long a worker waits for the alerts that it sends.
async fn bodies(store: &Postgres, sink: SinkId) {
    let page = store.pending(sink, 0, PAGE).await.expect("a page");
    let mut times = Vec::new();
    for few in page.chunks(SENT_AT_ONCE) {
        let began = Instant::now();
        let seqs = few.iter().map(|row| row.seq).collect();
        let alerts = store.alerts_at(sink, seqs).await.expect("alerts");
        assert_eq!(alerts.len(), few.len());
        times.push(began.elapsed());
    }
    println!("{SENT_AT_ONCE} alerts to send: {}", percentiles(times));
}

/// Settles up to `count` deliveries as a worker does, in the order of their places. Returns the last place that was read.
async fn drain(store: &Postgres, sink: SinkId, from: Seq, count: usize, name: &str) -> Seq {
    let (mut after, mut settled) = (from, 0);
    let (mut pages, mut settlements) = (Vec::new(), Vec::new());
    let began = Instant::now();
    while settled < count {
        let asked = Instant::now();
        let page = store.pending(sink, after, PAGE).await.expect("a page");
        pages.push(asked.elapsed());
        let Some(last) = page.last() else { break };
        after = last.seq;
        let free: Vec<&Pending> = page.iter().filter(|row| row.fingerprint != STUCK).collect();
        for rows in free.chunks(SETTLED_AT_ONCE) {
            let outcomes = rows.iter().map(|row| delivered(sink, row.seq)).collect();
            let asked = Instant::now();
            store.settle(outcomes).await.expect("they are settled");
            settlements.push(asked.elapsed());
            settled += rows.len();
        }
    }
    let rate = settled as f64 / began.elapsed().as_secs_f64();
    println!(
        "{name}: {settled} settled, {rate:.0}/s; {} pages of {PAGE}, the first {:.2?}, {}; settlements of {SETTLED_AT_ONCE} {}",
        pages.len(),
        pages.first().copied().unwrap_or_default(),
        percentiles(pages),
        percentiles(settlements)
    );
    after
}

fn delivered(sink: SinkId, seq: Seq) -> Settlement {
    Settlement {
        sink,
        seq,
        at: Clock::machine().now(),
        took_ms: 12,
        attempt: 1,
        code: Some(200),
        verdict: Verdict::Delivered,
        handle: None,
        worth: None,
        remark: None,
    }
}

fn percentiles(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let at = |part: usize| times.get(times.len() * part / 100).copied();
    let at = |part| at(part).unwrap_or_default();
    format!("p50 {:.2?}, p99 {:.2?}", at(50), at(99))
}
