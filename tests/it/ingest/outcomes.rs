//! The verdict on a callback, how it is counted, and the answer to its sender.

use serde_json::json;

use super::{OUTCOMES, probe};
use crate::moody::Mood;
use crate::standing::{Standing, config, keyed, source};

#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_callback_is_stored_whole_and_its_sinks_are_told() {
    let gateway = Standing::with(vec![source("a")]).await;
    let reply = gateway.post("/callback/probe/a", &probe("1")).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.json()["id"], gateway.store.first_alert().await["id"]);
    let raw = String::from_utf8(gateway.store.first_callback().await).unwrap();
    assert!(
        raw.starts_with("POST /callback/probe/a HTTP/1.1\r\n"),
        "{raw}"
    );
    assert!(raw.ends_with(&probe("1").to_string()), "{raw}");
    assert_eq!(*gateway.workers.poked.lock().unwrap(), [(1, vec![1])]);
    assert!((gateway.metric(&format!("{OUTCOMES}\"accepted\"}}")).await - 1.0).abs() < 0.1);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_callback_ends_as_exactly_one_of_five() {
    let gateway = Standing::with(vec![keyed("a", "the-secret-key")]).await;
    let path = "/callback/probe/a/the-secret-key";
    let changed = json!({"probe": "1", "title": "something else"});
    let broken = json!({"no": "probe"});
    let panics = json!({"probe": "2", "panic": true});
    let test = json!({"test": true});
    let confirm = json!({"probe": "3", "confirm": true, "title": "unrouted", "severity": "odd"});
    let half = json!({"items": [{"probe": "4"}, {"no": "probe"}]});
    for (body, say) in [
        (&probe("1"), "accepted"),
        (&probe("1"), "duplicate"),
        (&changed, "duplicate"),
        (&broken, "accepted for review"),
        (&panics, "accepted for review"),
        (&test, "accepted"),
        (&confirm, "accepted"),
        (&half, "accepted"),
        (&half, "accepted for review"),
    ] {
        let reply = gateway.post(path, body).await;
        assert_eq!(
            (reply.status, reply.json()["say"].as_str().unwrap()),
            (200, say),
            "{body}"
        );
    }
    assert_eq!(
        gateway
            .post("/callback/probe/a/wrong", &probe("9"))
            .await
            .status,
        403
    );
    assert_eq!(
        gateway.post("/callback/probe/a", &probe("9")).await.status,
        401
    );
    for (outcome, count) in [
        ("accepted", 3.0),
        ("ignored", 1.0),
        ("duplicate", 2.0),
        ("quarantined", 3.0),
        ("rejected", 2.0),
    ] {
        let counted = gateway.metric(&format!("{OUTCOMES}\"{outcome}\"}}")).await;
        assert!((counted - count).abs() < 0.1, "{outcome}: {counted}");
    }
    for (name, count) in [
        ("conflicts", 1.0),
        ("unrouted", 1.0),
        ("unknown_severity", 1.0),
    ] {
        let counted = gateway
            .metric(&format!("campanile_{name}_total{{source=\"probe/a\"}}"))
            .await;
        assert!((counted - count).abs() < 0.1, "{name}: {counted}");
    }
    let rows = gateway.store.all_quarantined().await;
    let places: Vec<_> = rows.iter().map(|row| &row.faults[0].place).collect();
    assert_eq!(
        places,
        ["body.probe", "provider", "body.probe", "body.probe"]
    );
    assert_eq!(gateway.effects.lock().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_cannot_commit_gets_503_with_retry_after() {
    let gateway = Standing::with(vec![source("a")]).await;
    for mood in [Mood::Busy, Mood::Failing] {
        gateway.store.set(mood);
        let reply = gateway.post("/callback/probe/a", &probe("1")).await;
        assert_eq!(
            (reply.status, reply.header("retry-after")),
            (503, "5"),
            "{mood:?}"
        );
    }
    gateway.store.set(Mood::Well);
    assert_eq!(
        gateway.post("/callback/probe/a", &probe("1")).await.json()["say"],
        "accepted"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_takes_too_long_still_counts_when_it_is_done() {
    let gateway = Standing::with(vec![source("a")]).await;
    gateway.store.set(Mood::Stuck);
    let reply = gateway.post("/callback/probe/a", &probe("1")).await;
    assert_eq!((reply.status, reply.header("retry-after")), (503, "5"));
    assert!(gateway.workers.poked.lock().unwrap().is_empty());
    gateway.store.set(Mood::Well);
    gateway.store.go.notify_waiters();
    let again = gateway.post("/callback/probe/a", &probe("1")).await;
    assert_eq!(again.json()["say"], "duplicate");
    assert_eq!(*gateway.workers.poked.lock().unwrap(), [(1, vec![1])]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_is_followed_and_keeps_its_counters() {
    let gateway = Standing::with(vec![source("a")]).await;
    gateway.post("/callback/probe/a", &probe("1")).await;
    gateway
        .follow(&config(vec![source("a"), source("b")]))
        .await;
    assert_eq!(
        gateway.post("/callback/probe/b", &probe("1")).await.json()["say"],
        "accepted"
    );
    gateway.post("/callback/probe/a", &probe("2")).await;
    assert!((gateway.metric(&format!("{OUTCOMES}\"accepted\"}}")).await - 2.0).abs() < 0.1);
}
