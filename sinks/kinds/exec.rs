//! # exec
//!
//! ## What it does
//! Starts a program for each alert. The alert is its standard input, as JSON. No shell is used.
//!
//! ## Set it up
//! 1. Write a program that reads one JSON object from its standard input and ends with 0 when it is done.
//! 2. Make it executable, and writable only for its owner.
//!
//! ```toml
//! [sinks.exec.script]
//! command = ["/usr/local/bin/on-alert", "--severity", "{{ severity }}"]
//! ```
//!
//! The first word is the absolute path of the program; each later word can be a template. One word stays one word. The program is
//! started with nothing of the gateway's environment, because that holds secrets: `PATH` is `/usr/bin:/bin`, and
//! `CAMPANILE_DELIVERY_ID` (the same on every attempt), `CAMPANILE_ATTEMPT`, `CAMPANILE_STATUS`, `CAMPANILE_SEVERITY` and
//! `CAMPANILE_FINGERPRINT` are set. `env` adds more.
//!
//! ## What is sent
//! One line with the alert's JSON, as the API shows it. With `overflow = "digest"` one line for each alert.
//!
//! ## When it fails
//! Exit code 0 is a success. 64, 65, 66 and 100: the program refuses this alert; three attempts, then a dead letter. 67, 68, 72, 73,
//! 76, 77, 78, 126, 127 and a program that cannot be started: you are notified, and it is retried slowly. Any other code, a
//! signal and the timeout: retried. The last 500 characters of its output are in the reason. When the program ends, or its time is
//! over, every process that it started is killed.
//!
//! ## What is not certain
//! A program that starts a session of its own (`setsid`) is not killed with it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use campanile_language::Template;
use campanile_settings::{Setting, Type, Values, required, with};
use futures_util::future::BoxFuture;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

use crate::dial::within;
use crate::kind::page;
use crate::{
    About, BuildError, Class, Confidence, Delivered, Failure, Group, Kind, Limits, Message, Sink,
    Tools, Worth, digest, render,
};

/// So much of the end of the output is kept for the reason.
const OUTPUT_BYTES_MAX: usize = 2_000;
const REASON_CHARACTERS_MAX: usize = 500;
/// So long is the rest of the output read after the program and its group have ended.
const REST: Duration = Duration::from_secs(1);
/// Linux refuses a longer word (`MAX_ARG_STRLEN`).
const WORD_BYTES_MAX: usize = 128 * 1024;
/// Programs that run text of their words as a program.
const SHELLS: &[&str] = &[
    "sh", "bash", "dash", "zsh", "ksh", "fish", "busybox", "env", "xargs",
];

/// The kind.
#[derive(Debug)]
pub struct ExecKind;

static ABOUT: About = About {
    name: Cow::Borrowed("exec"),
    title: Cow::Borrowed("a program for each alert, without a shell"),
    group: Group::Actions,
    confidence: Confidence::Tested,
    feature: None,
    alternatives: &[],
    limits: Limits::NONE,
    digest: true,
};

const SETTINGS: &[Setting] = &[
    required(
        "command",
        Type::Texts,
        r#"["/usr/local/bin/on-alert", "{{ severity }}"]"#,
        "The absolute path of the program, then its words. Each word after the first can be a Jinja template.",
    ),
    with(
        "env",
        Type::Labels,
        "{}",
        "Variables for the program, such as { LANG = \"C.UTF-8\" }. Nothing else is inherited.",
    ),
    with(
        "cwd",
        Type::Path,
        r#""/""#,
        "The folder in which the program starts.",
    ),
];

impl Kind for ExecKind {
    fn about(&self) -> &About {
        &ABOUT
    }

    fn settings(&self) -> &[Setting] {
        SETTINGS
    }

    fn page(&self) -> String {
        page(include_str!("exec.rs"))
    }

    fn build(&self, values: &Values, tools: &Tools<'_>) -> Result<Arc<dyn Sink>, BuildError> {
        let wrong = |problem: String| BuildError::new("command", problem);
        let [program, words @ ..] = values.texts("command") else {
            return Err(wrong("write the path of a program".to_owned()));
        };
        check(Path::new(program)).map_err(wrong)?;
        if is_shell(program) && words.iter().any(|word| word.contains("{{")) {
            let problem = "a shell would run the text of an alert as a program: read the alert from the standard input instead";
            return Err(wrong(problem.to_owned()));
        }
        let words = words.iter().map(|word| {
            let compiled = Template::compile(word);
            compiled.map_err(|mistake| BuildError::in_text("command", mistake))
        });
        Ok(Arc::new(Exec {
            program: program.clone(),
            words: words.collect::<Result<_, _>>()?,
            env: values.get("env")?,
            cwd: values.get("cwd")?,
            timeout: tools.timeout,
        }))
    }
}

/// Refuses what cannot be started, and what other users of the machine can change.
fn check(program: &Path) -> Result<(), String> {
    let shown = program.display();
    if !program.is_absolute() {
        return Err(format!("{shown} is not an absolute path"));
    }
    let about = fs::metadata(program).map_err(|error| format!("{shown}: {}", error.kind()))?;
    let mode = about.permissions().mode();
    if !about.is_file() || mode & 0o111 == 0 {
        return Err(format!("{shown} is not an executable file: `chmod +x` it"));
    }
    if mode & 0o002 != 0 {
        return Err(format!("every user can change {shown}: `chmod o-w` it"));
    }
    Ok(())
}

fn is_shell(program: &str) -> bool {
    let name = Path::new(program).file_name().unwrap_or_default();
    SHELLS.iter().any(|shell| name == *shell)
}

struct Exec {
    program: String,
    words: Vec<Template>,
    env: BTreeMap<String, String>,
    cwd: std::path::PathBuf,
    timeout: Duration,
}

impl Exec {
    fn words_of(&self, message: &Message) -> Result<Vec<String>, Failure> {
        let facts = digest::facts(message);
        let words = self.words.iter().map(|template| {
            let word = template.render(&facts);
            let word = word.map_err(|failed| refused(&format!("a word fails: {failed}")))?;
            if word.len() > WORD_BYTES_MAX || word.contains('\0') {
                return Err(refused(
                    "a word is longer than 128 KiB or holds a zero byte",
                ));
            }
            Ok(word)
        });
        words.collect()
    }

    fn command(&self, message: &Message) -> Result<Command, Failure> {
        let mut command = Command::new(&self.program);
        command
            .args(self.words_of(message)?)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("CAMPANILE_DELIVERY_ID", &message.delivery_id)
            .env("CAMPANILE_ATTEMPT", message.attempt.to_string())
            .current_dir(&self.cwd)
            .process_group(0)
            .kill_on_drop(true)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(alert) = message.alerts.first() {
            command
                .env("CAMPANILE_STATUS", alert.status.as_str())
                .env("CAMPANILE_SEVERITY", alert.severity.as_str())
                .env("CAMPANILE_FINGERPRINT", alert.fingerprint.to_string());
        }
        command.envs(&self.env);
        Ok(command)
    }

    async fn run(&self, message: &Message) -> Result<Delivered, Failure> {
        let input = render::lines(message);
        let mut command = self.command(message)?;
        let mut running = Running::start(&mut command)?;
        let (stdin, stdout, stderr) = running.pipes();
        let write = async {
            if let Some(mut stdin) = stdin {
                // The program need not read: a closed pipe is not a failure.
                let _closed = stdin.write_all(&input).await;
            }
        };
        let talk = async { tokio::join!(write, tail(stdout), tail(stderr)) };
        tokio::pin!(talk);
        let (status, mut said) = tokio::select! {
            // Processes that the program started can hold the pipes open for longer than it runs.
            status = running.child.wait() => (status, None),
            said = &mut talk => (running.child.wait().await, Some(said)),
        };
        running.end();
        if said.is_none() {
            said = tokio::time::timeout(REST, talk).await.ok();
        }
        let status = status.map_err(|error| cannot(&error))?;
        let ((), out, err) = said.unwrap_or_default();
        judge(status, &[out, err].concat())
    }
}

/// A program that runs. Dropping it kills its process group.
struct Running {
    child: Child,
    group: Option<Pid>,
}

type Pipes = (
    Option<tokio::process::ChildStdin>,
    Option<tokio::process::ChildStdout>,
    Option<tokio::process::ChildStderr>,
);

impl Running {
    fn start(command: &mut Command) -> Result<Self, Failure> {
        let child = command.spawn().map_err(|error| cannot(&error))?;
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        Ok(Self {
            group: id.and_then(Pid::from_raw),
            child,
        })
    }

    fn pipes(&mut self) -> Pipes {
        let child = &mut self.child;
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    }

    /// Kills what is left of its process group.
    fn end(&mut self) {
        if let Some(group) = self.group.take() {
            // It fails if no process of the group is left.
            let _none_left = kill_process_group(group, Signal::KILL);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// Reads to the end and gives the last bytes.
async fn tail(pipe: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut kept = Vec::new();
    let Some(mut pipe) = pipe else {
        return kept;
    };
    let mut block = vec![0; 8 * 1024];
    while let Ok(count @ 1..) = pipe.read(&mut block).await {
        kept.extend_from_slice(block.get(..count).unwrap_or_default());
        let surplus = kept.len().saturating_sub(OUTPUT_BYTES_MAX);
        kept.drain(..surplus);
    }
    kept
}

fn refused(reason: &str) -> Failure {
    Failure::new(Class::Poison, reason)
}

fn cannot(error: &std::io::Error) -> Failure {
    let class = match error.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::PermissionDenied => Class::Operator,
        _ => Class::Transient,
    };
    Failure::new(
        class,
        format!("the program cannot be started: {}", error.kind()),
    )
}

/// The codes of `sysexits.h`, and 100 of qmail.
fn judge(status: ExitStatus, output: &[u8]) -> Result<Delivered, Failure> {
    let class = match status.code() {
        Some(0) => {
            return Ok(Delivered {
                worth: Worth::Accepted,
                ..Delivered::default()
            });
        }
        Some(64..=66 | 100) => Class::Poison,
        Some(67 | 68 | 72 | 73 | 76..=78 | 126 | 127) => Class::Operator,
        _ => Class::Transient,
    };
    let ended = match (status.code(), status.signal()) {
        (Some(code), _) => format!("the program ended with {code}"),
        (None, Some(signal)) => format!("the program was ended by signal {signal}"),
        (None, None) => "the program ended".to_owned(),
    };
    let text = String::from_utf8_lossy(output);
    let skipped = text.chars().count().saturating_sub(REASON_CHARACTERS_MAX);
    let said: String = text.chars().skip(skipped).collect();
    let said = said.replace(char::is_control, " ");
    let said = said.trim();
    let reason = if said.is_empty() {
        ended
    } else {
        format!("{ended}. It said: {said}")
    };
    Err(Failure::new(class, reason))
}

impl Sink for Exec {
    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<Delivered, Failure>> {
        Box::pin(within(self.timeout, self.run(message)))
    }

    fn render(&self, message: &Message) -> Result<String, Failure> {
        let words = self.words_of(message)?;
        let words = words.iter().map(|word| format!("{word:?}"));
        let command = [format!("{:?}", self.program)].into_iter().chain(words);
        let command = command.collect::<Vec<_>>().join(" ");
        let input = render::lines(message);
        Ok(format!("{command}\n\n{}", String::from_utf8_lossy(&input)))
    }
}
