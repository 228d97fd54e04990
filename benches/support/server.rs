//! The servers under load. Each is a separate process, to measure its CPU time and writes without those of the
//! generator.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use actix_web::{App, HttpResponse, HttpServer, web};

use super::load::{Load, Measured, wait};
use super::messages::{KEY, TOKEN};
use super::process::{self, Usage};
use super::wire;

/// The argument that makes this program run as the bare server.
const BARE: &str = "--serve-bare";

/// The time that a server has to stop after a signal.
const END_WITHIN: Duration = Duration::from_mins(1);

/// A running server. Dropping it kills the process.
pub(crate) struct Server {
    process: Child,
    /// The address for callbacks.
    pub(crate) address: SocketAddr,
    /// The address of the gateway's admin listener.
    pub(crate) admin: SocketAddr,
    folder: Option<tempfile::TempDir>,
    input: Option<ChildStdin>,
    output: std::sync::mpsc::Receiver<String>,
}

/// The sinks of the gateway during a measurement.
#[derive(Clone, Debug)]
pub(crate) enum Sinks {
    /// Two sinks that are down: every alert is pending for both.
    TwoDown,
    /// The same two, and 48 recipes that no route names.
    Fifty,
    /// One file sink, which accepts every alert: the same cores also deliver.
    File,
    /// Webhooks that listen at these addresses.
    At(Vec<SocketAddr>),
}

impl Sinks {
    fn config(&self, folder: &Path) -> String {
        match self {
            // Port 9 is `discard`; nothing listens there.
            Self::TwoDown => {
                let nobody = SocketAddr::from(([127, 0, 0, 1], 9));
                Self::At(vec![nobody, nobody]).config(folder)
            }
            Self::Fifty => {
                let two = Self::TwoDown.config(folder);
                let more = (3..=50).fold(String::new(), |config, number| {
                    config
                        + &format!(
                            "[sinks.ntfy.s{number}]\nurl = 'http://127.0.0.1:9'\ntopic = 't'\n"
                        )
                });
                format!("{two}{more}[[routes]]\nsinks = ['webhook/s1', 'webhook/s2']\n")
            }
            Self::File => {
                let path = folder.join("alerts.jsonl");
                format!(
                    "[sinks.file.one]\npath = '{}'\nsync = false\n",
                    path.display()
                )
            }
            Self::At(addresses) => {
                let names = self.names().into_iter().zip(addresses);
                names.fold(String::new(), |config, (name, address)| {
                    let name = name.replace('/', ".");
                    config + &format!("[sinks.{name}]\nurl = 'http://{address}/'\n")
                })
            }
        }
    }

    /// The full names of those that get alerts.
    pub(crate) fn names(&self) -> Vec<String> {
        let count = match self {
            Self::TwoDown | Self::Fifty => 2,
            Self::File => return vec!["file/one".to_owned()],
            Self::At(addresses) => addresses.len(),
        };
        (1..=count)
            .map(|number| format!("webhook/s{number}"))
            .collect()
    }
}

/// The settings for a start of the gateway.
pub(crate) struct Gateway<'g> {
    pub(crate) sinks: Sinks,
    /// The database file. `None`: an empty one that is removed with the server.
    pub(crate) store: Option<&'g Path>,
    /// The database in place of a file.
    pub(crate) url: Option<&'g str>,
    /// The program to start with its first arguments, such as `valgrind` or the gateway. The arguments of the gateway
    /// follow.
    pub(crate) under: Vec<String>,
}

impl Gateway<'_> {
    /// A start on an empty file.
    pub(crate) fn empty(sinks: Sinks) -> Self {
        Self {
            sinks,
            store: None,
            url: None,
            under: vec![program()],
        }
    }

    /// Starts the gateway and waits until it listens.
    pub(crate) fn start(&self) -> Server {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let config = folder.path().join("campanile.toml");
        let store = self
            .store
            .map_or_else(|| folder.path().join("campanile.db"), PathBuf::from);
        let url = self.url.map(str::to_owned);
        let url = url.unwrap_or_else(|| format!("sqlite:{}", store.display()));
        let text = format!(
            "[server]\nlisten = '127.0.0.1:0'\n[admin]\nlisten = '127.0.0.1:0'\n[self]\nalerts = false\n[store]\nurl = '{url}'\n\
             [log]\nlevel = 'error'\n[providers.ucloud.bench]\nkey = '{KEY}'\n[providers.jiankong.bench]\n\
             token = '{TOKEN}'\n[providers.alertmanager-api.bench]\ntoken = '{TOKEN}'\n{}",
            self.sinks.config(folder.path()),
        );
        std::fs::write(&config, text).expect("a temporary file can be written");
        let (first, rest) = self.under.split_first().expect("a program to start");
        let mut command = Command::new(first);
        command.args(rest).args(["run", "--config"]).arg(config);
        Server::start(&mut command, Some(folder))
    }
}

/// The path of the gateway's program.
pub(crate) fn program() -> String {
    env!("CARGO_BIN_EXE_campanile").to_owned()
}

impl Server {
    /// An actix-web server that parses the body and stores nothing.
    pub(crate) fn bare() -> Self {
        let program = std::env::current_exe().expect("this program has a path");
        Self::start(Command::new(program).arg(BARE), None)
    }

    /// The gateway, with an empty store and these sinks.
    pub(crate) fn gateway(sinks: Sinks) -> Self {
        Gateway::empty(sinks).start()
    }

    fn start(command: &mut Command, folder: Option<tempfile::TempDir>) -> Self {
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("the server starts");
        let out = process.stdout.take().expect("stdout is a pipe");
        let mut lines = BufReader::new(out).lines();
        // Each server prints its address. The gateway prints both addresses in one line.
        let greeting = loop {
            let line = lines
                .next()
                .expect("the server prints its address")
                .expect("text");
            if let Some((_, behind)) = line.split_once("listening on ") {
                break behind.replace("http://", "").replace(',', "");
            }
        };
        let mut addresses = greeting.split(' ').filter_map(|word| word.parse().ok());
        let address = addresses.next().expect("an address");
        let (tell, output) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            lines
                .map_while(Result::ok)
                .for_each(|line| drop(tell.send(line)));
        });
        Self {
            input: process.stdin.take(),
            process,
            address,
            admin: addresses.next().unwrap_or(address),
            folder,
            output,
        }
    }

    /// Loads the server, and adds the resources that it used.
    pub(crate) fn measure(&self, load: &Load) -> Measured {
        let before = self.usage();
        let mut measured = load.run(self.address);
        measured.charge(&before, &self.usage());
        measured
    }

    pub(crate) fn usage(&self) -> Usage {
        Usage::of(&[self.process.id()])
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn memory_mb(&self) -> f64 {
        process::memory_mb(&[self.process.id()])
    }

    /// Writes a word to its standard input, and returns the rest of the line with which it answers.
    pub(crate) fn ask(&mut self, word: &str) -> String {
        let input = self.input.as_mut().expect("stdin is a pipe");
        writeln!(input, "{word}").expect("the server reads");
        loop {
            let said = self.output.recv_timeout(Duration::from_secs(30));
            let said = said.expect("the server answers");
            // The start message of the gateway may come first.
            if let Some(behind) = said.strip_prefix(word) {
                return behind.trim().to_owned();
            }
        }
    }

    /// Waits until `/readyz` answers 200.
    pub(crate) fn await_ready(&self) {
        let begun = Instant::now();
        while !wire::get(self.admin, "/readyz").is_ok_and(|(status, _)| status == 200) {
            assert!(
                begun.elapsed() < END_WITHIN,
                "the gateway does not become ready"
            );
            wait(Duration::from_millis(1));
        }
    }

    /// The number of stored alerts, from the metrics of the gateway.
    pub(crate) fn stored(&self) -> u64 {
        self.metric("campanile_alerts")
    }

    /// A metric of the gateway that is a whole number and has no labels.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let (_, text) = wire::get(self.admin, "/metrics").expect("the gateway shows its metrics");
        let mut lines = text.lines().filter_map(|line| line.split_once(' '));
        let found = lines.find(|(named, _)| *named == name);
        found
            .and_then(|(_, value)| value.trim().parse().ok())
            .unwrap_or_else(|| panic!("the metric `{name}`"))
    }

    /// Stops the server with a signal and waits for its end.
    pub(crate) fn stop(mut self) {
        process::signal("TERM", &[self.process.id()]);
        if !process::ends_within(&mut self.process, END_WITHIN) {
            super::spread::progress("the server did not stop in time and is killed");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ended = self.process.kill();
        let _reaped = self.process.wait();
        self.folder.take();
    }
}

/// Runs the bare server if the command line asks for it.
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
