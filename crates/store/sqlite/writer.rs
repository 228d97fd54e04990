//! The writer thread: what comes at the same time shares one transaction and one sync.

use std::path::Path;
use std::time::Duration;

use rusqlite::ErrorCode;
use rusqlite::config::DbConfig;
use tokio::sync::{mpsc, oneshot};

use super::mark::Mark;
use super::schema;
use super::session::{self, Session};
use crate::Error;
use campanile_model::failpoint;

/// Works that may wait for the writer; a callback that finds the queue full is answered 503 at once.
pub(super) const QUEUE_MAX: usize = 4096;

/// Works that share a transaction. Larger batches gain little and make the first of them wait.
const BATCH_MAX: usize = 256;

/// So many works in the commit before are a crowd: more are sure to come, and are waited for.
const CROWD: usize = 16;

/// How long a crowd is waited for: fewer commits write less (`docs/performance.md`), and who comes alone never waits.
const LINGER: Duration = Duration::from_micros(200);

/// Something to be written: applied inside a transaction, answered after its commit. It may be applied again when the
/// transaction that it shared failed for another's fault.
pub(super) trait Work: Send {
    /// Writes, in the open transaction.
    fn apply(&mut self, session: &mut Session) -> rusqlite::Result<()>;
    /// Tells the caller how it ended.
    fn finish(self: Box<Self>, outcome: Result<(), Error>);
}

/// A work made of a closure.
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
        let nothing = || Error::Commit("the work was not applied".to_owned());
        // A caller that went away has lost the answer, not the commit.
        let _gone = reply.send(outcome.and_then(|()| result.ok_or_else(nothing)));
    }
}

/// Runs until every sender is gone, then closes the connection, which empties the log into the file. The lock, held by
/// `mark`, is given back last.
pub(super) fn run(
    mark: Mark,
    session: Session,
    path: &Path,
    mut queue: mpsc::Receiver<Box<dyn Work>>,
) {
    let mut writer = Writer {
        session,
        path,
        failing: false,
        doubted: false,
    };
    let mut batch: Vec<Box<dyn Work>> = Vec::with_capacity(BATCH_MAX);
    let mut shared = 0;
    while let Some(first) = queue.blocking_recv() {
        batch.push(first);
        gather(&mut batch, &mut queue);
        // Whoever is about to hand something in may do so now: a commit costs the same for one as for many.
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

/// The writer at work.
struct Writer<'p> {
    session: Session,
    path: &'p Path,
    /// What became of the batch before: a disk that stays full is told of once, not thirty thousand times a second onto
    /// what may be the same disk.
    failing: bool,
    /// A write or a sync failed, and the file could not be opened anew yet.
    doubted: bool,
}

impl Writer<'_> {
    /// Writes a batch and answers it.
    fn write(&mut self, batch: &mut Vec<Box<dyn Work>>) {
        let error = match self
            .trusted()
            .and_then(|session| transaction(session, batch))
        {
            Ok(()) => {
                batch.drain(..).for_each(|work| work.finish(Ok(())));
                if std::mem::take(&mut self.failing) {
                    tracing::info!("commits succeed again");
                }
                return;
            }
            Err(error) => error,
        };
        if is_of_the_machine(&error) {
            self.doubted = true;
        } else if batch.len() > 1 {
            // One of them cannot be written: each gets a transaction of its own, so that it harms no other.
            for work in std::mem::take(batch) {
                self.write(&mut vec![work]);
            }
            return;
        }
        let trouble = schema::trouble(self.path, &error);
        if !std::mem::replace(&mut self.failing, true) {
            tracing::error!(error = %trouble, "a commit failed; callbacks are answered 503 until one succeeds");
        }
        for work in batch.drain(..) {
            work.finish(Err(Error::Commit(trouble.clone())));
        }
    }

    /// The session, opened anew where it is in doubt: after a failed write or sync nothing that a connection believes can be
    /// trusted. The file says what is true.
    fn trusted(&mut self) -> rusqlite::Result<&mut Session> {
        if self.doubted {
            // The old connection is closed after the new one is there: the last one to be closed would remove the log.
            self.session = session::connect(self.path).and_then(Session::load)?;
            self.doubted = false;
        }
        Ok(&mut self.session)
    }

    fn close(self, mark: &Mark) {
        if let Err(error) = mark.closing() {
            tracing::warn!(%error, "the mark beside the database cannot be written; the log is left for the next start");
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

/// Whether the fault lies with disk, memory or file, and not with what was to be written.
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
