//! Where alerts go: the contract of a sink, its kinds, and the guarded HTTP client.

use std::sync::Arc;

use campanile_language::Mistake;

mod contract;
mod digest;
pub mod http;
pub mod kinds;
mod render;
mod spec;

use kinds::{file, stdout, webhook};

pub use contract::{Class, Delivered, Failure, HANDLE_BYTES_MAX, Message, Sink, WAIT_MAX, Worth};
pub use spec::{File, Policy, SinkKind, SinkSpec, Stdout, Webhook, WebhookBody};

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
