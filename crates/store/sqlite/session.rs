//! The state of the writer: one connection, one open transaction, and its caches.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use campanile_model::{Fingerprint, Severity, Status};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::firing::{self, Firing, Open};
use super::keys::Keys;
use super::packed::{Packed, number};
use super::pending;
use super::prune::Pruned;
use crate::arrival::Tail;
use crate::{Appended, Appending, NewAlert, Seq, SinkId, codec, id};
use campanile_model::failpoint;

/// Entries in the cache of open problems. When it is full, it is cleared.
const PROBLEMS_MAX: usize = 65_536;

/// This version fixes the newest SQLite bug that matters here: a WAL reset that could lose commits.
const SQLITE_VERSION_MIN: i32 = 3_051_003;

/// The number of a source, and the fingerprint of one of its problems.
pub(super) type Problem = (i64, Fingerprint);

/// The writer's connection and caches.
pub(super) struct Session {
    pub(super) connection: Connection,
    pub(super) keys: Keys,
    numbers: Numbers,
    committed: Numbers,
    id_random: u16,
    sources: HashMap<String, i64>,
    /// The routes of the last callback, with their number: they change only with the configuration.
    routes: Option<(Arc<str>, i64)>,
    /// The episode of a firing problem. None for a problem that is known not to fire.
    problems: HashMap<Problem, Option<Uuid>>,
    /// Deliveries of the open transaction that are not yet written.
    pending: Vec<PendingRow>,
    pub(super) pruned: Pruned,
    firing: firing::Shared,
    /// What the alerts of the open transaction change in `firing`.
    staged: Vec<(Problem, Option<Open>)>,
}

/// A new pending delivery.
#[derive(Clone, Copy)]
struct PendingRow {
    sink: SinkId,
    seq: Seq,
    lane: Fingerprint,
    since: Timestamp,
}

/// The counters that grow with each row.
#[derive(Clone, Copy, Default)]
struct Numbers {
    seq: Seq,
    callback: i64,
    /// The time in ids. It never decreases, so ids sort by acceptance even when the clock is set back.
    id_ms: i64,
}

/// Opens a connection with the settings that every connection needs.
pub(super) fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.set_prepared_statement_cache_capacity(512);
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    // FULL syncs the log with each commit: an answered callback survives a power loss, not only a crash.
    let broken = failpoint::broken("broken-sync-normal");
    connection.pragma_update(None, "synchronous", if broken { "NORMAL" } else { "FULL" })?;
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "cache_size", -16_384)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "trusted_schema", false)?;
    Ok(connection)
}

/// Refuses a SQLite version with known WAL bugs.
pub(super) fn check_version() -> Result<(), String> {
    let version = rusqlite::version_number();
    if version < SQLITE_VERSION_MIN {
        return Err(format!(
            "SQLite {} can lose commits; Campanile needs 3.51.3 or newer",
            rusqlite::version()
        ));
    }
    Ok(())
}

impl Session {
    /// Loads the caches from the file.
    pub(super) fn load(connection: Connection) -> rusqlite::Result<Self> {
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
        let keys = Keys::load(&connection)?;
        let firing = Arc::new(Mutex::new(Firing::load(&connection)?));
        Ok(Self {
            keys,
            numbers,
            committed: numbers,
            id_random: u16::try_from(id_random).unwrap_or(0),
            sources: HashMap::new(),
            routes: None,
            problems: HashMap::new(),
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
        failpoint::point("before-commit");
        self.connection.prepare_cached("COMMIT")?.execute([])?;
        failpoint::point("after-commit");
        self.committed = self.numbers;
        self.keys.committed(self.numbers.seq);
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
        self.problems.clear();
        self.sources.clear();
        self.routes = None;
        self.pending.clear();
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

    /// Writes one callback with its alerts and deliveries.
    pub(super) fn append(&mut self, entry: &Packed) -> rusqlite::Result<Appended> {
        let source = self.source_id(&entry.entry.source)?;
        let received_ms = entry.entry.received_at.as_millisecond();
        let first_seq = self.numbers.seq + 1;
        let callback = self.numbers.callback + 1;
        let mut appended = Appended::default();
        let mut body_at = entry.entry.callback.len();
        for alert in &entry.entry.alerts {
            let received_at = entry.entry.received_at;
            let place = Place {
                source,
                callback,
                received_at,
                body_at,
            };
            appended.alerts.push(self.append_alert(alert, place)?);
            body_at += alert.body.len();
        }
        let new = self.numbers.seq + 1 - first_seq;
        if new > 0 || entry.entry.alerts.is_empty() && entry.entry.faults.is_empty() {
            self.numbers.callback = callback;
            let routes = self.routes_id(entry.entry.arrival.routes.as_ref())?;
            self.connection
                .prepare_cached("INSERT INTO callback VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")?
                .execute(params![
                    callback,
                    source,
                    received_ms,
                    first_seq,
                    new,
                    number(entry.entry.callback.len()),
                    entry.bytes,
                    entry.arrival_bytes,
                    routes
                ])?;
        }
        if !entry.entry.faults.is_empty() {
            let faults = serde_json::to_string(&entry.entry.faults).unwrap_or_default();
            let arrival = Tail::of(&entry.entry.arrival, &[], 0).bytes();
            self.connection
                .prepare_cached("INSERT INTO quarantine (source, received_ms, faults, raw, arrival) VALUES (?1, ?2, ?3, ?4, ?5)")?
                .execute(params![source, received_ms, faults, codec::pack(&entry.entry.callback), arrival])?;
            appended.quarantine = Some(self.connection.last_insert_rowid());
        }
        Ok(appended)
    }

    fn append_alert(&mut self, alert: &NewAlert, place: Place) -> rusqlite::Result<Appending> {
        let Place {
            source,
            callback,
            received_at,
            body_at,
        } = place;
        let known = self.keys.get(&self.connection, &alert.key)?;
        if let Some(content) = known.filter(|_| !failpoint::broken("broken-no-dedup")) {
            return Ok(Appending::Duplicate {
                conflict: content != alert.content,
            });
        }
        let (seq, id) = self.next_id(received_at);
        let episode = self.episode((source, alert.fingerprint), alert.status, id)?;
        self.keys.insert(alert.key, alert.content, received_at);
        let open = Open {
            episode,
            newest: seq,
            severity: severity_number(alert.severity),
        };
        let fires = alert.status == Status::Firing;
        self.staged
            .push(((source, alert.fingerprint), fires.then_some(open)));
        self.connection
            .prepare_cached(
                "INSERT INTO alert VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
            )?
            .execute(params![
                seq,
                callback,
                source,
                received_at.as_millisecond(),
                status_number(alert.status),
                severity_number(alert.severity),
                alert.fingerprint.0.cast_signed(),
                id.as_bytes(),
                (episode != id).then(|| *episode.as_bytes()),
                alert.key,
                alert.content.cast_signed(),
                number(body_at),
                number(alert.body.len()),
            ])?;
        self.pending
            .extend(alert.sinks.iter().map(|sink| PendingRow {
                sink: *sink,
                seq,
                lane: alert.fingerprint,
                since: received_at,
            }));
        Ok(Appending::Accepted { seq, id })
    }

    /// Writes the collected deliveries, sink by sink.
    pub(super) fn write_pending(&mut self) -> rusqlite::Result<()> {
        let mut pending = std::mem::take(&mut self.pending);
        pending.sort_by_key(|row| row.sink);
        for rows in pending.chunk_by(|a, b| a.sink == b.sink) {
            let sink = rows.first().map_or(0, |row| row.sink);
            let mut insert = pending::insert(&self.connection, sink)?;
            for PendingRow {
                seq, lane, since, ..
            } in rows
            {
                let lane = lane.0.cast_signed();
                insert.execute(params![seq, lane, since.as_millisecond(), false])?;
            }
        }
        pending.clear();
        self.pending = pending; // Keeps the allocation for the next batch.
        Ok(())
    }

    /// Makes an alert pending for a sink. False when it is already pending.
    pub(super) fn insert_pending(
        &mut self,
        sink: SinkId,
        seq: Seq,
        lane: Fingerprint,
        since: Timestamp,
        retried: bool,
    ) -> rusqlite::Result<bool> {
        let lane = lane.0.cast_signed();
        let rows = pending::insert(&self.connection, sink)?.execute(params![
            seq,
            lane,
            since.as_millisecond(),
            retried
        ])?;
        Ok(rows > 0)
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
    fn routes_id(&mut self, routes: Option<&Arc<str>>) -> rusqlite::Result<Option<i64>> {
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
    fn next_id(&mut self, received_at: Timestamp) -> (Seq, Uuid) {
        self.numbers.seq += 1;
        self.numbers.id_ms = self.numbers.id_ms.max(received_at.as_millisecond());
        let seq = self.numbers.seq;
        let ms = u64::try_from(self.numbers.id_ms).unwrap_or(0);
        (seq, id::id_of(ms, self.id_random, seq, rand::random()))
    }

    /// The episode of an alert of this problem: the open one, or a new one.
    fn episode(&mut self, problem: Problem, status: Status, id: Uuid) -> rusqlite::Result<Uuid> {
        let open = self.open_episode(problem)?;
        match (status, open) {
            (Status::Firing, Some(episode)) => return Ok(episode),
            (Status::Firing, None) => {
                self.connection
                    .prepare_cached("INSERT INTO problem VALUES (?1, ?2, ?3)")?
                    .execute(params![problem.0, problem.1.0.cast_signed(), id.as_bytes()])?;
                self.problems.insert(problem, Some(id));
            }
            (Status::Resolved, Some(_)) => {
                self.connection
                    .prepare_cached("DELETE FROM problem WHERE source = ?1 AND fingerprint = ?2")?
                    .execute(params![problem.0, problem.1.0.cast_signed()])?;
                self.problems.insert(problem, None);
            }
            (Status::Resolved, None) => {}
        }
        Ok(open.unwrap_or(id))
    }

    fn open_episode(&mut self, problem: Problem) -> rusqlite::Result<Option<Uuid>> {
        if let Some(open) = self.problems.get(&problem) {
            return Ok(*open);
        }
        let open = self
            .connection
            .prepare_cached("SELECT episode FROM problem WHERE source = ?1 AND fingerprint = ?2")?
            .query_row(params![problem.0, problem.1.0.cast_signed()], |row| {
                row.get(0).map(Uuid::from_bytes)
            })
            .optional()?;
        if self.problems.len() >= PROBLEMS_MAX {
            self.problems.clear();
        }
        self.problems.insert(problem, open);
        Ok(open)
    }
}

/// The place of an alert in its callback.
#[derive(Clone, Copy)]
struct Place {
    source: i64,
    callback: i64,
    received_at: Timestamp,
    /// The offset of its JSON in the decompressed callback.
    body_at: usize,
}

/// The stored form of a status.
pub(super) fn status_number(status: Status) -> i64 {
    match status {
        Status::Firing => 0,
        Status::Resolved => 1,
    }
}

/// The stored form of a severity.
pub(super) fn severity_number(severity: Severity) -> i64 {
    match severity {
        Severity::Critical => 0,
        Severity::Error => 1,
        Severity::Warning => 2,
        Severity::Info => 3,
        Severity::Unknown => 4,
    }
}
