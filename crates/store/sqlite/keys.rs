//! The dedup keys of all kept messages, at a cost that does not grow with their number.
//!
//! Message ids are random, and a b-tree with random keys changes one page for each insert: with ten million kept alerts such
//! a store is ten times slower. So keys are kept in a log-structured merge tree. New keys are held in memory (`hot`). A full
//! `hot` becomes a sorted `run`. The run is appended to one table, a few rows with each later commit, so no commit waits for
//! it. After a crash the keys that were only in memory are read back from the newest alerts.
//!
//! A lookup reads `hot`, then the run that is being written, then one Bloom filter for each epoch of 16 runs. It reads the
//! table only after a filter says "perhaps". Keys are 128 bits of SHA-256: two messages do not share a key by chance.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::filter::Filter;
use crate::{DedupKey, Seq};
use campanile_model::failpoint;

/// Runs that share one filter.
const EPOCH_RUNS: i64 = 16;
/// Rows of the current run that each commit writes, plus two for each new key of the commit.
const ROWS_PER_COMMIT: usize = 64;

/// A hasher for keys that are already hashes.
#[derive(Default)]
struct FirstBytes(u64);

impl Hasher for FirstBytes {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_ne_bytes(*first);
        }
    }
}

/// Seen keys, each with the content hash of its message.
type Seen = HashMap<DedupKey, u64, BuildHasherDefault<FirstBytes>>;

/// A full `hot` that is being written to the table.
struct Frozen {
    run: i64,
    keys: Seen,
    sorted: Vec<DedupKey>,
    last_seq: Seq,
    newest_ms: i64,
    /// Committed rows, and rows in the open transaction.
    written: usize,
    writing: usize,
}

/// The keys of one store.
pub(super) struct Keys {
    hot: Seen,
    /// Keys of the open transaction. They are removed when it fails.
    uncommitted: Vec<DedupKey>,
    frozen: Option<Frozen>,
    /// Complete runs, oldest first, by epoch.
    epochs: Vec<Epoch>,
    next_run: i64,
    newest_ms: i64,
    run_size: usize,
}

struct Epoch {
    number: i64,
    runs: Vec<i64>,
    filter: Filter,
}

impl Keys {
    /// Loads the runs and filters, and the newest keys from the table of alerts.
    pub(super) fn load(connection: &Connection, run_size: usize) -> rusqlite::Result<Self> {
        Self::load_with(connection, failpoint::bound("run-keys", run_size))
    }

    fn load_with(connection: &Connection, run_size: usize) -> rusqlite::Result<Self> {
        let mut runs: Vec<(i64, Seq)> = Vec::new();
        let mut select = connection.prepare("SELECT run, last_seq FROM dedup_run ORDER BY run")?;
        for row in select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))? {
            runs.push(row?);
        }
        let last_seq = runs.last().map_or(0, |(_, seq)| *seq);
        let next_run = runs.last().map_or(0, |(run, _)| run + 1);
        // A run that was incomplete when the process ended is written again from its start.
        connection.execute("DELETE FROM dedup WHERE run >= ?1", [next_run])?;
        let mut keys = Self {
            hot: Seen::default(),
            uncommitted: Vec::new(),
            frozen: None,
            epochs: Vec::new(),
            next_run,
            newest_ms: 0,
            run_size,
        };
        for (run, _) in runs {
            keys.epoch_of(run).runs.push(run);
        }
        for epoch in &mut keys.epochs {
            epoch.filter = load_filter(connection, epoch)?;
        }
        if failpoint::broken("broken-dedup-memory-only") {
            return Ok(keys);
        }
        let mut select =
            connection.prepare("SELECT key, content, received_ms FROM alert WHERE seq > ?1")?;
        let mut rows = select.query([last_seq])?;
        while let Some(row) = rows.next()? {
            keys.hot
                .insert(row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned());
            keys.newest_ms = keys.newest_ms.max(row.get(2)?);
        }
        Ok(keys)
    }

    /// The content hash of a known key.
    pub(super) fn get(
        &self,
        connection: &Connection,
        key: &DedupKey,
    ) -> rusqlite::Result<Option<u64>> {
        let frozen = || self.frozen.as_ref().and_then(|frozen| frozen.keys.get(key));
        if let Some(content) = self.hot.get(key).or_else(frozen) {
            return Ok(Some(*content));
        }
        let perhaps = self
            .epochs
            .iter()
            .rev()
            .filter(|epoch| epoch.filter.may_hold(key));
        for run in perhaps.flat_map(|epoch| epoch.runs.iter().rev()) {
            let content = connection
                .prepare_cached("SELECT content FROM dedup WHERE run = ?1 AND key = ?2")?
                .query_row(params![run, key], |row| row.get::<_, i64>(0))
                .optional()?;
            if let Some(content) = content {
                return Ok(Some(content.cast_unsigned()));
            }
        }
        Ok(None)
    }

    /// Adds a key of the open transaction.
    pub(super) fn insert(&mut self, key: DedupKey, content: u64, received: Timestamp) {
        self.hot.insert(key, content);
        self.uncommitted.push(key);
        self.newest_ms = self.newest_ms.max(received.as_millisecond());
    }

    /// Writes some rows of the current run in the open transaction.
    pub(super) fn write_some(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let Some(frozen) = &mut self.frozen else {
            return Ok(());
        };
        let rows = ROWS_PER_COMMIT + 2 * self.uncommitted.len();
        let until = (frozen.written + rows).min(frozen.sorted.len());
        let mut insert = connection.prepare_cached("INSERT INTO dedup VALUES (?1, ?2, ?3)")?;
        for key in frozen.sorted.get(frozen.written..until).unwrap_or_default() {
            let content = frozen.keys.get(key).copied().unwrap_or_default();
            insert.execute(params![frozen.run, key, content.cast_signed()])?;
        }
        frozen.writing = until - frozen.written;
        if until == frozen.sorted.len() {
            register(connection, frozen)?;
            self.save_filter(connection)?;
            failpoint::point("after-merge");
        } else {
            failpoint::point("mid-merge");
        }
        Ok(())
    }

    /// The open transaction is durable. A full `hot` becomes the current run. A complete run is read from the table from now on.
    pub(super) fn committed(&mut self, last_seq: Seq) {
        self.uncommitted.clear();
        if let Some(mut frozen) = self.frozen.take() {
            frozen.written += frozen.writing;
            frozen.writing = 0;
            if frozen.written == frozen.sorted.len() {
                self.adopt(&frozen);
            } else {
                self.frozen = Some(frozen);
            }
        }
        if self.frozen.is_none() && self.hot.len() >= self.run_size {
            self.freeze(last_seq);
        }
    }

    /// The open transaction was rolled back: its keys are removed.
    pub(super) fn rolled_back(&mut self) {
        for key in self.uncommitted.drain(..) {
            self.hot.remove(&key);
        }
        if let Some(frozen) = &mut self.frozen {
            frozen.writing = 0;
        }
    }

    /// Removes a few rows of the oldest run that has no key newer than `before_ms`. True while there are more.
    pub(super) fn prune(
        &mut self,
        connection: &Connection,
        before_ms: i64,
        rows: i64,
    ) -> rusqlite::Result<bool> {
        let oldest = connection
            .prepare_cached("SELECT run FROM dedup_run WHERE newest_ms < ?1 ORDER BY run LIMIT 1")?
            .query_row([before_ms], |row| row.get::<_, i64>(0))
            .optional()?;
        let Some(run) = oldest else { return Ok(false) };
        let removed = connection
            .prepare_cached(
                "DELETE FROM dedup WHERE run = ?1 AND key IN (SELECT key FROM dedup WHERE run = ?1 LIMIT ?2)",
            )?
            .execute([run, rows])?;
        failpoint::point("mid-forget");
        if removed == 0 {
            // An alert can outlive its key. A copy of the file must not revive the key.
            connection.execute(
                "INSERT OR REPLACE INTO meta SELECT 'forgotten', last_seq FROM dedup_run WHERE run = ?1",
                [run],
            )?;
            connection.execute("DELETE FROM dedup_run WHERE run = ?1", [run])?;
            let epoch = self.epoch_of(run);
            epoch.runs.retain(|r| *r != run);
            if epoch.runs.is_empty() && epoch.number < run_epoch(self.next_run) {
                let number = run_epoch(run);
                connection.execute("DELETE FROM dedup_filter WHERE epoch = ?1", [number])?;
                self.epochs.retain(|epoch| epoch.number != number);
            }
        }
        Ok(true)
    }

    fn freeze(&mut self, last_seq: Seq) {
        let keys = std::mem::take(&mut self.hot);
        let mut sorted: Vec<DedupKey> = keys.keys().copied().collect();
        sorted.sort_unstable();
        let run = self.next_run;
        self.next_run += 1;
        let newest_ms = self.newest_ms;
        self.frozen = Some(Frozen {
            run,
            keys,
            sorted,
            last_seq,
            newest_ms,
            written: 0,
            writing: 0,
        });
    }

    fn adopt(&mut self, frozen: &Frozen) {
        let epoch = self.epoch_of(frozen.run);
        epoch.runs.push(frozen.run);
        frozen
            .sorted
            .iter()
            .for_each(|key| epoch.filter.insert(key));
    }

    fn epoch_of(&mut self, run: i64) -> &mut Epoch {
        let number = run_epoch(run);
        let at = self
            .epochs
            .iter()
            .position(|epoch| epoch.number == number)
            .unwrap_or_else(|| {
                let keys = self.run_size * usize::try_from(EPOCH_RUNS).unwrap_or(1);
                self.epochs.push(Epoch {
                    number,
                    runs: Vec::new(),
                    filter: Filter::for_keys(keys),
                });
                self.epochs.len() - 1
            });
        &mut self.epochs[at]
    }

    /// Saves the filter of an epoch with its last run, so a start does not read a million keys.
    fn save_filter(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let Some(frozen) = self.frozen.take() else {
            return Ok(());
        };
        if (frozen.run + 1) % EPOCH_RUNS == 0 {
            let epoch = self.epoch_of(frozen.run);
            // A rollback leaves bits in the filter. They cost a lookup in the table and nothing else.
            frozen
                .sorted
                .iter()
                .for_each(|key| epoch.filter.insert(key));
            let bits = epoch.filter.to_bytes();
            connection.execute(
                "INSERT OR REPLACE INTO dedup_filter VALUES (?1, ?2)",
                params![epoch.number, bits],
            )?;
        }
        self.frozen = Some(frozen);
        Ok(())
    }
}

fn run_epoch(run: i64) -> i64 {
    run.div_euclid(EPOCH_RUNS)
}

fn register(connection: &Connection, frozen: &Frozen) -> rusqlite::Result<()> {
    let keys = i64::try_from(frozen.sorted.len()).unwrap_or(i64::MAX);
    connection.execute(
        "INSERT INTO dedup_run VALUES (?1, ?2, ?3, ?4)",
        params![frozen.run, frozen.last_seq, frozen.newest_ms, keys],
    )?;
    Ok(())
}

fn load_filter(connection: &Connection, epoch: &Epoch) -> rusqlite::Result<Filter> {
    let saved = connection
        .query_row(
            "SELECT bits FROM dedup_filter WHERE epoch = ?1",
            [epoch.number],
            |row| row.get::<_, Vec<u8>>(0),
        )
        .optional()?;
    let mut filter = epoch.filter.clone();
    if saved.is_some_and(|bytes| filter.fill(&bytes)) {
        return Ok(filter);
    }
    let mut select = connection.prepare("SELECT key FROM dedup WHERE run = ?1")?;
    for run in &epoch.runs {
        let mut rows = select.query([run])?;
        while let Some(row) = rows.next()? {
            filter.insert(&row.get(0)?);
        }
    }
    Ok(filter)
}

#[cfg(test)]
#[path = "keys_tests.rs"]
mod tests;
