//! The state of the writer: one connection, one open transaction, and its caches.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use campanile_model::{Fingerprint, failpoint};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};
use uuid::Uuid;

use super::Runs;
use super::append::PendingRow;
use super::episodes::Episode;
use super::firing::{self, Firing, Open};
use super::keys::Keys;
use super::mutes;
use super::pending;
use super::plan::Plans;
use super::postings::Postings;
use super::prune::Pruned;
use super::tallies::Tallies;
use crate::{Seq, SinkId, id};

/// The number of a source, and the fingerprint of one of its problems.
pub(super) type Problem = (i64, Fingerprint);

/// The writer's connection and caches.
pub(super) struct Session {
    pub(super) connection: Connection,
    pub(super) keys: Keys,
    pub(super) postings: Postings,
    pub(super) tallies: Tallies,
    pub(super) runs: Runs,
    pub(super) numbers: Numbers,
    committed: Numbers,
    id_random: u16,
    sources: HashMap<String, i64>,
    /// The routes of the last callback, with their number: they change only with the configuration.
    routes: Option<(Arc<str>, i64)>,
    /// The episode of a firing problem. None for a problem that is known not to fire.
    pub(super) problems: HashMap<Problem, Option<Episode>>,
    /// Whether an alert can be held, or a sink not informed of an episode. False: nothing of it has to be looked for.
    pub(super) muting: bool,
    /// The plans of these episodes.
    pub(super) plans: Plans,
    /// Deliveries of the open transaction that are not yet written.
    pub(super) pending: Vec<PendingRow>,
    pub(super) pruned: Pruned,
    firing: firing::Shared,
    /// What the alerts of the open transaction change in `firing`.
    pub(super) staged: Vec<(Problem, Option<Open>)>,
}

/// The counters that grow with each row.
#[derive(Clone, Copy, Default)]
pub(super) struct Numbers {
    pub(super) seq: Seq,
    pub(super) callback: i64,
    /// The time in ids. It never decreases, so ids sort by acceptance even when the clock is set back.
    id_ms: i64,
}

impl Numbers {
    /// A later id has no earlier time than this one.
    pub(super) fn met(&mut self, id: Uuid) {
        self.id_ms = self.id_ms.max(id::ms_of(id));
    }
}

impl Session {
    /// Loads the caches from the file.
    pub(super) fn load(connection: Connection, runs: Runs) -> rusqlite::Result<Self> {
        let highest = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, Option<i64>>(0));
        let numbers = Numbers {
            seq: highest("SELECT max(seq) FROM alert")?
                .max(highest("SELECT max(last_seq) FROM dedup_run")?)
                .max(
                    highest("SELECT value FROM meta WHERE name = 'last_seq'")
                        .optional()?
                        .flatten(),
                )
                .unwrap_or(0),
            callback: highest("SELECT max(id) FROM callback")?.unwrap_or(0),
            // From the newest id, not from its time of arrival: after the clock was set back, the id has the later time.
            id_ms: connection
                .query_row(
                    "SELECT id FROM alert ORDER BY seq DESC LIMIT 1",
                    [],
                    |row| row.get(0),
                )
                .optional()?
                .map_or(0, |id| id::ms_of(Uuid::from_bytes(id))),
        };
        let id_random = highest("SELECT value FROM meta WHERE name = 'id_random'")?.unwrap_or(0);
        let keys = Keys::load(&connection, runs.keys)?;
        let postings = Postings::load(&connection, runs.places)?;
        let tallies = Tallies::load(&connection, numbers.seq)?;
        let firing = Arc::new(Mutex::new(Firing::load(&connection)?));
        Ok(Self {
            keys,
            postings,
            tallies,
            runs,
            numbers,
            committed: numbers,
            id_random: u16::try_from(id_random).unwrap_or(0),
            sources: HashMap::new(),
            routes: None,
            problems: HashMap::new(),
            muting: mutes::any(&connection)?,
            plans: Plans::default(),
            pending: Vec::new(),
            pruned: Pruned::default(),
            firing,
            staged: Vec::new(),
            connection,
        })
    }

    /// The highest place that was ever assigned.
    pub(super) fn last_seq(&self) -> Seq {
        self.numbers.seq
    }

    /// Begins the transaction of a batch.
    pub(super) fn begin(&mut self) -> rusqlite::Result<()> {
        self.connection
            .prepare_cached("BEGIN IMMEDIATE")?
            .execute([])?;
        Ok(())
    }

    /// Commits and syncs the batch.
    pub(super) fn commit(&mut self) -> rusqlite::Result<()> {
        self.write_pending()?;
        self.keys.write_some(&self.connection)?;
        self.postings.write_some(&self.connection)?;
        self.tallies.write_some(&self.connection)?;
        failpoint::point("before-commit");
        self.connection.prepare_cached("COMMIT")?.execute([])?;
        failpoint::point("after-commit");
        self.committed = self.numbers;
        self.keys.committed(self.numbers.seq);
        self.postings.committed(self.numbers.id_ms);
        self.tallies.committed(self.numbers.seq);
        self.apply_staged();
        Ok(())
    }

    /// Rolls the batch back, in the file and in memory.
    pub(super) fn roll_back(&mut self) {
        if !self.connection.is_autocommit() {
            // When the rollback fails, the next BEGIN fails too, so nothing is lost.
            let _failed = self.connection.execute_batch("ROLLBACK");
        }
        self.numbers = self.committed;
        self.keys.rolled_back();
        self.postings.rolled_back();
        self.tallies.rolled_back();
        self.problems.clear();
        self.sources.clear();
        self.routes = None;
        self.pending.clear();
        self.muting = true;
        self.staged.clear();
    }

    /// The problems that fire, shared with the readers.
    pub(super) fn firing(&self) -> firing::Shared {
        Arc::clone(&self.firing)
    }

    /// The file was opened again: the readers keep their map, which gets the problems of this session.
    pub(super) fn share(&mut self, firing: firing::Shared) {
        *firing::lock(&firing) = std::mem::take(&mut *firing::lock(&self.firing));
        self.firing = firing;
    }

    fn apply_staged(&mut self) {
        if self.staged.is_empty() {
            return;
        }
        let mut firing = firing::lock(&self.firing);
        for (problem, open) in self.staged.drain(..) {
            firing.set(problem, open);
        }
    }

    pub(super) fn source_id(&mut self, name: &str) -> rusqlite::Result<i64> {
        if let Some(id) = self.sources.get(name) {
            return Ok(*id);
        }
        let id = self.name_id("source", name)?;
        self.sources.insert(name.to_owned(), id);
        Ok(id)
    }

    /// The number of these routes.
    pub(super) fn routes_id(&mut self, routes: Option<&Arc<str>>) -> rusqlite::Result<Option<i64>> {
        let Some(routes) = routes else {
            return Ok(None);
        };
        if let Some((last, id)) = &self.routes
            && (Arc::ptr_eq(last, routes) || last == routes)
        {
            return Ok(Some(*id));
        }
        let id = self.name_id("routes", routes)?;
        self.routes = Some((Arc::clone(routes), id));
        Ok(Some(id))
    }

    /// The number of a sink. Creates the table for its pending deliveries.
    pub(super) fn sink_id(&self, name: &str) -> rusqlite::Result<SinkId> {
        let id = self.name_id("sink", name)?;
        pending::create(&self.connection, id)?;
        Ok(id)
    }

    fn name_id(&self, table: &str, name: &str) -> rusqlite::Result<i64> {
        self.connection.execute(
            &format!("INSERT OR IGNORE INTO {table} (name) VALUES (?1)"),
            [name],
        )?;
        self.connection.query_row(
            &format!("SELECT id FROM {table} WHERE name = ?1"),
            [name],
            |row| row.get(0),
        )
    }

    /// The next place and its id: a UUID version 7 whose last 62 bits hold the place and 22 random bits, so an id gives the
    /// place of its row without an index.
    pub(super) fn next_id(&mut self, received_at: Timestamp) -> (Seq, Uuid) {
        self.numbers.seq += 1;
        self.numbers.id_ms = self.numbers.id_ms.max(received_at.as_millisecond());
        let seq = self.numbers.seq;
        let ms = u64::try_from(self.numbers.id_ms).unwrap_or(0);
        (seq, id::id_of(ms, self.id_random, seq, rand::random()))
    }
}
