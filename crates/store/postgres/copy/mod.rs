//! A PostgreSQL database as one side of a copy (`crates/store/copy/`).

mod insert;
mod pages;
mod records;
mod rows;
mod source;
mod target;

pub(crate) use source::Source;
pub(crate) use target::Target;

use std::sync::Arc;

use super::address::Address;
use super::schema;
use super::session::Session;
use super::trouble::trouble;
use crate::Error;

/// A copy reads and writes more in one statement than a gateway does. The planner sees the numbers of a page.
const SETTINGS: &str = "SET statement_timeout = '10min'; SET idle_in_transaction_session_timeout = 0; SET lock_timeout = '20s';
    SET plan_cache_mode = auto";

/// Callbacks that were copied from SQLite have this number less than there (`unplaced` of `schema/1.sql`).
const UNPLACED: i64 = 1 << 40;

/// A connection of one side.
struct Side {
    session: Session,
    address: Arc<Address>,
}

impl Side {
    async fn open(url: &str) -> Result<Self, Error> {
        let address = Address::parse(url)
            .map_err(|problem| Error::Open(format!("the URL of a database {problem}")))?;
        let address = Arc::new(address);
        let fault =
            |error| Error::Open(format!("cannot open {}", trouble(&address.shown(), &error)));
        let session = address
            .connect_without_tables()
            .await
            .map_err(|found| found.into_error(fault))?;
        super::check(&session, &address.shown()).await?;
        if schema::level_of(&session.client)
            .await
            .map_err(fault)?
            .is_some()
        {
            let fits = schema::fits(&session).await;
            fits.map_err(|found| found.into_error(fault))?;
        }
        session
            .client
            .batch_execute(SETTINGS)
            .await
            .map_err(fault)?;
        Ok(Self { session, address })
    }

    /// The level of the tables. None: there are none.
    async fn level(&self) -> Result<Option<i32>, tokio_postgres::Error> {
        schema::level_of(&self.session.client).await
    }

    fn shown(&self) -> String {
        self.address.shown()
    }

    fn unread(&self, error: &tokio_postgres::Error) -> Error {
        Error::Read(trouble(&self.shown(), error))
    }

    fn unwritten(&self, error: &tokio_postgres::Error) -> Error {
        Error::Commit(format!(
            "{} The same command goes on where it stopped.",
            trouble(&self.shown(), error)
        ))
    }
}
