//! What Campanile keeps: callbacks, alerts, pending deliveries, dead letters and quarantined callbacks.
//!
//! Four traits, one for each kind of consumer. Every method takes a batch where that is useful, and returns only when its
//! effect is durable: a returned `Ok` survives `kill -9` and, with the store's own durable setting, a power loss.

mod codec;
mod id;
pub mod sqlite;
mod traits;
mod types;

use std::sync::Arc;

use futures_util::future::BoxFuture;

pub use campanile_model::{DedupKey, Fault, Seq, SinkId, StoreUrl};
pub use traits::{Archive, Inbox, Outbox, Store, Upkeep};
pub use types::*;

/// Why the store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Too much is waiting for the writer. Nothing was written.
    #[error("the store is busy: too many callbacks wait to be committed")]
    Busy,
    /// The transaction did not commit. Nothing of it is there.
    #[error("the store cannot commit: {0}")]
    Commit(String),
    /// A row could not be read.
    #[error("the store cannot read: {0}")]
    Read(String),
    /// The store is closed, or it stopped after a failure that it must not go on from.
    #[error("the store has stopped: {0}")]
    Stopped(String),
    /// The file cannot be opened, and what to do about it.
    #[error("{0}")]
    Open(String),
}

/// What every method gives.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, Error>>;

/// Opens the store at this URL, and makes it if nothing is there. It reads no clock: every time comes with a call.
///
/// # Errors
/// [`Error::Open`], which says what to do.
pub fn open(url: &StoreUrl) -> Result<Arc<dyn Store>, Error> {
    match url {
        StoreUrl::Sqlite(path) => Ok(Arc::new(sqlite::Sqlite::open(path)?)),
    }
}
