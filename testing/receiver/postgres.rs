//! A PostgreSQL server of Debian's package, with its data in a folder of the test.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::server::{Server, free_port, run};

/// Where Debian keeps the programs of each version.
const VERSIONS: &str = "/usr/lib/postgresql";

/// A running PostgreSQL. Its user `postgres` logs in by the socket without a password; over TCP every user needs one.
pub struct Postgres {
    folder: PathBuf,
    more: Vec<String>,
    /// Where it listens on 127.0.0.1.
    pub port: u16,
    server: Option<Server>,
}

impl Postgres {
    /// Makes the data in `folder` and starts the server with these settings added.
    ///
    /// # Panics
    ///
    /// It is not installed.
    pub async fn start(folder: &Path, more: &[String]) -> Self {
        let mut server = Self::new(folder.join("postgres"), more).await;
        let data = server.data();
        let mut init = as_server("initdb");
        init.args(["--auth-local=trust", "--auth-host=scram-sha-256"])
            .args([
                "--username=postgres",
                "--no-sync",
                "--encoding=UTF8",
                "--no-locale",
            ])
            .arg(format!("--pgdata={}", data.display()));
        run(&mut init, "").await;
        server.restart().await;
        server
    }

    /// Starts a server for gateways: it syncs, and the user `campanile`, who has this password, owns the database `alerts`.
    ///
    /// # Panics
    ///
    /// It is not installed.
    pub async fn start_with_alerts(folder: &Path, password: &str) -> Self {
        let server = Self::start(folder, &["fsync=on".to_owned()]).await;
        let role = format!("CREATE ROLE campanile LOGIN PASSWORD '{password}'");
        let database = "CREATE DATABASE alerts OWNER campanile";
        for statement in [&role, database] {
            server.sql("postgres", statement).await;
        }
        server
    }

    async fn new(folder: PathBuf, more: &[String]) -> Self {
        fs::create_dir(&folder).expect("a folder");
        give_away(&folder).await;
        Self {
            folder,
            more: more.to_vec(),
            port: free_port(),
            server: None,
        }
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Starts a standby of this server, with its data next to it in `folder`.
    ///
    /// # Panics
    ///
    /// It is not installed.
    pub async fn standby(&self, folder: &Path) -> Self {
        let mut standby = Self::new(folder.join("standby"), &self.more).await;
        let mut copy = as_server("pg_basebackup");
        copy.args(["--checkpoint=fast", "--write-recovery-conf", "--no-sync"])
            .args(["--username=postgres", "--port", &self.port.to_string()])
            .arg("--host")
            .arg(&self.folder)
            .arg("--pgdata")
            .arg(standby.data());
        run(&mut copy, "").await;
        standby.restart().await;
        standby
    }

    /// Asks a standby to become a primary, and does not wait for it.
    pub async fn promote(&self) {
        let mut promote = as_server("pg_ctl");
        promote.args(["promote", "--no-wait", "--silent", "--pgdata"]);
        run(promote.arg(self.data()), "").await;
    }

    /// Starts it on its data, after [`Self::crash`].
    pub async fn restart(&mut self) {
        let mut command = as_server("postgres");
        command
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-F"])
            .arg("-D")
            .arg(self.data())
            .arg("-k")
            .arg(&self.folder);
        for setting in &self.more {
            command.args(["-c", setting]);
        }
        // A standby accepts read-only connections.
        let ready = "ready to accept ";
        self.server = Some(Server::start(&mut command, ready).await);
    }

    /// Ends it at once, without a clean shutdown.
    pub async fn crash(&mut self) {
        if let Some(server) = self.server.take() {
            server.end("QUIT").await;
        }
    }

    /// Pauses it (`STOP`) or lets it go on (`CONT`).
    pub fn signal(&self, name: &str) {
        if let Some(server) = &self.server {
            server.signal(name);
        }
    }

    /// The id of its first process. None after [`Self::crash`].
    pub fn pid(&self) -> Option<u32> {
        self.server.as_ref().and_then(Server::pid)
    }

    /// The folder with its socket.
    pub fn socket(&self) -> &Path {
        &self.folder
    }

    /// A command of its client, without the statement.
    pub fn client(&self, database: &str) -> Command {
        let mut client = client(database);
        client.arg("--host").arg(&self.folder);
        client.args(["--port", &self.port.to_string()]);
        client
    }

    /// Runs statements as `postgres`, and gives the rows: columns with `|` between them.
    pub async fn sql(&self, database: &str, statements: &str) -> String {
        run(&mut self.client(database), statements).await
    }

    /// Copies a file to where only the server can read it, as it demands of keys.
    ///
    /// # Panics
    ///
    /// The file cannot be copied.
    pub async fn key(folder: &Path, file: &Path) -> PathBuf {
        use std::os::unix::fs::PermissionsExt as _;
        let copy = folder.join("key.pem");
        fs::copy(file, &copy).expect("a copy");
        fs::set_permissions(&copy, fs::Permissions::from_mode(0o600)).expect("its owner");
        give_away(&copy).await;
        copy
    }
}

/// Whether this is the user `root`, which PostgreSQL refuses to be.
async fn is_root() -> bool {
    run(Command::new("id").arg("-u"), "").await == "0"
}

/// Lets the user of the server have a path.
///
/// # Panics
///
/// It has no folder above it that is ours.
pub async fn give_away(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    if is_root().await {
        run(Command::new("chown").arg("postgres").arg(path), "").await;
        let parent = path.parent().expect("a folder");
        fs::set_permissions(parent, fs::Permissions::from_mode(0o755)).expect("it is ours");
    }
}

/// The client `psql` for this database (or connection string), without a server and a statement.
pub fn client(database: &str) -> Command {
    let mut client = Command::new("psql");
    client
        .args(["--no-psqlrc", "--tuples-only", "--no-align", "--quiet"])
        .args(["--set=ON_ERROR_STOP=1", "--username=postgres"])
        .args(["--dbname", database]);
    client
}

/// A program of the newest version, run by a user that the server accepts.
fn as_server(program: &str) -> Command {
    as_user(programs(program).join(program))
}

/// The folder of the programs of the newest version that has this one.
///
/// # Panics
///
/// It is not installed.
pub fn programs(program: &str) -> PathBuf {
    let versions = fs::read_dir(VERSIONS);
    let versions = versions.unwrap_or_else(|error| {
        panic!("{VERSIONS}: {error}; run scripts/test to install PostgreSQL")
    });
    let folders = versions.filter_map(|entry| Some(entry.ok()?.path().join("bin")));
    let newest = folders.filter(|folder| folder.join(program).exists()).max();
    newest.unwrap_or_else(|| panic!("{VERSIONS} has no {program}"))
}

/// A program that is run by a user that the server accepts.
pub fn as_user(program: impl AsRef<OsStr>) -> Command {
    // `setpriv` of a user that is not `root` fails, and then it is not needed.
    let script = "if [ \"$(id -u)\" = 0 ]; then exec setpriv --reuid=postgres --regid=postgres --clear-groups \"$@\"; else exec \"$@\"; fi";
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).arg(program);
    command
}
