//! # What it sends
//!
//! UCloud (its `UMon`, its CloudWatch, the UNDT dial tests, and the white-label clouds that are built on it) sends one
//! `POST` for an alarm and one for its recovery. Each is a JSON object with `SessionID`, `Region`, `ResourceType`,
//! `ResourceId`, `MetricName`, `AlarmTime` and `RecoveryTime`. Newer senders add `Content`, and CloudWatch (2026) adds `Zone`,
//! `value`, `ValueUnit`, `Duration`, `StrategyId` and `Level`. UCloud does not sign its callbacks. It sends a callback twice
//! more if the answer is not the expected one.
//!
//! # Point it here
//!
//! In the console, under the alarm's notification, add a webhook with the address
//! `https://<gateway>/callback/ucloud/<name>/<key>`. The key at its end is the only proof that UCloud can give. Make it
//! long and random, and keep it in `key = { env = "..." }`. `allow_from` can restrict the callers further. To replace
//! UCloud's own demo server, set `demo_paths = true` and enter the address `/add/<key>` of this gateway. The example
//! `config/examples/ucloud-demo.toml` also fills the MySQL table of that server.
//!
//! # How it is read
//!
//! Names are read in any case, numbers also as text and text also as numbers, for every `Content-Type`.
//! A `RecoveryTime` above zero is resolved. An `AlarmTime` above zero without it is firing. A callback with neither is
//! quarantined. `AlarmTime` is the start and `RecoveryTime` the end.
//!
//! The message id is `SessionID` and the status, because an alarm and its recovery can have the same `SessionID`. The
//! fingerprint is made from `Region`, `ResourceType`, `ResourceId` and `MetricName`.
//!
//! `Level` becomes the severity: `P0` critical, `P1` error, `P2` warning, `P3` info. UCloud does not publish such a table,
//! so `severities` in the source has priority. A level in neither stays `unknown`. If `Level` is missing, the severity comes
//! from a level that `Content` names clearly, else from `severity` in the source.
//!
//! Value, comparator, threshold and unit are read from `Content`, in Chinese or English, if it states them clearly.
//! `value` and `ValueUnit` have priority over it. `Zone`, `StrategyId` and `Duration` become the labels `zone`, `strategy`
//! and `duration` (seconds).
//!
//! # What is not kept
//!
//! Fields that are not named here. `Content` is kept whole, as the description; nothing else is read from it.

use std::borrow::Cow;
use std::sync::LazyLock;

use serde_json::{Value, json};

use crate::about::{About, Asks, Position, Route};
use crate::answer::{Answer, Outcome};
use crate::page::page;
use crate::parse::fields::Fields;
use crate::parse::table::Table;
use crate::parse::{sentence, table, time};
use crate::provider::Provider;
use crate::reading::Reading;
use crate::source::Source;
use crate::trust::proof::Proof;
use campanile_model::Callback;
use campanile_model::Fault;
use campanile_model::{Alert, Fingerprint, Metric, Report, Resource, Severity, Status};
use campanile_settings::{Type, with};

/// The provider.
#[derive(Debug)]
pub(crate) struct UCloud;

static ABOUT: LazyLock<About> = LazyLock::new(|| About {
    name: "ucloud".into(),
    title: "UCloud".into(),
    doc: page(include_str!("ucloud.rs")),
    routes: vec![
        demo(
            "/add",
            &["POST"],
            Asks::Take,
            "Accepts alarms as UCloud's own demo server does.",
        ),
        demo(
            "/get",
            &["GET"],
            Asks::List,
            "Lists the last alert of each problem as UCloud's own demo server does.",
        ),
    ],
    settings: vec![with(
        DEMO_PATHS,
        Type::Flag,
        "false",
        "Also answer `POST /add` (or `/add/<key>`) and `GET /get`, as UCloud's own demo server does.",
    )],
    proof: "path key".into(),
    message_id: "SessionID + status".into(),
    confidence: "documented".into(),
    chinese: true,
    ..About::default()
});

/// The setting that turns on the paths of UCloud's own demo server.
const DEMO_PATHS: &str = "demo_paths";

/// A path of UCloud's own demo server.
const fn demo(
    path: &'static str,
    methods: &'static [&'static str],
    asks: Asks,
    doc: &'static str,
) -> Route {
    Route {
        path,
        methods,
        asks,
        position: Position::BeforeKey,
        switch: Some(DEMO_PATHS),
        doc,
    }
}

const LEVELS: &Table = &[
    ("p0", Severity::Critical),
    ("p1", Severity::Error),
    ("p2", Severity::Warning),
    ("p3", Severity::Info),
];

impl Provider for UCloud {
    fn about(&self) -> &About {
        &ABOUT
    }

    fn recognizes(&self, call: &Callback) -> bool {
        let has_all = |fields: Fields<'_>| {
            let has = |name| fields.value(name).is_some();
            let subject = ["MetricName", "ResourceType", "ResourceId"];
            has("SessionID")
                && subject.into_iter().any(has)
                && (has("AlarmTime") || has("RecoveryTime"))
        };
        call.method == "POST" && Fields::of(call).is_ok_and(has_all)
    }

    /// UCloud sends no proof. The key of the source is the proof, and `verify` checks it for every source.
    fn proof<'a>(&self, _: &'a Callback, _: &'a Source) -> Proof<'a> {
        Proof::Nothing
    }

    fn read(&self, call: &Callback, source: &Source) -> Result<Reading, Fault> {
        let fields = Fields::of(call)?;
        let session = fields
            .text("SessionID")
            .ok_or_else(|| Fault::new("body.SessionID", "missing or empty"))?;
        let times = Times::of(fields)?;
        let content = fields.text("Content").unwrap_or_default();
        let problem = ["Region", "ResourceType", "ResourceId", "MetricName"]
            .map(|name| fields.text(name).unwrap_or_default());
        let identity = problem.iter().map(Cow::as_ref);
        let fingerprint = Fingerprint::of(self.name(), identity);
        let message_id = format!("{session}:{}", times.status);

        let mut report = Report::new(message_id, fingerprint, times.status);
        (report.severity, report.raw) = severity(fields, &content, source);
        report.starts_at = time::at(times.alarm);
        report.ends_at = time::at(times.recovery);
        report.resource = resource(&problem);
        report.metric = metric(fields, &content);
        report.title = title(&report, &content);
        report.description = content.into_owned();
        for (label, name) in [
            ("zone", "Zone"),
            ("strategy", "StrategyId"),
            ("duration", "Duration"),
        ] {
            let value = fields.text(name).map(Cow::into_owned);
            report
                .labels
                .extend(value.map(|value| (label.to_owned(), value)));
        }
        Ok(Reading::one(report))
    }

    fn answer(&self, call: &Callback, outcome: &Outcome<'_>) -> Answer {
        let session = Fields::of(call)
            .ok()
            .and_then(|fields| fields.value("SessionID"));
        let session = session.map_or_else(String::new, |session| match session {
            Value::String(theirs) => theirs.clone(),
            other => other.to_string(),
        });
        match outcome {
            Outcome::Accepted { .. } | Outcome::Duplicate | Outcome::Quarantined => {
                // Formatted without `serde_json`: this answer is written for every alert.
                let session = Value::String(session);
                let body = format!(r#"{{"SessionID":{session},"RetCode":0}}"#);
                Answer::written(outcome.status(), body)
            }
            _ => {
                let body =
                    json!({ "SessionID": session, "RetCode": -1, "Error": outcome.sentence() });
                Answer::json(outcome.status(), &body)
            }
        }
    }

    /// The alerts under UCloud's names.
    fn list(&self, alerts: &[Alert]) -> Option<Value> {
        let rows: Vec<_> = alerts.iter().map(listed).collect();
        Some(json!({ "Result": rows, "RetCode": 0 }))
    }
}

fn listed(alert: &Alert) -> Value {
    let unix = |at: Option<jiff::Timestamp>| at.map_or(0, jiff::Timestamp::as_second);
    let text = |part: &Option<String>| part.clone().unwrap_or_default();
    let status = format!(":{}", alert.status);
    json!({
        "SessionID": alert.message_id.strip_suffix(&status).unwrap_or(&alert.message_id),
        "Region": text(&alert.resource.region),
        "ResourceType": text(&alert.resource.kind),
        "ResourceId": text(&alert.resource.id),
        "MetricName": text(&alert.metric.name),
        "AlarmTime": unix(alert.starts_at),
        "RecoveryTime": unix(alert.ends_at),
    })
}

struct Times {
    status: Status,
    alarm: i64,
    recovery: i64,
}

impl Times {
    fn of(fields: Fields<'_>) -> Result<Self, Fault> {
        let recovery = fields.seconds("RecoveryTime")?;
        if recovery > 0 {
            // The recovery is certain, also if the start is unreadable.
            let alarm = fields.seconds("AlarmTime").unwrap_or_default();
            return Ok(Self {
                status: Status::Resolved,
                alarm,
                recovery,
            });
        }
        let alarm = fields.seconds("AlarmTime")?;
        if alarm == 0 {
            let problem = "neither AlarmTime nor RecoveryTime is above zero";
            return Err(Fault::new("body.AlarmTime", problem));
        }
        Ok(Self {
            status: Status::Firing,
            alarm,
            recovery,
        })
    }
}

type Raw = std::collections::BTreeMap<String, String>;

fn severity(fields: Fields<'_>, content: &str, source: &Source) -> (Severity, Raw) {
    let level = fields.text("Level").map(Cow::into_owned);
    match level.or_else(|| sentence::level(content)) {
        Some(word) => {
            let severity = table::severity(source, LEVELS, &word);
            (severity, Raw::from([("severity".to_owned(), word)]))
        }
        None => (source.severity.unwrap_or_default(), Raw::new()),
    }
}

fn resource(problem: &[Cow<'_, str>; 4]) -> Resource {
    let [region, kind, id, _] = problem.each_ref().map(|part| {
        let given = !part.is_empty();
        given.then(|| part.clone().into_owned())
    });
    Resource {
        kind,
        id,
        region,
        ..Resource::default()
    }
}

fn metric(fields: Fields<'_>, content: &str) -> Metric {
    let said = sentence::comparison(content).unwrap_or_default();
    Metric {
        name: fields.text("MetricName").map(Cow::into_owned),
        value: fields.number("value").or(said.value),
        unit: fields.text("ValueUnit").map(Cow::into_owned).or(said.unit),
        comparator: said.comparator,
        threshold: said.threshold,
    }
}

/// The title, `MemUsage on uhost uhost-1`: the same for firing and resolved.
fn title(report: &Report, content: &str) -> String {
    let resource = [&report.resource.kind, &report.resource.id];
    let resource: Vec<_> = resource.into_iter().flatten().map(String::as_str).collect();
    match (&report.metric.name, resource.as_slice()) {
        (Some(metric), []) => metric.clone(),
        (Some(metric), resource) => format!("{metric} on {}", resource.join(" ")),
        (None, []) => content.lines().next().unwrap_or_default().to_owned(),
        (None, resource) => resource.join(" "),
    }
}
