//! The gateway as a separate process: this same program under another name, on a folder that remains after its end.

use std::fs::File;
use std::net::SocketAddr;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};

use crate::{GATEWAY, Trouble};

/// A process that has not printed its addresses or ended within this time hangs.
const HANGS_AFTER: Duration = Duration::from_mins(1);

/// The signal of a process that aborted at a failpoint.
const ABORTED: i32 = 6;

/// The keys in a run of the store. Few, so runs are merged and dropped often.
const RUN_KEYS: usize = 200;

/// The folder of a gateway.
pub(crate) struct House {
    folder: PathBuf,
    program: PathBuf,
}

impl House {
    /// A gateway's folder at this path. It may be empty.
    pub(crate) fn new(folder: &Path, program: &Path) -> Result<Self, Trouble> {
        let house = Self {
            folder: folder.to_owned(),
            program: program.to_owned(),
        };
        std::fs::create_dir_all(house.data())?;
        std::fs::create_dir_all(house.delivered())?;
        Ok(house)
    }

    /// The folder of the database.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// The database.
    pub(crate) fn database(&self) -> PathBuf {
        self.data().join("campanile.db")
    }

    /// The log of every gateway in this folder.
    pub(crate) fn log(&self) -> PathBuf {
        self.folder.join("gateway.log")
    }

    /// The folder of sinks that write files. It stays when the database is removed.
    pub(crate) fn delivered(&self) -> PathBuf {
        self.folder.join("delivered")
    }

    /// The URL of its database, when the database is a file of its own.
    pub(crate) fn url(&self) -> String {
        format!("sqlite:{}", self.database().display())
    }

    /// The config, without its paths.
    pub(crate) fn furnish(&self, url: &str, settings: &str) -> Result<(), Trouble> {
        // Long enough to send callbacks to a gateway that drains.
        let drain = if url.starts_with("sqlite:") {
            "0s"
        } else {
            "1s"
        };
        let config = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\nworkers = 2\ndrain = \"{drain}\"\n[admin]\nlisten = \"127.0.0.1:0\"\n\
             [self]\nalerts = false\n[store]\nurl = \"{url}\"\n{settings}"
        );
        Ok(std::fs::write(self.config(), config)?)
    }

    fn config(&self) -> PathBuf {
        self.folder.join("campanile.toml")
    }

    /// Starts again with an empty database.
    pub(crate) fn clear(&self) -> Result<(), Trouble> {
        std::fs::remove_dir_all(self.data())?;
        Ok(std::fs::create_dir_all(self.data())?)
    }

    /// Starts a gateway that aborts at `point`, in the syntax of `FAILPOINTS`.
    pub(crate) fn start(&self, point: Option<&str>) -> Result<Gateway, Trouble> {
        let log = File::options().create(true).append(true).open(self.log())?;
        let inherited = std::env::var("FAILPOINTS").ok();
        let small = format!("run-keys=return({RUN_KEYS})");
        let points = [Some(small.as_str()), inherited.as_deref(), point];
        let points: Vec<&str> = points.into_iter().flatten().collect();
        let mut command = std::process::Command::new(&self.program);
        command
            .arg0(GATEWAY)
            .args(["run", "--config"])
            .arg(self.config());
        let ours =
            std::env::vars_os().filter(|(n, _)| n.to_string_lossy().starts_with("CAMPANILE"));
        for (name, _) in ours {
            command.env_remove(name);
        }
        command
            .env("FAILPOINTS", points.join(";"))
            .current_dir(&self.folder);
        // The gateway ends when this pipe is closed, so it cannot outlive the run.
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log);
        let mut child = Command::from(command).kill_on_drop(true).spawn()?;
        Ok(Gateway {
            output: child.stdout.take(),
            public: None,
            admin: None,
            child,
        })
    }
}

/// A started gateway.
pub(crate) struct Gateway {
    child: Child,
    output: Option<ChildStdout>,
    public: Option<SocketAddr>,
    admin: Option<SocketAddr>,
}

impl Gateway {
    /// Waits until the gateway listens. False when it died before.
    pub(crate) async fn greets(&mut self) -> Result<bool, Trouble> {
        let Some(output) = self.output.take() else {
            return Ok(self.public.is_some());
        };
        let mut lines = BufReader::new(output).lines();
        let greeting = async {
            while let Some(line) = lines.next_line().await? {
                if line.contains("operators") {
                    return Ok::<_, std::io::Error>(Some(line));
                }
            }
            Ok(None)
        };
        let greeting = tokio::time::timeout(HANGS_AFTER, greeting).await;
        let greeting = greeting.map_err(|_| Trouble::said("the gateway does not start"))??;
        let Some(greeting) = greeting else {
            return Ok(false);
        };
        // The rest of its output must be read too: a full pipe would block the gateway.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let mut addresses = greeting.split("http://").skip(1).map(|rest| {
            let end = rest.find([' ', ',']).unwrap_or(rest.len());
            rest.get(..end).unwrap_or_default().parse().ok()
        });
        self.public = addresses.next().flatten();
        self.admin = addresses.next().flatten();
        Ok(true)
    }

    /// The address of the public listener.
    pub(crate) fn public(&self) -> Option<SocketAddr> {
        self.public
    }

    /// The address of the admin listener.
    pub(crate) fn admin(&self) -> Result<SocketAddr, Trouble> {
        self.admin
            .ok_or_else(|| Trouble::said("the gateway does not listen"))
    }

    /// The number of its process.
    pub(crate) fn process(&self) -> Option<u32> {
        self.child.id()
    }

    /// Kills the gateway with SIGKILL.
    pub(crate) async fn kill(mut self) -> Result<(), Trouble> {
        self.child.start_kill()?;
        self.child.wait().await?;
        Ok(())
    }

    /// Sends SIGTERM.
    pub(crate) async fn stop(self) -> Result<ExitStatus, Trouble> {
        self.signal("TERM").await?;
        self.ended().await
    }

    /// Sends a signal, such as `STOP`.
    pub(crate) async fn signal(&self, name: &str) -> Result<(), Trouble> {
        let pid = self.child.id().unwrap_or_default().to_string();
        let asked = Command::new("kill")
            .args(["-s", name, &pid])
            .status()
            .await?;
        if !asked.success() {
            return Err(Trouble::said(format!(
                "the gateway was gone before its signal {name}"
            )));
        }
        Ok(())
    }

    /// Waits for the end of the process.
    pub(crate) async fn ended(mut self) -> Result<ExitStatus, Trouble> {
        // `wait` closes the standard input, and the gateway would end because of that.
        let _open = self.child.stdin.take();
        let ended = tokio::time::timeout(HANGS_AFTER, self.child.wait()).await;
        Ok(ended.map_err(|_| Trouble::said("the gateway does not end"))??)
    }

    /// Memory in MiB and open files.
    pub(crate) fn size(&self) -> Result<Size, Trouble> {
        let process = PathBuf::from(format!("/proc/{}", self.child.id().unwrap_or_default()));
        let status = std::fs::read_to_string(process.join("status"))?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = resident.and_then(|rest| rest.trim().split(' ').next()?.parse().ok());
        let files = std::fs::read_dir(process.join("fd"))?.count();
        Ok(Size {
            rss_mib: kilobytes.unwrap_or(0_u64) / 1024,
            files,
        })
    }
}

/// The size of a process.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Size {
    pub(crate) rss_mib: u64,
    pub(crate) files: usize,
}

/// Whether the process aborted at a failpoint.
pub(crate) fn died_at_a_point(status: ExitStatus) -> bool {
    status.signal() == Some(ABORTED)
}
