//! The embedded store: one SQLite file, one writer thread, group commit.
//!
//! One process owns the file and holds a lock file next to it. So no other process can send from the same lanes.

mod append;
mod audit;
mod block;
mod connection;
pub(crate) mod copy;
mod courier;
mod episodes;
pub mod file;
mod filter;
mod firing;
mod inspect;
mod keys;
mod log;
mod mark;
mod mutes;
mod numbers;
mod pending;
mod plan;
mod postings;
mod prune;
mod read;
mod schema;
mod session;
mod settle;
mod silences;
mod tallies;
mod traits;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::mpsc;

use self::mark::Mark;
use self::read::Readers;
use self::session::Session;
pub(crate) use self::tallies::{tally, tally_of};
use self::writer::{Task, Work};
use crate::Error;

/// How many alerts make a sorted run. Fewer make more runs, which a test wants.
#[derive(Clone, Copy, Debug)]
pub struct Runs {
    /// Of dedup keys. The store holds two such sets in memory, at about 40 bytes for each key.
    pub keys: usize,
    /// Of places by problem and by severity. The store holds one or two such sets in memory, at 24 bytes for each alert.
    pub places: usize,
}

impl Default for Runs {
    fn default() -> Self {
        Self {
            keys: 65_536,
            places: 32_768,
        }
    }
}

/// An open file with its writer and readers.
pub struct Sqlite {
    readers: Readers,
    /// What fires now, as of the last commit.
    firing: firing::Shared,
    /// The newest places by problem and by severity.
    recent: postings::Shared,
    /// The counts of the last minutes.
    minutes: tallies::Shared,
    /// Grows with each commit, from a random number.
    version: Arc<AtomicU64>,
    /// The thread holds the lock until it has closed the file.
    writer: Mutex<Option<JoinHandle<()>>>,
    queue: Mutex<Option<mpsc::Sender<Box<dyn Work>>>>,
}

impl Sqlite {
    /// Opens or creates the file at `path`.
    ///
    /// # Errors
    /// [`Error::Open`] names the problem and the fix: another process has the file, it is damaged, another program or a newer
    /// Campanile wrote it, or its folder is missing or not writable.
    pub fn open(path: &Path) -> Result<Self, Error> {
        Self::open_with(path, Runs::default())
    }

    /// The same with runs of this size.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_with(path: &Path, runs: Runs) -> Result<Self, Error> {
        connection::check_version().map_err(Error::Open)?;
        let mark = Mark::take(path)?;
        inspect::check(path, &mark)?;
        let fault =
            |e: rusqlite::Error| Error::Open(format!("cannot open {}", schema::trouble(path, &e)));
        let mut connection = connection::connect(path).map_err(fault)?;
        schema::migrate(&mut connection).map_err(fault)?;
        let session = Session::load(connection, runs).map_err(fault)?;
        if let Err(error) = mark.opened(path) {
            let mark = mark.path().display();
            tracing::warn!(%mark, %error, "the lock file of the database cannot be written; the next start cannot detect a lost database file");
        }
        let (firing, recent) = (session.firing(), session.postings.shared());
        let minutes = session.tallies.shared();
        let version = Arc::new(AtomicU64::new(rand::random()));
        let counted = Arc::clone(&version);
        let (queue, works) = mpsc::channel(writer::QUEUE_MAX);
        let at = path.to_owned();
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || writer::run(mark, session, (&at, &counted), works))
            .map_err(|e| Error::Open(format!("cannot start the writer thread: {e}")))?;
        Ok(Self {
            readers: Readers::new(path.to_owned()),
            firing,
            recent,
            minutes,
            version,
            writer: Mutex::new(Some(thread)),
            queue: Mutex::new(Some(queue)),
        })
    }

    fn queue(&self) -> Result<mpsc::Sender<Box<dyn Work>>, Error> {
        let queue = self
            .queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        queue.ok_or_else(|| Error::Stopped("it is closed".to_owned()))
    }

    /// Writes and waits for the commit. While the queue is full, it waits for space. It sees all earlier appends.
    async fn write<T: Send + 'static>(
        &self,
        mut write: impl FnMut(&mut Session) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let seeing_all = move |session: &mut Session| {
            session.write_pending()?;
            write(session)
        };
        self.enqueue(true, seeing_all).await
    }

    /// Passes a write to the writer thread and waits for the commit. When the queue is full, it waits for space or returns
    /// [`Error::Busy`].
    async fn enqueue<T: Send + 'static>(
        &self,
        wait_for_room: bool,
        write: impl FnMut(&mut Session) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let stopped = || Error::Stopped("its writer thread has ended".to_owned());
        let (task, answer) = Task::new(write);
        let queue = self.queue()?;
        let task: Box<dyn Work> = Box::new(task);
        if wait_for_room {
            queue.send(task).await.map_err(|_| stopped())?;
        } else {
            queue.try_send(task).map_err(|e| match e {
                mpsc::error::TrySendError::Full(_) => Error::Busy,
                mpsc::error::TrySendError::Closed(_) => stopped(),
            })?;
        }
        drop(queue);
        courier::carried(answer).await.map_err(|_| stopped())?
    }
}

impl Drop for Sqlite {
    /// Waits for the writer to close the file and release the lock.
    fn drop(&mut self) {
        drop(
            self.queue
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
        let writer = self
            .writer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(writer) = writer {
            // A writer that panicked has already dropped its connection.
            let _panicked = writer.join();
        }
    }
}

/// The path of a file next to the database: `-wal`, `-shm`, `.lock`.
fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}
