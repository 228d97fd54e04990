//! Peers that keep alerts in a database server, which is started with them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::super::load::wait;
use super::{Running, START_WITHIN, free_address, fresh, write};

/// The folder of the newest PostgreSQL of the system.
pub(super) fn postgres() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let programs = versions.flatten().map(|version| version.path().join("bin"));
    programs.filter(|bin| bin.join("postgres").exists()).max()
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// PostgreSQL refuses to run as root. In this case it runs as its own user.
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

pub(super) fn alerta(program: &Path, folder: &Path) -> Running {
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
    // After a kill, the database already exists.
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

pub(super) fn mariadb() -> PathBuf {
    super::folder().join("debian/usr/sbin/mariadbd")
}

/// The table from the documentation of the demo server.
const UCLOUD_DEMO_TABLE: &str = "CREATE DATABASE IF NOT EXISTS monitor_warn;\n\
    CREATE TABLE IF NOT EXISTS monitor_warn.warn_message (session_id char(36) NOT NULL, region varchar(20) NOT NULL, \
    resource_type varchar(45) NOT NULL, resource_id varchar(45) NOT NULL, metric_name varchar(50) NOT NULL, \
    alarm_time int(11) DEFAULT NULL, recovery_time int(11) DEFAULT '0', PRIMARY KEY (session_id)) \
    ENGINE=InnoDB DEFAULT CHARSET=utf8;\n";

pub(super) fn ucloud_demo(program: &Path, folder: &Path) -> Running {
    let data = folder.join("mariadb");
    let server = || {
        let mut server = Command::new(mariadb());
        let messages = super::folder().join("debian/usr/share/mysql");
        server
            .args(["--no-defaults", "--skip-grant-tables"])
            .arg(format!("--datadir={}", data.display()))
            .arg(format!("--lc-messages-dir={}", messages.display()));
        if is_root() {
            server.arg("--user=root");
        }
        server
    };
    if !data.exists() {
        std::fs::create_dir(&data).expect("a temporary folder can be made");
        let first = folder.join("first.sql");
        write(&first, UCLOUD_DEMO_TABLE);
        let first = std::fs::File::open(first).expect("it was just written");
        quietly(server().arg("--bootstrap").stdin(first));
    }
    let database = free_address();
    let mut server = server();
    server
        .arg("--bind-address=127.0.0.1")
        .arg(format!("--port={}", database.port()))
        .arg(format!(
            "--socket={}",
            folder.join("mariadb.sock").display()
        ));
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

/// Runs a command to its end. Returns whether it succeeded.
fn quietly(command: &mut Command) -> bool {
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}
