//! The servers under load, each a process of its own, so that its CPU and its writes can be told from the generator's.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use actix_web::{App, HttpResponse, HttpServer, web};

use super::load::{KEY, TOKEN};

/// The word by which this program, started again, knows that it is to be the bare server.
const BARE: &str = "--serve-bare";

/// A running server; it is ended when dropped.
pub(crate) struct Server {
    process: Child,
    address: SocketAddr,
    _folder: Option<tempfile::TempDir>,
}

/// What the gateway delivers to meanwhile.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sinks {
    /// Two that are down: every alert is owed to both.
    TwoDown,
    /// One file, which takes every alert: the same cores also deliver.
    File,
}

impl Sinks {
    fn config(self, folder: &Path) -> String {
        match self {
            // Port 9 is `discard`; nothing listens there.
            Self::TwoDown => "[sinks.webhook.one]\nurl = 'http://127.0.0.1:9/'\n\
                              [sinks.webhook.two]\nurl = 'http://127.0.0.1:9/'\n"
                .to_owned(),
            Self::File => {
                let path = folder.join("alerts.jsonl");
                format!(
                    "[sinks.file.one]\npath = '{}'\nsync = false\n",
                    path.display()
                )
            }
        }
    }
}

/// What a process has used so far.
pub(crate) struct Usage {
    pub(crate) cpu: Duration,
    pub(crate) written_bytes: u64,
}

impl Server {
    /// An actix-web server that parses the body and stores nothing.
    pub(crate) fn bare() -> Self {
        let program = std::env::current_exe().expect("this program has a path");
        Self::start(Command::new(program).arg(BARE), None)
    }

    /// The gateway, with an empty store and these sinks.
    pub(crate) fn gateway(sinks: Sinks) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let config = folder.path().join("campanile.toml");
        let store = folder.path().join("campanile.db");
        let text = format!(
            "[server]\nlisten = '127.0.0.1:0'\n[admin]\nlisten = '127.0.0.1:0'\n[store]\nurl = 'sqlite:{}'\n\
             [log]\nlevel = 'warn'\n[providers.ucloud.bench]\nkey = '{KEY}'\n[providers.jiankong.bench]\n\
             token = '{TOKEN}'\n{}",
            store.display(),
            sinks.config(folder.path()),
        );
        std::fs::write(&config, text).expect("a temporary file can be written");
        let mut command = Command::new(env!("CARGO_BIN_EXE_campanile"));
        Self::start(command.arg("run").arg("--config").arg(config), Some(folder))
    }

    fn start(command: &mut Command, folder: Option<tempfile::TempDir>) -> Self {
        let mut process = command
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("the server starts");
        let out = process.stdout.take().expect("stdout is a pipe");
        let mut lines = BufReader::new(out).lines();
        // Each server says where it listens: the word after `listening on`.
        let address = loop {
            let line = lines
                .next()
                .expect("the server says where it listens")
                .expect("text");
            if let Some((_, address)) = line.split_once("listening on ") {
                let address = address.split_whitespace().next().unwrap_or_default();
                break address
                    .trim_start_matches("http://")
                    .parse()
                    .expect("an address");
            }
        };
        std::thread::spawn(move || lines.for_each(drop));
        Self {
            process,
            address,
            _folder: folder,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn usage(&self) -> Usage {
        let read = |file: &str| {
            std::fs::read_to_string(format!("/proc/{}/{file}", self.process.id()))
                .unwrap_or_default()
        };
        let stat = read("stat");
        let fields: Vec<&str> = stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .collect();
        let ticks = |field: usize| {
            fields
                .get(field)
                .and_then(|t| t.parse::<u64>().ok())
                .unwrap_or(0)
        };
        let written = read("io")
            .lines()
            .find_map(|line| line.strip_prefix("write_bytes: ")?.parse().ok());
        Usage {
            cpu: Duration::from_millis(10 * (ticks(11) + ticks(12))),
            written_bytes: written.unwrap_or(0),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ended = self.process.kill();
        let _reaped = self.process.wait();
    }
}

/// Serves as the bare server when asked to on the command line.
pub(crate) fn play_bare() -> Option<ExitCode> {
    std::env::args().any(|argument| argument == BARE).then(|| {
        actix_web::rt::System::new()
            .block_on(serve_bare())
            .expect("the bare server serves");
        ExitCode::SUCCESS
    })
}

async fn serve_bare() -> std::io::Result<()> {
    let server = HttpServer::new(|| App::new().default_service(web::to(bare)))
        .workers(2)
        .bind("127.0.0.1:0")?;
    let address = server.addrs().first().copied().expect("it is bound");
    super::print(&format!("listening on {address}"));
    server.run().await
}

async fn bare(body: web::Bytes) -> HttpResponse {
    let session = match serde_json::from_slice::<serde_json::Value>(&body) {
        Ok(json) => json.get("SessionID").cloned().unwrap_or_default(),
        Err(_) => serde_urlencoded::from_bytes::<Vec<(String, String)>>(&body)
            .map(|pairs| pairs.len().into())
            .unwrap_or_default(),
    };
    HttpResponse::Ok()
        .content_type("application/json")
        .body(format!("{{\"SessionID\":{session},\"RetCode\":0}}"))
}
