//! One connection that all sends of a sink share: made by the first send, closed by the first that fails on it.
//!
//! Drivers of brokers keep what they could not send and send it after a reconnect, when newer alerts have already gone out.
//! So a connection that failed, or on which a send was given up, is closed at once, with everything that it still holds. The
//! other sends on it fail too; delivery repeats them on a new connection.

use std::ops::Deref;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::{BoxFuture, Either, select};
use tokio::sync::watch;

use crate::{Class, Failure};

/// A connection to a server. Dropping it closes it.
pub(crate) trait Link: Send + Sync {
    /// Whether the server is still there, as far as the driver knows.
    fn is_open(&self) -> bool;
}

/// Why a message was not sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unsent {
    /// The server answered, and the connection works.
    Refused(Failure),
    /// The state of the connection is unknown.
    Lost(Failure),
}

impl Unsent {
    pub(crate) fn refused(class: Class, reason: impl Into<String>) -> Self {
        Self::Refused(Failure::new(class, reason))
    }

    pub(crate) fn lost(reason: impl Into<String>) -> Self {
        Self::Lost(Failure::new(Class::Transient, reason))
    }
}

/// The connection of a sink, while there is one.
pub(crate) struct Line<L> {
    current: Mutex<Option<Arc<Shared<L>>>>,
    connecting: tokio::sync::Mutex<()>,
}

/// A connection, and whether it was given up.
pub(crate) struct Shared<L> {
    link: L,
    closed: watch::Sender<bool>,
}

impl<L> Deref for Shared<L> {
    type Target = L;

    fn deref(&self) -> &L {
        &self.link
    }
}

impl<L> Default for Line<L> {
    fn default() -> Self {
        Self {
            current: Mutex::new(None),
            connecting: tokio::sync::Mutex::new(()),
        }
    }
}

impl<L: Link> Line<L> {
    /// Runs one send on the connection, which `connect` makes if there is none. A send that loses the connection, or that is
    /// dropped before its end, closes it.
    pub(crate) async fn send<'a, T, F: Future<Output = Result<T, Unsent>>>(
        &self,
        connect: impl FnOnce() -> BoxFuture<'a, Result<L, Failure>>,
        work: impl FnOnce(Arc<Shared<L>>) -> F,
    ) -> Result<T, Failure> {
        let shared = self.open(connect).await?;
        let mut closed = shared.closed.subscribe();
        let mut lease = Lease {
            line: self,
            shared: Arc::clone(&shared),
            kept: false,
        };
        let closed = pin!(closed.wait_for(|closed| *closed));
        let done = match select(pin!(work(shared)), closed).await {
            Either::Left((done, _)) => done,
            Either::Right(_) => Err(Unsent::lost(
                "the connection was closed because another message failed on it",
            )),
        };
        lease.kept = !matches!(done, Err(Unsent::Lost(_)));
        done.map_err(|unsent| match unsent {
            Unsent::Refused(failure) | Unsent::Lost(failure) => failure,
        })
    }

    async fn open<'a>(
        &self,
        connect: impl FnOnce() -> BoxFuture<'a, Result<L, Failure>>,
    ) -> Result<Arc<Shared<L>>, Failure> {
        if let Some(shared) = self.current() {
            return Ok(shared);
        }
        let _one_at_a_time = self.connecting.lock().await;
        if let Some(shared) = self.current() {
            return Ok(shared);
        }
        let shared = Arc::new(Shared {
            link: connect().await?,
            closed: watch::Sender::new(false),
        });
        *self.slot() = Some(Arc::clone(&shared));
        Ok(shared)
    }

    fn current(&self) -> Option<Arc<Shared<L>>> {
        let shared = self.slot().clone()?;
        if shared.is_open() {
            return Some(shared);
        }
        self.close(&shared);
        None
    }
}

impl<L> Line<L> {
    fn slot(&self) -> MutexGuard<'_, Option<Arc<Shared<L>>>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self, shared: &Arc<Shared<L>>) {
        self.slot().take_if(|current| Arc::ptr_eq(current, shared));
        shared.closed.send_replace(true);
    }
}

/// One send on a connection.
struct Lease<'a, L> {
    line: &'a Line<L>,
    shared: Arc<Shared<L>>,
    kept: bool,
}

impl<L> Drop for Lease<'_, L> {
    fn drop(&mut self) {
        if !self.kept {
            self.line.close(&self.shared);
        }
    }
}

/// Ends the work at the limit.
pub(crate) async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let done = tokio::time::timeout(limit, work).await;
    done.unwrap_or_else(|_| {
        let limit = limit.as_secs_f32();
        let reason = format!("the server did not confirm the message within {limit} s");
        Err(Failure::new(Class::Transient, reason))
    })
}
