//! A vendor changes its payload, and the gateway reports it to operators.

use std::sync::Arc;
use std::time::Duration;

use campanile::telemetry::Metrics;
use campanile::telemetry::metrics::SourceMeters;
use campanile_model::Callback;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::patience::within;
use crate::standing::{Standing, source};

/// The number of callbacks until a source is learned, and the number until every 16th callback was checked twice.
const LEARNING: usize = 100;
const TWO_LOOKS: usize = 32;

fn call(body: &Value) -> Callback {
    let raw = format!("POST /callback/probe/a?kind=x HTTP/1.1\n\n{body}");
    Callback::from_http(raw.as_bytes()).unwrap()
}

fn now(hour: i64) -> Timestamp {
    Timestamp::from_second(1_767_225_600 + hour * 3600).unwrap()
}

/// Checks this callback this many times, and returns the reported changes.
fn look(meters: &SourceMeters, body: &Value, times: usize, hour: i64) -> Vec<String> {
    let all = (0..times).flat_map(|_| meters.drift.look(&call(body), now(hour)).due);
    all.map(|change| change.to_string()).collect()
}

/// A source that has learned the shape of this callback.
fn learned(body: &Value) -> Arc<SourceMeters> {
    let meters = Metrics::new().source("probe/a");
    assert_eq!(look(&meters, body, LEARNING, 0), Vec::<String>::new());
    assert_eq!(look(&meters, body, TWO_LOOKS, 0), Vec::<String>::new());
    meters
}

fn usual() -> Value {
    json!({"alerts": [{"id": 1, "labels": {"a": "1"}, "note": null}], "version": "4"})
}

#[test]
fn a_new_key_is_told_once_at_its_place_whatever_is_in_it() {
    let meters = learned(&usual());
    let changed = json!({"alerts": [{"id": 1}, {"id": 2, "owner": {"name": "x"}}], "version": "4"});
    assert_eq!(
        look(&meters, &changed, TWO_LOOKS, 1),
        ["body.alerts[].owner is new"]
    );
    assert_eq!(look(&meters, &changed, TWO_LOOKS, 30), Vec::<String>::new());
}

#[test]
fn a_rarer_form_of_the_first_hour_is_no_change() {
    let meters = learned(&usual());
    let rarer = json!({"alerts": [{"id": "one", "owner": {"name": "x"}}]});
    assert_eq!(look(&meters, &rarer, 16 * 40, 0), Vec::<String>::new());
    assert_eq!(look(&meters, &rarer, 16 * 40, 1), Vec::<String>::new());
}

#[test]
fn a_value_of_another_type_is_told() {
    let meters = learned(&usual());
    let changed = json!({"alerts": [{"id": "one"}], "version": "4"});
    assert_eq!(
        look(&meters, &changed, TWO_LOOKS, 1),
        ["body.alerts[].id is text now"]
    );
}

#[test]
fn a_key_that_always_came_is_told_when_it_comes_no_more() {
    let meters = learned(&usual());
    let reported = look(&meters, &json!({"version": "4"}), 16 * 40, 1);
    assert_eq!(reported, ["body.alerts no longer comes"]);
}

#[test]
fn what_varied_while_it_was_learned_is_no_change() {
    let meters = Metrics::new().source("probe/a");
    let rare = json!({"alerts": [], "version": 4, "extra": {"x": 1}});
    for _ in 0..LEARNING / 2 {
        look(&meters, &usual(), 1, 0);
        look(&meters, &rare, 1, 0);
    }
    assert_eq!(look(&meters, &usual(), 16 * 40, 1), Vec::<String>::new());
    assert_eq!(look(&meters, &rare, 16 * 40, 1), Vec::<String>::new());
}

#[test]
fn keys_that_are_the_operators_own_are_no_change() {
    let meters = learned(&usual());
    let other =
        json!({"alerts": [{"id": 1, "labels": {"b": "2"}, "note": "was null"}], "version": "4"});
    assert_eq!(look(&meters, &other, TWO_LOOKS, 1), Vec::<String>::new());
}

#[test]
fn changes_are_told_once_a_day_and_none_is_forgotten() {
    let meters = learned(&usual());
    let with = |key: &str| {
        let mut body = usual();
        body[key] = json!(1);
        body
    };
    assert_eq!(
        look(&meters, &with("one"), TWO_LOOKS, 1),
        ["body.one is new"]
    );
    assert_eq!(
        look(&meters, &with("two"), TWO_LOOKS, 2),
        Vec::<String>::new()
    );
    assert_eq!(
        look(&meters, &with("three"), TWO_LOOKS, 26),
        ["body.two is new", "body.three is new"]
    );
}

#[test]
fn a_flood_of_keys_fills_no_memory() {
    let meters = Metrics::new().source("probe/a");
    for i in 0..LEARNING {
        let keys = (0..100).map(|k| (format!("key-{i}-{k}"), json!({"deep": [[[[k]]]]})));
        look(&meters, &Value::Object(keys.collect()), 1, 0);
    }
    let seen = meters.drift.seen();
    assert!(seen.keys <= 500, "{}", seen.keys);
    for i in 0..100 {
        meters.drift.unknown_word(&format!("word-{i}"));
    }
    assert_eq!(meters.drift.seen().unknown_words.len(), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_payload_raises_one_alert_of_campaniles_own() {
    let gateway = Standing::with(vec![source("a")]).await;
    let post = async |from: usize, to: usize, more: Value| {
        for i in from..to {
            let mut body = json!({"probe": i.to_string(), "problem": "disk", "status": "firing"});
            if !more.is_null() {
                body["severity"] = more.clone();
            }
            let reply = gateway.post("/callback/probe/a", &body).await;
            assert_eq!(reply.status, 200);
        }
    };
    post(0, LEARNING, Value::Null).await;
    gateway.gateway.clock.advance(Duration::from_hours(1));
    post(LEARNING, LEARNING + 3 * TWO_LOOKS, json!("error")).await;
    let raised = async {
        loop {
            let path = "/api/v1/alerts?source=campanile/drift";
            let page = gateway.ask("GET", path, "").await.json();
            if page["items"]
                .as_array()
                .is_some_and(|items| !items.is_empty())
            {
                return page;
            }
        }
    };
    let page = within("an alert about the changed payload", raised).await;
    assert_eq!(page["items"].as_array().unwrap().len(), 1);
    let alert = &page["items"][0];
    assert_eq!(alert["title"], "probe/a: the vendor changed its payload");
    assert!(
        alert["description"]
            .as_str()
            .unwrap()
            .starts_with("body.severity is new\n")
    );
    assert!(!gateway.workers.poked.lock().unwrap().is_empty());
    let sources = gateway.ask("GET", "/api/v1/sources", "").await.json();
    let drift = &sources["items"][0]["drift"];
    assert_eq!(
        (&drift["learning"], &drift["new_keys"]),
        (&json!(false), &json!(1))
    );
    assert_eq!(drift["changes"], json!(["body.severity is new"]));
    let counted = gateway
        .metric("campanile_drift_total{source=\"probe/a\",kind=\"new\"}")
        .await;
    assert!((counted - 1.0).abs() < 0.1, "{counted}");
}
