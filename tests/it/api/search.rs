//! Alerts are found by words, labels, time and sink.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use super::{field, standing};
use crate::standing::{SINK, Standing};

async fn ids(gateway: &Standing, query: &str) -> Vec<String> {
    let path = format!("/api/v1/alerts?{query}");
    let reply = gateway.ask("GET", &path, "").await;
    assert_eq!(reply.status, 200, "{query}: {}", reply.body);
    field(&reply.json(), "message_id")
}

async fn refused(gateway: &Standing, query: &str) -> String {
    let path = format!("/api/v1/alerts?{query}");
    let reply = gateway.ask("GET", &path, "").await;
    assert_eq!(reply.status, 400, "{query}");
    reply.json()["detail"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn alerts_are_found_by_words_labels_sink_and_time() {
    let gateway = standing(2).await;
    let now = gateway.gateway.clock.now();
    let more = json!({"probe": "3", "problem": "disk", "status": "firing", "severity": "error",
        "title": "unrouted", "labels": {"team": "db", "zone": "a b"}});
    gateway.post("/callback/probe/a", &more).await;
    for (query, expected) in [
        ("q=UNROUTED", &["3"][..]),
        ("q=unrouted+nothing", &[]),
        ("q=++", &["3", "2", "1"]),
        ("label.team=db", &["3"]),
        ("label.team=db&label.zone=a+b", &["3"]),
        ("label.team=d", &[]),
        (&format!("sink={SINK}"), &["2", "1"]),
        (&format!("until={now}"), &["3", "2", "1"]),
        ("until=2020-01-01T00:00:00Z", &[]),
    ] {
        assert_eq!(ids(&gateway, query).await, expected, "{query}");
    }
    let long = format!("q={}", "a+".repeat(9));
    for (query, says) in [
        ("label.=db", "`label.` is not a valid parameter"),
        (
            "sink=file/none",
            "`sink` is `file/none`, but must be one of",
        ),
        (&*long, "`q` is too long: it can have 8 words"),
    ] {
        let said = refused(&gateway, query).await;
        assert!(said.contains(says), "{query}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_that_takes_too_long_says_how_far_it_looked_and_where_it_goes_on() {
    let gateway = standing(5).await;
    gateway.store.impatient.store(true, Ordering::SeqCst);
    let (mut met, mut next, mut short) = (Vec::new(), String::new(), 0);
    // More pages than there are: a cursor that stands still does not block the test.
    for _ in 0..10 {
        let path = format!("/api/v1/alerts?q=no-such-word{next}");
        let page = gateway.ask("GET", &path, "").await.json();
        met.extend(field(&page, "message_id"));
        short += u32::from(page["searched_to"] != Value::Null);
        assert_eq!(page["searched_to"].is_null(), page["next"].is_null());
        let Some(cursor) = page["next"].as_str() else {
            break;
        };
        next = format!("&before={cursor}");
    }
    assert_eq!((met, short), (vec![], 4));
}
