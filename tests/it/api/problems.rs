//! What fires now, and the history of a problem.

use campanile_model::Fingerprint;
use serde_json::{Value, json};

use crate::standing::{Standing, source};

async fn get(gateway: &Standing, path: &str) -> Value {
    gateway
        .ask("GET", &format!("/api/v1/{path}"), "")
        .await
        .json()
}

/// Problem, status and severity of each message.
const SAID: &[(&str, &str, &str)] = &[
    ("disk", "firing", "warning"),
    ("load", "firing", "info"),
    ("disk", "firing", "critical"),
    ("load", "resolved", "info"),
    ("load", "firing", "error"),
];

async fn standing() -> Standing {
    let gateway = Standing::with(vec![source("a")]).await;
    for (number, (problem, status, severity)) in SAID.iter().enumerate() {
        let body = json!({"probe": number.to_string(), "problem": problem, "status": status, "severity": severity});
        assert_eq!(gateway.post("/callback/probe/a", &body).await.status, 200);
    }
    gateway
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fires_is_listed_once_by_problem_and_counted_by_severity() {
    let gateway = standing().await;
    let page = get(&gateway, "problems").await;
    let messages: Vec<_> = page["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["alert"]["message_id"].clone())
        .collect();
    assert_eq!(messages, [json!("4"), json!("2")], "{page}");
    assert_eq!(
        (&page["firing"], &page["more"], &page["next"]),
        (&json!(2), &json!(false), &Value::Null)
    );
    let counts: Vec<_> = page["counts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["count"].as_u64().unwrap())
        .collect();
    assert_eq!(
        counts,
        [1, 1, 0, 0, 0],
        "critical, error, warning, info, unknown"
    );
    let first = get(&gateway, "problems?limit=1").await;
    let next = first["next"].as_str().unwrap();
    let second = get(&gateway, &format!("problems?limit=1&before={next}")).await;
    assert_eq!(
        (&second["items"][0], &second["next"]),
        (&page["items"][1], &Value::Null)
    );
    let critical = get(&gateway, "problems?severity=critical&source=probe/a").await;
    assert_eq!(critical["items"], json!([page["items"][1]]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_problem_shows_its_episodes_with_their_ends() {
    let gateway = standing().await;
    let load = Fingerprint::of("probe", ["load"]);
    let shown = get(&gateway, &format!("problems/{load}")).await;
    let episodes = shown["episodes"].as_array().unwrap();
    let lengths: Vec<_> = episodes
        .iter()
        .map(|e| e["alerts"].as_array().unwrap().len())
        .collect();
    assert_eq!(lengths, [1, 2], "{shown}");
    assert_eq!(episodes[0]["ended_at"], Value::Null);
    assert_eq!(episodes[1]["seconds"], 0);
    assert_eq!(episodes[1]["id"], episodes[1]["alerts"][1]["id"]);
    for unknown in ["0000000000000000", "nonsense"] {
        let path = format!("/api/v1/problems/{unknown}");
        assert_eq!(gateway.ask("GET", &path, "").await.status, 404, "{unknown}");
    }
}
