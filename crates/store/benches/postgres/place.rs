//! A PostgreSQL server with databases of a gateway.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use campanile_receiver::postgres::Postgres as Server;
use campanile_store::postgres::Postgres;

/// As an operator would set them for this load. Everything else is Debian's default.
pub(crate) const SETTINGS: [(&str, &str); 2] = [("shared_buffers", "2GB"), ("max_wal_size", "4GB")];

const PASSWORD: &str = "secret";

/// The server.
pub(crate) struct Place {
    pub(crate) server: Server,
    databases: AtomicU32,
}

impl Place {
    /// Starts it with its data in this folder.
    pub(crate) async fn start(folder: &Path) -> Self {
        let mut place = Self {
            server: Server::start_with_alerts(folder, PASSWORD).await,
            databases: AtomicU32::new(0),
        };
        place.set(&SETTINGS).await;
        place
    }

    /// Changes settings that need a restart.
    pub(crate) async fn set(&mut self, settings: &[(&str, &str)]) {
        for (name, value) in settings {
            let set = format!("ALTER SYSTEM SET {name} = '{value}'");
            self.sql("postgres", &set).await;
        }
        self.sql("postgres", "CHECKPOINT").await;
        self.server.crash().await;
        self.server.restart().await;
    }

    /// A new database with the tables. The checkpoint makes measurements equal: none has to write what another changed.
    pub(crate) async fn fresh(&self) -> Database {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("fresh_{number}");
        let create = format!("CREATE DATABASE {name} OWNER campanile");
        self.sql("postgres", &create).await;
        let url = format!(
            "postgres://campanile:{PASSWORD}@127.0.0.1:{}/{name}?sslmode=disable",
            self.server.port
        );
        Postgres::open(&url).await.expect("the tables are made");
        self.sql("postgres", "CHECKPOINT").await;
        Database { name, url }
    }

    /// Removes a database.
    pub(crate) async fn remove(&self, database: Database) {
        let drop = format!("DROP DATABASE {} WITH (FORCE)", database.name);
        self.sql("postgres", &drop).await;
    }

    /// Runs statements as the administrator.
    pub(crate) async fn sql(&self, database: &str, statements: &str) -> String {
        self.server.sql(database, statements).await
    }
}

/// One of its databases.
pub(crate) struct Database {
    pub(crate) name: String,
    pub(crate) url: String,
}
