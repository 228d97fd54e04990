//! The append rate with millions of dedup keys, over that with none.

use crate::place::{Database, Place};
use crate::raw::{self, Batch};
use crate::{seconds, setting, spread};

const CONNECTIONS: usize = 4;

const BATCH: Batch = Batch {
    callbacks: 64,
    alerts: 1,
    sinks: 2,
};

/// Memory of the server in which the index does not fit.
const SMALL: &str = "128MB";

/// Measures with the usual memory of the server, and with too little.
pub(crate) async fn measure(place: &mut Place) {
    let keys = setting("KEYS", 14_000_000);
    let full = place.fresh().await;
    fill(place, &full, keys).await;
    let size = place
        .sql(
            &full.name,
            "SELECT pg_relation_size('dedup_pkey') / 1048576",
        )
        .await;
    println!("the index of {keys} keys has {size} MiB");
    compare(place, &full, "2GB").await;
    place.set(&[("shared_buffers", SMALL)]).await;
    compare(place, &full, SMALL).await;
    place.set(&crate::place::SETTINGS).await;
    place.remove(full).await;
}

async fn compare(place: &Place, full: &Database, memory: &str) {
    let warm = "CREATE EXTENSION IF NOT EXISTS pg_prewarm; SELECT pg_prewarm('dedup_pkey')";
    place.sql(&full.name, warm).await;
    let mut rounds = Vec::new();
    for _ in 0..setting("ROUNDS", 3) {
        let empty = place.fresh().await;
        let before = raw::append(&empty.url, CONNECTIONS, BATCH, seconds()).await;
        place.remove(empty).await;
        place.sql("postgres", "CHECKPOINT").await;
        let after = raw::append(&full.url, CONNECTIONS, BATCH, seconds()).await;
        rounds.push((before.per_second(), after.per_second()));
    }
    let column = |of: fn(&(f64, f64)) -> f64| spread(rounds.iter().map(of).collect());
    println!(
        "shared_buffers {memory}: empty {} alerts/s, with the keys {}, ratio {}",
        column(|round| round.0),
        column(|round| round.1),
        column(|round| round.1 / round.0)
    );
}

/// Keys as appends leave them: random, in pages that are filled to seven tenths.
async fn fill(place: &Place, database: &Database, keys: u64) {
    let insert = format!(
        "ALTER TABLE dedup DROP CONSTRAINT dedup_pkey;
         INSERT INTO dedup SELECT gen_random_uuid(), (random() * 1e15)::bigint, g FROM generate_series(1, {keys}) g;
         ALTER TABLE dedup ADD PRIMARY KEY (key) WITH (fillfactor = 70);
         SELECT setval('place', {keys})"
    );
    place.sql(&database.name, &insert).await;
    place.sql(&database.name, "VACUUM ANALYZE dedup").await;
    // Makes the partitions of the places that come next.
    let opened = campanile_store::postgres::Postgres::open(&database.url).await;
    opened.expect("it opens");
}
