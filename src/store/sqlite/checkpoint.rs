//! Copying the log into the file, on a thread of its own: a checkpoint syncs twice, and no commit is to wait for that.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use rusqlite::Connection;

use super::session;

/// Pages in the log that are worth a checkpoint.
const PAGES_WORTH: u32 = 1000;

/// Pages in the log (64 MiB) at which the writer itself waits for a checkpoint. While it writes on, the log never comes to
/// an end at which SQLite could begin it anew; this bounds it.
const PAGES_MAX: u32 = 16_384;

/// How long the log is, in pages, as the last commit left it.
#[derive(Clone, Default)]
pub(super) struct LogLength(Arc<AtomicU32>);

impl LogLength {
    /// Notes the length after each commit of `connection`, in place of SQLite's own checkpoints within commits.
    pub(super) fn follow(&self, connection: &mut Connection) -> rusqlite::Result<()> {
        let length = self.clone();
        connection.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages: i32| {
            length
                .0
                .store(pages.try_into().unwrap_or(0), Ordering::Relaxed);
            Ok(())
        }))
    }

    fn pages(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The thread, until it is dropped.
pub(super) struct Checkpointer {
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
    length: LogLength,
}

impl Checkpointer {
    pub(super) fn start(path: PathBuf, length: LogLength) -> std::io::Result<Self> {
        let (wake, woken) = sync_channel(1);
        let thread = std::thread::Builder::new()
            .name("store-checkpoint".to_owned())
            .spawn(move || run(&path, &woken))?;
        Ok(Self {
            wake: Some(wake),
            thread: Some(thread),
            length,
        })
    }

    /// To be called after each commit of the writer's connection.
    pub(super) fn after_commit(&self, connection: &Connection) {
        let pages = self.length.pages();
        if pages >= PAGES_MAX {
            report(checkpoint(connection));
        } else if pages >= PAGES_WORTH
            && let Some(wake) = &self.wake
        {
            // Full: it is awake, or about to be.
            let _awake = wake.try_send(());
        }
    }
}

impl Drop for Checkpointer {
    /// Ends the thread, so that its connection is not the last one on the file.
    fn drop(&mut self) {
        drop(self.wake.take());
        if let Some(thread) = self.thread.take() {
            // One that panicked has nothing left to close.
            let _panicked = thread.join();
        }
    }
}

fn run(path: &Path, woken: &Receiver<()>) {
    let mut kept: Option<Connection> = None;
    while woken.recv().is_ok() {
        let done = match kept.take() {
            Some(connection) => Ok(connection),
            None => session::connect(path),
        };
        let done = done.and_then(|connection| checkpoint(&connection).map(|()| connection));
        // After a failure nothing that a connection believes can be trusted.
        kept = report(done);
    }
}

/// Copies what nobody reads any more, without keeping anybody from reading or writing.
fn checkpoint(connection: &Connection) -> rusqlite::Result<()> {
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
}

/// Nothing is lost by a checkpoint that fails: what was committed is in the log, and a disk that fails is told of by commits.
fn report<T>(done: rusqlite::Result<T>) -> Option<T> {
    done.inspect_err(
        |error| tracing::debug!(%error, "the log could not be copied into the database"),
    )
    .ok()
}
