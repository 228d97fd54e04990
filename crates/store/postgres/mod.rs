//! The store on a PostgreSQL server of version 15 or newer. Many gateways can share it.
//!
//! Each method is one transaction. Appends are batched ([`append`]), everything else takes a connection of [`pool`]. What must
//! be read in the order of places is read up to the [`floor`].

mod address;
mod append;
mod audit;
mod batch;
mod commit;
mod copies;
pub(crate) mod copy;
mod failover;
mod floor;
mod gather;
mod hints;
mod history;
mod members;
mod membership;
mod names;
mod numbers;
mod partition;
mod pool;
mod pooled;
mod prune;
mod read;
mod ring;
mod schema;
mod session;
mod settle;
mod silences;
mod tallies;
mod traits;
mod trouble;
mod version;
mod wishes;
mod write;

use std::sync::Arc;

use tokio::sync::Mutex;

use self::address::Address;
use self::append::{Appender, Shared};
use self::copies::Copies;
use self::failover::Failover;
use self::floor::Floor;
use self::pool::Pool;
use self::session::Session;
use crate::{Error, StoreCopies, id};

/// The oldest version of the server that is supported.
const VERSION_MIN: i32 = 150_000;

/// An open store.
pub struct Postgres {
    pool: Arc<Pool>,
    appender: Appender,
    shared: Arc<Shared>,
    floor: Floor,
    held: members::Held,
    pruning: Mutex<prune::Progress>,
}

impl Postgres {
    /// Connects to the database of a URL such as `postgres://user:password@host:5432/database`, and creates or migrates its
    /// tables.
    ///
    /// # Errors
    /// [`Error::Open`] names the problem and the fix: the server cannot be reached, is too old, is read-only or does not sync,
    /// the user has too few rights, or a newer Campanile wrote the tables.
    pub async fn open(url: &str) -> Result<Self, Error> {
        Self::open_with(url, None).await
    }

    /// The same, with `[store] copies`: how many copies of a callback there must be before it is answered.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn open_with(url: &str, copies: Option<StoreCopies>) -> Result<Self, Error> {
        let address =
            Address::parse(url).map_err(|problem| Error::Open(format!("[store] url {problem}")))?;
        Self::open_at(Arc::new(address), copies).await
    }

    async fn open_at(address: Arc<Address>, copies: Option<StoreCopies>) -> Result<Self, Error> {
        let shown = address.shown();
        let fault = |error: tokio_postgres::Error| {
            Error::Open(format!("cannot open {}", trouble::trouble(&shown, &error)))
        };
        let mut session = address
            .connect_without_tables()
            .await
            .map_err(|found| found.into_error(fault))?;
        let other = address.connect_without_tables().await;
        let other = other.map_err(|found| found.into_error(fault))?;
        pooled::check(&session, &other, &shown).await?;
        drop(other);
        check(&session, &shown).await?;
        if schema::is_copy(&session.client).await.map_err(fault)? {
            return Err(Error::Open(crate::copy::unfinished(&shown)));
        }
        let migrated = schema::migrate(&mut session, &shown).await;
        migrated.map_err(|problem| problem.into_error(fault))?;
        let ids = ids(&session).await.map_err(fault)?;
        let copies = Copies::new(copies);
        let place = copies.look(&mut session).await.map_err(fault)?;
        let failover = Failover::default();
        failover.saw(place);
        let pool = Arc::new(Pool::new(address));
        let (appender, shared) = Appender::start(Arc::clone(&pool), (copies, failover), ids);
        Ok(Self {
            pool,
            appender,
            shared,
            floor: Floor::default(),
            held: members::Held::default(),
            pruning: Mutex::default(),
        })
    }
}

/// Refuses a server that cannot keep the promises.
async fn check(session: &Session, shown: &str) -> Result<(), Error> {
    let select =
        "SELECT current_setting('server_version_num')::int, current_setting('server_version'),
                         current_setting('fsync') = 'on'";
    let fault = |error: tokio_postgres::Error| {
        Error::Open(format!("cannot open {}", trouble::trouble(shown, &error)))
    };
    let row = session.client.query_one(select, &[]).await.map_err(fault)?;
    let (number, version, syncs): (i32, String, bool) = (row.get(0), row.get(1), row.get(2));
    if number < VERSION_MIN {
        return Err(Error::Open(format!(
            "{shown} is PostgreSQL {version}. Campanile needs 15 or newer."
        )));
    }
    if !syncs {
        return Err(Error::Open(format!(
            "{shown} has fsync = off: it loses alerts that were answered when its machine fails. Set fsync = on."
        )));
    }
    Ok(())
}

/// The random part of the ids of this database, and the latest time in an id.
async fn ids(session: &Session) -> Result<(i32, i64), tokio_postgres::Error> {
    let select = "SELECT id_random, (SELECT id FROM alert ORDER BY seq DESC LIMIT 1) FROM meta";
    let row = session.client.query_one(select, &[]).await?;
    let newest = row.get::<_, Option<uuid::Uuid>>(1);
    Ok((row.get(0), newest.map_or(0, id::ms_of)))
}
