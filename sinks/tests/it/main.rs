//! Sinks over real sockets and files: what is sent, what an answer means, and what is never said.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod addresses;
mod answers;
mod branches;
mod files;
mod goaway;
mod guard;
mod hostile;
mod http;
mod laws;
mod phones;
mod rebinding;
mod recipes;
mod screen;
mod signatures;
mod waits;
mod webhook;

use std::sync::Arc;
use std::time::Duration;

use campanile_language::sample_alerts;
use campanile_model::Secret;
use campanile_sinks::kinds::webhook::{Settings as Webhook, Webhook as Built, WebhookBody};
use campanile_sinks::{BuildError, Message, Sink, Tools};
use jiff::Timestamp;

/// Its parts must never be seen: every test of an error or a rendered request looks for them.
const CANARIES: &[&str] = &["c4nary", "whsec_A", "Yw4naryc4naryc4naryc4naryc4naryA"];

fn message() -> Message {
    let [alert, _] = sample_alerts();
    message_of(alert)
}

fn message_of(alert: campanile_model::Alert) -> Message {
    let at = "2026-11-21T07:00:00Z".parse::<Timestamp>().unwrap();
    Message::of(alert, "dlv_0123456789abcdef0123456789abcdef", at)
}

/// A digest: both samples in one message.
fn digest() -> Message {
    let [firing, resolved] = sample_alerts();
    Message {
        alerts: vec![Arc::new(firing), Arc::new(resolved)],
        ..message()
    }
}

/// The alert as the API shows it.
fn json(message: &Message) -> Vec<u8> {
    serde_json::to_vec(&message.alerts[0]).unwrap()
}

fn webhook(url: &str) -> Webhook {
    Webhook {
        url: Secret::from(url.to_owned()),
        method: "POST".to_owned(),
        signing_secrets: Vec::new(),
        body: WebhookBody::Alert,
        headers: Vec::new(),
        public_only: false,
        success: None,
        skip_tls_verification: false,
        proxy: None,
        ca_file: None,
    }
}

const TIMEOUT: Duration = Duration::from_millis(1500);

fn try_build(settings: &Webhook) -> Result<Arc<dyn Sink>, BuildError> {
    let tools = Tools {
        name: "webhook/oncall",
        timeout: TIMEOUT,
    };
    let sink = Built::new(&tools, settings)?;
    Ok(Arc::new(sink))
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "each test makes the settings in the call"
)]
fn sink(webhook: Webhook) -> Arc<dyn Sink> {
    try_build(&webhook).unwrap()
}

fn assert_no_secret(text: &str) {
    for canary in CANARIES {
        assert!(!text.contains(canary), "{canary} is in: {text}");
    }
}
