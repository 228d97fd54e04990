//! Runs the real program as a process: signals, log, and restarts in the same folder.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use tokio::sync::watch;

use crate::patience::within;
use crate::standing::{Reply, Wire, request};

/// A running `campanile run`. It is killed on drop.
pub(crate) struct Process {
    pub(crate) public: SocketAddr,
    pub(crate) admin: SocketAddr,
    pid: u32,
    output: watch::Receiver<String>,
    log: watch::Receiver<String>,
    ended: watch::Receiver<Option<ExitStatus>>,
}

impl Process {
    /// Starts the program with `campanile.toml` of a folder, and waits until it listens.
    pub(crate) async fn start(folder: &Path) -> Self {
        Self::start_after("", folder).await
    }

    /// Starts the program after a shell command such as `ulimit -n 256;` or `export HTTP_PROXY=...;`.
    pub(crate) async fn start_after(first: &str, folder: &Path) -> Self {
        let mut child = command(first, folder).spawn().unwrap();
        let pid = child.id();
        let mut output = follow(child.stdout.take().unwrap());
        let log = follow(child.stderr.take().unwrap());
        let ended = wait(child);
        let greeted = async { output.wait_for(|said| said.contains("operators\n")).await };
        let greeting = within("the addresses of the gateway", greeted).await;
        let greeting = greeting.map(|said| said.clone());
        let greeting = greeting.unwrap_or_else(|_| panic!("it did not start: {}", *log.borrow()));
        let mut urls = greeting.split("://").skip(1);
        let mut address = || {
            let url = urls.next().unwrap();
            let end = url.find([' ', '\n']).unwrap();
            url.get(..end).unwrap().parse().unwrap()
        };
        Self {
            public: address(),
            admin: address(),
            pid,
            output,
            log,
            ended,
        }
    }

    /// Sends a signal: `KILL`, `TERM`, `HUP`.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.pid.to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(sent.unwrap().success(), "kill -s {name} {pid}");
    }

    /// Kills the process with SIGKILL.
    pub(crate) async fn kill(&self) {
        self.signal("KILL");
        self.ended().await;
    }

    /// Waits until the process has ended and all that it wrote is collected.
    pub(crate) async fn ended(&self) -> ExitStatus {
        let mut ended = self.ended.clone();
        let waited = within("an end of the gateway", ended.wait_for(Option::is_some)).await;
        let status = waited.unwrap().unwrap();
        for written in [&self.output, &self.log] {
            let mut written = written.clone();
            let end = async { while written.changed().await.is_ok() {} };
            within("an end of what the gateway wrote", end).await;
        }
        status
    }

    /// Waits until the log contains these words at least this many times.
    pub(crate) async fn logs_times(&self, words: &str, times: usize) {
        let mut log = self.log.clone();
        let enough = log.wait_for(|log| log.matches(words).count() >= times);
        let what = std::fmt::from_fn(|f| write!(f, "`{words}` in the log:\n{}", self.log()));
        let logged = within(&what, enough).await.is_ok();
        assert!(logged, "the program ended without {what}");
    }

    /// The log so far.
    pub(crate) fn log(&self) -> String {
        self.log.borrow().clone()
    }

    /// The standard output so far.
    pub(crate) fn output(&self) -> String {
        self.output.borrow().clone()
    }

    /// The peak memory in bytes. Linux only.
    pub(crate) fn memory_peak(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
        1024 * kib.unwrap().parse::<u64>().unwrap()
    }

    /// Limits the size of all files that the program writes, like a full disk.
    pub(crate) fn limit_files(&self, bytes: &str) {
        let (pid, limit) = (self.pid.to_string(), format!("--fsize={bytes}:"));
        let mut prlimit = Command::new("prlimit");
        let limited = prlimit.args(["--pid", &pid, &limit]).status();
        assert!(limited.unwrap().success(), "prlimit {limit}");
    }

    /// Sends these bytes to the public listener on a new connection.
    pub(crate) async fn send(&self, raw: impl AsRef<[u8]>) -> Reply {
        Wire::to(self.public).await.send(raw).await
    }

    /// Sends a GET request to the admin listener.
    pub(crate) async fn look(&self, path: &str, head: &str) -> Reply {
        let asked = request("GET", path, &format!("connection: close\r\n{head}"), b"");
        Wire::to(self.admin).await.send(asked).await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.ended.borrow().is_none() {
            self.signal("KILL");
        }
    }
}

/// The command that starts the program. The shell ignores SIGXFSZ, so that a write beyond the file size limit is an error
/// and does not end the program.
fn command(first: &str, folder: &Path) -> Command {
    let mut command = Command::new("sh");
    let script = format!("{first} trap '' XFSZ; exec \"$0\" \"$@\"");
    command.args(["-c", &script, env!("CARGO_BIN_EXE_campanile")]);
    command.arg("run").arg("--config");
    command.arg(folder.join("campanile.toml"));
    let ours = std::env::vars_os().filter(|(n, _)| n.to_string_lossy().starts_with("CAMPANILE"));
    for (name, _) in ours {
        command.env_remove(name);
    }
    command.stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Collects the text from a pipe.
fn follow(pipe: impl Read + Send + 'static) -> watch::Receiver<String> {
    let (collected, seen) = watch::channel(String::new());
    std::thread::spawn(move || {
        let mut lines = BufReader::new(pipe);
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
            collected.send_modify(|all| all.push_str(&String::from_utf8_lossy(&line)));
            line.clear();
        }
    });
    seen
}

fn wait(mut child: Child) -> watch::Receiver<Option<ExitStatus>> {
    let (sender, ended) = watch::channel(None);
    std::thread::spawn(move || sender.send_replace(child.wait().ok()));
    ended
}
