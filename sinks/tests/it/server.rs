//! Programs of other projects that a test starts and ends.

use std::net::TcpListener;
use std::process::{Command as Plain, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

/// A server that needs longer to start has failed.
const PATIENCE: Duration = Duration::from_mins(2);

/// A running server. It ends with the test, and so does every process that it started.
pub(crate) struct Server {
    child: Child,
}

impl Server {
    /// Starts the program and waits until it writes this text.
    pub(crate) async fn start(program: &str, args: &[&str], ready: &str) -> Self {
        Self::start_with(Command::new(program).args(args), ready).await
    }

    /// The same for a prepared command.
    pub(crate) async fn start_with(command: &mut Command, ready: &str) -> Self {
        // Debian installs servers where the PATH of a user does not lead.
        let path = std::env::var("PATH").unwrap_or_default();
        command
            .env("PATH", format!("{path}:/usr/sbin"))
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let program = command
            .as_std()
            .get_program()
            .to_string_lossy()
            .into_owned();
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{program}: {error}; run scripts/test to install it"));
        let (lines, mut said) = mpsc::unbounded_channel();
        tokio::spawn(read(child.stdout.take().unwrap(), lines.clone()));
        tokio::spawn(read(child.stderr.take().unwrap(), lines));
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

    /// Ends it at once, as a power failure does, and waits until it is gone.
    pub(crate) async fn kill(mut self) {
        self.signal("KILL");
        self.child.wait().await.unwrap();
    }

    /// It keeps its connections and does nothing.
    pub(crate) fn pause(&self) {
        self.signal("STOP");
    }

    /// It goes on.
    pub(crate) fn resume(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        if let Some(id) = self.child.id() {
            let group = format!("-{id}");
            let sent = Plain::new("kill").args(["-s", name, "--", &group]).status();
            assert!(sent.is_ok_and(|status| status.success()), "kill -s {name}");
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

/// Reads to the end, so that the program never waits for its pipe.
async fn read(output: impl AsyncRead + Unpin, lines: mpsc::UnboundedSender<String>) {
    let mut output = BufReader::new(output).lines();
    while let Ok(Some(line)) = output.next_line().await {
        let _nobody_waits = lines.send(line);
    }
}

/// A port of loopback that nobody listens on.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// A file of this folder: `authority.pem` has signed `server.pem`, the certificate and the key of `localhost`.
pub(crate) fn file(name: &str) -> String {
    format!("{}/tests/it/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// The Python with the client libraries. `scripts/test` installs it.
#[cfg(feature = "rabbitmq")]
pub(crate) fn python() -> String {
    format!("{}/../target/peers/bin/python", env!("CARGO_MANIFEST_DIR"))
}
