//! The embedded store: one SQLite file, one writer thread, group commit.
//!
//! One process owns the file (a lock beside it says so). That ownership is the lease on every lane: what another
//! process could be sending, nobody sends.

mod codec;
mod courier;
mod filter;
mod inspect;
mod keys;
mod log;
mod mark;
mod owed;
mod prune;
mod read;
mod schema;
mod session;
mod settle;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

use campanile_model::Fingerprint;
use jiff::Timestamp;
use tokio::sync::mpsc;
use uuid::Uuid;

use self::mark::Mark;
use self::read::Readers;
use self::session::{Packed, Session};
use self::writer::{Task, Work};
use super::{
    Answer, Appended, AttemptRow, DeadRow, DeliveryRow, Entry, Error, Filter, Owed, QuarantineRow,
    Seq, Settlement, SinkId, Stats, Store, StoredAlert,
};

/// An open file with its writer and readers.
pub struct Sqlite {
    readers: Readers,
    /// Holds the lock until it has closed the file.
    writer: Mutex<Option<JoinHandle<()>>>,
    queue: Mutex<Option<mpsc::Sender<Box<dyn Work>>>>,
}

impl Sqlite {
    /// Opens or makes the file at `path`.
    ///
    /// # Errors
    /// [`Error::Open`] with what to do about it: another process has the file, it is damaged, another program's or a
    /// newer Campanile's, its folder is missing or not writable.
    pub fn open(path: &Path) -> Result<Self, Error> {
        session::check_version().map_err(Error::Open)?;
        let mark = Mark::take(path)?;
        inspect::check(path, &mark)?;
        let fault =
            |e: rusqlite::Error| Error::Open(format!("cannot open {}", schema::trouble(path, &e)));
        let mut connection = session::connect(path).map_err(fault)?;
        schema::migrate(&mut connection).map_err(fault)?;
        let session = Session::load(connection).map_err(fault)?;
        if let Err(error) = mark.opened(path) {
            let mark = mark.path().display();
            tracing::warn!(%mark, %error, "the mark beside the database cannot be written; a lost file may go unnoticed");
        }
        let (queue, works) = mpsc::channel(writer::QUEUE_MAX);
        let at = path.to_owned();
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || writer::run(mark, session, &at, works))
            .map_err(|e| Error::Open(format!("cannot start the writer thread: {e}")))?;
        Ok(Self {
            readers: Readers::new(path.to_owned()),
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

    /// Writes and waits for the commit and, while the queue is full, for room in it. It sees all that was appended before.
    async fn write<T: Send + 'static>(
        &self,
        mut write: impl FnMut(&mut Session) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let seeing_all = move |session: &mut Session| {
            session.write_owed()?;
            write(session)
        };
        self.enqueue(true, seeing_all).await
    }

    /// Hands something to the writer and waits for the commit. Vendors are told to come again when the queue is full.
    async fn enqueue<T: Send + 'static>(
        &self,
        wait_for_room: bool,
        write: impl FnMut(&mut Session) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let stopped = || Error::Stopped("its writer is gone".to_owned());
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
    /// Ends the writer before the lock is given back.
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
            // A writer that panicked has nothing left to close.
            let _panicked = writer.join();
        }
    }
}

/// The path of a file that stands beside the database: `-wal`, `.lock`.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

impl Store for Sqlite {
    fn append(&self, entry: Entry) -> Answer<'_, Appended> {
        let packed = Packed::new(entry);
        Box::pin(self.enqueue(false, move |session| session.append(&packed)))
    }

    fn sink_ids(&self, names: Vec<String>) -> Answer<'_, Vec<SinkId>> {
        Box::pin(
            self.write(move |session| names.iter().map(|name| session.sink_id(name)).collect()),
        )
    }

    fn known_sinks(&self) -> Answer<'_, Vec<(SinkId, String)>> {
        Box::pin(self.readers.look(read::known_sinks))
    }

    fn owed(&self, sink: SinkId, after: Seq, limit: usize) -> Answer<'_, Vec<Owed>> {
        Box::pin(
            self.readers
                .look(move |c| read::owed(c, sink, after, limit)),
        )
    }

    fn owed_in_lane(
        &self,
        sink: SinkId,
        lane: Fingerprint,
        after: Seq,
        limit: usize,
    ) -> Answer<'_, Vec<Owed>> {
        Box::pin(
            self.readers
                .look(move |c| read::owed_in_lane(c, sink, lane, after, limit)),
        )
    }

    fn settle(&self, settlements: Vec<Settlement>) -> Answer<'_, ()> {
        Box::pin(self.write(move |session| {
            settlements
                .iter()
                .try_for_each(|settlement| settle::settle(session, settlement))
        }))
    }

    fn alerts_at(&self, seqs: Vec<Seq>) -> Answer<'_, Vec<StoredAlert>> {
        Box::pin(self.readers.look(move |c| read::alerts_at(c, &seqs)))
    }

    fn alert(&self, id: Uuid) -> Answer<'_, Option<StoredAlert>> {
        Box::pin(self.readers.look(move |c| read::alert(c, id)))
    }

    fn alerts(&self, filter: Filter) -> Answer<'_, Vec<StoredAlert>> {
        Box::pin(self.readers.look(move |c| read::alerts(c, &filter)))
    }

    fn deliveries(&self, filter: Filter) -> Answer<'_, Vec<DeliveryRow>> {
        Box::pin(self.readers.look(move |c| read::deliveries(c, &filter)))
    }

    fn deliveries_of(&self, seq: Seq) -> Answer<'_, Vec<DeliveryRow>> {
        Box::pin(self.readers.look(move |c| read::deliveries_of(c, seq)))
    }

    fn attempts_of(&self, seq: Seq) -> Answer<'_, Vec<AttemptRow>> {
        Box::pin(self.readers.look(move |c| read::attempts_of(c, seq)))
    }

    fn callback_of(&self, seq: Seq) -> Answer<'_, Option<Vec<u8>>> {
        Box::pin(self.readers.look(move |c| read::callback_of(c, seq)))
    }

    fn dead(&self, filter: Filter) -> Answer<'_, Vec<DeadRow>> {
        Box::pin(self.readers.look(move |c| read::dead(c, &filter)))
    }

    fn redrive(&self, dead: Vec<i64>, now: Timestamp) -> Answer<'_, Vec<(SinkId, Seq)>> {
        Box::pin(self.write(move |session| settle::redrive(session, &dead, now)))
    }

    fn drop_dead(&self, dead: Vec<i64>) -> Answer<'_, u64> {
        Box::pin(self.write(move |session| settle::drop_rows(session, "dead", &dead)))
    }

    fn owe(&self, seq: Seq, sink: SinkId, now: Timestamp) -> Answer<'_, bool> {
        Box::pin(self.write(move |session| settle::owe(session, seq, sink, now)))
    }

    fn drop_owed(&self, seq: Seq, sink: SinkId) -> Answer<'_, bool> {
        Box::pin(self.write(move |session| {
            let rows = owed::delete(&session.connection, sink)?.execute([seq])?;
            Ok(rows > 0)
        }))
    }

    fn quarantine(&self, filter: Filter) -> Answer<'_, Vec<QuarantineRow>> {
        Box::pin(self.readers.look(move |c| read::quarantine(c, &filter)))
    }

    fn quarantined(&self, id: i64) -> Answer<'_, Option<QuarantineRow>> {
        Box::pin(self.readers.look(move |c| read::quarantined(c, id)))
    }

    fn release(&self, id: i64, entry: Entry) -> Answer<'_, Appended> {
        let packed = Packed::new(entry);
        Box::pin(self.write(move |session| settle::release(session, id, &packed)))
    }

    fn drop_quarantined(&self, ids: Vec<i64>) -> Answer<'_, u64> {
        Box::pin(self.write(move |session| settle::drop_rows(session, "quarantine", &ids)))
    }

    fn latest_of(&self, source: String, limit: u32) -> Answer<'_, Vec<StoredAlert>> {
        Box::pin(
            self.readers
                .look(move |c| read::latest_of(c, &source, limit)),
        )
    }

    fn prune(&self, before: Timestamp) -> Answer<'_, bool> {
        Box::pin(self.write(move |session| prune::step(session, before.as_millisecond())))
    }

    fn stats(&self) -> Answer<'_, Stats> {
        Box::pin(self.readers.look(read::stats))
    }

    fn ready(&self) -> Answer<'_, ()> {
        Box::pin(self.write(|session| {
            let sql = "UPDATE meta SET value = value + 1 WHERE name = 'probe'";
            session
                .connection
                .prepare_cached(sql)?
                .execute([])
                .map(|_| ())
        }))
    }

    fn close(&self) -> Answer<'_, ()> {
        Box::pin(async move {
            drop(
                self.queue
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .take(),
            );
            self.readers.close();
            let writer = self
                .writer
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
            let Some(writer) = writer else { return Ok(()) };
            tokio::task::spawn_blocking(move || writer.join())
                .await
                .map_err(|e| Error::Stopped(e.to_string()))?
                .map_err(|_| Error::Stopped("its writer died".to_owned()))
        })
    }
}
