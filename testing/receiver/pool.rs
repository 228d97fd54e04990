//! PgBouncer in front of a PostgreSQL server.

use std::fs;
use std::path::Path;

use crate::postgres::{as_user, give_away};
use crate::server::{Server, free_port};

/// A running pool. It ends when it is dropped.
pub struct Pool {
    /// Where it listens on 127.0.0.1.
    pub port: u16,
    _server: Server,
}

impl Pool {
    /// Starts a pool with this `pool_mode` in front of the server at `port`, for one user.
    ///
    /// # Panics
    ///
    /// It is not installed.
    pub async fn start(folder: &Path, to: u16, mode: &str, (user, password): (&str, &str)) -> Self {
        let port = free_port();
        let own = folder.join(mode);
        fs::create_dir(&own).expect("a folder");
        let (settings, users) = (own.join("pgbouncer.ini"), own.join("users.txt"));
        let text = format!(
            "[databases]\n* = host=127.0.0.1 port={to}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
             auth_type = scram-sha-256\nauth_file = {}\npool_mode = {mode}\n",
            users.display()
        );
        fs::write(&settings, text).expect("a file");
        fs::write(&users, format!("\"{user}\" \"{password}\"\n")).expect("a file");
        give_away(&own).await;
        let mut command = as_user("pgbouncer");
        command.arg(&settings);
        Self {
            port,
            _server: Server::start(&mut command, "process up").await,
        }
    }
}
