//! What Campanile keeps: callbacks, alerts, pending deliveries, dead letters and quarantined callbacks.
//!
//! Four traits, one for each kind of consumer, and one for gateways that share a store. Methods take batches where that is useful. A method that writes returns after
//! its commit is synced: a returned `Ok` survives `kill -9` and a power loss.

mod arrival;
mod codec;
pub mod copy;
mod hint;
mod id;
pub mod lease;
mod packed;
pub mod postgres;
pub mod sqlite;
mod text;
mod traits;
mod types;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use secrecy::ExposeSecret;

pub use campanile_model::{DedupKey, Fault, Seq, SinkId, StoreCopies, StoreUrl};
pub use hint::Hint;
pub use traits::{Archive, Inbox, Membership, Outbox, Store, Upkeep};
pub use types::*;

/// Why the store did not do what was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The queue of the writer is full. Nothing was written.
    #[error("the store is busy: too many callbacks wait to be committed")]
    Busy,
    /// The transaction did not commit. Nothing of it was written.
    #[error("the store cannot commit: {0}")]
    Commit(String),
    /// The transaction is committed, but on one server only: it can be lost with that server. Sending the same again is safe.
    #[error("the store has committed this, but not safely: {0}")]
    Unreplicated(String),
    /// A row could not be read.
    #[error("the store cannot read: {0}")]
    Read(String),
    /// The store is closed, or its writer stopped. The outcome of a pending call is not known.
    #[error("the store has stopped: {0}")]
    Stopped(String),
    /// Another gateway delivers for this sink now. Nothing was written.
    #[error("another gateway delivers for this sink now")]
    NotOwner,
    /// The file cannot be opened. The text names the file, the problem and the fix.
    #[error("{0}")]
    Open(String),
    /// A newer program changes the tables: this one cannot use them any more, and writes nothing. The text names the fix.
    #[error("{0}")]
    Outgrown(String),
}

/// The future that every method returns.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, Error>>;

/// An open store.
pub struct Opened {
    /// The store.
    pub store: Arc<dyn Store>,
    /// Other gateways can share it. None: this one owns the whole store.
    pub membership: Option<Arc<dyn Membership>>,
}

/// Opens the store at this URL, or creates it. `copies` is how many copies of a callback there must be on servers before it is
/// answered. A store reads no clock: the caller passes every time.
///
/// # Errors
/// [`Error::Open`], which names the fix.
pub async fn open(url: &StoreUrl, copies: Option<StoreCopies>) -> Result<Opened, Error> {
    match url {
        StoreUrl::Sqlite(path) => Ok(Opened {
            store: Arc::new(sqlite::Sqlite::open(path)?),
            membership: None,
        }),
        StoreUrl::Postgres(url) => {
            let store = Arc::new(postgres::Postgres::open_with(url.expose_secret(), copies).await?);
            Ok(Opened {
                store: Arc::clone(&store) as Arc<dyn Store>,
                membership: Some(store),
            })
        }
    }
}
