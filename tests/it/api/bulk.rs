//! Bulk actions: what a dry run says, and that the action changes what was counted.

use campanile_store::Verdict;
use serde_json::{Value, json};

use crate::standing::{SINK, Standing, source};

/// A gateway with a dead letter for each of these messages: problem and status.
pub(crate) async fn with_letters(messages: &[(&str, &str)]) -> Standing {
    let gateway = Standing::with(vec![source("a")]).await;
    for (number, message) in messages.iter().enumerate() {
        die(&gateway, number, *message).await;
    }
    gateway
}

async fn die(gateway: &Standing, number: usize, (problem, status): (&str, &str)) {
    let body = json!({"probe": number.to_string(), "problem": problem, "status": status, "severity": "error"});
    assert_eq!(gateway.post("/callback/probe/a", &body).await.status, 200);
    let dead = Verdict::Dead {
        class: "poison",
        error: "400 Bad Request".into(),
    };
    gateway.store.settle_all(&dead).await;
}

pub(crate) async fn send(gateway: &Standing, act: &str, body: &Value) -> (u16, Value) {
    let path = format!("/api/v1/{act}");
    let reply = gateway.ask("POST", &path, &body.to_string()).await;
    (reply.status, reply.json())
}

async fn left(gateway: &Standing) -> Vec<i64> {
    let list = gateway.ask("GET", "/api/v1/dead", "").await.json();
    let items = list["items"].as_array().unwrap();
    items
        .iter()
        .map(|item| item["id"].as_i64().unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_says_how_many_of_what_and_how_old() {
    let gateway = with_letters(&[("disk", "firing"), ("cpu", "firing")]).await;
    let unreadable = json!({"no": "probe"});
    gateway.post("/callback/probe/a", &unreadable).await;
    let all = json!({"all": true, "dry_run": true});
    let (_, counted) = send(&gateway, "dead/drop", &all).await;
    let first = gateway.ask("GET", "/api/v1/dead/1", "").await.json();
    assert_eq!(counted["oldest_at"], first["at"]);
    assert_eq!(
        counted["groups"],
        json!([{"sink": SINK, "source": null, "reason": "poison", "count": 2}])
    );
    assert_eq!(
        (&counted["count"], &counted["more"], &counted["seen_to"]),
        (&json!(2), &json!(false), &json!(2))
    );
    let (_, counted) = send(&gateway, "quarantine/drop", &all).await;
    let reason = "body.probe: is missing";
    assert_eq!(
        counted["groups"],
        json!([{"sink": null, "source": "probe/a", "reason": reason, "count": 1}])
    );
    assert_eq!(left(&gateway).await, [2, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_leaves_out_what_came_after_its_dry_run() {
    let gateway = with_letters(&[("disk", "firing"), ("cpu", "firing")]).await;
    let all = json!({"all": true, "dry_run": true});
    let (_, counted) = send(&gateway, "dead/drop", &all).await;
    die(&gateway, 9, ("fan", "firing")).await;
    let act = json!({"all": true, "count": counted["count"], "seen_to": counted["seen_to"]});
    let (status, done) = send(&gateway, "dead/drop", &act).await;
    assert_eq!((status, &done["count"]), (200, &json!(2)), "{done}");
    assert_eq!(left(&gateway).await, [3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_is_refused_when_some_of_what_was_counted_has_gone() {
    let gateway = with_letters(&[("disk", "firing"), ("cpu", "firing")]).await;
    send(&gateway, "dead/drop", &json!({"ids": [1]})).await;
    for (act, body) in [
        ("dead/retry", json!({"all": true, "count": 2, "seen_to": 2})),
        ("dead/drop", json!({"ids": [1, 2], "count": 2})),
        ("deliveries/drop", json!({"all": true, "count": 1})),
        ("quarantine/retry", json!({"all": true, "count": 1})),
    ] {
        let (status, refused) = send(&gateway, act, &body).await;
        assert_eq!(status, 409, "{act} {refused}");
        assert_eq!(refused["type"], "/problems/changed");
        assert_eq!(refused["errors"][0]["pointer"], "#/count");
    }
    assert_eq!(left(&gateway).await, [2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn firing_alerts_whose_problem_has_ended_are_counted_and_can_be_left_out() {
    let gateway = with_letters(&[
        ("disk", "firing"),
        ("disk", "resolved"),
        ("cpu", "firing"),
        ("fan", "resolved"),
    ])
    .await;
    for (body, count, left_out) in [
        (json!({"all": true, "dry_run": true}), 4, 0),
        (
            json!({"all": true, "dry_run": true, "leave_out_ended": true}),
            3,
            1,
        ),
        (
            json!({"sink": SINK, "count": 3, "seen_to": 4, "leave_out_ended": true}),
            3,
            1,
        ),
    ] {
        let (_, counted) = send(&gateway, "dead/retry", &body).await;
        let said = (&counted["count"], &counted["ended"], &counted["left_out"]);
        assert_eq!(said, (&json!(count), &json!(1), &json!(left_out)), "{body}");
    }
    assert_eq!(left(&gateway).await, [1]);
    let body = json!({"all": true, "leave_out_ended": true});
    let (status, refused) = send(&gateway, "dead/drop", &body).await;
    assert_eq!(status, 400);
    assert_eq!(refused["errors"][0]["pointer"], "#/leave_out_ended");
}
