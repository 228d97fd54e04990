//! A MariaDB server of Debian's package, with its data in a folder of the test.

use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::server::{Server, free_port, run};

/// Where Debian has the server: not in the search path of every user.
const PROGRAM: &str = "/usr/sbin/mariadbd";

/// A running MariaDB. Its user `root` has no password and logs in by the socket.
pub struct Mariadb {
    folder: PathBuf,
    /// More arguments of the server.
    more: Vec<String>,
    /// Where it listens on 127.0.0.1.
    pub port: u16,
    server: Option<Server>,
}

impl Mariadb {
    /// Makes the data in `folder` and starts the server with these arguments added.
    pub async fn start(folder: &Path, more: &[String]) -> Self {
        let data = format!("--datadir={}", folder.join("data").display());
        let mut install = Command::new("mariadb-install-db");
        install.args(["--no-defaults", "--skip-test-db", "--user=root", &data]);
        install.arg("--auth-root-authentication-method=normal");
        // Two of them in one folder for temporary files take each other's.
        install.arg(format!("--tmpdir={}", folder.display()));
        run(&mut install, "").await;
        let mut server = Self {
            folder: folder.to_owned(),
            more: more.to_vec(),
            port: free_port(),
            server: None,
        };
        server.restart().await;
        // It would take the place of every other user that connects from this machine.
        server.sql("DROP USER IF EXISTS ''@'localhost'").await;
        server
    }

    /// Starts it on its data, after [`Self::kill`].
    pub async fn restart(&mut self) {
        let mut command = Command::new(PROGRAM);
        command
            .args(["--no-defaults", "--user=root", "--bind-address=127.0.0.1"])
            .arg(format!("--datadir={}", self.folder.join("data").display()))
            .arg(format!("--socket={}", self.socket().display()))
            .arg(format!("--tmpdir={}", self.folder.display()))
            .arg(format!("--port={}", self.port))
            .args(&self.more);
        self.server = Some(Server::start(&mut command, "ready for connections").await);
    }

    /// Ends it at once, as a power failure does.
    pub async fn kill(&mut self) {
        if let Some(server) = self.server.take() {
            server.end("KILL").await;
        }
    }

    /// Pauses it (`STOP`) or lets it go on (`CONT`).
    pub fn signal(&self, name: &str) {
        if let Some(server) = &self.server {
            server.signal(name);
        }
    }

    /// The socket for clients on this machine.
    pub fn socket(&self) -> PathBuf {
        self.folder.join("socket")
    }

    /// A command of its client, without the statement.
    pub fn client(&self) -> Command {
        let mut client = Command::new("mariadb");
        client
            .args(["--no-defaults", "--batch", "--skip-column-names"])
            .args(["--user=root", "--default-character-set=utf8mb4"])
            .arg(format!("--socket={}", self.socket().display()));
        client
    }

    /// Runs statements as `root`, and gives the rows: columns with a tab between them.
    pub async fn sql(&self, statements: &str) -> String {
        run(&mut self.client(), statements).await
    }
}
