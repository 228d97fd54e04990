//! One node of the cluster: Patroni and the PostgreSQL server that it runs.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use campanile_receiver::postgres::{as_user, give_away};
use campanile_receiver::server::{Server, free_port};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::settings;
use crate::Trouble;

/// An answer of Patroni that takes longer does not come: it is frozen or gone.
const ANSWERS_WITHIN: Duration = Duration::from_secs(2);

pub(super) struct Node {
    pub(super) name: String,
    pub(super) postgres: SocketAddr,
    rest: SocketAddr,
    folder: PathBuf,
    patroni: Option<Server>,
}

/// An address on a port that nobody listens on.
pub(super) fn free_address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], free_port()))
}

/// A folder of the user that PostgreSQL, Patroni and etcd run as.
pub(super) async fn own_folder(folder: &Path) -> Result<(), Trouble> {
    std::fs::create_dir(folder)?;
    give_away(folder).await;
    Ok(())
}

/// Starts a program as that user. Its output goes to a file.
pub(super) async fn start(program: &str, arguments: &[String], log: &Path) -> Server {
    // It ends with this program, also when this program is killed. Whether it is ready is asked by other means.
    let script =
        "log=$1; shift; echo started; exec setpriv --pdeathsig TERM \"$@\" >>\"$log\" 2>&1";
    let mut command = as_user("sh");
    command.args(["-c", script, "sh"]).arg(log).arg(program);
    command.args(arguments);
    Server::start(&mut command, "started").await
}

impl Node {
    /// Prepares a node. It does not run yet.
    pub(super) async fn new(
        number: usize,
        folder: &Path,
        etcd: &[SocketAddr],
        synchronous: bool,
    ) -> Result<Self, Trouble> {
        let name = format!("node-{number}");
        let folder = folder.join(&name);
        own_folder(&folder).await?;
        let node = Self {
            name,
            postgres: free_address(),
            rest: free_address(),
            folder,
            patroni: None,
        };
        let settings = settings::node(&settings::Of {
            name: &node.name,
            folder: &node.folder,
            postgres: node.postgres,
            rest: node.rest,
            etcd,
            synchronous,
        });
        std::fs::write(node.settings(), settings.to_string())?;
        let readable = std::fs::Permissions::from_mode(0o644);
        std::fs::set_permissions(node.settings(), readable)?;
        Ok(node)
    }

    /// Where its settings are.
    pub(super) fn settings(&self) -> PathBuf {
        self.folder.join("patroni.yml")
    }

    /// Starts Patroni, which starts the server when it has found its role.
    pub(super) async fn start(&mut self) {
        let settings = self.settings().display().to_string();
        let log = self.folder.join("patroni.log");
        self.patroni = Some(start("patroni", &[settings], &log).await);
    }

    /// Loses the node: Patroni and every process of its server end at the same moment.
    pub(super) fn kill(&mut self) {
        if let Some(patroni) = &self.patroni {
            // It must not start again what is killed.
            patroni.signal("STOP");
        }
        let processes = processes(&self.folder);
        if !processes.is_empty() {
            let ids = processes.iter().map(u32::to_string);
            let mut kill = Command::new("kill");
            // A child can have ended since.
            kill.args(["-s", "KILL"]).args(ids).stderr(Stdio::null());
            let _gone = kill.status();
        }
        self.patroni = None;
    }

    /// Stops Patroni and its server in an orderly way.
    pub(super) async fn stop(&mut self) {
        if let Some(patroni) = self.patroni.take() {
            patroni.end("TERM").await;
        }
    }

    /// Pauses Patroni (`STOP`), or lets it go on (`CONT`). Its server goes on.
    pub(super) fn signal(&self, name: &str) {
        if let Some(patroni) = &self.patroni {
            patroni.signal(name);
        }
    }

    /// What Patroni says of the cluster. None: it does not answer.
    pub(super) async fn cluster(&self) -> Option<Value> {
        // Its answers have no length, and end with the connection.
        let asked = async {
            let mut stream = TcpStream::connect(self.rest).await?;
            stream.write_all(b"GET /cluster HTTP/1.0\r\n\r\n").await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            Ok::<_, std::io::Error>(answer)
        };
        let answer = tokio::time::timeout(ANSWERS_WITHIN, asked).await;
        let answer = answer.ok()?.ok()?;
        let (_, body) = answer.split_once("\r\n\r\n")?;
        serde_json::from_str(body).ok()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // The server is no child of Patroni, and would go on.
        self.kill();
    }
}

/// Every process that has this folder in its command line, and the children of those.
fn processes(folder: &Path) -> Vec<u32> {
    let folder = folder.display().to_string();
    let all = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let all = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let all: Vec<(u32, u32, bool)> = all
        .map(|id| (id, parent(id), command(id).contains(&folder)))
        .collect();
    let named = all.iter().filter(|(_, _, is_named)| *is_named);
    let named: Vec<u32> = named.map(|(id, ..)| *id).collect();
    let of_node =
        |(id, parent, _): &&(u32, u32, bool)| named.contains(id) || named.contains(parent);
    all.iter().filter(of_node).map(|(id, ..)| *id).collect()
}

fn command(id: u32) -> String {
    let bytes = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn parent(id: u32) -> u32 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"));
    parent.and_then(|id| id.trim().parse().ok()).unwrap_or(0)
}
