//! The open file, and the run of a statement on a thread of its own.
//!
//! A send that is dropped stops its statement: a thread cannot be ended from outside, so SQLite asks again and again while a statement
//! runs, and once more before it commits, whether the send still waits.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use rusqlite::types::ToSqlOutput;
use rusqlite::{Connection, OpenFlags, params_from_iter};
use serde_json::Value;

use super::fault;
use crate::dial::within;
use crate::statement::{Row, Statement, Tally, Wrote};
use crate::{Class, Delivered, Failure, Message, Sink};

/// How long SQLite waits for a lock before the thread looks whether the statement is still wanted.
const LOCK_STEP: Duration = Duration::from_millis(50);
/// After so many steps of SQLite's machine a statement looks whether it is still wanted.
const STEPS: i32 = 10_000;
/// The store of a Campanile: `crates/store/sqlite/schema.rs` marks it with this number.
const STORE_ID: u32 = 0x434d_504e;

/// The sink.
pub(super) struct Sqlite {
    path: PathBuf,
    /// Makes the table, if the sink fills its own.
    makes: Option<String>,
    statement: Arc<Statement>,
    timeout: Duration,
    file: Arc<tokio::sync::Mutex<Option<Open>>>,
}

/// An open file.
struct Open {
    connection: Connection,
    /// Device and inode: the path can lead to another file later.
    place: Option<(u64, u64)>,
}

/// Whether the send that a thread works for was dropped.
#[derive(Clone, Default)]
struct Stopped(Arc<AtomicBool>);

impl Stopped {
    fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// Ends a statement that runs, and takes back one that would commit. An interrupt from outside is not enough: SQLite forgets it when
    /// a statement begins, so one that comes just before would be lost.
    fn watch(&self, connection: &mut Connection) -> rusqlite::Result<()> {
        let (running, committing) = (self.clone(), self.clone());
        connection.progress_handler(STEPS, Some(move || running.is_set()))?;
        connection.commit_hook(Some(move || committing.is_set()))
    }
}

/// Stops the thread when the send is dropped.
struct Stop(Stopped);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::SeqCst);
    }
}

/// What a thread needs.
struct Job {
    path: PathBuf,
    makes: Option<String>,
    statement: Arc<Statement>,
    stopped: Stopped,
}

impl Sqlite {
    pub(super) fn new(
        path: PathBuf,
        makes: Option<String>,
        statement: Statement,
        timeout: Duration,
    ) -> Self {
        Self {
            path,
            makes,
            statement: Arc::new(statement),
            timeout,
            file: Arc::default(),
        }
    }

    /// Runs `work` on a thread with the open file.
    async fn on_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Job, &Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let stopped = Stopped::default();
        let _stop = Stop(stopped.clone());
        let job = Job {
            path: self.path.clone(),
            makes: self.makes.clone(),
            statement: Arc::clone(&self.statement),
            stopped,
        };
        let mut file = Arc::clone(&self.file).lock_owned().await;
        let thread = tokio::task::spawn_blocking(move || job.run(&mut file, work));
        let stopping = |_| Err(Failure::new(Class::Transient, "the program is stopping"));
        thread.await.unwrap_or_else(stopping)
    }
}

impl Sink for Sqlite {
    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<Delivered, Failure>> {
        let rows = self.statement.rows(message);
        let write = self.on_thread(|job, connection| job.write(connection, rows));
        Box::pin(within(self.timeout, write))
    }

    fn probe(&self, _at: Timestamp) -> Option<BoxFuture<'_, Result<String, Failure>>> {
        let ask = self.on_thread(|job, connection| {
            let prepared = connection.prepare(&job.statement.text);
            prepared.map_err(|error| fault::failure(&error))?;
            Ok(format!(
                "SQLite {} accepts the statement",
                rusqlite::version()
            ))
        });
        Some(Box::pin(within(self.timeout, ask)))
    }

    fn render(&self, message: &Message) -> Result<String, Failure> {
        self.statement.render(message)
    }
}

impl Job {
    fn run<T>(
        &self,
        file: &mut Option<Open>,
        work: impl FnOnce(&Self, &Connection) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let place = place(&self.path);
        let mut open = match file.take() {
            Some(open) if open.place.is_some() && open.place == place => open,
            _ => self.open()?,
        };
        let watched = self.stopped.watch(&mut open.connection);
        watched.map_err(|error| fault::failure(&error))?;
        let done = work(self, &open.connection);
        // After a failure of the disk nothing in the connection is trusted.
        let trusted = |failure: &Failure| failure.class.is_refusal();
        if done.as_ref().map_or_else(trusted, |_| true) {
            *file = Some(open);
        }
        done
    }

    fn open(&self) -> Result<Open, Failure> {
        // Without `URI`: a path is never read as one.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags);
        let connection = connection.map_err(|error| fault::failure(&error))?;
        self.waits(|| {
            connection.busy_timeout(LOCK_STEP)?;
            connection.pragma_update(None, "synchronous", "EXTRA")?;
            connection.pragma_update(None, "foreign_keys", true)?;
            connection.pragma_update(None, "trusted_schema", false)
        })?;
        let id = |row: &rusqlite::Row<'_>| row.get(0);
        let id: u32 = self.waits(|| connection.pragma_query_value(None, "application_id", id))?;
        if id == STORE_ID {
            let reason = "this file is the store of a Campanile: set `path` to another file";
            return Err(Failure::new(Class::Operator, reason));
        }
        if let Some(makes) = &self.makes {
            self.waits(|| connection.execute_batch(makes))?;
        }
        Ok(Open {
            connection,
            place: place(&self.path),
        })
    }

    fn write(
        &self,
        connection: &Connection,
        rows: Vec<Result<Row, Failure>>,
    ) -> Result<Delivered, Failure> {
        let mut tally = Tally::default();
        for row in rows {
            tally.add(row.and_then(|row| self.row(connection, &row)))?;
        }
        tally.result()
    }

    fn row(&self, connection: &Connection, row: &Row) -> Result<Wrote, Failure> {
        let done = self.attempt(|| {
            let mut statement = connection.prepare_cached(&self.statement.text)?;
            let values = params_from_iter(row.iter().map(bound));
            // A statement with RETURNING gives rows.
            let mut given = statement.query(values)?;
            while given.next()?.is_some() {}
            Ok(())
        })?;
        match done {
            Ok(()) => Ok(Wrote::Done),
            Err(error) if fault::is_known_key(&error) && !self.statement.keeps_keys => {
                Ok(Wrote::KeyKnown)
            }
            Err(error) => Err(fault::failure(&error)),
        }
    }

    fn waits<T>(&self, run: impl FnMut() -> rusqlite::Result<T>) -> Result<T, Failure> {
        self.attempt(run)?.map_err(|error| fault::failure(&error))
    }

    /// Runs it again while the file is locked, as long as the send waits for it.
    fn attempt<T>(
        &self,
        mut run: impl FnMut() -> rusqlite::Result<T>,
    ) -> Result<rusqlite::Result<T>, Failure> {
        loop {
            if self.stopped.is_set() {
                return Err(Failure::new(Class::Transient, "the attempt was ended"));
            }
            match run() {
                Err(error) if fault::is_locked(&error) => {}
                done => return Ok(done),
            }
        }
    }
}

fn bound(value: &Value) -> ToSqlOutput<'_> {
    match value {
        Value::Null => ToSqlOutput::from(rusqlite::types::Null),
        Value::Bool(yes) => ToSqlOutput::from(*yes),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => ToSqlOutput::from(whole),
            (_, Some(float)) => ToSqlOutput::from(float),
            _ => ToSqlOutput::from(rusqlite::types::Null),
        },
        Value::String(text) => ToSqlOutput::from(text.as_str()),
        other => ToSqlOutput::from(other.to_string()),
    }
}

/// Device and inode of a file; none if it is not there.
#[cfg(unix)]
fn place(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    let there = std::fs::metadata(path).ok()?;
    Some((there.dev(), there.ino()))
}

#[cfg(not(unix))]
fn place(path: &Path) -> Option<(u64, u64)> {
    path.exists().then_some((0, 0))
}
