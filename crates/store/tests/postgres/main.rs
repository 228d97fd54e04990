//! Tests of the PostgreSQL store: the conformance suite on a server of Debian's package.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../../suite/mod.rs"]
#[macro_use]
mod suite;

mod copy;
mod cutter;
mod failover;
mod faults;
mod members;
mod pair;
mod parts;
mod planned;
mod refused;
mod server;
mod shared;
mod standby;

use std::sync::Arc;

use campanile_store::Store;
use campanile_store::postgres::Postgres;

pub(crate) use server::Lone;
use server::Server;
use suite::Place;

/// A database of its own on the server that the tests share.
pub(crate) struct Database {
    server: Arc<Server>,
    name: String,
}

impl Database {
    pub(crate) fn url(&self) -> String {
        self.server.url(&self.name)
    }

    /// The URL through another port.
    pub(crate) fn url_by(&self, port: u16) -> String {
        server::url(port, &self.name)
    }

    pub(crate) fn port(&self) -> u16 {
        self.server.port
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Runs statements in this database, as its administrator.
    pub(crate) fn sql(&self, statements: &str) -> String {
        self.server.sql(&self.name, statements)
    }
}

impl Place for Database {
    const COUNTS_ALERTS: bool = true;

    fn new() -> Self {
        let server = Server::shared();
        let name = server.create();
        Self { server, name }
    }

    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(Postgres::open(&self.url()).await.unwrap())
    }

    /// The database outlives the gateway, whose connections are still open.
    fn crashed(&self) -> Self {
        Self {
            server: Arc::clone(&self.server),
            name: self.name.clone(),
        }
    }
}

conformance!(crate::Database);
