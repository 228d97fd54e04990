//! A vendor for tests: JSON with `probe`, which is the message id. A source with a `user` reads it from the field of
//! that name instead.

use std::sync::LazyLock;

use campanile_model::{Alert, Callback, Fault, Fingerprint, Report, Severity, Status};
use campanile_providers::{
    About, Answer, Asks, Effect, Outcome, Player, Position, Proof, Provider, Reading, Route, Source,
};
use serde_json::{Value, json};

pub(crate) struct Probe;

impl Player for Probe {}

impl Provider for Probe {
    fn about(&self) -> &About {
        static ABOUT: LazyLock<About> = LazyLock::new(|| About {
            name: "probe".into(),
            methods: vec!["POST", "PUT"],
            routes: vec![
                route("/probes/add", &["POST"], Asks::Take),
                route("/probes/get", &["GET"], Asks::List),
            ],
            ..About::default()
        });
        &ABOUT
    }
    fn recognizes(&self, call: &Callback) -> bool {
        call.json().is_ok_and(|body| body.get("probe").is_some())
    }
    fn proof<'a>(&self, call: &'a Callback, source: &'a Source) -> Proof<'a> {
        if source.tokens.is_empty() {
            return Proof::Nothing;
        }
        let body = call.json().ok();
        let given = body.and_then(|body| body.get("token")?.as_str());
        Proof::Secret {
            given: given.map(Into::into),
            wanted: &source.tokens,
        }
    }
    fn read(&self, call: &Callback, source: &Source) -> Result<Reading, Fault> {
        let body = call.json()?;
        assert!(body.get("panic").is_none(), "asked to");
        if body.get("test").is_some() {
            return Ok(Reading::ignored("a test message"));
        }
        let mut reading = Reading {
            effect: body.get("confirm").map(|_| Effect::Confirm {
                url: "https://example.com/".into(),
            }),
            ..Reading::default()
        };
        let name = source.own.text("user").unwrap_or("probe");
        match body.get("items").and_then(Value::as_array) {
            None => reading.reports.push(report(body, name)?),
            Some(items) => {
                for item in items {
                    match report(item, name) {
                        Ok(report) => reading.reports.push(report),
                        Err(fault) => reading.unreadable.push(fault),
                    }
                }
            }
        }
        Ok(reading)
    }
    fn answer(&self, _: &Callback, outcome: &Outcome<'_>) -> Answer {
        let id = match outcome {
            Outcome::Accepted { id } => *id,
            _ => "",
        };
        let ret = if outcome.status() == 200 { 0 } else { -1 };
        Answer::json(
            outcome.status(),
            &json!({"ret": ret, "say": outcome.sentence(), "id": id}),
        )
    }
    fn list(&self, alerts: &[Alert]) -> Option<Value> {
        let ids = alerts.iter().map(|alert| alert.message_id.as_str());
        Some(json!({ "probes": ids.collect::<Vec<_>>() }))
    }
}

/// A path of the test vendor's own, for a source with `own_paths`.
fn route(path: &'static str, methods: &'static [&'static str], asks: Asks) -> Route {
    Route {
        path,
        methods,
        asks,
        position: Position::BeforeKey,
        switch: Some("own_paths"),
        doc: "Serves a test.",
    }
}

fn report(body: &Value, name: &str) -> Result<Report, Fault> {
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
    let Some(id) = body.get(name).and_then(Value::as_str) else {
        return Err(Fault::new(format!("body.{name}"), "is missing"));
    };
    let status = text("status").parse().unwrap_or(Status::Firing);
    let mut report = Report::new(id, Fingerprint::of("probe", [text("problem")]), status);
    report.title = text("title").into();
    let labels = body.get("labels").and_then(Value::as_object);
    for (label, value) in labels.into_iter().flatten() {
        let value = value.as_str().unwrap_or_default();
        report.labels.insert(label.clone(), value.to_owned());
    }
    report.severity = text("severity").parse().unwrap_or(Severity::Unknown);
    if !text("severity").is_empty() {
        report
            .raw
            .insert("severity".into(), text("severity").to_owned());
    }
    Ok(report)
}
