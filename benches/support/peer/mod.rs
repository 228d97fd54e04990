//! Other servers that accept alerts, as `scripts/peers-setup` installs them. Each has its own folder and free ports,
//! and is started as its documentation says, with little logging.

mod alone;
mod database;

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::filled::target;
use super::load::wait;
use super::messages::Form;
use super::process;
use super::server::{Gateway, Server, Sinks};
use super::wire;

/// The time limit for a start. The slowest peer creates its database in this time.
const START_WITHIN: Duration = Duration::from_mins(1);

/// A server that accepts alerts.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    /// The form of the messages that it accepts.
    pub(crate) form: Form,
    /// The path of the installed program, if there is one.
    pub(crate) installed: fn() -> Option<PathBuf>,
    /// Starts it in a folder, which is new or was left by a killed process.
    start: fn(&Path, &Path) -> Running,
    /// The number of alerts that it has after a start on the same folder.
    pub(crate) kept: fn(&Running, &Path) -> usize,
}

/// A started peer. Dropping it kills its processes.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    processes: Vec<Child>,
    gateway: Option<Server>,
}

pub(crate) const PEERS: &[Peer] = &[
    Peer {
        name: "Campanile, UCloud's form",
        form: Form::Ucloud,
        installed: || Some(PathBuf::new()),
        start: campanile,
        kept: campanile_kept,
    },
    Peer {
        name: "Campanile, Alertmanager's form",
        form: Form::Alertmanager,
        installed: || Some(PathBuf::new()),
        start: campanile,
        kept: campanile_kept,
    },
    Peer {
        name: "Alertmanager",
        form: Form::Alertmanager,
        installed: || there(PathBuf::from("/usr/bin/prometheus-alertmanager")),
        start: alone::alertmanager,
        kept: |running, _| count(running, "/api/v2/alerts", "\"fingerprint\""),
    },
    Peer {
        name: "webhook, waits for its command",
        form: Form::Webhook,
        installed: || there(folder().join("debian/usr/bin/webhook")),
        start: |program, folder| alone::webhook(program, folder, true),
        kept: |_, folder| lines(&folder.join("ran")),
    },
    Peer {
        name: "webhook, answers before its command",
        form: Form::Webhook,
        installed: || there(folder().join("debian/usr/bin/webhook")),
        start: |program, folder| alone::webhook(program, folder, false),
        kept: |_, folder| lines(&folder.join("ran")),
    },
    Peer {
        name: "Node-RED, answers and appends to a file",
        form: Form::NodeRed,
        installed: || there(folder().join("node-red/node_modules/node-red/red.js")),
        start: alone::node_red,
        kept: |_, folder| lines(&folder.join("alerts")),
    },
    Peer {
        name: "Alerta on PostgreSQL",
        form: Form::Alerta,
        installed: || {
            database::postgres().and_then(|_| there(folder().join("alerta/bin/gunicorn")))
        },
        start: database::alerta,
        kept: |running, _| count(running, "/alerts?page-size=1000", "\"createTime\""),
    },
    Peer {
        name: "UCloud's demo server on MariaDB",
        form: Form::UcloudDemo,
        installed: || {
            database::mariadb()
                .exists()
                .then(|| there(folder().join("ucloud/demo")))?
        },
        start: database::ucloud_demo,
        kept: |running, _| count(running, "/get", "\"SessionID\""),
    },
];

impl Peer {
    pub(crate) fn start(&self, folder: &Path) -> Running {
        (self.start)(&(self.installed)().unwrap_or_default(), folder)
    }
}

impl Running {
    /// Every process of the peer.
    pub(crate) fn pids(&self) -> Vec<u32> {
        let own = self.gateway.iter().map(Server::pid);
        let roots = own.chain(self.processes.iter().map(Child::id));
        roots.flat_map(process::tree).collect()
    }

    /// Kills the peer with SIGKILL.
    pub(crate) fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        process::signal("KILL", &self.pids());
        for process in &mut self.processes {
            let _reaped = process.wait();
        }
    }

    /// Starts one more process of the peer, and waits until its port sends any answer.
    fn and(mut self, command: &mut Command) -> Self {
        let process = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        self.processes
            .push(process.expect("an installed peer starts"));
        self
    }

    fn ready(self) -> Self {
        let begun = Instant::now();
        while wire::get(self.address, "/").is_err() {
            assert!(begun.elapsed() < START_WITHIN, "the peer does not answer");
            wait(Duration::from_millis(50));
        }
        self
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// A peer without processes yet, with a free port to listen on.
fn fresh() -> Running {
    Running {
        address: free_address(),
        processes: Vec::new(),
        gateway: None,
    }
}

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("it is bound")
}

/// The folder where `scripts/peers-setup` installs programs that are not system packages.
fn folder() -> PathBuf {
    target().join("bench-peers")
}

fn there(path: PathBuf) -> Option<PathBuf> {
    path.exists().then_some(path)
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).expect("a temporary file can be written");
}

fn lines(path: &Path) -> usize {
    std::fs::read_to_string(path).map_or(0, |text| text.lines().count())
}

fn count(running: &Running, path: &str, word: &str) -> usize {
    let answer = wire::get(running.address, path);
    answer.map_or(0, |(_, body)| body.matches(word).count())
}

fn campanile(_: &Path, folder: &Path) -> Running {
    let store = folder.join("campanile.db");
    let server = Gateway {
        store: Some(&store),
        ..Gateway::empty(Sinks::TwoDown)
    }
    .start();
    Running {
        address: server.address,
        processes: Vec::new(),
        gateway: Some(server),
    }
}

fn campanile_kept(running: &Running, _: &Path) -> usize {
    let stored = running.gateway.as_ref().map_or(0, Server::stored);
    usize::try_from(stored).unwrap_or(usize::MAX)
}
