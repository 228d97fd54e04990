//! Programs of other projects that a test starts and ends.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Command as Plain, Stdio};
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

/// A server that needs longer to start has failed.
const PATIENCE: Duration = Duration::from_mins(2);

/// A running server. It ends with the test, and so does every process that it started.
pub struct Server {
    child: Child,
}

impl Server {
    /// Starts the program and waits until it writes this text.
    pub async fn start(command: &mut Command, ready: &str) -> Self {
        // Debian installs servers where the PATH of a user does not lead.
        let path = std::env::var("PATH").unwrap_or_default();
        command
            .env("PATH", format!("{path}:/usr/sbin"))
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let program = command.as_std().get_program().display().to_string();
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{program}: {error}; run scripts/test to install it"));
        let (lines, mut said) = mpsc::unbounded_channel();
        tokio::spawn(read(child.stdout.take().expect("a pipe"), lines.clone()));
        tokio::spawn(read(child.stderr.take().expect("a pipe"), lines));
        let server = Self { child };
        let mut all = String::new();
        let started = async {
            while let Some(line) = said.recv().await {
                let found = line.contains(ready);
                all = format!("{all}{line}\n");
                if found {
                    return true;
                }
            }
            false
        };
        let started = tokio::time::timeout(PATIENCE, started).await;
        assert!(started == Ok(true), "{program} did not start: {all}");
        server
    }

    /// The id of its process. None when it has ended.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Sends it a signal, such as `KILL`, and waits until it is gone.
    pub async fn end(mut self, signal: &str) {
        self.signal(signal);
        self.child.wait().await.expect("it can be waited for");
    }

    /// Sends its processes a signal: `STOP` pauses it with its connections, `CONT` lets it go on.
    pub fn signal(&self, name: &str) {
        if let Some(id) = self.child.id() {
            let group = format!("-{id}");
            let sent = Plain::new("kill").args(["-s", name, "--", &group]).status();
            assert!(sent.is_ok_and(|status| status.success()), "kill -s {name}");
            let asked = Instant::now();
            while name == "STOP" && !is_stopped(id) {
                assert!(asked.elapsed() < PATIENCE, "it does not stop");
                std::thread::yield_now();
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(id) = self.child.id() {
            let group = format!("-{id}");
            let _gone = Plain::new("kill")
                .args(["-s", "KILL", "--", &group])
                .status();
        }
    }
}

/// Whether every thread of this process group has stopped. Under load some still run for a while after the signal.
fn is_stopped(group: u32) -> bool {
    let folders = |path: &Path| fs::read_dir(path).into_iter().flatten().flatten();
    // "id (name) state parent group ..."; the name can contain anything.
    let after_name = |path: &Path| {
        let stat = fs::read_to_string(path.join("stat")).unwrap_or_default();
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
        fields
            .split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let of_group = |path: &Path| after_name(path).get(2) == Some(&group.to_string());
    let has_stopped = |path: &Path| after_name(path).first().is_none_or(|state| state == "T");
    folders(Path::new("/proc"))
        .map(|process| process.path())
        .filter(|process| of_group(process))
        .flat_map(|process| folders(&process.join("task")))
        .all(|thread| has_stopped(&thread.path()))
}

/// Reads to the end, so that the program never waits for its pipe.
async fn read(output: impl AsyncRead + Unpin, lines: mpsc::UnboundedSender<String>) {
    let mut output = BufReader::new(output).lines();
    while let Ok(Some(line)) = output.next_line().await {
        let _nobody_waits = lines.send(line);
    }
}

/// Runs a program to its end with this input, and gives what it prints. Panics if it fails.
///
/// # Panics
///
/// The program is not there, or its exit code is not 0.
pub async fn run(command: &mut Command, input: &str) -> String {
    use tokio::io::AsyncWriteExt as _;
    let program = command.as_std().get_program().display().to_string();
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut child = command
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}; run scripts/test to install it"));
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(input.as_bytes()).await.expect("it reads");
    drop(stdin);
    let done = child.wait_with_output().await.expect("it ends");
    let printed = String::from_utf8_lossy(&done.stdout);
    let said = String::from_utf8_lossy(&done.stderr);
    // Some programs report on standard output what went wrong.
    let status = done.status;
    assert!(status.success(), "{program}: {status}\n{said}\n{printed}");
    printed.trim_end().to_owned()
}

/// A port of loopback that nobody listens on.
///
/// # Panics
///
/// No port is free.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    listener.local_addr().expect("it has an address").port()
}
