//! Appends next to partition work: the next partitions are attached, and old ones are detached and dropped.

use std::time::Duration;

use campanile_store::Upkeep;
use campanile_store::postgres::Postgres;
use jiff::Timestamp;

use crate::place::{Database, Place};
use crate::raw::{self, Batch};
use crate::{seconds, setting, spread};

/// Places in a partition.
const WIDTH: u64 = 1 << 20;

/// Partitions of each table that are there to be dropped.
const OLD: u64 = 16;

const CONNECTIONS: usize = 2;

const BATCH: Batch = Batch {
    callbacks: 64,
    alerts: 1,
    sinks: 0,
};

/// Prints the times of the statements without and with partition work.
pub(crate) async fn measure(place: &Place) {
    let (mut alone, mut next_to) = (Vec::new(), Vec::new());
    let mut work = Vec::new();
    for _ in 0..setting("ROUNDS", 3) {
        let database = place.fresh().await;
        for partition in 1..=OLD {
            at(place, &database, partition).await;
            Postgres::open(&database.url).await.expect("it opens");
        }
        alone.push(
            raw::append(&database.url, CONNECTIONS, BATCH, seconds())
                .await
                .commits_ms(),
        );
        let appends = raw::append(&database.url, CONNECTIONS, BATCH, seconds());
        let (taken, took) = tokio::join!(appends, change(place, &database));
        next_to.push(taken.commits_ms());
        work.extend(took);
        place.remove(database).await;
    }
    print("without", &alone);
    print("next to partition work", &next_to);
    let ms = work.iter().map(|took| took.as_secs_f64() * 1e3);
    println!(
        "one partition of three tables attached and one dropped: {} ms",
        spread(ms.collect())
    );
}

/// Moves on to a partition.
async fn at(place: &Place, database: &Database, partition: u64) {
    let set = format!("SELECT setval('place', {})", partition * WIDTH);
    place.sql(&database.name, &set).await;
}

/// Drops old partitions and attaches new ones, one of each table at a time, as a gateway does when it prunes.
async fn change(place: &Place, database: &Database) -> Vec<Duration> {
    let store = Postgres::open(&database.url).await.expect("it opens");
    let mut took = Vec::new();
    for round in 1..OLD {
        at(place, database, OLD + round).await;
        let pruned = format!(
            "UPDATE meta SET pruned = {}, forgotten = {0}",
            round * WIDTH
        );
        place.sql(&database.name, &pruned).await;
        let began = std::time::Instant::now();
        // Nothing is old; each step but the last adds up counts.
        while store.prune(Timestamp::UNIX_EPOCH).await.expect("it prunes") {}
        took.push(began.elapsed());
    }
    took
}

fn print(name: &str, rounds: &[Vec<f64>]) {
    let figure = |part: usize| {
        let of = |round: &Vec<f64>| {
            let last = round.len().saturating_sub(1);
            let at = round.get((round.len() * part / 100).min(last));
            at.copied().unwrap_or(f64::NAN)
        };
        spread(rounds.iter().map(of).collect())
    };
    println!(
        "{name}: statements of 64 alerts take p50 {} ms, p99 {}, at most {}",
        figure(50),
        figure(99),
        figure(100)
    );
}
