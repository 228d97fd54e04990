//! # What it sends
//!
//! Any sender of `CloudEvents` 1.0 over HTTP, by `POST`: in structured mode (`application/cloudevents+json`, all in the
//! body), in binary mode (attributes in `ce-*` headers, the body is the data) and in batches
//! (`application/cloudevents-batch+json`, a list of structured events). Another Campanile with a webhook sink that has
//! `format = "cloudevents"` is such a sender.
//!
//! # Point it here
//!
//! Subscribe `https://<gateway>/callback/cloudevents/<name>`, with the source's `token` as a Bearer token or as
//! `access_token` in the query. Or give the source a `key` and put it at the end of the path. A sender can first ask for
//! permission (`OPTIONS` with `WebHook-Request-Origin`, as Azure Event Grid does). It gets permission for any rate if it
//! proves itself as for an event. A source with a `key` or `allow_from` does not need the token for this.
//!
//! # How it is read
//!
//! The standard defines who, what and when. It does not define whether something is wrong, or how bad it is. So:
//!
//! - If `data` is an alert in Campanile's own format, it is read as such: fingerprint, status, severity and all.
//! - Else the status is the first of `data.status`, `data.state`, `data.event_action` that is a known word
//!   (`resolved`, `ok`, `recovered`, `closed`, `cleared`, `resolve`, `up`, `healthy`, `normal`, `inactive` are
//!   resolved; `firing`, `alerting`, `open`, `triggered` and the like are firing), then the last word of `type`, as in
//!   `com.example.alert.resolved`. An event without any of these is firing: subscribe only to events that are alerts.
//! - The severity is the extension `severity` or `severitytext`, else `data.severity`, `data.level` or `data.priority`.
//! - The title is `data.title`, `summary`, `subject` or `name`, else `type` and `subject`. The description is
//!   `data.description` or `message`. The resource is `data.resource`, `host`, `instance` or `service`, else `subject`.
//!
//! The message id is `source` and `id`, which the standard makes unique. The fingerprint is made from `source` and
//! `data.fingerprint` or `dedup_key`, if there is one. Else it is made from `source`, `subject`, `type` without its last word
//! if that is a status, and the name and resource in `data`. `time` is the start or the end. Extensions, `type`, and the
//! other texts and numbers of `data` become labels.
//!
//! # What is not kept
//!
//! Lists and objects in `data`, data that is not JSON except for its text, which becomes the description, `data_base64`, and
//! `dataschema`. `WebHook-Request-Callback` is not followed.

mod event;
mod words;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::{Map, Value};

pub(crate) use event::Mode;
use event::{Event, binary, has_only_attributes, is_declared, structured};
use words::{WORDS, meaning, status_word};

use crate::about::About;
use crate::answer::{Answer, Outcome};
use crate::page::page;
use crate::parse::fields::scalar;
use crate::parse::{table, time};
use crate::provider::Provider;
use crate::reading::Reading;
use crate::source::Source;
use crate::trust::authorization;
use crate::trust::proof::Proof;
use campanile_model::Callback;
use campanile_model::Fault;
use campanile_model::{Alert, Fingerprint, Report, Severity, Status};
use campanile_settings::{Type, optional};

/// The provider.
#[derive(Debug)]
pub(crate) struct CloudEvents;

static ABOUT: LazyLock<About> = LazyLock::new(|| About {
    name: NAME.into(),
    title: "CloudEvents 1.0".into(),
    doc: page(include_str!("mod.rs")),
    settings: vec![optional(
        "token",
        Type::Secrets,
        r#"{ env = "SOURCE_TOKEN" }"#,
        "The Bearer token, or `access_token` in the query. During rotation: a list of the old and the new one.",
    )],
    proof: "bearer token or access_token or path key".into(),
    message_id: "source + id".into(),
    confidence: "documented".into(),
    ..About::default()
});

const NAME: &str = "cloudevents";

/// Attributes that are read by name. Any other attribute is an extension.
const KNOWN: &[&str] = &[
    "id",
    "source",
    "specversion",
    "type",
    "time",
    "subject",
    "datacontenttype",
    "dataschema",
    "data",
    "data_base64",
];

/// Fields of `data` that become title or description.
const TEXTS: &[&str] = &["title", "summary", "description", "message"];

impl Provider for CloudEvents {
    fn about(&self) -> &About {
        &ABOUT
    }

    /// Grants the permission to send that the standard's HTTP webhook asks for.
    fn handshake(&self, call: &Callback) -> Option<Vec<(&'static str, String)>> {
        let origin = call.header("webhook-request-origin")?;
        let is_name = origin.bytes().all(|b| b.is_ascii_graphic()) && !origin.is_empty();
        is_name.then(|| {
            vec![
                ("webhook-allowed-origin", origin.to_owned()),
                ("webhook-allowed-rate", "*".to_owned()),
            ]
        })
    }

    /// Without the media type, a body may have the attributes of the standard and no other keys: some vendors use the same
    /// attribute names in formats of their own.
    fn recognizes(&self, call: &Callback) -> bool {
        let of_standard = |event: &Value| {
            let has = |name| event.get(name).is_some_and(Value::is_string);
            let is_event = has("specversion") && has("id") && has("source") && has("type");
            is_event && has_only_attributes(event)
        };
        call.method == "POST"
            && match Mode::of(call) {
                Mode::Binary | Mode::Batch => true,
                Mode::Structured => is_declared(call) || call.json().is_ok_and(of_standard),
            }
    }

    fn proof<'a>(&self, call: &'a Callback, source: &'a Source) -> Proof<'a> {
        let in_query = call.param("access_token").map(Cow::Borrowed);
        let is_bare = in_query.is_none() && call.header("authorization").is_none();
        // Senders ask for permission without their token.
        if source.tokens.is_empty() || (call.method == "OPTIONS" && is_bare) {
            return Proof::Nothing;
        }
        let in_query = Proof::Secret {
            given: in_query,
            wanted: &source.tokens,
        };
        Proof::Any(vec![authorization::bearer(call, source), in_query])
    }

    fn read(&self, call: &Callback, source: &Source) -> Result<Reading, Fault> {
        match Mode::of(call) {
            Mode::Binary => report(&binary(call)?, "header.ce-", source).map(Reading::one),
            Mode::Structured => {
                report(&structured(call.json()?, "body")?, "body.", source).map(Reading::one)
            }
            Mode::Batch => batch(call.json()?, source),
        }
    }

    fn answer(&self, _: &Callback, outcome: &Outcome<'_>) -> Answer {
        Answer::text(outcome.status(), outcome.sentence())
    }
}

fn batch(body: &Value, source: &Source) -> Result<Reading, Fault> {
    let Value::Array(events) = body else {
        return Err(Fault::new("body", "JSON, but not a list of events"));
    };
    if events.is_empty() {
        return Ok(Reading::ignored("a batch without events"));
    }
    let mut reading = Reading::default();
    for (i, event) in events.iter().enumerate() {
        let place = format!("body[{i}]");
        let read = structured(event, &place)
            .and_then(|event| report(&event, &format!("{place}."), source));
        match read {
            Ok(report) => reading.reports.push(report),
            Err(fault) => reading.unreadable.push(fault),
        }
    }
    Ok(reading)
}

fn report(event: &Event<'_>, place: &str, source: &Source) -> Result<Report, Fault> {
    let id = event.needed("id", place)?;
    let origin = event.needed("source", place)?;
    let kind = event.needed("type", place)?;
    event.needed("specversion", place)?;
    // A URI reference has no blank, so two different pairs never give the same text.
    let message_id = format!("{origin} {id}");
    if let Some(report) = own(event, &message_id) {
        return Ok(report);
    }
    let (stem, last) = status_word(kind);
    let (status, word) = status(event, last);
    let mut report = Report::new(message_id, fingerprint(event, origin, stem), status);
    report
        .raw
        .extend(word.map(|word| ("status".to_owned(), word)));
    (report.severity, report.raw) = severity(event, source, report.raw);
    let at = event.get("time").map(|time| Value::String(time.to_owned()));
    time::set(&mut report, at.as_ref(), &format!("{place}time"));
    let subject = event.get("subject");
    report.title = event
        .said(&["title", "summary", "subject", "name"])
        .unwrap_or_else(|| {
            let kind_and_subject: Vec<&str> = std::iter::once(stem).chain(subject).collect();
            kind_and_subject.join(" ")
        });
    report.description = match event.data.as_deref() {
        Some(Value::String(text)) => text.clone(),
        _ => event.said(&["description", "message"]).unwrap_or_default(),
    };
    report.resource.name = event
        .said(&["resource", "host", "instance", "service"])
        .or_else(|| subject.map(str::to_owned));
    report.metric.name = event.said(&["metric"]);
    report.labels = labels(event, kind);
    Ok(report)
}

/// An alert in the format of another Campanile.
fn own(event: &Event<'_>, message_id: &str) -> Option<Report> {
    if !event.get("type")?.starts_with("campanile.alert.") {
        return None;
    }
    let alert: Alert = serde_json::from_value(event.data.as_deref()?.clone()).ok()?;
    let mut report = Report::new(message_id, alert.fingerprint, alert.status);
    report.severity = alert.severity;
    report.title = alert.title;
    report.description = alert.description;
    report.resource = alert.resource;
    report.metric = alert.metric;
    report.starts_at = alert.starts_at;
    report.ends_at = alert.ends_at;
    report.labels = alert.labels;
    report
        .labels
        .entry("origin".to_owned())
        .or_insert(alert.source);
    report.links = alert.links;
    report.raw = alert.raw;
    Some(report)
}

fn status(event: &Event<'_>, last_of_type: Option<&str>) -> (Status, Option<String>) {
    let in_data = ["status", "state", "event_action"]
        .into_iter()
        .filter_map(|name| event.said(&[name]));
    let mut words = in_data.chain(last_of_type.map(str::to_owned));
    let known = words.find_map(|word| meaning(&word).map(|status| (status, Some(word))));
    known.unwrap_or((Status::Firing, None))
}

fn fingerprint(event: &Event<'_>, origin: &str, stem: &str) -> Fingerprint {
    if let Some(theirs) = event.said(&["fingerprint", "dedup_key"]) {
        return Fingerprint::of(NAME, [origin, &theirs]);
    }
    let name = event.said(&["alertname", "name", "rule", "metric"]);
    let resource = event.said(&["resource", "host", "instance", "service"]);
    let subject = event.get("subject").unwrap_or_default();
    let parts = [
        Some(origin),
        Some(subject),
        Some(stem),
        name.as_deref(),
        resource.as_deref(),
    ];
    Fingerprint::of(NAME, parts.map(Option::unwrap_or_default))
}

type Raw = BTreeMap<String, String>;

fn severity(event: &Event<'_>, source: &Source, mut raw: Raw) -> (Severity, Raw) {
    let extension = event.get("severity").or_else(|| event.get("severitytext"));
    let word = extension
        .map(str::to_owned)
        .or_else(|| event.said(&["severity", "level", "priority"]));
    let Some(word) = word else {
        return (source.severity.unwrap_or_default(), raw);
    };
    let severity = table::severity(source, WORDS, &word);
    raw.insert("severity".to_owned(), word);
    (severity, raw)
}

fn labels(event: &Event<'_>, kind: &str) -> BTreeMap<String, String> {
    let no_fields = Map::new();
    let data = event.data.as_deref().and_then(Value::as_object);
    let data = data.unwrap_or(&no_fields).iter();
    let extensions = event.attributes.iter();
    data.filter(|(name, _)| !TEXTS.contains(&name.as_str()))
        .filter_map(|(name, value)| Some((name.clone(), scalar(value)?.into_owned())))
        .chain(
            extensions
                .filter(|(name, _)| !KNOWN.contains(&name.as_str()))
                .map(|(name, value)| (name.clone(), value.clone())),
        )
        .chain([("type".to_owned(), kind.to_owned())])
        .collect()
}
