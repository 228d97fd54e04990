//! # What it sends
//!
//! This is the API of Alertmanager itself. Prometheus, vmalert, Thanos, Loki and `amtool` send alerts *to* an Alertmanager
//! with `POST /api/v2/alerts`. The body is a list of alerts with `labels`, `annotations`, `startsAt`, `endsAt` and
//! `generatorURL`. Prometheus repeats a firing alert about once a minute, with an `endsAt` a few minutes in the future. It
//! repeats a resolved alert for 15 minutes, with the `endsAt` at which it was resolved.
//! (An Alertmanager sends another form to its webhooks: see `alertmanager`.)
//! `vmalert` and `prometheus` are not separate providers: they use this one.
//!
//! # Point it here
//!
//! Where a tool needs the address of an Alertmanager, enter the host of this gateway. The gateway serves `/api/v2/alerts`
//! as Alertmanager does, for the first source that accepts the sender by `token`, `allow_from` or `open`. Set the token in
//! the tool as a Bearer token, or as the password of HTTP Basic. In `prometheus.yml`:
//!
//! ```yaml
//! alerting:
//!   alertmanagers:
//!     - static_configs: [{ targets: ["gateway.example.com:8080"] }]
//!       authorization: { credentials: "<token>" }
//! ```
//!
//! For vmalert: `-notifier.url=http://gateway.example.com:8080 -notifier.bearerToken=<token>`.
//!
//! With several sources, or with a `key` instead of a token, also set the path of the source:
//! `path_prefix: /callback/alertmanager-api/<name>/<key>`. Prometheus appends `/api/v2/alerts` to it.
//!
//! # How it is read
//!
//! Each entry of the list is one alert. If its `endsAt` is not later than the time of arrival, the alert is resolved. Any
//! other alert is firing. Its `endsAt` is then not an end: it is the time at which Alertmanager would stop waiting for more.
//!
//! The fingerprint is made from the labels that are not empty. The message id is the fingerprint, `startsAt` and the
//! status, so an alert that Prometheus repeats is a duplicate. If `startsAt` is absent, as from `amtool`, the message id has
//! the `endsAt` of a resolved alert, or the five minutes in which a firing alert arrived.
//!
//! The severity comes from the label `severity`, by the usual words (`critical`, `page`, `error`, `high`, `warning`, `info`,
//! `none`...). Any other word is `unknown`. The title is the annotation `summary` or `title`, else the label `alertname`.
//! The description is `description`, `message` or `summary`. The resource is the most specific object that the labels
//! name: pod, container, deployment, node, host, device, service, instance. The address of an exporter such as
//! kube-state-metrics is used only if no other label names a resource. The region is `region`, else `cluster`.
//! For `DatasourceNoData` and `DatasourceError` of Grafana the title names the rule.
//!
//! # What is not kept
//!
//! Other annotations, and the `endsAt` of a firing alert. A firing alert that is not repeated stays firing here, but
//! Alertmanager would resolve it. Silences, inhibition and grouping of Alertmanager do not apply here. Its other paths are
//! not served. A changed annotation under the same `startsAt` is a duplicate, counted as a conflict.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::about::{About, Asks, Position, Route};
use crate::answer::{Answer, Outcome};
use crate::page::page;
use crate::parse::table::Table;
use crate::parse::{fields, table, time};
use crate::provider::Provider;
use crate::reading::Reading;
use crate::source::Source;
use crate::trust::authorization;
use crate::trust::proof::Proof;
use campanile_language::resource::broken;
use campanile_model::Callback;
use campanile_model::Fault;
use campanile_model::{Fingerprint, Link, Report, Severity, Status};
use campanile_settings::{Type, optional};

/// The provider.
#[derive(Debug)]
pub(crate) struct AlertmanagerApi;

static ABOUT: LazyLock<About> = LazyLock::new(|| About {
    name: NAME.into(),
    title: "Alertmanager's API (Prometheus, vmalert, amtool)".into(),
    doc: page(include_str!("alertmanager_api.rs")),
    routes: vec![Route {
        path: "/api/v2/alerts",
        methods: &["POST"],
        asks: Asks::Take,
        position: Position::AfterAddress,
        switch: None,
        doc: "Accepts alerts as the API of Alertmanager does.",
    }],
    settings: vec![
        optional(
            "token",
            Type::Secrets,
            r#"{ env = "SOURCE_TOKEN" }"#,
            "The Bearer token, or the password of HTTP Basic. During rotation: a list of the old and the new one.",
        ),
        optional(
            "user",
            Type::Text,
            r#""campanile""#,
            "The user name of HTTP Basic. Default: any user name.",
        ),
    ],
    proof: "bearer token or basic or path key".into(),
    message_id: "labels + startsAt + status".into(),
    confidence: "seen in code".into(),
    ..About::default()
});

const NAME: &str = "alertmanager-api";

/// How long Alertmanager waits for a repetition of an alert without `endsAt`.
const SPAN_SECONDS: i64 = 300;

const WORDS: &Table = &[
    ("critical", Severity::Critical),
    ("page", Severity::Critical),
    ("emergency", Severity::Critical),
    ("disaster", Severity::Critical),
    ("fatal", Severity::Critical),
    ("p1", Severity::Critical),
    ("error", Severity::Error),
    ("high", Severity::Error),
    ("major", Severity::Error),
    ("p2", Severity::Error),
    ("warning", Severity::Warning),
    ("warn", Severity::Warning),
    ("medium", Severity::Warning),
    ("minor", Severity::Warning),
    ("p3", Severity::Warning),
    ("info", Severity::Info),
    ("information", Severity::Info),
    ("informational", Severity::Info),
    ("low", Severity::Info),
    ("none", Severity::Info),
    ("notice", Severity::Info),
    ("p4", Severity::Info),
    ("p5", Severity::Info),
];

impl Provider for AlertmanagerApi {
    fn about(&self) -> &About {
        &ABOUT
    }

    fn recognizes(&self, call: &Callback) -> bool {
        // Clients leave out what they have no value for: any two of the keys are enough.
        let is_alert = |item: &Value| {
            let keys = [
                "labels",
                "annotations",
                "startsAt",
                "endsAt",
                "generatorURL",
            ];
            let known = keys.iter().filter(|key| item.get(key).is_some());
            let has_labels = item.get("labels").is_some_and(Value::is_object);
            item.get("status").is_none() && (has_labels || known.count() >= 2)
        };
        let items = call.json().ok().and_then(Value::as_array);
        call.method == "POST"
            && items.is_some_and(|items| !items.is_empty() && items.iter().all(is_alert))
    }

    fn proof<'a>(&self, call: &'a Callback, source: &'a Source) -> Proof<'a> {
        authorization::bearer_or_basic(call, source)
    }

    fn read(&self, call: &Callback, source: &Source) -> Result<Reading, Fault> {
        let items = call.json()?.as_array();
        let items = items.ok_or_else(|| Fault::new("body", "JSON, but not a list of alerts"))?;
        if items.is_empty() {
            return Ok(Reading::ignored("a list without alerts"));
        }
        let mut reading = Reading::default();
        for (i, item) in items.iter().enumerate() {
            match report(item, &format!("body[{i}]"), call, source) {
                Ok(report) => reading.reports.push(report),
                Err(fault) => reading.unreadable.push(fault),
            }
        }
        Ok(reading)
    }

    /// Alertmanager answers 200 without a body to what it accepts, and one sentence as a JSON string to what it refuses.
    fn answer(&self, _: &Callback, outcome: &Outcome<'_>) -> Answer {
        match outcome.status() {
            200 => Answer::text(200, ""),
            status => Answer::json(status, &json!(outcome.sentence())),
        }
    }
}

/// Reads one entry of the list; `place` names it in errors.
fn report(item: &Value, place: &str, call: &Callback, source: &Source) -> Result<Report, Fault> {
    let labels = texts(item.get("labels"));
    if labels.is_empty() {
        let problem = "an alert needs at least one label that is not empty";
        return Err(Fault::new(format!("{place}.labels"), problem));
    }
    let annotations = texts(item.get("annotations"));
    let time = |name: &str| time::moment(item.get(name), &format!("{place}.{name}"));
    // The end decides the status, so it must be readable. An unreadable start is left out.
    let ends_at = time("endsAt")?;
    let starts_at = time("startsAt").ok().flatten();
    let status = status(ends_at, call.received_at);
    let ends_at = ends_at.filter(|_| status == Status::Resolved);

    let identity = labels.iter().flat_map(|(name, value)| [name, value]);
    let fingerprint = Fingerprint::of(NAME, identity.map(String::as_str));
    let since = starts_at.or(ends_at).map(|at| at.to_string());
    let since = since.unwrap_or_else(|| time::span(call, SPAN_SECONDS));
    let mut report = Report::new(
        format!("{fingerprint}/{since}/{status}"),
        fingerprint,
        status,
    );

    let first = |from: &BTreeMap<String, String>, names: &[&str]| {
        names.iter().find_map(|name| from.get(*name)).cloned()
    };
    let name = labels.get("alertname").cloned();
    report.title = grafana_rule(&labels)
        .or_else(|| first(&annotations, &["summary", "title"]))
        .or_else(|| name.clone())
        .unwrap_or_else(|| "alert".to_owned());
    report.description =
        first(&annotations, &["description", "message", "summary"]).unwrap_or_default();
    report.severity = match labels.get("severity") {
        Some(word) => {
            report.raw.insert("severity".to_owned(), word.clone());
            table::severity(source, WORDS, word)
        }
        None => source.severity.unwrap_or_default(),
    };
    let place = format!("{place}.startsAt");
    report.starts_at = time::or_left_out(&mut report, "starts_at", item.get("startsAt"), &place);
    report.ends_at = ends_at;
    if let Some(broken) = broken(|name| labels.get(name).cloned()) {
        report.resource.kind = Some(broken.kind.to_owned());
        report.resource.id = Some(broken.id);
        report.resource.name = Some(broken.name);
    }
    report.resource.region = first(&labels, &["region", "cluster"]);
    report.metric.name = name;
    let graph = item.get("generatorURL").and_then(Value::as_str);
    let runbook = annotations.get("runbook_url").map(String::as_str);
    report.links = [("Graph", graph), ("Runbook", runbook)]
        .into_iter()
        .filter_map(|(title, url)| Link::web(title, url?))
        .collect();
    report.labels = labels;
    Ok(report)
}

/// Grafana gives the name `DatasourceNoData` or `DatasourceError` to each alert of a rule whose data source fails. The
/// rule is in a label.
fn grafana_rule(labels: &BTreeMap<String, String>) -> Option<String> {
    let name = labels
        .get("alertname")
        .filter(|name| name.starts_with("Datasource"))?;
    Some(format!("{name}: {}", labels.get("rulename")?))
}

/// An alert is resolved if its end is not later than the time of arrival.
fn status(ends_at: Option<Timestamp>, received_at: Option<Timestamp>) -> Status {
    match (ends_at, received_at) {
        (Some(ends_at), Some(received_at)) if ends_at <= received_at => Status::Resolved,
        _ => Status::Firing,
    }
}

/// A map of texts, in the order of its names, without empty values. Alertmanager treats an empty value as absent.
fn texts(map: Option<&Value>) -> BTreeMap<String, String> {
    let pairs = map.and_then(Value::as_object).into_iter().flatten();
    pairs
        .filter_map(|(name, value)| Some((name.clone(), fields::scalar(value)?.into_owned())))
        .collect()
}
