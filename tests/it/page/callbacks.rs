//! The page of the last callbacks, and the pages of those in quarantine.

use serde_json::json;

use super::forms::{SAME, submit};
use super::open;
use crate::standing::{Standing, config, keyed, source};

const KEY: &str = "campanile-test-key";

/// A gateway with one callback of each kind.
async fn called() -> Standing {
    let gateway = Standing::with(vec![source("a"), keyed("b", KEY)]).await;
    let alert = json!({"probe": "1", "title": "disk"});
    let hostile = json!({"no": "<script>alert(1)</script>"});
    for body in [&alert, &alert, &json!({"test": "hello"}), &hostile] {
        gateway.post("/callback/probe/a", body).await;
    }
    gateway.post("/callback/probe/b/wrong", &hostile).await;
    gateway
}

#[tokio::test(flavor = "multi_thread")]
async fn callbacks_that_made_no_alert_are_shown_with_their_reason_and_request() {
    let gateway = Standing::with(vec![source("a")]).await;
    let empty = open(&gateway, "/callbacks", "").await.body;
    assert!(empty.contains("Nobody has called yet."), "{empty}");
    let gateway = called().await;
    let page = open(&gateway, "/callbacks", "").await.body;
    for part in [
        ">accepted</span>",
        ">duplicate</span>",
        ">ignored</span>",
        ">quarantined</span>",
        ">refused</span>",
        "1 new alert",
        "href=\"/quarantine/1\"",
        "&lt;script&gt;alert(1)",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!page.contains("<script>") && !page.contains(KEY));
    let refused = open(&gateway, "/callbacks?verdict=rejected&source=&since=1h", "").await;
    assert!(refused.body.contains(">refused</span>"), "{}", refused.body);
    assert!(!refused.body.contains(">accepted</span>"));
    let other = open(&gateway, "/callbacks?verdict=lost", "").await;
    assert_eq!(other.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quarantined_callback_is_read_again_after_the_fix() {
    let gateway = called().await;
    let list = open(&gateway, "/quarantine", "").await.body;
    assert!(list.contains("<code>body.probe</code>"), "{list}");
    let page = open(&gateway, "/quarantine/1", "").await.body;
    for part in ["is missing", "&lt;script&gt;alert(1)", "Read again"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let reply = submit(&gateway, "/quarantine/1/retry", SAME, "").await;
    assert_eq!(reply.header("location"), "/quarantine/1?done=still");
    let page = open(&gateway, reply.header("location"), "").await.body;
    assert!(page.contains("still cannot be read"), "{page}");
    let reply = submit(&gateway, "/quarantine/retry", SAME, "source=probe/a").await;
    let page = open(&gateway, reply.header("location"), "").await.body;
    assert!(page.contains("1 still cannot be read."), "{page}");
    let fixed = source("a").with("user", "no");
    gateway.follow(&config(vec![fixed])).await;
    let reply = submit(&gateway, "/quarantine/1/retry", SAME, "").await;
    let page = open(&gateway, reply.header("location"), "").await.body;
    for part in ["1 callback was read.", "No callback is in quarantine."] {
        assert!(page.contains(part), "{part}: {page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quarantined_callback_is_dropped() {
    let gateway = called().await;
    let reply = submit(&gateway, "/quarantine/1/drop", SAME, "").await;
    assert_eq!(reply.status, 303, "{}", reply.body);
    let page = open(&gateway, reply.header("location"), "").await.body;
    assert!(page.contains("1 callback is dropped."), "{page}");
    let gone = open(&gateway, "/quarantine/1", "").await;
    assert_eq!(gone.status, 404);
}
