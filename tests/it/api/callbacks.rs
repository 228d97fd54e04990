//! The list of the last callbacks of every kind.

use serde_json::{Value, json};

use crate::standing::{Standing, keyed, post, source};

async fn list(gateway: &Standing, query: &str) -> Value {
    let path = format!("/api/v1/callbacks{query}");
    gateway.ask("GET", &path, "").await.json()
}

fn verdicts(page: &Value) -> Vec<&str> {
    let items = page["items"].as_array().unwrap();
    items
        .iter()
        .map(|item| item["verdict"].as_str().unwrap())
        .collect()
}

/// One callback of each kind.
async fn all_kinds() -> Standing {
    let gateway = Standing::with(vec![source("a"), keyed("b", "the-secret-key")]).await;
    let a = "/callback/probe/a";
    gateway
        .post(a, &json!({"probe": "1", "title": "disk"}))
        .await;
    gateway
        .post(a, &json!({"probe": "1", "title": "disk"}))
        .await;
    gateway
        .post(a, &json!({"probe": "1", "title": "other words"}))
        .await;
    gateway.post(a, &json!({"test": "hello"})).await;
    gateway.post(a, &json!({"probe": 2})).await;
    let secret = json!({"probe": "3", "note": "the-secret-key"});
    gateway.post("/callback/probe/b/wrong-key", &secret).await;
    gateway
        .post("/elsewhere/of/nobody/maybe-a-key?token=x", &json!({}))
        .await;
    gateway
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_callback_is_listed_with_its_reason_and_without_secrets() {
    let gateway = all_kinds().await;
    let page = list(&gateway, "").await;
    let mut seen = verdicts(&page);
    seen.sort_unstable();
    let kinds = [
        "accepted",
        "conflict",
        "duplicate",
        "ignored",
        "quarantined",
        "rejected",
        "rejected",
    ];
    assert_eq!(seen, kinds, "{page}");
    let text = page.to_string();
    for secret in ["the-secret-key", "wrong-key", "maybe-a-key", "token=x"] {
        assert!(!text.contains(secret), "{secret} is in {text}");
    }
    let items = page["items"].as_array().unwrap();
    assert!(
        items.iter().all(|item| item["from"] == "127.0.0.1"),
        "{page}"
    );
    let refused = &list(&gateway, "?source=probe/b").await["items"][0];
    assert_eq!(
        (&refused["status"], &refused["verdict"]),
        (&json!(403), &json!("rejected"))
    );
    let reason = "the key, token or signature is not that of probe/b; copy it into the vendor's console again";
    assert_eq!(refused["reason"], reason);
    let request = refused["request"].as_str().unwrap();
    assert!(
        request.starts_with("POST /callback/probe/b/*** HTTP/1.1"),
        "{request}"
    );
    let nowhere = &list(&gateway, "?source=-").await["items"][0];
    assert_eq!(
        (&nowhere["source"], &nowhere["status"]),
        (&Value::Null, &json!(404))
    );
    assert_eq!(nowhere["request"], "POST /elsewhere/of/nobody/***");
    let accepted = &list(&gateway, "?verdict=accepted").await["items"][0];
    let alert = gateway.ask("GET", "/api/v1/alerts", "").await.json();
    assert_eq!(accepted["alert_id"], alert["items"][0]["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_callbacks_leave_nothing_out_and_show_nothing_twice() {
    let gateway = all_kinds().await;
    let whole = list(&gateway, "").await["items"]
        .as_array()
        .unwrap()
        .clone();
    for limit in 1..4 {
        let (mut paged, mut next) = (Vec::new(), String::new());
        loop {
            let page = list(&gateway, &format!("?limit={limit}{next}")).await;
            paged.extend(page["items"].as_array().unwrap().clone());
            let Some(cursor) = page["next"].as_str() else {
                break;
            };
            next = format!("&before={cursor}");
        }
        assert_eq!(paged, whole, "{limit}");
    }
    for (query, count) in [
        ("?verdict=duplicate", 1),
        ("?source=probe/a", 5),
        ("?since=2999-01-01T00:00:00Z", 0),
    ] {
        let page = list(&gateway, query).await;
        assert_eq!(verdicts(&page).len(), count, "{query}: {page}");
    }
    let wrong = gateway
        .ask("GET", "/api/v1/callbacks?verdict=lost", "")
        .await;
    assert_eq!(wrong.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_call_with_the_key_of_another_source_names_that_source() {
    let sources = vec![keyed("a", "key-of-a-1234"), keyed("b", "key-of-b-1234")];
    let gateway = Standing::with(sources).await;
    let body = br#"{"probe": "1"}"#;
    gateway
        .send(post("/callback/probe/a/key-of-b-1234", "", body))
        .await;
    let page = list(&gateway, "").await;
    let reason = page["items"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("is that of probe/b"), "{reason}");
    assert!(!page.to_string().contains("key-of-b-1234"), "{page}");
}
