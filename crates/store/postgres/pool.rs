//! Connections for everything but appends. Each call takes one, and gives it back when it did not fail.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Semaphore, SemaphorePermit};

use super::address::Address;
use super::commit::waited;
use super::session::Session;
use super::trouble::{is_conflict, is_lost, trouble};
use crate::Error;

/// Connections that are open at the same time. More callers wait.
const OPEN_MAX: usize = 8;

/// Connections of beats and leases, in addition.
const BEATS_MAX: usize = 2;

/// Idle connections that are kept.
const IDLE_MAX: usize = 4;

/// How often a statement is sent again after a lost connection or a deadlock.
const RETRIES: usize = 2;

/// The connections.
pub(super) struct Pool {
    address: Arc<Address>,
    idle: Mutex<Vec<Session>>,
    open: Semaphore,
    beats: Semaphore,
    closed: AtomicBool,
}

/// What went wrong in a call: the database, or the store itself.
pub(super) enum Fault {
    Database(tokio_postgres::Error),
    Store(Error),
    /// The gateway follows another history meanwhile. What became of the statement is not known, and does not count.
    Left,
}

impl Fault {
    /// As an error of the store. `of` makes one of an error of the database.
    pub(super) fn into_error(self, of: impl FnOnce(tokio_postgres::Error) -> Error) -> Error {
        match self {
            Self::Database(error) => of(error),
            Self::Store(error) => error,
            Self::Left => left(),
        }
    }
}

impl From<tokio_postgres::Error> for Fault {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Database(error)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl Pool {
    pub(super) fn new(address: Arc<Address>) -> Self {
        Self {
            address,
            idle: Mutex::default(),
            open: Semaphore::new(OPEN_MAX),
            beats: Semaphore::new(BEATS_MAX),
            closed: AtomicBool::new(false),
        }
    }

    pub(super) fn address(&self) -> &Arc<Address> {
        &self.address
    }

    /// Begins a call that reads.
    pub(super) async fn reading(&self) -> Result<Call<'_>, Error> {
        self.call(&self.open, Error::Read, false).await
    }

    /// Begins a call that writes. The write must be one that can be repeated: it is sent again when the connection was lost. A commit
    /// that did not wait for the standby is an error.
    pub(super) async fn writing(&self) -> Result<Call<'_>, Error> {
        self.call(&self.open, Error::Commit, true).await
    }

    /// Begins such a call for a beat or a lease. It never waits for reads: a gateway whose beat waits loses its sinks.
    pub(super) async fn beating(&self) -> Result<Call<'_>, Error> {
        self.call(&self.beats, Error::Commit, true).await
    }

    async fn call<'p>(
        &'p self,
        open: &'p Semaphore,
        kind: fn(String) -> Error,
        writes: bool,
    ) -> Result<Call<'p>, Error> {
        let permit = open.acquire().await.map_err(|_| stopped())?;
        Ok(Call {
            pool: self,
            _permit: permit,
            kind,
            writes,
            tries: 0,
        })
    }

    async fn take(&self) -> Result<Session, Fault> {
        let idle = self.lock().pop();
        match idle {
            Some(session) if session.is_usable() => Ok(session),
            _ => self.address.connect().await,
        }
    }

    fn give_back(&self, session: Session) {
        let mut idle = self.lock();
        if idle.len() < IDLE_MAX && !self.closed.load(Ordering::Acquire) {
            idle.push(session);
        }
    }

    /// Closes the idle connections. Every later call fails.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.open.close();
        self.beats.close();
        self.lock().clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Session>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn left() -> Error {
    Error::Read("PostgreSQL fails over. Try again.".to_owned())
}

fn stopped() -> Error {
    Error::Stopped("it is closed".to_owned())
}

/// One call, which is tried again after a lost connection.
pub(super) struct Call<'p> {
    pool: &'p Pool,
    _permit: SemaphorePermit<'p>,
    kind: fn(String) -> Error,
    writes: bool,
    tries: usize,
}

impl Call<'_> {
    /// A connection for the next try.
    pub(super) async fn session(&mut self) -> Result<Session, Error> {
        loop {
            if self.pool.closed.load(Ordering::Acquire) {
                return Err(stopped());
            }
            match self.pool.take().await {
                Ok(session) => {
                    session.take_warning();
                    return Ok(session);
                }
                Err(Fault::Database(error)) => self.failed(&error)?,
                Err(fault) => return Err(fault.into_error(|error| (self.kind)(error.to_string()))),
            }
        }
    }

    /// The result of the call. None: try again.
    pub(super) fn ended<T>(
        &mut self,
        session: Session,
        result: Result<T, Fault>,
    ) -> Option<Result<T, Error>> {
        match result {
            Ok(done) => {
                let safe = if self.writes {
                    waited(&session)
                } else {
                    Ok(())
                };
                self.pool.give_back(session);
                Some(safe.map(|()| done))
            }
            Err(Fault::Store(error)) => Some(Err(error)),
            Err(Fault::Database(error)) => self.failed(&error).err().map(Err),
            Err(Fault::Left) => {
                self.tries += 1;
                (self.tries > RETRIES).then(|| Err(left()))
            }
        }
    }

    fn failed(&mut self, error: &tokio_postgres::Error) -> Result<(), Error> {
        self.tries += 1;
        if self.tries > RETRIES || !(is_lost(error) || is_conflict(error)) {
            return Err((self.kind)(trouble(&self.pool.address.shown(), error)));
        }
        Ok(())
    }
}

/// Runs an expression with a connection, and again after a lost one: `call!(pool.reading(), session => expression)`. A macro,
/// because the future of an async closure cannot be sent between threads yet.
macro_rules! call {
    ($pool:ident.$kind:ident(), $session:ident => $body:expr) => {{
        let mut call = $pool.$kind().await?;
        loop {
            let mut held = call.session().await?;
            let left = held.left();
            let done = async {
                let $session = &mut held;
                $body.map_err($crate::postgres::pool::Fault::from)
            };
            let result = tokio::select! {
                done = done => done,
                () = left => Err($crate::postgres::pool::Fault::Left),
            };
            if let Some(ended) = call.ended(held, result) {
                break ended;
            }
        }
    }};
}

pub(super) use call;
