//! Other people's servers that take alerts, as `scripts/peers-setup` installs them. Each keeps what it keeps in a folder
//! of its own, on ports that are free, and is started as its own pages say, with what it logs turned down.

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

/// The slowest of them makes its database in it.
const START_WITHIN: Duration = Duration::from_mins(1);

/// Who takes alerts.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    /// What it is sent: its own form.
    pub(crate) form: Form,
    /// Where it is installed, if it is.
    pub(crate) installed: fn() -> Option<PathBuf>,
    /// Starts it in a folder, new or left by one that was killed.
    start: fn(&Path, &Path) -> Running,
    /// How many alerts it has, after a start on the same folder.
    pub(crate) kept: fn(&Running, &Path) -> usize,
}

/// A started peer; it is killed when dropped, with all that it started.
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
        start: alertmanager,
        kept: |running, _| count(running, "/api/v2/alerts", "\"fingerprint\""),
    },
    Peer {
        name: "webhook, waits for its command",
        form: Form::Webhook,
        installed: || there(folder().join("debian/usr/bin/webhook")),
        start: |program, folder| webhook(program, folder, true),
        kept: |_, folder| lines(&folder.join("ran")),
    },
    Peer {
        name: "webhook, answers before its command",
        form: Form::Webhook,
        installed: || there(folder().join("debian/usr/bin/webhook")),
        start: |program, folder| webhook(program, folder, false),
        kept: |_, folder| lines(&folder.join("ran")),
    },
    Peer {
        name: "Node-RED, answers and appends to a file",
        form: Form::NodeRed,
        installed: || there(folder().join("node-red/node_modules/node-red/red.js")),
        start: node_red,
        kept: |_, folder| lines(&folder.join("alerts")),
    },
    Peer {
        name: "Alerta on PostgreSQL",
        form: Form::Alerta,
        installed: || postgres().and_then(|_| there(folder().join("alerta/bin/gunicorn"))),
        start: alerta,
        kept: |running, _| count(running, "/alerts?page-size=1000", "\"createTime\""),
    },
    Peer {
        name: "UCloud's demo server on MariaDB",
        form: Form::UcloudDemo,
        installed: || {
            mariadb()
                .exists()
                .then(|| there(folder().join("ucloud/demo")))?
        },
        start: ucloud_demo,
        kept: |running, _| count(running, "/get", "\"SessionID\""),
    },
];

impl Peer {
    pub(crate) fn start(&self, folder: &Path) -> Running {
        (self.start)(&(self.installed)().unwrap_or_default(), folder)
    }
}

impl Running {
    /// Every process that belongs to it.
    pub(crate) fn pids(&self) -> Vec<u32> {
        let own = self.gateway.iter().map(Server::pid);
        let roots = own.chain(self.processes.iter().map(Child::id));
        roots.flat_map(process::tree).collect()
    }

    /// Ends it as a power switch does.
    pub(crate) fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        process::signal("KILL", &self.pids());
        for process in &mut self.processes {
            let _reaped = process.wait();
        }
    }

    /// Starts more of it, and waits until its port answers whatever it answers.
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

/// A peer of which nothing runs yet, to listen on a port that is free now.
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

/// Where `scripts/peers-setup` puts what is no package of the system.
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

fn alertmanager(program: &Path, folder: &Path) -> Running {
    let config = folder.join("alertmanager.yml");
    write(
        &config,
        "route:\n  receiver: none\nreceivers:\n- name: none\n",
    );
    let running = fresh();
    let mut command = Command::new(program);
    command
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--storage.path={}", folder.display()))
        .arg(format!("--web.listen-address={}", running.address))
        .args(["--cluster.listen-address=", "--log.level=error"]);
    running.and(&mut command).ready()
}

/// The command does nothing but say that it ran.
fn webhook(program: &Path, folder: &Path, waits: bool) -> Running {
    let hooks = folder.join("hooks.json");
    let hook = serde_json::json!([{
        "id": "bench",
        "execute-command": "/bin/sh",
        "pass-arguments-to-command": [
            {"source": "string", "name": "-c"},
            {"source": "string", "name": format!("echo ran >> {}", folder.join("ran").display())},
        ],
        "include-command-output-in-response": waits,
    }]);
    write(&hooks, &hook.to_string());
    let running = fresh();
    let mut command = Command::new(program);
    command
        .arg("-hooks")
        .arg(&hooks)
        .args(["-ip", "127.0.0.1", "-port"])
        .arg(running.address.port().to_string());
    running.and(&mut command).ready()
}

/// Three nodes: a request comes in, it is answered, and its body is appended to a file.
fn node_red(program: &Path, folder: &Path) -> Running {
    let running = fresh();
    let settings = format!(
        "module.exports = {{ uiHost: '127.0.0.1', uiPort: {}, flowFile: 'flows.json', logging: {{ console: \
         {{ level: 'error' }} }}, telemetry: {{ enabled: false }} }}",
        running.address.port()
    );
    write(&folder.join("settings.js"), &settings);
    let flows = serde_json::json!([
        {"id": "f", "type": "tab", "label": "bench"},
        {"id": "in", "z": "f", "type": "http in", "url": "/bench", "method": "post", "wires": [["out", "file"]]},
        {"id": "out", "z": "f", "type": "http response", "statusCode": "200", "wires": []},
        {"id": "file", "z": "f", "type": "file", "filename": folder.join("alerts"), "filenameType": "str",
         "appendNewline": true, "overwriteFile": "false", "wires": [[]]},
    ]);
    write(&folder.join("flows.json"), &flows.to_string());
    let mut command = Command::new("node");
    command
        .arg(program)
        .arg("-s")
        .arg(folder.join("settings.js"))
        .arg("-u")
        .arg(folder);
    let running = running.and(&mut command).ready();
    // Its pages answer before its flows run.
    let begun = Instant::now();
    while wire::once(running.address, PROBE).is_ok_and(|(status, _)| status == 404) {
        assert!(begun.elapsed() < START_WITHIN, "the flow does not start");
        wait(Duration::from_millis(50));
    }
    running
}

/// Asks for the flow with a method that it does not take, so that nothing is appended: 404 before it runs as well, but
/// then `OPTIONS` is answered by the flow.
const PROBE: &str = "OPTIONS /bench HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n";

/// The newest PostgreSQL of the system.
fn postgres() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let programs = versions.flatten().map(|version| version.path().join("bin"));
    programs.filter(|bin| bin.join("postgres").exists()).max()
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// PostgreSQL refuses to be root: then it is its own user.
fn as_postgres(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command
        .args([
            "--reuid=postgres",
            "--regid=postgres",
            "--clear-groups",
            "--",
        ])
        .arg(program);
    command
}

fn alerta(program: &Path, folder: &Path) -> Running {
    let bin = postgres().expect("PostgreSQL is installed");
    let data = folder.join("postgres");
    if !data.exists() {
        std::fs::create_dir(&data).expect("a temporary folder can be made");
        let all = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        std::fs::set_permissions(folder, all).expect("the folder is ours");
        let _not_root = Command::new("chown").arg("postgres").arg(&data).status();
        let mut made = as_postgres(&bin.join("initdb"));
        made.arg("-D")
            .arg(&data)
            .args(["-U", "postgres", "-A", "trust", "--no-sync"]);
        quietly(&mut made);
    }
    let database = free_address();
    let mut server = as_postgres(&bin.join("postgres"));
    server
        .arg("-D")
        .arg(&data)
        .arg("-k")
        .arg(&data)
        .args([
            "-p",
            &database.port().to_string(),
            "-c",
            "listen_addresses=127.0.0.1",
        ])
        .current_dir("/");
    let running = fresh().and(&mut server);
    let begun = Instant::now();
    let port = database.port().to_string();
    let at = ["-h", "127.0.0.1", "-p", &port, "-U", "postgres"];
    while !quietly(Command::new(bin.join("pg_isready")).args(at)) {
        assert!(begun.elapsed() < START_WITHIN, "PostgreSQL does not answer");
        wait(Duration::from_millis(50));
    }
    // It is there already after a kill.
    quietly(
        Command::new(bin.join("createdb"))
            .args(at)
            .arg("monitoring"),
    );
    let mut command = Command::new(program);
    command
        .args(["--preload", "-w", "2", "--log-level", "error", "-b"])
        .arg(running.address.to_string())
        .arg("alerta:create_app()")
        .env(
            "DATABASE_URL",
            format!("postgresql://postgres@{database}/monitoring"),
        )
        .env("SECRET_KEY", "bench")
        .env("AUTH_REQUIRED", "False")
        .current_dir(folder);
    running.and(&mut command).ready()
}

fn mariadb() -> PathBuf {
    folder().join("debian/usr/sbin/mariadbd")
}

/// The table is the one that its page shows.
const UCLOUD_DEMO_TABLE: &str = "CREATE DATABASE IF NOT EXISTS monitor_warn;\n\
    CREATE TABLE IF NOT EXISTS monitor_warn.warn_message (session_id char(36) NOT NULL, region varchar(20) NOT NULL, \
    resource_type varchar(45) NOT NULL, resource_id varchar(45) NOT NULL, metric_name varchar(50) NOT NULL, \
    alarm_time int(11) DEFAULT NULL, recovery_time int(11) DEFAULT '0', PRIMARY KEY (session_id)) \
    ENGINE=InnoDB DEFAULT CHARSET=utf8;\n";

fn ucloud_demo(program: &Path, folder: &Path) -> Running {
    let (data, first) = (folder.join("mariadb"), folder.join("first.sql"));
    // It is there already after a kill.
    let _there = std::fs::create_dir(&data);
    write(&first, UCLOUD_DEMO_TABLE);
    let database = free_address();
    let mut server = Command::new(mariadb());
    server
        .args([
            "--no-defaults",
            "--skip-grant-tables",
            "--bind-address=127.0.0.1",
        ])
        .arg(format!("--port={}", database.port()))
        .arg(format!("--datadir={}", data.display()))
        .arg(format!(
            "--socket={}",
            folder.join("mariadb.sock").display()
        ))
        .arg(format!("--init-file={}", first.display()))
        .arg(format!(
            "--lc-messages-dir={}",
            self::folder().join("debian/usr/share/mysql").display()
        ));
    if is_root() {
        server.arg("--user=root");
    }
    let running = fresh().and(&mut server);
    let begun = Instant::now();
    while std::net::TcpStream::connect(database).is_err() {
        assert!(begun.elapsed() < START_WITHIN, "MariaDB does not answer");
        wait(Duration::from_millis(50));
    }
    let config = folder.join("conf.ini");
    let settings = serde_json::json!({
        "api-port": running.address.port(), "mysql-user": "root", "mysql-passwd": "", "mysql-db": "monitor_warn",
        "mysql-host": "127.0.0.1", "mysql-port": database.port(),
    });
    write(&config, &settings.to_string());
    let mut command = Command::new(program);
    command.arg("-c").arg(&config);
    running.and(&mut command).ready()
}

/// Runs a command to its end. Whether it went well.
fn quietly(command: &mut Command) -> bool {
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}
