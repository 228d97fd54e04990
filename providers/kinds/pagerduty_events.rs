//! # What it sends
//!
//! Any program that can send to `PagerDuty`: its Events API v2, in the common event format PD-CEF. Each event is one `POST`
//! with a JSON object: `routing_key`, `event_action` (`trigger`, `acknowledge`, `resolve`), `dedup_key` and, for a trigger,
//! `payload` with `summary`, `source`, `severity` and more. Clients send an event again after an answer of 429 or 5xx.
//!
//! # Point it here
//!
//! If a tool lets you change the events host `events.pagerduty.com`, enter the host of this gateway, and the `token` of the
//! source as the integration key. The gateway serves `/v2/enqueue`, and the `routing_key` selects the source. The path of
//! the source, `/callback/pagerduty-events/<name>`, accepts the same events, with or without `/v2/enqueue` at its end.
//!
//! # How it is read
//!
//! `trigger` is firing and `resolve` is resolved. `acknowledge` means that a person is working on the problem: it is
//! answered as success and is not an alert. The fingerprint is made from `dedup_key`. A trigger without a `dedup_key` gets
//! one, as at `PagerDuty`. There it is random. Here it is made from `summary`, `source`, `component`, `group` and `class`,
//! so the same event sent again is the same problem. The answer contains the key. `acknowledge` and `resolve` need the key.
//!
//! The message id is `dedup_key`, `event_action` and a hash over the event without its `routing_key`. If
//! `payload.timestamp` is missing, the message id also has the minute of arrival. So the second attempt of a client is a
//! duplicate, and a change or a later episode is not.
//!
//! `severity` is one of `critical`, `error`, `warning`, `info`. Any other word is `unknown`. `source` is the resource's
//! name. `component`, `group`, `class` and `client` become labels, and so do the entries of `custom_details`.
//!
//! # What is not kept
//!
//! `images`, and the `payload` of a `resolve` except for its time and text. Change events (`/v2/change/enqueue`) and the
//! older Events API v1 are not served. An invalid event is quarantined and answered as success, but `PagerDuty` answers
//! 400. The texts of the answers are written from experience, not from the documentation.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::about::{About, Asks, Position, Route};
use crate::answer::{Answer, Outcome};
use crate::page::page;
use crate::parse::fields::scalar;
use crate::parse::table::Table;
use crate::parse::{table, time};
use crate::provider::Provider;
use crate::reading::Reading;
use crate::source::Source;
use crate::trust::proof::Proof;
use campanile_model::Callback;
use campanile_model::Fault;
use campanile_model::{Fingerprint, Link, Report, Severity, Status};
use campanile_settings::{Type, optional};

/// The provider.
#[derive(Debug)]
pub(crate) struct PagerDutyEvents;

static ABOUT: LazyLock<About> = LazyLock::new(|| About {
    name: NAME.into(),
    title: "PagerDuty Events API v2 (PD-CEF)".into(),
    doc: page(include_str!("pagerduty_events.rs")),
    routes: vec![Route {
        path: "/v2/enqueue",
        methods: &["POST"],
        asks: Asks::Take,
        position: Position::AfterAddress,
        switch: None,
        doc: "Accepts events as the Events API v2 of PagerDuty does.",
    }],
    settings: vec![optional(
        "token",
        Type::Secrets,
        r#"{ env = "SOURCE_TOKEN" }"#,
        "The integration key that senders put into `routing_key`. Some clients require 32 characters. During rotation: a list of the old and the new one.",
    )],
    proof: "routing_key in the body".into(),
    message_id: "dedup_key + event_action + hash of the event".into(),
    confidence: "documented".into(),
    ..About::default()
});

const NAME: &str = "pagerduty-events";

/// Longer than any client retries, and shorter than the time after which most problems return.
const SPAN_SECONDS: i64 = 60;

/// How many characters of a `dedup_key` the message id contains. The hash after them covers the whole key.
const KEY_SHOWN_MAX: usize = 100;

const WORDS: &Table = &[
    ("critical", Severity::Critical),
    ("error", Severity::Error),
    ("warning", Severity::Warning),
    ("info", Severity::Info),
];

impl Provider for PagerDutyEvents {
    fn about(&self) -> &About {
        &ABOUT
    }

    fn recognizes(&self, call: &Callback) -> bool {
        let event = call.json().ok();
        let has = |name| event.is_some_and(|event| event.get(name).is_some());
        let known = ["routing_key", "payload", "dedup_key"];
        call.method == "POST" && has("event_action") && known.into_iter().any(has)
    }

    fn proof<'a>(&self, call: &'a Callback, source: &'a Source) -> Proof<'a> {
        if source.tokens.is_empty() {
            return Proof::Nothing;
        }
        let event = call.json().ok();
        Proof::Secret {
            given: event.and_then(|event| scalar(event.get("routing_key")?)),
            wanted: &source.tokens,
        }
    }

    fn read(&self, call: &Callback, source: &Source) -> Result<Reading, Fault> {
        let event = call.json()?.as_object();
        let event = event.ok_or_else(|| Fault::new("body", "JSON, but not an object"))?;
        let status = match text(event, "event_action").as_deref() {
            Some("trigger") => Status::Firing,
            Some("resolve") => Status::Resolved,
            Some("acknowledge") => {
                return Ok(Reading::ignored(
                    "an acknowledgement; the problem is still open",
                ));
            }
            _ => {
                let problem = "missing, or not one of `trigger`, `acknowledge`, `resolve`";
                return Err(Fault::new("body.event_action", problem));
            }
        };
        report(event, status, call, source).map(Reading::one)
    }

    fn answer(&self, call: &Callback, outcome: &Outcome<'_>) -> Answer {
        if outcome.status() != 200 {
            let body = json!({
                "status": "invalid event",
                "message": outcome.sentence(),
                "errors": [outcome.sentence()],
            });
            return Answer::json(outcome.status(), &body);
        }
        let event = call.json().ok().and_then(Value::as_object);
        let body = json!({
            "status": "success",
            "message": "Event processed",
            "dedup_key": event.and_then(dedup_key).unwrap_or_default(),
        });
        Answer::json(202, &body)
    }
}

fn report(
    event: &Map<String, Value>,
    status: Status,
    call: &Callback,
    source: &Source,
) -> Result<Report, Fault> {
    let payload = event.get("payload").and_then(Value::as_object);
    let said = |name: &str| payload.and_then(|payload| text(payload, name));
    let summary = said("summary");
    if status == Status::Firing && summary.is_none() {
        let problem = "missing or empty; a trigger needs it";
        return Err(Fault::new("body.payload.summary", problem));
    }
    let key = dedup_key(event)
        .ok_or_else(|| Fault::new("body.dedup_key", "missing; a resolve needs it"))?;
    let stamp = payload.and_then(|payload| payload.get("timestamp"));
    let place = "body.payload.timestamp";
    let is_dated = matches!(time::moment(stamp, place), Ok(Some(_)));
    let fingerprint = Fingerprint::of(NAME, [key.as_str()]);
    let mut report = Report::new(
        message_id(event, &key, !is_dated, call),
        fingerprint,
        status,
    );

    report
        .raw
        .extend(text(event, "event_action").map(|word| ("status".to_owned(), word)));
    report.severity = match said("severity") {
        Some(word) => {
            let severity = table::severity(source, WORDS, &word);
            report.raw.insert("severity".to_owned(), word);
            severity
        }
        None => source.severity.unwrap_or_default(),
    };
    time::set(&mut report, stamp, place);
    report.title = summary.unwrap_or_else(|| key.clone());
    report.resource.name = said("source");
    for name in ["component", "group", "class"] {
        report
            .labels
            .extend(said(name).map(|value| (name.to_owned(), value)));
    }
    let client = text(event, "client");
    report
        .labels
        .extend(client.map(|client| ("client".to_owned(), client)));
    let details = payload.and_then(|payload| payload.get("custom_details"));
    match details {
        Some(Value::Object(details)) => report.labels.extend(flat(details)),
        Some(other) => report.description = scalar(other).unwrap_or_default().into_owned(),
        None => {}
    }
    report.links = links(event);
    Ok(report)
}

/// The key of the problem: the sender's, or for a trigger one that is made from its subject.
fn dedup_key(event: &Map<String, Value>) -> Option<String> {
    if let Some(key) = text(event, "dedup_key") {
        return Some(key);
    }
    if text(event, "event_action").as_deref() != Some("trigger") {
        return None;
    }
    let payload = event.get("payload")?.as_object()?;
    let about = ["summary", "source", "component", "group", "class"];
    Some(hash(
        about
            .iter()
            .map(|name| text(payload, name).unwrap_or_default()),
    ))
}

fn message_id(event: &Map<String, Value>, key: &str, is_timeless: bool, call: &Callback) -> String {
    let action = text(event, "event_action").unwrap_or_default();
    let rest = event.iter().filter(|(name, _)| *name != "routing_key");
    let said = hash(rest.flat_map(|(name, value)| [name.clone(), value.to_string()]));
    let shown: String = key.chars().take(KEY_SHOWN_MAX).collect();
    let id = format!("{shown}/{action}/{said}");
    if is_timeless {
        format!("{id}/{}", time::span(call, SPAN_SECONDS))
    } else {
        id
    }
}

/// 32 hexadecimal digits over texts, each preceded by its length.
fn hash(texts: impl Iterator<Item = String>) -> String {
    let digest = texts.fold(Sha256::new(), |hash, text| {
        hash.chain_update((text.len() as u64).to_be_bytes())
            .chain_update(text)
    });
    let mut digits = hex::encode(digest.finalize());
    digits.truncate(32);
    digits
}

/// The entries of `custom_details` as labels: texts and numbers as they are, lists and objects as JSON.
fn flat(details: &Map<String, Value>) -> BTreeMap<String, String> {
    let pair = |(name, value): (&String, &Value)| {
        let text = match value {
            Value::Array(_) | Value::Object(_) => value.to_string(),
            plain => scalar(plain)?.into_owned(),
        };
        Some((name.clone(), text))
    };
    details.iter().filter_map(pair).collect()
}

fn links(event: &Map<String, Value>) -> Vec<Link> {
    let listed = event
        .get("links")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let listed = listed.filter_map(|link| {
        let title = link.get("text").and_then(scalar).unwrap_or("Link".into());
        Link::web(title, link.get("href")?.as_str()?)
    });
    let client = text(event, "client_url").and_then(|url| Link::web("Client", &url));
    listed.chain(client).collect()
}

fn text(object: &Map<String, Value>, name: &str) -> Option<String> {
    scalar(object.get(name)?).map(std::borrow::Cow::into_owned)
}
