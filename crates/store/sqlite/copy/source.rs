//! Reads the rows of a file for a copy.

use std::collections::{HashMap, HashSet};
use std::fs::{File, TryLockError};
use std::path::Path;

use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use super::{Threaded, pages};
use crate::copy::{
    Alert, At, Attempt, CHUNK_BYTES, Callback, Chunk, Counters, Cursor, Key, Own, Reader, Record,
    Table, begun, clean,
};
use crate::sqlite::file::StoreFile;
use crate::sqlite::{mark, plan, read, schema};
use crate::{Answer, Error, Seq};

/// A file that is read.
pub(crate) struct Source {
    file: Threaded<StoreFile>,
    name: String,
    rows: usize,
    /// The lock of a gateway, so that none starts while the copy is finished.
    still: Option<File>,
}

impl Source {
    /// Opens a file of this program's schema.
    pub(crate) fn open(path: &Path, rows: usize) -> Result<Self, Error> {
        let file = StoreFile::open(path)?;
        let found = file.schema()?;
        if found < schema::version() {
            return Err(Error::Open(format!(
                "{} has the older schema {found}. Migrate it first: stop its gateway and run `campanile store migrate --database {}`, \
                 or start the gateway of this version on it once.",
                path.display(),
                path.display()
            )));
        }
        Ok(Self::of(file, rows))
    }

    /// Of a file that is open.
    pub(super) fn of(file: StoreFile, rows: usize) -> Self {
        Self {
            name: file.path().display().to_string(),
            file: Threaded::new(file),
            rows,
            still: None,
        }
    }

    /// Reads one snapshot.
    fn read<R: Send + 'static>(
        &mut self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<R> + Send + 'static,
    ) -> Answer<'_, R> {
        Box::pin(self.file.run(move |file| {
            let result = file
                .connection
                .unchecked_transaction()
                .and_then(|snapshot| read(&snapshot));
            let result = result.map_err(|error| file.unread(&error))?;
            file.check_still()?;
            Ok(result)
        }))
    }
}

impl Reader for Source {
    fn identity(&mut self) -> Answer<'_, String> {
        Box::pin(async move {
            let id = self.counters().await?.id_random;
            Ok(format!("{} ({id})", self.name))
        })
    }

    fn counters(&mut self) -> Answer<'_, Counters> {
        self.read(counters)
    }

    fn cursor_after(&mut self, seq: Seq) -> Answer<'_, Cursor> {
        self.read(move |connection| cursor_after(connection, seq))
    }

    fn chunk(&mut self, from: Cursor, until: Seq) -> Answer<'_, Option<Chunk>> {
        let rows = self.rows;
        self.read(move |connection| chunk(connection, from, until, rows))
    }

    fn page(&mut self, table: Table, after: Key) -> Answer<'_, Vec<Record>> {
        let limit = table.page_rows(self.rows);
        self.read(move |connection| pages::page(connection, table, after, limit))
    }

    fn bodies(&mut self, seqs: Vec<Seq>) -> Answer<'_, Vec<(Seq, Vec<u8>)>> {
        self.read(move |connection| {
            let alerts = read::alerts_by_seq(connection, &seqs)?.into_iter();
            Ok(alerts.map(|alert| (alert.seq, alert.json)).collect())
        })
    }

    fn stopped(&mut self) -> Answer<'_, ()> {
        Box::pin(async move {
            let name = &self.name;
            self.still = mark::keep_out(Path::new(name)).map_err(|error| {
                Error::Open(match error {
                    TryLockError::WouldBlock => format!(
                        "a gateway runs on {name}. Stop it before --finish: what it still accepts would be missing. Without --finish it \
                         can go on."
                    ),
                    TryLockError::Error(error) => format!(
                        "cannot lock {name}.lock: {error}. Run the command as the user of the gateway, on the machine with the file."
                    ),
                })
            })?;
            Ok(())
        })
    }

    /// None starts while the lock is held. Without a lock file there was nothing to hold; a gateway has made one then.
    fn stayed_stopped(&mut self) -> Answer<'_, ()> {
        Box::pin(async move {
            let held = self.still.is_some();
            if held || matches!(mark::keep_out(Path::new(&self.name)), Ok(None)) {
                return Ok(());
            }
            Err(begun(&self.name))
        })
    }

    /// A gateway on a file keeps a pause in memory only.
    fn paused(&mut self) -> Answer<'_, Vec<String>> {
        Box::pin(async { Ok(Vec::new()) })
    }
}

/// The highest place that was given.
fn last(connection: &Connection) -> rusqlite::Result<Seq> {
    connection.query_row(
        "SELECT max(coalesce((SELECT max(seq) FROM alert), 0), coalesce((SELECT max(last_seq) FROM dedup_run), 0),
                    coalesce((SELECT value FROM meta WHERE name = 'last_seq'), 0))",
        [],
        |row| row.get(0),
    )
}

fn counters(connection: &Connection) -> rusqlite::Result<Counters> {
    let given = |table: &str| {
        let select = "SELECT seq FROM sqlite_sequence WHERE name = ?1";
        let given = connection.query_row(select, [table], |row| row.get(0));
        given.optional().map(Option::unwrap_or_default)
    };
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get(0));
    Ok(Counters {
        seq: last(connection)?,
        lowest: number("SELECT coalesce((SELECT min(seq) FROM alert), 0)")?,
        dead: given("dead")?,
        quarantine: given("quarantine")?,
        audit: given("audit")?,
        id_random: number("SELECT value FROM meta WHERE name = 'id_random'")?,
    })
}

/// The last callback at or before a place, by bisection: the places of callbacks grow with their numbers.
pub(super) fn cursor_after(connection: &Connection, seq: Seq) -> rusqlite::Result<Cursor> {
    let next = "SELECT first_seq FROM callback WHERE id >= ?1 ORDER BY id LIMIT 1";
    let mut next = connection.prepare_cached(next)?;
    let end = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, Option<i64>>(0));
    let lowest = end("SELECT min(id) FROM callback")?.unwrap_or(0);
    let (mut low, mut high) = (
        lowest,
        end("SELECT max(id) FROM callback")?.unwrap_or(-1) + 1,
    );
    while low < high {
        let middle = low + (high - low) / 2;
        let first: Option<Seq> = next.query_row([middle], |row| row.get(0)).optional()?;
        if first.is_none_or(|first| first > seq) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Ok(Cursor {
        seq: seq.max(0),
        callback: low - 1,
    })
}

fn chunk(
    connection: &Connection,
    from: Cursor,
    until: Seq,
    most: usize,
) -> rusqlite::Result<Option<Chunk>> {
    let end = until.min(last(connection)?).max(from.seq);
    let mut to = Cursor { seq: end, ..from };
    let mut callbacks = Vec::new();
    let (mut alerts, mut bytes) = (0, 0);
    let mut select = connection.prepare_cached(
        "SELECT id, source, received_ms, first_seq, alerts, raw_bytes, packed, arrival_bytes, routes, last_seq
         FROM callback WHERE id > ?1 ORDER BY id",
    )?;
    let mut rows = select.query([from.callback])?;
    while let Some(row) = rows.next()? {
        let first: Seq = row.get(3)?;
        if first > until {
            break;
        }
        if callbacks.len() >= most || alerts >= most || bytes >= CHUNK_BYTES {
            to.seq = end.min(first - 1).max(from.seq);
            break;
        }
        let callback = callback(row)?;
        alerts += read::size(callback.alerts);
        bytes += callback.packed.len();
        to.callback = callback.number.0;
        callbacks.push(callback);
    }
    if to == from {
        return Ok(None);
    }
    let forgotten = Forgotten::of(connection)?;
    let alert = |row: &Row<'_>| alert(row, &forgotten);
    Ok(Some(Chunk {
        from,
        to,
        callbacks,
        alerts: between(connection, ALERT, from.seq, to.seq, alert)?,
        attempts: between(connection, ATTEMPT, from.seq, to.seq, attempt)?,
    }))
}

fn between<T>(
    connection: &Connection,
    select: &str,
    after: Seq,
    until: Seq,
    row: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    let mut select = connection.prepare_cached(select)?;
    select.query_map(params![after, until], row)?.collect()
}

fn callback(row: &Row<'_>) -> rusqlite::Result<Callback> {
    let (seq, alerts): (Seq, i64) = (row.get(3)?, row.get(4)?);
    let last: Option<Seq> = row.get(9)?;
    Ok(Callback {
        number: Own(row.get(0)?),
        seq,
        last: last.or_else(|| (alerts > 0).then(|| seq + alerts - 1)),
        source: row.get(1)?,
        received: At::of_ms(row.get(2)?),
        alerts,
        raw_bytes: row.get(5)?,
        packed: row.get(6)?,
        arrival_bytes: row.get(7)?,
        routes: row.get(8)?,
    })
}

/// An alert whose callback is damaged names itself.
const ALERT: &str = "SELECT a.seq, coalesce(c.first_seq, a.seq), a.source, a.received_ms, a.status, a.severity, a.fingerprint, a.id,
    a.episode, a.key, a.content, a.body_at, a.body_bytes, a.plan
    FROM alert a LEFT JOIN callback c ON c.id = a.callback WHERE a.seq > ?1 AND a.seq <= ?2 ORDER BY a.seq";

/// Which alerts have outlived their keys. Their messages can have come again.
enum Forgotten {
    /// Those up to this place.
    To(Seq),
    /// These, of an older file that has no record of it.
    Alerts(HashSet<Seq>),
}

impl Forgotten {
    fn of(connection: &Connection) -> rusqlite::Result<Self> {
        let recorded = "SELECT value FROM meta WHERE name = 'forgotten'";
        // Places of an older file have no gaps, so its oldest run has the keys of as many places.
        let oldest = "SELECT last_seq - keys FROM dedup_run ORDER BY run LIMIT 1";
        for select in [recorded, oldest] {
            let to = connection.query_row(select, [], |row| row.get(0));
            if let Some(to) = to.optional()? {
                return Ok(Self::To(to));
            }
        }
        // Without a run there are few alerts: the gateway has the keys of all of them in memory.
        let mut select = connection.prepare("SELECT key, seq FROM alert ORDER BY seq")?;
        let mut rows = select.query([])?;
        let (mut newest, mut forgotten) = (HashMap::new(), HashSet::new());
        while let Some(row) = rows.next()? {
            let (key, seq): ([u8; 16], Seq) = (row.get(0)?, row.get(1)?);
            forgotten.extend(newest.insert(key, seq));
        }
        Ok(Self::Alerts(forgotten))
    }

    fn has(&self, seq: Seq) -> bool {
        match self {
            Self::To(last) => seq <= *last,
            Self::Alerts(seqs) => seqs.contains(&seq),
        }
    }
}

fn alert(row: &Row<'_>, forgotten: &Forgotten) -> rusqlite::Result<Alert> {
    let (seq, key) = (row.get(0)?, Uuid::from_bytes(row.get(9)?));
    let key = (!key.is_nil() && !forgotten.has(seq)).then_some(key);
    Ok(Alert {
        seq,
        callback: row.get(1)?,
        source: row.get(2)?,
        received: At::of_ms(row.get(3)?),
        status: row.get(4)?,
        severity: row.get(5)?,
        fingerprint: row.get(6)?,
        id: Uuid::from_bytes(row.get(7)?),
        episode: row.get::<_, Option<[u8; 16]>>(8)?.map(Uuid::from_bytes),
        content: if key.is_some() { row.get(10)? } else { 0 },
        key,
        body_at: row.get(11)?,
        body_bytes: row.get(12)?,
        plan: row
            .get::<_, Option<String>>(13)?
            .as_deref()
            .and_then(plan::of_text),
    })
}

const ATTEMPT: &str =
    "SELECT seq, sink, at_ms, attempt, took_ms, code, verdict, worth, remark, note FROM attempt
    WHERE seq > ?1 AND seq <= ?2 ORDER BY seq, sink, at_ms, attempt";

fn attempt(row: &Row<'_>) -> rusqlite::Result<Attempt> {
    Ok(Attempt {
        seq: row.get(0)?,
        sink: row.get(1)?,
        at: At::of_ms(row.get(2)?),
        number: row.get(3)?,
        took_ms: row.get(4)?,
        code: row.get(5)?,
        verdict: row.get(6)?,
        worth: row.get(7)?,
        remark: row.get::<_, Option<String>>(8)?.map(clean),
        note: row.get::<_, Option<String>>(9)?.map(clean),
    })
}
