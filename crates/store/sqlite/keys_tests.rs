//! Compares the known and the removed keys, and the rows in the table, with maps in memory.

use std::collections::HashMap;

use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::*;
use crate::sqlite::schema;

const RUN: usize = 8;

fn key(n: u32) -> DedupKey {
    Sha256::digest(n.to_be_bytes())
        .first_chunk()
        .copied()
        .unwrap()
}

/// A small store: the keys, and the table of alerts from which they are read back.
struct Store {
    connection: Connection,
    keys: Keys,
    seq: Seq,
    committed_seq: Seq,
}

impl Store {
    fn new() -> Self {
        let mut connection = Connection::open_in_memory().unwrap();
        schema::migrate(&mut connection).unwrap();
        let keys = Keys::load_with(&connection, RUN).unwrap();
        Self {
            connection,
            keys,
            seq: 0,
            committed_seq: 0,
        }
    }

    fn batch(&mut self, numbers: &[u32], commit: bool) {
        self.connection.execute_batch("BEGIN").unwrap();
        for n in numbers {
            if self.keys.get(&self.connection, &key(*n)).unwrap().is_some() {
                continue;
            }
            self.seq += 1;
            self.keys.insert(
                key(*n),
                u64::from(*n),
                Timestamp::from_millisecond(self.seq).unwrap(),
            );
            self.connection
                .execute(
                    "INSERT INTO alert VALUES (?1, 0, 0, ?1, 0, 0, 0, x'', NULL, ?2, ?3, 0, 0, NULL)",
                    params![self.seq, key(*n), i64::from(*n)],
                )
                .unwrap();
        }
        if commit {
            self.keys.write_some(&self.connection).unwrap();
            self.connection.execute_batch("COMMIT").unwrap();
            self.committed_seq = self.seq;
            self.keys.committed(self.seq);
        } else {
            self.connection.execute_batch("ROLLBACK").unwrap();
            self.seq = self.committed_seq;
            self.keys.rolled_back();
        }
    }

    /// A crash keeps only the file.
    fn restart(&mut self) {
        self.keys = Keys::load_with(&self.connection, RUN).unwrap();
    }

    fn count(&self, sql: &str) -> i64 {
        let row = self.connection.query_row(sql, [], |row| row.get(0));
        row.unwrap()
    }

    fn count_of(&self, rows: &str) -> i64 {
        self.count(&format!("SELECT count(*) FROM {rows}"))
    }

    fn seen(&self, n: u32) -> Option<u64> {
        self.keys.get(&self.connection, &key(n)).unwrap()
    }
}

#[derive(Clone, Debug)]
enum Step {
    Batch(Vec<u32>),
    Failed(Vec<u32>),
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let numbers = || proptest::collection::vec(0..400_u32, 0..40);
    prop_oneof![6 => numbers().prop_map(Step::Batch), 1 => numbers().prop_map(Step::Failed), 1 => Just(Step::Restart)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_key_is_known_exactly_when_its_transaction_was_committed(
        steps in proptest::collection::vec(step(), 1..60),
    ) {
        let mut store = Store::new();
        let mut model: HashMap<u32, u64> = HashMap::new();
        for step in steps {
            match step {
                Step::Batch(numbers) => {
                    store.batch(&numbers, true);
                    model.extend(numbers.iter().map(|n| (*n, u64::from(*n))));
                }
                Step::Failed(numbers) => store.batch(&numbers, false),
                Step::Restart => store.restart(),
            }
            for n in 0..400 {
                prop_assert_eq!(store.seen(n), model.get(&n).copied(), "key {}", n);
            }
        }
    }
}

#[test]
fn keys_of_pruned_runs_are_forgotten_and_others_are_not() {
    let mut store = Store::new();
    for n in 0..400 {
        store.batch(&[n], true);
    }
    let epochs = store.count("SELECT max(run) / 16 FROM dedup_run");
    assert_eq!(store.count_of("dedup_filter"), epochs);
    while store.keys.prune(&store.connection, 250, 3).unwrap() {}
    let first = store.count("SELECT min(run) FROM dedup_run");
    assert!(first > 16, "run {first}: less than one epoch was removed");
    // A run is removed with all its keys. Keys of other runs stay known.
    let forgotten = u32::try_from(first).unwrap() * u32::try_from(RUN).unwrap();
    for restarted in [false, true] {
        for n in 0..400 {
            let known = (n >= forgotten).then_some(u64::from(n));
            assert_eq!(store.seen(n), known, "key {n}, restarted: {restarted}");
        }
        store.restart();
    }
    let orphans = "SELECT count(*) FROM dedup WHERE run NOT IN (SELECT run FROM dedup_run)";
    assert_eq!(store.count(orphans), 0);
    let stale =
        "SELECT count(*) FROM dedup_filter WHERE epoch < (SELECT min(run) / 16 FROM dedup_run)";
    assert_eq!(store.count(stale), 0);
    let full = Filter::for_keys(16 * RUN).to_bytes().len();
    for epoch in &store.keys.epochs {
        assert!(!epoch.runs.is_empty());
        assert_eq!(epoch.filter.to_bytes().len(), full);
    }
}

#[test]
fn a_run_goes_to_the_table_in_parts_and_counts_when_it_is_whole() {
    let mut store = Store::new();
    store.keys = Keys::load_with(&store.connection, 200).unwrap();
    for n in 0..200 {
        store.batch(&[n], true);
    }
    for (n, rows, runs) in [(200, 66, 0), (201, 132, 0), (202, 198, 0), (203, 200, 1)] {
        store.batch(&[n], true);
        let there = ["dedup", "dedup_run"].map(|table| store.count_of(table));
        assert_eq!(there, [rows, runs]);
    }
    assert!(
        store.keys.frozen.is_none(),
        "the memory is free for the next run"
    );
    assert!((0..204).all(|n| store.seen(n) == Some(u64::from(n))));
}
