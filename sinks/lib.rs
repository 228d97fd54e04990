//! Where alerts go. A sink sends once and says what came of it; whether and when to try again is not its business.

use std::sync::Arc;
use std::time::Duration;

use campanile_model::Alert;
use futures_util::future::BoxFuture;
use jiff::Timestamp;

use campanile_language::Mistake;

pub mod http;
pub mod kinds;
mod render;
mod spec;

use kinds::{file, stdout, webhook};

pub use spec::{File, Policy, SinkKind, SinkSpec, Stdout, Webhook, WebhookBody};

/// One delivery on its way.
#[derive(Clone, Debug)]
pub struct Parcel {
    /// The delivery's id: the same on every try, so that a receiver can drop the second copy.
    pub delivery_id: String,
    /// The alert.
    pub alert: Arc<Alert>,
    /// The alert as JSON, exactly as the API shows it.
    pub json: Arc<[u8]>,
    /// The number of this try, from 1.
    pub attempt: u32,
    /// An operator asked for it again.
    pub redriven: bool,
    /// The time of this try.
    pub at: Timestamp,
}

/// What the sink said to a parcel that it took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delivered {
    /// The HTTP status, where there was one.
    pub code: Option<u16>,
}

/// What kind of failure it was: this decides what follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Will pass by itself: 408, 425, 429, 5xx, timeouts, DNS, TLS, a full disk.
    Transient,
    /// An operator must do something: 401, 403, 404, 407, a redirect, a refused address. Again, slowly.
    Operator,
    /// This parcel will never be taken: 400, 413, 415, 422, a template that fails on it. Three tries, then dead.
    Poison,
    /// The receiver asks for no more: 410. The sink is paused.
    Gone,
}

/// A try that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{cause}")]
pub struct Failure {
    /// What follows from it.
    pub class: Class,
    /// The HTTP status, where there was one.
    pub code: Option<u16>,
    /// The receiver asked to be left alone for so long.
    pub retry_after: Option<Duration>,
    /// What went wrong: one sentence for an operator, without any secret (URLs are secrets).
    pub cause: String,
}

impl Failure {
    /// A failure without a status.
    pub fn new(class: Class, cause: impl Into<String>) -> Self {
        Self {
            class,
            code: None,
            retry_after: None,
            cause: cause.into(),
        }
    }
}

/// One configured destination.
pub trait Sink: Send + Sync {
    /// Sends one parcel, once. Ends by itself within the sink's timeout; dropping the future ends it at once.
    fn send<'a>(&'a self, parcel: &'a Parcel) -> BoxFuture<'a, Result<Delivered, Failure>>;

    /// What would be sent, for `campanile try`: a request or a line, secrets taken out.
    fn render(&self, parcel: &Parcel) -> Result<String, Failure>;
}

/// A sink that cannot work as it is configured. Never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{setting}: {problem}")]
pub struct BuildError {
    /// The setting inside the sink's table, such as `url` or `headers.X-Team`.
    pub setting: String,
    /// What is wrong with it, and what to do.
    pub problem: String,
    /// Line and column inside the setting's text, where it is an expression or a template.
    pub place: Option<(usize, usize)>,
}

impl BuildError {
    fn new(setting: &str, problem: impl Into<String>) -> Self {
        Self {
            setting: setting.to_owned(),
            problem: problem.into(),
            place: None,
        }
    }

    fn in_text(setting: &str, mistake: Mistake) -> Self {
        Self {
            setting: setting.to_owned(),
            problem: mistake.message,
            place: Some((mistake.line, mistake.column)),
        }
    }
}

/// The sink of these settings. Reads certificate files; opens nothing and sends nothing.
pub fn build(spec: &SinkSpec) -> Result<Arc<dyn Sink>, BuildError> {
    Ok(match &spec.kind {
        SinkKind::Webhook(webhook) => Arc::new(webhook::Webhook::new(spec, webhook)?),
        SinkKind::File(file) => Arc::new(file::File::new(file, spec.policy.timeout)?),
        SinkKind::Stdout(stdout) => Arc::new(stdout::Stdout::new(stdout, spec.policy.timeout)),
    })
}

/// A kind of sink, for `campanile sinks list` and `show`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// The word in the config.
    pub name: &'static str,
    /// One line.
    pub summary: &'static str,
    /// A page with the headings *What it does*, *Set it up*, *What is sent*, *When it fails*.
    pub page: &'static str,
}

/// Every kind of sink, in alphabetical order of its name.
pub fn kinds() -> &'static [Kind] {
    &[
        Kind {
            name: "file",
            summary: "JSON lines in a file, rotated by size",
            page: file::PAGE,
        },
        Kind {
            name: "stdout",
            summary: "a line on the screen for each alert, for people or as JSON",
            page: stdout::PAGE,
        },
        Kind {
            name: "webhook",
            summary: "an HTTP request for each alert, signed",
            page: webhook::PAGE,
        },
    ]
}
