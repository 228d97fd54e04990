//! # stdout
//!
//! ## What it does
//! Prints one line for each alert. Use it to try a new configuration, or for a log collector that reads the program's output.
//!
//! ## Set it up
//! ```toml
//! [sinks.stdout.screen]
//! format = "text"    # or "json"
//! ```
//!
//! ## What is sent
//! `text`: time (UTC), status, severity, source, title, resource. `json`: the alert as the API shows it.
//!
//! ## When it fails
//! A closed or blocked pipe: retried like any sink that is down. Nothing is lost.

use std::borrow::Cow;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use campanile_model::{Alert, Status};
use futures_util::future::BoxFuture;
use tokio::sync::Mutex;

use crate::kind::page;
use crate::{
    About, BuildError, Class, Confidence, Delivered, Failure, Group, Kind, Limits, Message, Sink,
    Tools, Worth, render,
};
use campanile_settings::{Setting, Type, Values, with};

/// The kind.
#[derive(Debug)]
pub struct StdoutKind;

static ABOUT: About = About {
    name: Cow::Borrowed("stdout"),
    title: Cow::Borrowed("a line on standard output for each alert, as text or JSON"),
    group: Group::Stores,
    confidence: Confidence::Tested,
    feature: None,
    alternatives: &[],
    limits: Limits::NONE,
    digest: true,
};

const SETTINGS: &[Setting] = &[with(
    "format",
    Type::Word(&["text", "json"]),
    r#""text""#,
    "text: a line for people. json: the alert as JSON.",
)];

impl Kind for StdoutKind {
    fn about(&self) -> &About {
        &ABOUT
    }

    fn settings(&self) -> &[Setting] {
        SETTINGS
    }

    fn page(&self) -> String {
        page(include_str!("stdout.rs"))
    }

    fn build(&self, values: &Values, tools: &Tools<'_>) -> Result<Arc<dyn Sink>, BuildError> {
        let settings = Settings {
            json: values.get::<String>("format")? == "json",
        };
        Ok(Arc::new(Stdout::new(&settings, tools.timeout)))
    }
}

/// Standard output.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `text` (one line for people, default) or `json`.
    pub json: bool,
}

/// The sink. One line is printed at a time, off the async threads.
pub struct Stdout {
    out: Arc<Mutex<Box<dyn Write + Send>>>,
    json: bool,
    timeout: Duration,
}

impl Stdout {
    /// The standard output of this process.
    pub fn new(settings: &Settings, timeout: Duration) -> Self {
        Self::to(Box::new(io::stdout()), settings, timeout)
    }

    /// Another output.
    pub fn to(out: Box<dyn Write + Send>, settings: &Settings, timeout: Duration) -> Self {
        Self {
            out: Arc::new(Mutex::new(out)),
            json: settings.json,
            timeout,
        }
    }

    /// One line for each alert, also for those of a digest.
    fn lines(&self, message: &Message) -> Vec<u8> {
        if self.json {
            return render::lines(message);
        }
        let line = |alert: &Arc<Alert>| text(alert) + "\n";
        message
            .alerts
            .iter()
            .map(line)
            .collect::<String>()
            .into_bytes()
    }

    async fn print(&self, lines: Vec<u8>) -> Result<Delivered, Failure> {
        let mut out = Arc::clone(&self.out).lock_owned().await;
        let print = move || out.write_all(&lines).and_then(|()| out.flush());
        match tokio::task::spawn_blocking(print).await {
            Ok(Ok(())) => Ok(Delivered {
                worth: Worth::Written,
                ..Delivered::default()
            }),
            Ok(Err(fault)) => {
                let reason = format!("the output cannot be written: {}", fault.kind());
                Err(Failure::new(Class::Transient, reason))
            }
            Err(_) => Err(Failure::new(Class::Transient, "the program is stopping")),
        }
    }
}

impl Sink for Stdout {
    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<Delivered, Failure>> {
        Box::pin(async move {
            let printing = self.print(self.lines(message));
            let done = tokio::time::timeout(self.timeout, printing).await;
            done.unwrap_or_else(|_| {
                Err(Failure::new(
                    Class::Transient,
                    "the output was not read in time",
                ))
            })
        })
    }

    fn render(&self, message: &Message) -> Result<String, Failure> {
        Ok(String::from_utf8_lossy(&self.lines(message)).into_owned())
    }
}

/// `2026-11-21 07:13:11Z ● FIRING   critical ucloud/prod  CPU at 97 %  (uhost-1, cn-bj2)`
fn text(alert: &Alert) -> String {
    let mark = match alert.status {
        Status::Firing => "● FIRING  ",
        Status::Resolved => "○ RESOLVED",
    };
    let resource = &alert.resource;
    let name = resource.name.as_deref().or(resource.id.as_deref());
    let about: Vec<_> = [name, resource.region.as_deref()]
        .into_iter()
        .flatten()
        .collect();
    let about = if about.is_empty() {
        String::new()
    } else {
        format!("  ({})", about.join(", "))
    };
    let line = format!(
        "{} {mark} {:<8} {}  {}{about}",
        alert.received_at.strftime("%Y-%m-%d %H:%M:%SZ"),
        alert.severity.as_str(),
        alert.source,
        alert.title,
    );
    // A vendor's text must not move the cursor of a terminal.
    line.replace(char::is_control, " ")
}
