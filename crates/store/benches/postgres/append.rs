//! The store's own rate, next to that of the statement alone.

use std::sync::Arc;
use std::time::{Duration, Instant};

use campanile_store::postgres::Postgres;
use campanile_store::{Inbox, Outbox, SinkId};
use futures_util::future::join_all;

use crate::entries::entry;
use crate::place::{Database, Place};
use crate::raw::{self, Batch};
use crate::{seconds, setting, spread};

/// Connections and callbacks in a statement.
const SHAPES: [(usize, usize); 5] = [(1, 1), (2, 64), (4, 16), (4, 64), (4, 256)];

/// Stores, as that many gateways, and callbacks that wait for their commit at each.
const TASKS: [(usize, usize); 4] = [(1, 8), (1, 64), (1, 256), (3, 64)];

/// Problems of the alerts.
const PROBLEMS: u64 = 1_000;

/// Prints a line for each shape of the statement and for each number of tasks.
pub(crate) async fn measure(place: &Place) {
    let rounds = setting("ROUNDS", 3);
    let mut alone = vec![Vec::new(); SHAPES.len()];
    let mut whole = vec![Vec::new(); TASKS.len()];
    for _ in 0..rounds {
        for ((connections, callbacks), rates) in SHAPES.into_iter().zip(&mut alone) {
            let batch = Batch {
                callbacks,
                alerts: 1,
                sinks: 2,
            };
            let database = place.fresh().await;
            let taken = raw::append(&database.url, connections, batch, seconds()).await;
            rates.push(taken.per_second());
            place.remove(database).await;
        }
        for ((stores, tasks), rates) in TASKS.into_iter().zip(&mut whole) {
            let database = place.fresh().await;
            let stores = (0..stores).map(|_| by_store(&database, tasks, seconds()));
            rates.push(join_all(stores).await.into_iter().sum());
            place.remove(database).await;
        }
    }
    for ((connections, callbacks), rates) in SHAPES.into_iter().zip(alone) {
        let shape = format!("{connections} connections, {callbacks} callbacks a statement");
        println!("the statement alone, {shape}: {} alerts/s", spread(rates));
    }
    for ((stores, tasks), rates) in TASKS.into_iter().zip(whole) {
        let rates = spread(rates);
        println!("{stores} stores, {tasks} at once at each: {rates} alerts/s");
    }
}

/// Alerts a second through the traits.
pub(crate) async fn by_store(database: &Database, tasks: usize, duration: Duration) -> f64 {
    let store = Arc::new(Postgres::open(&database.url).await.expect("it opens"));
    let sinks = sinks(&store).await;
    let began = Instant::now();
    let tasks: Vec<_> = (0..tasks)
        .map(|_| {
            let (store, sinks) = (Arc::clone(&store), sinks.clone());
            tokio::spawn(async move {
                let mut appended = 0_u32;
                while began.elapsed() < duration {
                    let entry = entry(1, PROBLEMS, &sinks);
                    store.append(entry).await.expect("it is appended");
                    appended += 1;
                }
                appended
            })
        })
        .collect();
    let mut appended = 0;
    for task in tasks {
        appended += task.await.expect("a task ends");
    }
    f64::from(appended) / began.elapsed().as_secs_f64()
}

/// Two sinks.
pub(crate) async fn sinks(store: &Postgres) -> Vec<SinkId> {
    let names = ["webhook/s1", "webhook/s2"].map(str::to_owned);
    store
        .sink_ids(names.to_vec())
        .await
        .expect("they get numbers")
}
