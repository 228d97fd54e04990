//! A reader who has the newest version is answered 304, and a POST that is sent again with its key is not done twice.

use futures_util::future::select;
use serde_json::{Value, json};

use super::standing;
use crate::moody::Mood;
use crate::standing::{Reply, Standing, TOKEN, Wire, request};

async fn get(gateway: &Standing, path: &str, tag: &str) -> Reply {
    let head = format!("authorization: Bearer {TOKEN}\r\nif-none-match: {tag}\r\n");
    let raw = request("GET", &format!("/api/v1/{path}"), &head, b"");
    Wire::to(gateway.admin).await.send(raw).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_who_has_what_is_stored_gets_it_again_only_after_a_change() {
    let gateway = standing(2).await;
    let alert = gateway.store.first_alert().await;
    let (id, problem) = (
        alert["id"].as_str().unwrap(),
        alert["fingerprint"].as_str().unwrap(),
    );
    let paths = [
        "alerts",
        "alerts?limit=1",
        &format!("alerts/{id}"),
        "problems",
        &format!("problems/{problem}"),
        "deliveries",
        "dead",
        "quarantine",
        "audit",
    ];
    let mut tags = Vec::new();
    for path in paths {
        let reply = get(&gateway, path, "W/\"0\"").await;
        let tag = reply.header("etag").to_owned();
        assert_eq!(reply.status, 200, "{path}");
        assert!(tag.starts_with("W/\""), "{path}: {tag}");
        for given in [
            &*tag,
            &format!("\"x\", {tag}"),
            tag.trim_start_matches("W/"),
            "*",
        ] {
            let again = get(&gateway, path, given).await;
            assert_eq!((again.status, &*again.body), (304, ""), "{path} {given}");
            assert_eq!(again.header("etag"), tag);
        }
        tags.push(tag);
    }
    let body = json!({"probe": "9", "problem": "cpu", "status": "firing", "severity": "error"});
    assert_eq!(gateway.post("/callback/probe/a", &body).await.status, 200);
    for (path, tag) in paths.iter().zip(&tags) {
        assert_eq!(get(&gateway, path, tag).await.status, 200, "{path}");
    }
    // Any version is none of what does not exist.
    for (path, status) in [
        ("alerts?limit=0", 400),
        ("alerts/1", 404),
        ("dead/0.5", 404),
    ] {
        assert_eq!(get(&gateway, path, "*").await.status, status, "{path}");
    }
    // What is in memory has no version.
    for path in ["callbacks", "sinks", "sources", "jobs"] {
        assert_eq!(get(&gateway, path, "*").await.status, 200, "{path}");
    }
}

async fn post(gateway: &Standing, path: &str, key: &str, body: &Value) -> Reply {
    let head = format!(
        "authorization: Bearer {TOKEN}\r\ncontent-type: application/json\r\nidempotency-key: {key}\r\n"
    );
    let raw = request(
        "POST",
        &format!("/api/v1/{path}"),
        &head,
        body.to_string().as_bytes(),
    );
    Wire::to(gateway.admin).await.send(raw).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_sent_again_with_its_key_gets_the_first_answer() {
    let gateway = standing(2).await;
    let all = json!({"all": true});
    let first = post(&gateway, "deliveries/drop", "key-1", &all).await;
    assert_eq!((first.status, &first.json()["count"]), (200, &json!(2)));
    assert_eq!(first.header("idempotency-replayed"), "");
    let again = post(&gateway, "deliveries/drop", "key-1", &all).await;
    assert_eq!((again.status, &again.body), (200, &first.body));
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(again.header("content-type"), "application/json");
    let other = post(&gateway, "deliveries/drop", "key-2", &all).await;
    assert_eq!(other.json()["count"], 0);
    // Another path has keys of its own.
    assert_eq!(
        post(&gateway, "dead/drop", "key-1", &all).await.json()["count"],
        0
    );
    let reused = post(
        &gateway,
        "deliveries/drop",
        "key-1",
        &json!({"all": true, "dry_run": true}),
    )
    .await;
    assert_eq!(
        (reused.status, &reused.json()["type"]),
        (422, &json!("/problems/key_reused"))
    );
    let long = "x".repeat(256);
    let reply = post(&gateway, "deliveries/drop", &long, &all).await;
    assert_eq!(
        (reply.status, &reply.json()["errors"][0]["parameter"]),
        (400, &json!("Idempotency-Key"))
    );
    gateway
        .gateway
        .clock
        .advance(std::time::Duration::from_hours(24));
    let later = post(&gateway, "deliveries/drop", "key-1", &all).await;
    assert_eq!(later.json()["count"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_in_use_is_refused_and_a_refused_request_does_not_use_up_its_key() {
    let gateway = standing(1).await;
    let refused = post(&gateway, "deliveries/drop", "key", &json!({})).await;
    assert_eq!(refused.status, 400);
    gateway.store.set(Mood::Stuck);
    let all = json!({"all": true});
    let twice = [(); 2].map(|()| Box::pin(post(&gateway, "deliveries/drop", "key", &all)));
    let [one, other] = twice;
    // The one that comes first waits for the store.
    let (refused, mut first) = select(one, other).await.factor_first();
    assert_eq!(
        (refused.status, &refused.json()["type"]),
        (409, &json!("/problems/key_in_use"))
    );
    gateway.store.set(Mood::Well);
    let first = loop {
        tokio::select! {
            first = &mut first => break first,
            () = tokio::task::yield_now() => gateway.store.go.notify_waiters(),
        }
    };
    assert_eq!((first.status, &first.json()["count"]), (200, &json!(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_a_source_is_never_remembered_and_a_request_that_only_reads_needs_no_key() {
    let gateway = standing(1).await;
    for _ in 0..2 {
        let shown = post(&gateway, "sources/probe/b/key", "key", &json!({})).await;
        assert_eq!(shown.status, 200, "{}", shown.body);
        assert!(shown.body.contains("the%2Dsecret%2Dkey"), "{}", shown.body);
        assert_eq!(shown.header("idempotency-replayed"), "");
        assert_eq!(shown.header("cache-control"), "no-store");
    }
    let audit = gateway.ask("GET", "/api/v1/audit", "").await.json();
    assert_eq!(audit["items"].as_array().map(Vec::len), Some(2), "{audit}");
    // More than the body of a command can have.
    let text = "x".repeat(300 * 1024);
    let body = json!({"source": "probe/a", "request": format!("POST / HTTP/1.1\r\n\r\n{text}")});
    let tried = post(&gateway, "try", "key", &body).await;
    assert_eq!(tried.status, 200, "{}", tried.body);
}
