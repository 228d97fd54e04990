//! The append statement alone: what the database takes from a client that does nothing else.

use std::time::{Duration, Instant};

use campanile_model::Clock;
use jiff::Timestamp;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, NoTls, Statement};
use uuid::Uuid;

const APPEND: &str = include_str!("../../postgres/append.sql");

/// As the gateway's own connections.
const SETTINGS: &str = "-c synchronous_commit=on -c plan_cache_mode=force_generic_plan";

/// The compressed bytes of a callback: with one alert, and what each further alert adds.
const PACKED_BYTES: (usize, usize) = (380, 110);

/// Problems, of one source each.
const PROBLEMS: u64 = 1_000;

/// What one statement appends.
#[derive(Clone, Copy)]
pub(crate) struct Batch {
    pub(crate) callbacks: usize,
    /// In each callback.
    pub(crate) alerts: usize,
    /// For which each alert is pending.
    pub(crate) sinks: i32,
}

/// Alerts a second and the times of the statements, sorted.
pub(crate) struct Taken {
    pub(crate) alerts: u64,
    pub(crate) seconds: f64,
    pub(crate) commits: Vec<Duration>,
}

impl Taken {
    /// The times of the statements in milliseconds, sorted.
    pub(crate) fn commits_ms(&self) -> Vec<f64> {
        let ms = self.commits.iter().map(|took| took.as_secs_f64() * 1e3);
        ms.collect()
    }

    pub(crate) fn per_second(&self) -> f64 {
        self.alerts as f64 / self.seconds
    }
}

/// Appends on so many connections until the time is over.
pub(crate) async fn append(
    url: &str,
    connections: usize,
    batch: Batch,
    duration: Duration,
) -> Taken {
    let mut writers = Vec::new();
    for _ in 0..connections {
        writers.push(connect(url).await);
    }
    let began = Instant::now();
    let tasks: Vec<_> = writers
        .into_iter()
        .map(|(client, statement)| {
            tokio::spawn(async move {
                let mut commits = Vec::new();
                while began.elapsed() < duration {
                    let arrays = Arrays::random(batch);
                    let sent = Instant::now();
                    let rows = client.query(&statement, &arrays.parameters()).await;
                    // And one with the deliveries.
                    assert_eq!(
                        rows.expect("it is appended").len(),
                        batch.callbacks * batch.alerts + 1
                    );
                    commits.push(sent.elapsed());
                }
                commits
            })
        })
        .collect();
    let mut commits = Vec::new();
    for task in tasks {
        commits.extend(task.await.expect("a writer ends"));
    }
    let seconds = began.elapsed().as_secs_f64();
    commits.sort_unstable();
    Taken {
        alerts: (commits.len() * batch.callbacks * batch.alerts) as u64,
        seconds,
        commits,
    }
}

async fn connect(url: &str) -> (Client, Statement) {
    let mut config: tokio_postgres::Config = url.parse().expect("a URL");
    config.options(SETTINGS);
    let (client, connection) = config.connect(NoTls).await.expect("the server answers");
    tokio::spawn(connection);
    let statement = client.prepare(APPEND).await.expect("the tables are there");
    (client, statement)
}

/// The parameters of the statement.
#[derive(Default)]
struct Arrays {
    keys: Vec<Uuid>,
    contents: Vec<i64>,
    calls: Vec<i32>,
    sources: Vec<i32>,
    fingerprints: Vec<i64>,
    statuses: Vec<i16>,
    severities: Vec<i16>,
    body_at: Vec<i32>,
    body_bytes: Vec<i32>,
    ms: Vec<i64>,
    received: Vec<Timestamp>,
    raw_bytes: Vec<i32>,
    arrival_bytes: Vec<i32>,
    routes: Vec<Option<i32>>,
    packed: Vec<Vec<u8>>,
    call_numbers: Vec<i32>,
    id_random: i32,
    token: i64,
    due_ord: Vec<i64>,
    due_sink: Vec<i32>,
    minutes: Vec<i32>,
    exact: Vec<bool>,
}

impl Arrays {
    /// New keys, of firing alerts.
    fn random(batch: Batch) -> Self {
        let now = Clock::machine().now();
        let mut arrays = Self {
            token: rand::random(),
            ..Self::default()
        };
        for call in 0..batch.callbacks {
            let mut packed = vec![0; PACKED_BYTES.0 + (batch.alerts - 1) * PACKED_BYTES.1];
            rand::fill(&mut packed[..]);
            arrays.packed.push(packed);
            arrays.received.push(now);
            arrays.raw_bytes.push(600);
            arrays.arrival_bytes.push(40);
            arrays.routes.push(None);
            arrays.call_numbers.push(call as i32);
            let minute = now.as_millisecond() / 60_000;
            arrays.minutes.push(minute as i32);
            for _ in 0..batch.alerts {
                arrays.push(call as i32, now.as_millisecond(), batch.sinks);
            }
        }
        arrays
    }

    fn push(&mut self, call: i32, ms: i64, sinks: i32) {
        self.exact.push(false);
        self.keys.push(Uuid::from_u128(rand::random()));
        self.contents.push(rand::random());
        self.calls.push(call);
        self.sources.push(1);
        let problem = rand::random::<u64>() % PROBLEMS;
        let spread = problem.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.fingerprints.push(spread.cast_signed());
        self.statuses.push(0);
        self.severities.push(1);
        self.body_at.push(600);
        self.body_bytes.push(400);
        self.ms.push(ms);
        for sink in 1..=sinks {
            self.due_ord.push(self.keys.len() as i64);
            self.due_sink.push(sink);
        }
    }

    fn parameters(&self) -> [&(dyn ToSql + Sync); 22] {
        [
            &self.keys,
            &self.contents,
            &self.calls,
            &self.sources,
            &self.fingerprints,
            &self.statuses,
            &self.severities,
            &self.body_at,
            &self.body_bytes,
            &self.ms,
            &self.received,
            &self.raw_bytes,
            &self.arrival_bytes,
            &self.routes,
            &self.packed,
            &self.call_numbers,
            &self.id_random,
            &self.token,
            &self.due_ord,
            &self.due_sink,
            &self.minutes,
            &self.exact,
        ]
    }
}
