//! `docs/grafana-dashboard.json` asks only for what a gateway has.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::operations::{described, metrics_in, read};
use crate::gateway::{Gateway, named, raw};

/// The version of the format: that of Grafana 10 and 11, which later ones convert.
const SCHEMA: u64 = 39;

/// Dead: nothing listens there.
const WORK: &str = "[providers.ucloud.fixture]\nkey = \"campanile-fixture-key\"\n\
     [[rewrites]]\nset = { \"labels.team\" = \"'db'\" }\n\
     [sinks.webhook.oncall]\nurl = \"http://127.0.0.1:1/\"\n";

fn dashboard() -> Value {
    serde_json::from_str(&read("grafana-dashboard.json")).unwrap()
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// Every expression of Prometheus, of panels and of variables.
fn expressions(dashboard: &Value) -> Vec<&str> {
    let targets = items(&dashboard["panels"]).flat_map(|panel| items(&panel["targets"]));
    let variables = items(&dashboard["templating"]["list"]);
    let asked = targets
        .map(|target| &target["expr"])
        .chain(variables.map(|variable| &variable["query"]["query"]));
    asked.filter_map(Value::as_str).collect()
}

/// The labels of `by (...)` and of `label_values(metric, label)`.
fn grouped(expression: &str) -> Vec<&str> {
    let by = expression
        .split("by (")
        .skip(1)
        .filter_map(|rest| rest.split(')').next());
    let values = expression.strip_prefix("label_values(");
    let values = values.and_then(|rest| rest.trim_end_matches(')').split_once(','));
    let lists = by.chain(values.map(|(_, label)| label));
    lists
        .flat_map(|list| list.split(','))
        .map(str::trim)
        .collect()
}

/// Every metric of the dashboard with every label that is asked of it. `instance` is added by Prometheus, `le` is of a histogram.
fn asked(dashboard: &Value) -> BTreeSet<(String, String)> {
    let mut asked = BTreeSet::new();
    for expression in expressions(dashboard) {
        for (metric, matchers) in metrics_in(expression) {
            let matched = matchers.split(',').filter(|matcher| !matcher.is_empty());
            let matched = matched.map(|matcher| matcher.split(['=', '!']).next().unwrap());
            for label in matched.chain(grouped(expression)) {
                if label != "instance" {
                    asked.insert((metric.clone(), label.to_owned()));
                }
            }
            asked.insert((metric, String::new()));
        }
    }
    asked
}

/// A gateway that accepted, ignored, refused, repaired and quarantined, and whose sink is down. What its `/metrics` say.
async fn worked() -> String {
    let gateway = Gateway::start(WORK).await;
    let firing = named("ucloud/firing").callback().unwrap();
    assert_eq!(gateway.send_fixture("ucloud/firing").await.status, 200);
    assert_eq!(gateway.send_fixture("ucloud/refused").await.status, 403);
    let mut broken = firing.clone();
    broken.body = br#"{"SessionID":"repaired","MetricName":"a
b","AlarmTime":1691206204}"#
        .to_vec();
    gateway.send(raw(&broken, &broken.path)).await;
    broken.body = b"[1]".to_vec();
    gateway.send(raw(&broken, &broken.path)).await;
    gateway.deliver_everything().await;
    gateway.look_at_itself().await;
    let text = gateway.look("/metrics").await.body;
    gateway.stop().await;
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dashboard_asks_for_metrics_and_labels_that_a_gateway_has() {
    let asked = asked(&dashboard());
    assert!(asked.len() > 30, "{asked:?}");
    let text = worked().await;
    for (metric, label) in asked {
        let has = |line: &str| {
            let rest = line.strip_prefix(metric.as_str());
            rest.is_some_and(|rest| rest.starts_with(['{', ' ']))
                && (label.is_empty() || line.contains(&format!("{label}=\"")))
        };
        assert!(
            text.lines().any(has),
            "no {metric} with the label `{label}` in\n{text}"
        );
    }
}

#[test]
fn the_dashboard_shows_every_metric() {
    let shown: BTreeSet<_> = asked(&dashboard())
        .into_iter()
        .filter_map(|(metric, _)| described(&metric))
        .map(|metric| metric.name)
        .collect();
    let all = campanile::telemetry::metrics::ALL.iter();
    let missing: Vec<_> = all
        .map(|metric| metric.name)
        .filter(|name| !shown.contains(name))
        .collect();
    assert!(missing.is_empty(), "not on the dashboard: {missing:?}");
}

#[test]
fn the_dashboard_is_valid_and_bound_to_no_installation() {
    let dashboard = dashboard();
    assert_eq!(dashboard["schemaVersion"], json!(SCHEMA));
    assert_eq!(dashboard["uid"], json!("campanile"));
    let variables: Vec<_> = items(&dashboard["templating"]["list"]).collect();
    assert_eq!(variables[0]["type"], json!("datasource"));
    assert_eq!(variables[0]["query"], json!("prometheus"));
    let names: BTreeSet<_> = variables.iter().map(|it| it["name"].as_str()).collect();
    let (mut ids, mut cells) = (BTreeSet::new(), BTreeSet::new());
    for panel in items(&dashboard["panels"]) {
        let title = panel["title"].as_str().unwrap();
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}");
        let grid = ["x", "y", "w", "h"].map(|side| panel["gridPos"][side].as_u64().unwrap());
        let [x, y, w, h] = grid;
        assert!(x + w <= 24, "{title} is wider than the dashboard");
        for cell in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
            assert!(cells.insert(cell), "{title} covers another panel");
        }
        if panel["type"] == "row" {
            continue;
        }
        assert!(
            panel["description"]
                .as_str()
                .is_some_and(|it| !it.is_empty()),
            "{title}"
        );
        for bound in items(&panel["targets"]).chain([panel]) {
            let from = &bound["datasource"];
            let wanted = json!({"type": "prometheus", "uid": "${datasource}"});
            assert_eq!(from, &wanted, "{title}");
        }
    }
    for expression in expressions(&dashboard) {
        for used in expression.split('$').skip(1) {
            let name = used
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .next();
            assert!(
                names.contains(&name) || name == Some("__rate_interval"),
                "{expression}"
            );
        }
    }
}
