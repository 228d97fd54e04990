//! Writes a file as the target of a copy.
//!
//! Until the end the file has another application id, so that no gateway opens it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};

use super::source::cursor_after;
use super::{Source, Threaded, tables};
use crate::copy::{
    Alert, Attempt, Callback, Chunk, Counters, Cursor, Reader, Record, Table, Wish, Writer,
};
use crate::sqlite::file::StoreFile;
use crate::sqlite::mark::Mark;
use crate::sqlite::postings::{Post, group};
use crate::sqlite::session::Session;
use crate::sqlite::{connection, inspect, plan, schema};
use crate::{Answer, Error, Seq};

/// A file that is written.
pub(crate) struct Target {
    path: PathBuf,
    rows: usize,
    inner: Threaded<Inner>,
}

struct Inner {
    /// Closed first: the lock is released last.
    session: Session,
    mark: Mark,
    path: PathBuf,
}

impl Target {
    /// Opens or creates the file, and keeps gateways out.
    pub(crate) fn open(path: &Path, wish: Wish) -> Result<Self, Error> {
        connection::check_version().map_err(Error::Open)?;
        let mark = Mark::take(path)?;
        inspect::check_target(path, &mark)?;
        let fault =
            |e: rusqlite::Error| Error::Open(format!("cannot open {}", schema::trouble(path, &e)));
        let mut connection = connection::connect(path).map_err(fault)?;
        schema::migrate(&mut connection).map_err(fault)?;
        let session = Session::load(connection, wish.runs).map_err(fault)?;
        // A failed write leaves the older mark, which is safe.
        let _unmarked = mark.opened(path);
        let inner = Inner {
            session,
            mark,
            path: path.to_owned(),
        };
        Ok(Self {
            path: path.to_owned(),
            rows: wish.rows,
            inner: Threaded::new(inner),
        })
    }

    /// Writes one transaction.
    fn write<R: Send + 'static>(
        &mut self,
        write: impl FnOnce(&mut Session) -> rusqlite::Result<R> + Send + 'static,
    ) -> Answer<'_, R> {
        Box::pin(self.inner.run(move |inner| {
            let session = &mut inner.session;
            let written = session.begin().and_then(|()| {
                let result = write(session)?;
                session.commit()?;
                Ok(result)
            });
            written.map_err(|error| {
                session.roll_back();
                Error::Commit(format!(
                    "{} The same command goes on where it stopped.",
                    schema::trouble(&inner.path, &error)
                ))
            })
        }))
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // The log stays when the mark cannot be written: the next start needs it then.
        if self.mark.closing().is_err() {
            let keep_log = rusqlite::config::DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
            let _refused = self.session.connection.set_db_config(keep_log, true);
        }
    }
}

/// The tables that must be empty in a new target.
const EMPTY: [&str; 7] = [
    "source",
    "sink",
    "routes",
    "callback",
    "alert",
    "audit",
    "quarantine",
];

impl Writer for Target {
    fn begin(&mut self, source: String) -> Answer<'_, Cursor> {
        let path = self.path.clone();
        Box::pin(async move {
            let begun = self.write(move |session| begin(&session.connection, &source));
            begun.await?.map_err(|other| {
                Error::Open(crate::copy::taken(
                    &path.display().to_string(),
                    other.as_deref(),
                ))
            })
        })
    }

    fn write(&mut self, chunk: Arc<Chunk>) -> Answer<'_, ()> {
        self.write(move |session| add(session, &chunk))
    }

    fn remove(&mut self, callbacks: Vec<i64>, alerts: Vec<Seq>) -> Answer<'_, ()> {
        self.write(move |session| {
            let connection = &session.connection;
            for (sql, numbers) in [
                ("DELETE FROM callback WHERE id = ?1", callbacks),
                ("DELETE FROM alert WHERE seq = ?1", alerts),
            ] {
                let mut delete = connection.prepare_cached(sql)?;
                for number in numbers {
                    delete.execute([number])?;
                }
            }
            Ok(())
        })
    }

    /// Their places are in the runs already.
    fn set_alerts(&mut self, chunk: Arc<Chunk>) -> Answer<'_, ()> {
        self.write(move |session| {
            let mut alerts = chunk.alerts.iter();
            alerts.try_for_each(|row| put_alert(&session.connection, row))
        })
    }

    fn set_attempts(&mut self, chunk: Arc<Chunk>) -> Answer<'_, ()> {
        self.write(move |session| {
            let connection = &session.connection;
            connection
                .prepare_cached("DELETE FROM attempt WHERE seq > ?1 AND seq <= ?2")?
                .execute([chunk.from.seq, chunk.to.seq])?;
            attempts(connection, &chunk.attempts)
        })
    }

    fn clear(&mut self, table: Table) -> Answer<'_, ()> {
        self.write(move |session| tables::clear(&session.connection, table))
    }

    fn put(&mut self, _table: Table, rows: Vec<Record>) -> Answer<'_, ()> {
        self.write(move |session| {
            let mut rows = rows.iter();
            rows.try_for_each(|row| tables::put(&session.connection, row))
        })
    }

    fn count_from(&mut self, counters: Counters) -> Answer<'_, ()> {
        self.write(move |session| count_from(&session.connection, counters))
    }

    fn release(&mut self) -> Answer<'_, ()> {
        self.write(|session| {
            session.connection.execute_batch("DROP TABLE copy")?;
            let id = schema::APPLICATION_ID;
            session.connection.pragma_update(None, "application_id", id)
        })
    }

    fn reader(&mut self) -> Answer<'_, Box<dyn Reader>> {
        Box::pin(async move {
            let file = StoreFile::open_copy(&self.path)?;
            Ok(Box::new(Source::of(file, self.rows)) as Box<dyn Reader>)
        })
    }
}

/// How far the copy of this source is. An error: the file is that of another copy, or of a gateway.
fn begin(
    connection: &Connection,
    source: &str,
) -> rusqlite::Result<Result<Cursor, Option<String>>> {
    let id: u32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    if id == schema::COPY_ID {
        let select = "SELECT source, seq, callback FROM copy";
        let (of, seq, callback): (String, Seq, i64) = connection.query_row(select, [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?;
        return Ok(if of == source {
            Ok(Cursor { seq, callback })
        } else {
            Err(Some(of))
        });
    }
    for table in EMPTY {
        let any = format!("SELECT EXISTS (SELECT 1 FROM {table})");
        if connection.query_row(&any, [], |row| row.get(0))? {
            return Ok(Err(None));
        }
    }
    connection.execute_batch(
        "CREATE TABLE copy (source TEXT NOT NULL, seq INTEGER NOT NULL, callback INTEGER NOT NULL);
         INSERT INTO meta VALUES ('forgotten', 0)",
    )?;
    let Cursor { seq, callback } = Cursor::START;
    connection.execute(
        "INSERT INTO copy VALUES (?1, ?2, ?3)",
        params![source, seq, callback],
    )?;
    connection.pragma_update(None, "application_id", schema::COPY_ID)?;
    Ok(Ok(Cursor::START))
}

fn add(session: &mut Session, chunk: &Chunk) -> rusqlite::Result<()> {
    for callback in &chunk.callbacks {
        session.numbers.callback += 1;
        add_callback(&session.connection, session.numbers.callback, callback)?;
    }
    for alert in &chunk.alerts {
        add_alert(session, alert)?;
    }
    attempts(&session.connection, &chunk.attempts)?;
    session
        .connection
        .prepare_cached("UPDATE copy SET seq = ?1, callback = ?2")?
        .execute([chunk.to.seq, chunk.to.callback])?;
    // Counts are copied as a whole: none is to be made of these alerts.
    session
        .connection
        .prepare_cached("UPDATE meta SET value = ?1 WHERE name = 'tallied_to'")?
        .execute([chunk.to.seq])?;
    Ok(())
}

fn add_callback(connection: &Connection, id: i64, row: &Callback) -> rusqlite::Result<()> {
    let dense = (row.alerts > 0).then(|| row.seq + row.alerts - 1);
    connection
        .prepare_cached("INSERT INTO callback VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)")?
        .execute(params![
            id,
            row.source,
            row.received.ms(),
            row.seq,
            row.alerts,
            row.raw_bytes,
            row.packed,
            row.arrival_bytes,
            row.routes,
            row.last.filter(|last| dense != Some(*last)),
        ])?;
    Ok(())
}

/// Adds the row of an alert, or replaces it.
fn put_alert(connection: &Connection, row: &Alert) -> rusqlite::Result<()> {
    let callback = number_at(connection, row.callback)?;
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO alert VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
        )?
        .execute(params![
            row.seq,
            callback,
            row.source,
            row.received.ms(),
            row.status,
            row.severity,
            row.fingerprint,
            row.id.as_bytes(),
            row.episode.map(uuid::Uuid::into_bytes),
            row.key.unwrap_or_default().as_bytes(),
            row.content,
            row.body_at,
            row.body_bytes,
            row.plan.as_deref().map(plan::text),
        ])?;
    Ok(())
}

fn add_alert(session: &mut Session, row: &Alert) -> rusqlite::Result<()> {
    put_alert(&session.connection, row)?;
    session.numbers.seq = row.seq;
    session.numbers.met(row.id);
    if let Some(key) = row.key {
        session.keys.insert(
            key.into_bytes(),
            row.content.cast_unsigned(),
            row.received.time(),
        );
    }
    session.postings.insert(Post {
        seq: row.seq,
        fingerprint: campanile_model::Fingerprint(row.fingerprint.cast_unsigned()),
        group: group(row.source, row.severity),
    });
    Ok(())
}

/// The number of the callback at a place. 0: it is missing in the source too.
fn number_at(connection: &Connection, place: Seq) -> rusqlite::Result<i64> {
    let near = cursor_after(connection, place)?.callback;
    connection
        .prepare_cached("SELECT id FROM callback WHERE id = ?1 AND first_seq = ?2")?
        .query_row([near, place], |row| row.get(0))
        .optional()
        .map(Option::unwrap_or_default)
}

fn attempts(connection: &Connection, rows: &[Attempt]) -> rusqlite::Result<()> {
    let mut insert = connection
        .prepare_cached("INSERT INTO attempt VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)")?;
    for row in rows {
        insert.execute(params![
            row.seq,
            row.sink,
            row.at.ms(),
            row.number,
            row.took_ms,
            row.code,
            row.verdict,
            row.worth,
            row.remark,
            row.note,
        ])?;
    }
    Ok(())
}

fn count_from(connection: &Connection, counters: Counters) -> rusqlite::Result<()> {
    for (name, value) in [
        ("id_random", counters.id_random),
        ("last_seq", counters.seq),
        ("tallied_to", counters.seq),
    ] {
        connection.execute(
            "INSERT OR REPLACE INTO meta VALUES (?1, ?2)",
            params![name, value],
        )?;
    }
    for (table, given) in [
        ("dead", counters.dead),
        ("quarantine", counters.quarantine),
        ("audit", counters.audit),
    ] {
        connection.execute("DELETE FROM sqlite_sequence WHERE name = ?1", [table])?;
        connection.execute(
            "INSERT INTO sqlite_sequence VALUES (?1, ?2)",
            params![table, given],
        )?;
    }
    Ok(())
}
