//! The gateway as a process of its own: this same program under another name, on a folder that outlives it.

use std::fs::File;
use std::net::SocketAddr;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};

use crate::{GATEWAY, Trouble};

/// A process that has not greeted or ended by then hangs.
const HANGS_AFTER: Duration = Duration::from_mins(1);

/// The signal of a process that ended itself at a point.
const ABORTED: i32 = 6;

/// Keys in a run of the store: few, so that runs are merged and dropped all the time.
const RUN_KEYS: usize = 200;

/// What a gateway lives in.
pub(crate) struct House {
    folder: PathBuf,
    program: PathBuf,
}

impl House {
    /// A house in this folder, which need hold nothing.
    pub(crate) fn new(folder: &Path, program: &Path) -> Result<Self, Trouble> {
        let house = Self {
            folder: folder.to_owned(),
            program: program.to_owned(),
        };
        std::fs::create_dir_all(house.data())?;
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

    /// What every gateway here has logged.
    pub(crate) fn log(&self) -> PathBuf {
        self.folder.join("gateway.log")
    }

    /// The config, without the parts that say where things are.
    pub(crate) fn furnish(&self, settings: &str) -> Result<(), Trouble> {
        let config = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\nworkers = 2\n[admin]\nlisten = \"127.0.0.1:0\"\n\
             [store]\nurl = \"sqlite:{}\"\n{settings}",
            self.database().display()
        );
        Ok(std::fs::write(self.config(), config)?)
    }

    fn config(&self) -> PathBuf {
        self.folder.join("campanile.toml")
    }

    /// Begins anew with an empty database.
    pub(crate) fn clear(&self) -> Result<(), Trouble> {
        std::fs::remove_dir_all(self.data())?;
        Ok(std::fs::create_dir_all(self.data())?)
    }

    /// Starts a gateway that dies where `point` says, in the words of `FAILPOINTS`.
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
        // It ends when this pipe is closed: it must not outlive the run.
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

/// A gateway that was started.
pub(crate) struct Gateway {
    child: Child,
    output: Option<ChildStdout>,
    public: Option<SocketAddr>,
    admin: Option<SocketAddr>,
}

impl Gateway {
    /// Waits until it listens. False when it died before.
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
        // What it says after that is read, or it would wait for a reader.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let mut addresses = greeting.split("http://").skip(1).map(|rest| {
            let end = rest.find([' ', ',']).unwrap_or(rest.len());
            rest.get(..end).unwrap_or_default().parse().ok()
        });
        self.public = addresses.next().flatten();
        self.admin = addresses.next().flatten();
        Ok(true)
    }

    /// Where vendors call.
    pub(crate) fn public(&self) -> Option<SocketAddr> {
        self.public
    }

    /// Where operators look.
    pub(crate) fn admin(&self) -> Result<SocketAddr, Trouble> {
        self.admin
            .ok_or_else(|| Trouble::said("the gateway does not listen"))
    }

    /// Ends it as a power switch does.
    pub(crate) async fn kill(mut self) -> Result<(), Trouble> {
        self.child.start_kill()?;
        self.child.wait().await?;
        Ok(())
    }

    /// Asks it to stop.
    pub(crate) async fn stop(self) -> Result<ExitStatus, Trouble> {
        let pid = self.child.id().unwrap_or_default().to_string();
        let asked = Command::new("kill")
            .args(["-s", "TERM", &pid])
            .status()
            .await?;
        if !asked.success() {
            return Err(Trouble::said("the gateway was gone before it was stopped"));
        }
        self.ended().await
    }

    /// Waits for its end.
    pub(crate) async fn ended(mut self) -> Result<ExitStatus, Trouble> {
        // Waiting closes its standard input, at which it would end itself.
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

/// How large a process is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Size {
    pub(crate) rss_mib: u64,
    pub(crate) files: usize,
}

/// Whether it ended itself at a point.
pub(crate) fn died_at_a_point(status: ExitStatus) -> bool {
    status.signal() == Some(ABORTED)
}
