//! The writer thread. Group commit: writes that arrive at the same time share one transaction and one sync.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rusqlite::ErrorCode;
use rusqlite::config::DbConfig;
use tokio::sync::{mpsc, oneshot};

use super::connection;
use super::mark::Mark;
use super::schema;
use super::session::Session;
use crate::Error;
use campanile_model::failpoint;

/// Writes in the queue. When the queue is full, a callback is answered 503 at once.
pub(super) const QUEUE_MAX: usize = 4096;

/// Writes in one transaction. Larger batches gain little, and the first write waits longer.
const BATCH_MAX: usize = 256;

/// When the last batch had at least this many writes, more are expected, and the writer waits for them.
const CROWD: usize = 16;

/// How long the writer thread waits for more writes under load. Fewer commits write fewer bytes (`docs/performance.md`). Without load
/// it does not wait.
const LINGER: Duration = Duration::from_micros(200);

/// Writes of one batch that may meet damage, each in its own transaction. The file is opened again after each, which takes up to
/// a second.
const DAMAGED_MAX: usize = 3;

/// One write: applied inside a transaction, answered after its commit. It is applied again when another write made the
/// shared transaction fail.
pub(super) trait Work: Send {
    /// Writes, in the open transaction.
    fn apply(&mut self, session: &mut Session) -> rusqlite::Result<()>;
    /// Sends the outcome to the caller.
    fn finish(self: Box<Self>, outcome: Result<(), Error>);
}

/// A write made of a closure.
pub(super) struct Task<T, F> {
    write: F,
    result: Option<T>,
    reply: oneshot::Sender<Result<T, Error>>,
}

impl<T, F> Task<T, F> {
    pub(super) fn new(write: F) -> (Self, oneshot::Receiver<Result<T, Error>>) {
        let (reply, answer) = oneshot::channel();
        (
            Self {
                write,
                result: None,
                reply,
            },
            answer,
        )
    }
}

impl<T: Send, F: FnMut(&mut Session) -> rusqlite::Result<T> + Send> Work for Task<T, F> {
    fn apply(&mut self, session: &mut Session) -> rusqlite::Result<()> {
        self.result = Some((self.write)(session)?);
        Ok(())
    }

    fn finish(self: Box<Self>, outcome: Result<(), Error>) {
        let Self { result, reply, .. } = *self;
        let nothing = || Error::Commit("the write was not applied".to_owned());
        // When the caller has gone, only the answer is lost, not the commit.
        let _gone = reply.send(outcome.and_then(|()| result.ok_or_else(nothing)));
    }
}

/// Runs until the queue is closed, then closes the connection, which moves the log into the file. The lock, held by `mark`, is
/// released last.
pub(super) fn run(
    mark: Mark,
    session: Session,
    (path, version): (&Path, &AtomicU64),
    mut queue: mpsc::Receiver<Box<dyn Work>>,
) {
    let mut writer = Writer {
        session,
        path,
        version,
        failing: false,
        doubted: false,
    };
    let mut batch: Vec<Box<dyn Work>> = Vec::with_capacity(BATCH_MAX);
    let mut shared = 0;
    while let Some(first) = queue.blocking_recv() {
        batch.push(first);
        gather(&mut batch, &mut queue);
        // Lets other threads add their writes now: one commit costs the same for one write as for many.
        if shared < CROWD {
            std::thread::yield_now();
        } else {
            std::thread::park_timeout(LINGER);
        }
        gather(&mut batch, &mut queue);
        shared = batch.len();
        writer.write(&mut batch);
    }
    writer.close(&mark);
    drop(mark);
}

fn gather(batch: &mut Vec<Box<dyn Work>>, queue: &mut mpsc::Receiver<Box<dyn Work>>) {
    while batch.len() < BATCH_MAX {
        match queue.try_recv() {
            Ok(next) => batch.push(next),
            Err(_) => break,
        }
    }
}

/// The state of the writer thread.
struct Writer<'p> {
    session: Session,
    path: &'p Path,
    version: &'p AtomicU64,
    /// Whether the last batch failed. A full disk is logged once, not thirty thousand times a second, because the log can be
    /// on the same disk.
    failing: bool,
    /// A write or a sync failed, and the file has not been opened again yet.
    doubted: bool,
}

impl Writer<'_> {
    /// Writes a batch and answers it. False when it was not committed as a whole.
    fn write(&mut self, batch: &mut Vec<Box<dyn Work>>) -> bool {
        let error = match self
            .trusted()
            .and_then(|session| transaction(session, batch))
        {
            Ok(()) => {
                // Before any caller knows of the commit.
                self.version.fetch_add(1, Ordering::SeqCst);
                batch.drain(..).for_each(|work| work.finish(Ok(())));
                if std::mem::take(&mut self.failing) {
                    tracing::info!("the store commits again; callbacks are accepted");
                }
                return true;
            }
            Err(error) => error,
        };
        self.doubted |= is_of_the_machine(&error);
        let trouble = schema::trouble(self.path, &error);
        if batch.len() > 1 && (!self.doubted || schema::is_damage(&error)) {
            self.write_each(std::mem::take(batch), &trouble);
            return false;
        }
        if !std::mem::replace(&mut self.failing, true) {
            tracing::error!(error = %trouble, "a commit failed; callbacks are answered 503 until one succeeds");
        }
        for work in batch.drain(..) {
            work.finish(Err(Error::Commit(trouble.clone())));
        }
        false
    }

    /// One of the writes cannot succeed, or meets a damaged page. Each gets a transaction of its own, so only that one fails.
    /// When several meet damage, the page is one that every write needs.
    fn write_each(&mut self, batch: Vec<Box<dyn Work>>, trouble: &str) {
        let mut damaged = 0;
        for work in batch {
            if damaged == DAMAGED_MAX {
                work.finish(Err(Error::Commit(trouble.to_owned())));
            } else if !self.write(&mut vec![work]) && self.doubted {
                damaged += 1;
            }
        }
    }

    /// The session. After a failed write or sync the state of the connection cannot be trusted, so the file is opened again.
    fn trusted(&mut self) -> rusqlite::Result<&mut Session> {
        if self.doubted {
            // Open the new connection before the old one is closed: closing the last connection would remove the log.
            let runs = self.session.runs;
            let minutes = self.session.tallies.shared();
            let (firing, recent) = (self.session.firing(), self.session.postings.shared());
            self.session = connection::connect(self.path)
                .and_then(|connection| Session::load(connection, runs))?;
            self.session.share(firing);
            self.session.postings.share(recent);
            self.session.tallies.share(minutes);
            self.doubted = false;
        }
        Ok(&mut self.session)
    }

    fn close(self, mark: &Mark) {
        if let Err(error) = mark.closing() {
            tracing::warn!(%error, "the lock file of the database cannot be written; the log is kept for the next start");
            let keep_log = DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
            let _refused = self.session.connection.set_db_config(keep_log, true);
        }
    }
}

fn transaction(session: &mut Session, batch: &mut Vec<Box<dyn Work>>) -> rusqlite::Result<()> {
    let written = (|| {
        session.begin()?;
        batch.iter_mut().try_for_each(|work| work.apply(session))?;
        if failpoint::broken("broken-dedup-pending") {
            batch.drain(1..).for_each(|work| work.finish(Ok(())));
        }
        session.commit()
    })();
    if written.is_err() {
        session.roll_back();
    }
    written
}

/// Whether the disk, the memory or the file caused the error, not the data of a write.
fn is_of_the_machine(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::SystemIoFailure
                | ErrorCode::DiskFull
                | ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
                | ErrorCode::ReadOnly
                | ErrorCode::CannotOpen
                | ErrorCode::OutOfMemory
                | ErrorCode::PermissionDenied
                | ErrorCode::FileLockingProtocolFailed
        )
    )
}
