//! Pending deliveries in the API: pages, and attempts now.

use serde_json::{Value, json};

use super::standing;
use crate::gateway::Gateway;
use crate::standing::SINK;

#[tokio::test(flavor = "multi_thread")]
async fn pending_deliveries_are_attempted_now_when_an_operator_says_so() {
    let gateway = standing(3).await;
    let said = |answer: Value| (answer["count"].clone(), answer["dry_run"].clone());
    let count = |dry_run: bool| (json!(3), json!(dry_run));
    let sink = json!({"sink": SINK}).to_string();
    let all = json!({"all": true, "dry_run": true}).to_string();
    let path = "/api/v1/deliveries/retry";
    let counted = gateway.ask("POST", path, &all).await.json();
    let reason = &counted["groups"][0]["reason"];
    assert_eq!(reason, "not attempted");
    assert_eq!(said(counted), count(true));
    assert!(gateway.workers.hurried.lock().unwrap().is_empty());
    let done = gateway.ask("POST", path, &sink).await.json();
    assert_eq!(said(done), count(false));
    let hurried = gateway.workers.hurried.lock().unwrap().clone();
    assert_eq!(hurried, [(1, vec![1, 2, 3])]);
    let numbers = gateway.ask("POST", path, "{\"ids\":[1]}").await;
    assert_eq!(numbers.status, 400);
}

/// Alerts that are pending for five sinks, for two sinks or for one sink.
async fn unevenly_owed() -> Gateway {
    let sinks = |count: usize| {
        let names = (1..=count).map(|n| format!("\"webhook/s{n}\""));
        names.collect::<Vec<_>>().join(", ")
    };
    let source = "[providers.alertmanager.a]\nopen = true\n".to_owned();
    // Nothing listens on this port: all deliveries stay pending.
    let nobody = (1..=5).map(|n| format!("[sinks.webhook.s{n}]\nurl = \"http://127.0.0.1:9\"\n"));
    let routes = [("five", 5), ("two", 2), ("one", 1)].map(|(title, count)| {
        let sinks = sinks(count);
        format!("[[routes]]\nwhen = \"title == '{title}'\"\nsinks = [{sinks}]\n")
    });
    let settings: String = [source].into_iter().chain(nobody).chain(routes).collect();
    let gateway = Gateway::start(&settings).await;
    let alerts = ["one", "five", "five", "two", "one", "five", "two", "five"];
    let alerts = alerts.iter().enumerate().map(|(n, title)| {
        json!({"status": "firing", "labels": {"alertname": title, "n": n.to_string()},
               "fingerprint": format!("{n:016x}"), "startsAt": "2026-01-01T00:00:00Z"})
    });
    let alerts: Vec<Value> = alerts.collect();
    let body = json!({"version": "4", "status": "firing", "groupKey": "g", "alerts": alerts});
    assert_eq!(
        gateway.post("/callback/alertmanager/a", &body).await.status,
        200
    );
    gateway.deliver_everything().await;
    gateway
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_deliveries_hold_each_delivery_once_however_they_are_cut() {
    let gateway = unevenly_owed().await;
    let pair = |item: &Value| format!("{} {}", item["alert_id"], item["sink"]);
    let whole = gateway.ask("/api/v1/deliveries?limit=500").await;
    let whole: Vec<String> = whole["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(pair)
        .collect();
    assert_eq!(whole.len(), 26, "{whole:?}");
    for limit in 1..=27 {
        let mut got = Vec::new();
        let mut next = Value::Null;
        loop {
            let before = next
                .as_str()
                .map_or(String::new(), |next| format!("&before={next}"));
            let page = gateway
                .ask(&format!("/api/v1/deliveries?limit={limit}{before}"))
                .await;
            got.extend(page["items"].as_array().unwrap().iter().map(pair));
            next = page["next"].clone();
            if next.is_null() {
                break;
            }
        }
        assert_eq!(got, whole, "pages of {limit}");
    }
    gateway.stop().await;
}
