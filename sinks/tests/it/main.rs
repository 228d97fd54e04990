//! Sinks over real sockets and files: what is sent, what an answer means, and what is never said.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod addresses;
mod alerta;
mod alertmanager;
mod answers;
mod branches;
mod certificates;
mod dnspod;
mod email;
#[cfg(unix)]
mod exec;
mod files;
mod goaway;
mod guard;
mod hostile;
mod http;
mod influx;
#[cfg(feature = "kafka")]
mod kafka;
mod laws;
mod matrix;
mod moto;
mod mqtt;
mod mysql;
mod nats;
mod phones;
mod postgres;
mod pubsub;
#[cfg(feature = "rabbitmq")]
mod rabbitmq;
mod rebinding;
mod recipes;
mod redis;
mod screen;
mod server;
mod signatures;
mod sqlite;
mod statements;
mod syslog;
mod tables;
mod waits;
mod webhook;

use std::sync::Arc;
use std::time::Duration;

use campanile_language::sample_alerts;
use campanile_model::Secret;
use campanile_settings::{Environment, Values};
use campanile_sinks::kinds::webhook::{Settings as Webhook, Webhook as Built, WebhookBody};
use campanile_sinks::{BuildError, Kind, Message, Sink, Tools, settings_of};
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

/// A firing with all fields, and a resolved alert of the same problem with almost none.
fn sample() -> [campanile_model::Alert; 2] {
    sample_alerts()
}

/// The recovery of the same problem.
#[cfg(any(
    feature = "kafka",
    feature = "mqtt",
    feature = "rabbitmq",
    feature = "redis"
))]
fn other(id: &str) -> Message {
    let [_, resolved] = sample();
    Message {
        delivery_id: id.to_owned(),
        ..message_of(resolved)
    }
}

/// The sink of this kind with these settings, written as in the table of the sink.
fn try_build_kind(kind: &dyn Kind, values: &str) -> Result<Arc<dyn Sink>, BuildError> {
    let values = Values::parse(values, &settings_of(kind), &Environment::new());
    let values = values.unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let tools = Tools {
        name: "broker/ops",
        timeout: TIMEOUT,
    };
    kind.build(&values, &tools)
}

fn build_kind(kind: &dyn Kind, values: &str) -> Arc<dyn Sink> {
    try_build_kind(kind, values).unwrap_or_else(|error| panic!("{error}"))
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
