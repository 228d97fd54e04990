//! Sinks over real sockets and files: what is sent, what an answer means, and what is never said.

mod files;
mod goaway;
mod guard;
mod hostile;
mod http;
mod rebinding;
mod screen;
mod webhook;

use std::sync::Arc;
use std::time::Duration;

use campanile::config::{Policy, SinkKind, SinkSpec, Webhook, WebhookBody};
use campanile_language::sample_alerts;
use campanile_model::Secret;
use campanile_sinks::{BuildError, Message, Sink, build, kinds};
use jiff::Timestamp;

/// Its parts must never be seen: every test of an error or a rendered request looks for them.
const CANARIES: &[&str] = &["c4nary", "whsec_A", "Yw4naryc4naryc4naryc4naryAAA"];

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
        ca_file: None,
    }
}

fn spec(kind: SinkKind) -> SinkSpec {
    SinkSpec {
        name: "webhook/oncall".to_owned(),
        kind,
        policy: Policy {
            timeout: Duration::from_millis(1500),
            ..Policy::default()
        },
    }
}

fn try_build(webhook: Webhook) -> Result<Arc<dyn Sink>, BuildError> {
    build(&spec(SinkKind::Webhook(webhook)))
}

fn sink(webhook: Webhook) -> Arc<dyn Sink> {
    try_build(webhook).unwrap()
}

fn assert_no_secret(text: &str) {
    for canary in CANARIES {
        assert!(!text.contains(canary), "{canary} is in: {text}");
    }
}

#[test]
fn every_kind_of_sink_has_a_page_with_the_four_headings() {
    let names: Vec<_> = kinds().iter().map(|kind| kind.name).collect();
    assert!(names.is_sorted(), "{names:?}");
    for kind in kinds() {
        for heading in ["What it does", "Set it up", "What is sent", "When it fails"] {
            assert!(
                kind.page.contains(&format!("\n## {heading}\n")),
                "{} {heading}",
                kind.name
            );
        }
        assert!(kind.page.contains(&format!("[sinks.{}.", kind.name)));
    }
}
