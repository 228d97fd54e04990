//! The settings of a sink, checked.

use std::path::PathBuf;
use std::time::Duration;

use campanile_model::Secret;

/// One configured destination.
#[derive(Clone, Debug)]
pub struct SinkSpec {
    /// The full name, such as `webhook/oncall`.
    pub name: String,
    /// The settings of its kind.
    pub kind: SinkKind,
    /// When to try, how often, how fast.
    pub policy: Policy,
}

/// The settings of a kind of sink.
#[derive(Clone, Debug)]
pub enum SinkKind {
    /// `[sinks.webhook.*]`
    Webhook(Webhook),
    /// `[sinks.file.*]`
    File(File),
    /// `[sinks.stdout.*]`
    Stdout(Stdout),
}

/// An HTTP request for each alert.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// Where to. A secret, because many receivers know their senders by it alone.
    pub url: Secret,
    /// `POST` (default), `PUT` or `PATCH`.
    pub method: String,
    /// Signs as Standard Webhooks, `whsec_<base64>`; two while one is being rotated.
    pub signing_secrets: Vec<Secret>,
    /// What the body is.
    pub body: WebhookBody,
    /// Headers, each a Jinja template (checked at load). Values are secrets until rendered.
    pub headers: Vec<(String, Secret)>,
    /// Refuse private addresses also, not just link-local and metadata ones.
    pub public_only: bool,
    /// A success word in the answer, such as `errcode == 0`: a Jinja expression over `body` and `status`.
    pub success: Option<String>,
    /// Do not verify the receiver's certificate. The operator wrote `dangerous_skip_tls_verification = true`.
    pub skip_tls_verification: bool,
    /// A PEM file with the certificate authority to trust beside the public ones.
    pub ca_file: Option<PathBuf>,
}

/// What a webhook's body is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebhookBody {
    /// `format = "alert"`: the alert's JSON (default).
    Alert,
    /// `format = "cloudevents"`: CloudEvents 1.0, structured mode.
    CloudEvents,
    /// `format = "alertmanager"`: Alertmanager's webhook, version 4.
    Alertmanager,
    /// `body = "..."`: a Jinja template (checked at load); its `Content-Type` is a header of the operator's or JSON.
    Template(String),
}

/// JSON lines in a file.
#[derive(Clone, Debug)]
pub struct File {
    /// Where. Its folder must exist.
    pub path: PathBuf,
    /// A new file is begun when it would become larger. Default 100 MiB.
    pub rotate_bytes: u64,
    /// How many old files are kept. Default 10.
    pub keep: u32,
    /// Wait for the disk after each line. Default true.
    pub sync: bool,
}

/// The screen.
#[derive(Clone, Debug)]
pub struct Stdout {
    /// `text` (one line for people, default) or `json`.
    pub json: bool,
}

/// When a sink is tried, how often and how fast.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The whole exchange, body included. Default 15 s, 1 s to 60 s.
    pub timeout: Duration,
    /// Waits between tries; the last repeats. Default 1 s, 5 s, 15 s, 30 s, 1 m, 2 m, 5 m, 10 m, 15 m, 30 m.
    pub retry_schedule: Vec<Duration>,
    /// Given up after so long. Default 24 h.
    pub max_age: Duration,
    /// Sends at the same time. Default 8.
    pub in_flight_max: usize,
    /// Sends in any second, minute, day; none means no limit.
    pub per_second: Option<u32>,
    /// See `per_second`.
    pub per_minute: Option<u32>,
    /// See `per_second`.
    pub per_day: Option<u32>,
    /// What does not fit under a limit is rolled into one digest message instead of waiting.
    pub digest: bool,
}

impl Default for Policy {
    fn default() -> Self {
        let schedule = [1, 5, 15, 30, 60, 120, 300, 600, 900, 1800];
        Self {
            timeout: Duration::from_secs(15),
            retry_schedule: schedule.map(Duration::from_secs).to_vec(),
            max_age: Duration::from_hours(24),
            in_flight_max: 8,
            per_second: None,
            per_minute: None,
            per_day: None,
            digest: false,
        }
    }
}
