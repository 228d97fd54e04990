//! Group commit: callbacks that arrive at the same time share one statement and one sync.
//!
//! A few tasks take batches from one queue ([`super::gather`]), each with a connection of its own. While one waits for its
//! commit, the next gathers.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tokio_postgres::error::SqlState;

use super::batch::Batch;
use super::copies::Copies;
use super::failover::{self, Failover};
use super::gather::{Queue, Weight};
use super::history::Standing;
use super::names::Names;
use super::pool::{Fault, Pool, call, left};
use super::ring::Receipt;
use super::session::Session;
use super::trouble::{is_conflict, is_lost, is_read_only, trouble};
use super::write::{Write, Written, statement};
use super::{audit, partition};
use crate::packed::Packed;
use crate::{Act, Appended, Appending, Error};

/// Callbacks in the queue. When it is full, a callback is answered 503 at once.
const QUEUE_MAX: usize = 4_096;

/// Tasks that write. Two connections fill two cores of a server; four also cover its syncs (`docs/performance.md`).
const WRITERS: usize = 4;

/// How long a batch is tried, with new connections, before its callbacks are answered 503.
const BUDGET: Duration = Duration::from_secs(4);

/// Between two attempts to reach the database.
const PAUSE: Duration = Duration::from_millis(100);

/// One callback that waits for its commit.
struct Job {
    packed: Packed,
    reply: oneshot::Sender<Result<Appended, Error>>,
}

impl Weight for Job {
    fn alerts(&self) -> usize {
        self.packed.entry.alerts.len()
    }
}

/// The queue of the writers.
pub(super) struct Appender {
    queue: std::sync::Mutex<Option<mpsc::Sender<Job>>>,
    writers: std::sync::Mutex<Vec<tokio::task::JoinHandle<()>>>,
}

/// What the writers share.
pub(super) struct Shared {
    pub(super) pool: Arc<Pool>,
    pub(super) names: Names,
    pub(super) copies: Copies,
    pub(super) failover: Failover,
    /// Batches that were committed.
    pub(super) batches: AtomicU64,
    /// Commits whose answer was lost with the connection.
    pub(super) unknown_commits: AtomicU64,
    /// A part of the ids of this database.
    pub(super) id_random: i32,
    /// The latest time in an id. It never decreases, so ids sort by acceptance when the clock is set back.
    pub(super) id_ms: AtomicI64,
    jobs: Queue<Job>,
}

impl Shared {
    /// The time in the ids of these callbacks.
    pub(super) fn ms(&self, entries: &[&Packed]) -> i64 {
        let ms = entries.iter().map(|p| p.entry.received_at.as_millisecond());
        let ms = ms.max().unwrap_or(0);
        self.id_ms.fetch_max(ms, Ordering::AcqRel).max(ms)
    }

    /// Looks at what the server does with commits. False: the gateway has not caught up with the history that the server continues.
    pub(super) async fn look(&self, session: &mut Session) -> Result<bool, tokio_postgres::Error> {
        // Meanwhile nobody catches up with another history, and needs the ring.
        let Ok(_turn) = self.failover.turn.try_lock() else {
            return Ok(true);
        };
        let is_behind = self.pool.address().history.is_behind();
        if is_behind || session.standing() != Standing::Followed {
            return Ok(false);
        }
        self.failover.saw(self.copies.look(session).await?);
        if self.copies.can_lose() {
            self.failover.ring.expire(Instant::now());
        } else {
            self.failover.ring.clear();
        }
        Ok(true)
    }

    /// Follows the servers to another history, also when nobody appends.
    pub(super) async fn follow(&self) -> Result<(), Fault> {
        let mut session = self.pool.address().newest().await?;
        failover::catch_up(self, &mut session).await
    }

    /// Answers a callback that is committed on this connection.
    fn answer(&self, job: Job, session: Option<&Session>, (answer, receipt): (Appended, Receipt)) {
        self.remember(job.packed, receipt);
        // An old primary can have committed it after the ring was put back on the new one.
        let ended = session.filter(|session| session.standing() != Standing::Followed);
        let answer = ended.map_or(Ok(answer), |session| Err(session.home.ended()));
        // When the caller has gone, only the answer is lost, not the commit.
        let _gone = job.reply.send(answer);
    }

    /// Keeps what is acknowledged, if a failover could lose it.
    fn remember(&self, packed: Packed, receipt: Receipt) {
        if self.copies.can_lose() {
            let (ring, now) = (&self.failover.ring, Instant::now());
            ring.keep(now, packed.slim(), receipt);
        }
    }
}

impl Appender {
    /// Starts the writers. `id_ms` is the latest time in an id of the database.
    pub(super) fn start(
        pool: Arc<Pool>,
        (copies, failover): (Copies, Failover),
        (id_random, id_ms): (i32, i64),
    ) -> (Self, Arc<Shared>) {
        let (queue, jobs) = mpsc::channel(QUEUE_MAX);
        let shared = Arc::new(Shared {
            pool,
            names: Names::default(),
            copies,
            failover,
            batches: AtomicU64::new(0),
            unknown_commits: AtomicU64::new(0),
            id_random,
            id_ms: AtomicI64::new(id_ms),
            jobs: Queue::new(jobs),
        });
        let writers = (0..WRITERS).map(|_| tokio::spawn(run(Arc::clone(&shared))));
        let appender = Self {
            queue: std::sync::Mutex::new(Some(queue)),
            writers: std::sync::Mutex::new(writers.collect()),
        };
        (appender, shared)
    }

    /// Commits a callback.
    pub(super) async fn append(&self, packed: Packed) -> Result<Appended, Error> {
        let stopped = |what: &str| Error::Stopped(what.to_owned());
        let (reply, answer) = oneshot::channel();
        let queue = self.lock().clone().ok_or_else(|| stopped("it is closed"))?;
        queue
            .try_send(Job { packed, reply })
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => Error::Busy,
                mpsc::error::TrySendError::Closed(_) => stopped("its writers have ended"),
            })?;
        drop(queue);
        answer
            .await
            .map_err(|_| stopped("its writers have ended"))?
    }

    /// Commits what waits, and ends the writers.
    pub(super) async fn close(&self) {
        drop(self.lock().take());
        let writers = std::mem::take(
            &mut *self
                .writers
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner),
        );
        for writer in writers {
            // A writer that panicked has dropped its callbacks, which are answered as not known.
            let _ended = writer.await;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<mpsc::Sender<Job>>> {
        self.queue
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// One writer: it ends when the queue is closed and empty.
async fn run(shared: Arc<Shared>) {
    let mut session = None;
    while let Some((jobs, _running)) = shared.jobs.gather().await {
        commit_jobs(&shared, &mut session, jobs).await;
    }
}

/// Commits a batch and answers it. When one callback makes it fail, each gets a transaction of its own.
async fn commit_jobs(shared: &Shared, session: &mut Option<Session>, jobs: Vec<Job>) {
    let entries: Vec<&Packed> = jobs.iter().map(|job| &job.packed).collect();
    match tried(shared, session, &entries).await {
        Ok(written) => {
            let written = written.answers.into_iter().zip(written.receipts);
            for (job, written) in jobs.into_iter().zip(written) {
                shared.answer(job, session.as_ref(), written);
            }
        }
        Err(Refused::Data(_)) if jobs.len() > 1 => {
            for job in jobs {
                match tried(shared, session, &[&job.packed]).await {
                    Ok(mut written) => {
                        let receipt = written.receipts.pop().unwrap_or_default();
                        let answer = written.answers.pop().unwrap_or_default();
                        shared.answer(job, session.as_ref(), (answer, receipt));
                    }
                    Err(refused) => drop(job.reply.send(Err(refused.into_error()))),
                }
            }
        }
        Err(refused) => {
            let error = refused.into_error();
            tracing::error!(%error, callbacks = jobs.len(), "a commit failed; its callbacks are answered 503");
            for job in jobs {
                let _gone = job.reply.send(Err(error.clone()));
            }
        }
    }
}

/// Why a batch was not committed.
enum Refused {
    /// The database refused the data of the batch.
    Data(Error),
    /// The database cannot be reached, or the state of the commit is not what it should be.
    Database(Error),
}

impl Refused {
    fn into_error(self) -> Error {
        match self {
            Self::Data(error) | Self::Database(error) => error,
        }
    }
}

/// Commits a batch. After a lost connection the same batch is sent again: what was committed is found by its token.
async fn tried(
    shared: &Shared,
    kept: &mut Option<Session>,
    entries: &[&Packed],
) -> Result<Written, Refused> {
    let token: i64 = rand::random();
    let (began, mut again) = (Instant::now(), false);
    loop {
        let error = match once(shared, kept, entries, (token, again)).await {
            Ok(written) => {
                shared.batches.fetch_add(1, Ordering::Relaxed);
                return Ok(written);
            }
            Err(Fault::Store(error)) => return Err(Refused::Database(error)),
            Err(Fault::Left) => {
                kept.take();
                shared.unknown_commits.fetch_add(1, Ordering::Relaxed);
                again = true;
                // The servers can change their roles again and again.
                if began.elapsed() > BUDGET {
                    return Err(Refused::Database(left()));
                }
                continue;
            }
            Err(Fault::Database(error)) => error,
        };
        let shown = || trouble(&shared.pool.address().shown(), &error);
        if is_lost(&error) {
            if kept.take().is_some() && !is_read_only(&error) {
                shared.unknown_commits.fetch_add(1, Ordering::Relaxed);
            }
            again = true;
            if began.elapsed() > BUDGET {
                return Err(Refused::Database(Error::Commit(shown())));
            }
            tokio::time::sleep(PAUSE).await;
        } else if is_full(&error) {
            make_room(&shared.pool).await.map_err(Refused::Database)?;
        } else if !is_conflict(&error) {
            return Err(Refused::Data(Error::Commit(shown())));
        }
        if began.elapsed() > BUDGET {
            return Err(Refused::Database(Error::Commit(shown())));
        }
    }
}

/// Commits a batch on the connection of the writer, or on a new one.
async fn once(
    shared: &Shared,
    kept: &mut Option<Session>,
    entries: &[&Packed],
    (token, again): (i64, bool),
) -> Result<Written, Fault> {
    let session = match kept.take() {
        Some(session) if session.is_usable() => session,
        _ => {
            let mut session = shared.pool.address().connect().await?;
            failover::catch_up(shared, &mut session).await?;
            session
        }
    };
    let session = kept.insert(session);
    let numbers = shared.names.all(session, entries).await?;
    let write = Write {
        shared,
        batch: &Batch::of(entries, &numbers, shared.ms(entries)),
        entries,
        numbers: &numbers,
        token,
    };
    let left = session.left();
    tokio::select! {
        written = write.once(session, again) => written,
        () = left => Err(Fault::Left),
    }
}

/// Creates the next partitions.
async fn make_room(pool: &Pool) -> Result<(), Error> {
    call!(pool.writing(), session => partition::ensure_now(&mut session.client).await)
}

/// Appends an entry for an operator. With the number of a callback in quarantine, this is its new reading: it is removed from
/// there, and nothing is appended when it is no longer there.
pub(super) async fn by(
    shared: &Shared,
    packed: Packed,
    act: &Act,
    quarantined: Option<i64>,
) -> Result<Appended, Error> {
    let pool = &shared.pool;
    let written = call!(pool.writing(), session => {
        let done = operate(session, (shared, &packed), act, quarantined).await;
        match done {
            Err(Fault::Database(error)) if is_full(&error) => {
                partition::ensure_now(&mut session.client).await?;
                operate(session, (shared, &packed), act, quarantined).await
            }
            done => done,
        }
    })?;
    let Some(mut written) = written else {
        return Ok(Appended::default());
    };
    let receipt = written.receipts.pop().unwrap_or_default();
    shared.remember(packed, receipt);
    Ok(written.answers.pop().unwrap_or_default())
}

/// None: the callback is no longer in quarantine.
async fn operate(
    session: &mut Session,
    (shared, packed): (&Shared, &Packed),
    act: &Act,
    quarantined: Option<i64>,
) -> Result<Option<Written>, Fault> {
    failover::catch_up(shared, session).await?;
    let entries = [packed];
    let numbers = shared.names.all(session, &entries).await?;
    let operated = Write {
        shared,
        batch: &Batch::of(&entries, &numbers, shared.ms(&entries)),
        entries: &entries,
        numbers: &numbers,
        token: rand::random(),
    };
    let append = statement(session).await?;
    let transaction = session.client.transaction().await?;
    if let Some(id) = quarantined {
        let delete = "DELETE FROM quarantine WHERE id = $1";
        if transaction.execute(delete, &[&id]).await? == 0 {
            return Ok(None);
        }
    }
    let written = operated.run(&transaction, &append, false).await?;
    let new = |appending: &&Appending| matches!(appending, Appending::Accepted { .. });
    let alerts = written.answers.iter().flat_map(|answer| &answer.alerts);
    let accepted = alerts.filter(new).count() as u64;
    let rows = if quarantined.is_some() { 1 } else { accepted };
    audit::commit_changed(transaction, &session.home, act, rows).await?;
    shared.copies.check(&written.standbys)?;
    Ok(Some(written))
}

/// Whether the last partition is full.
fn is_full(error: &tokio_postgres::Error) -> bool {
    error.code() == Some(&SqlState::CHECK_VIOLATION)
}
