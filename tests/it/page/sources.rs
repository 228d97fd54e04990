//! The pages of the sources.

use super::open;
use crate::standing::{Standing, config, keyed, source};

const KEY: &str = "campanile-test-key";

#[tokio::test(flavor = "multi_thread")]
async fn a_source_says_whether_its_vendor_has_called() {
    let gateway = Standing::with(vec![source("a"), source("b")]).await;
    let body = serde_json::json!({"probe": "1", "problem": "disk", "status": "firing"});
    gateway.post("/callback/probe/a", &body).await;
    gateway.post("/callback/probe/a", &body).await;
    let list = open(&gateway, "/sources", "").await.body;
    for part in ["probe&#x2f;a", "has called", "no callback yet"] {
        assert!(list.contains(part), "{part}: {list}");
    }
    let called = open(&gateway, "/sources/probe/a", "").await.body;
    for part in [
        "<dt>Accepted</dt><dd>1</dd>",
        "<dt>Duplicates</dt><dd>1</dd>",
        "&#x2f;callback&#x2f;probe&#x2f;a</pre>",
    ] {
        assert!(called.contains(part), "{part}: {called}");
    }
    assert!(!called.contains("Nobody has called yet."));
    let silent = open(&gateway, "/sources/probe/b", "").await.body;
    assert!(silent.contains("Nobody has called yet."), "{silent}");
    let absent = open(&gateway, "/sources/probe/c", "").await;
    assert_eq!(absent.status, 404);
    assert!(absent.body.contains("the sources are: probe&#x2f;a"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_address_is_whole_with_a_public_url_and_never_has_the_key() {
    let mut config = config(vec![keyed("a", KEY)]);
    let gateway = Standing::of(&config).await;
    let page = open(&gateway, "/sources/probe/a", "").await.body;
    assert!(page.contains(">&#x2f;callback&#x2f;probe&#x2f;a&#x2f;&lt;key&gt;</pre>"));
    assert!(page.contains("Put the public address"), "{page}");
    config.server.public_url = Some("https://gw.example.com".parse().unwrap());
    let gateway = Standing::of(&config).await;
    let page = open(&gateway, "/sources/probe/a", "").await.body;
    let whole =
        ">https:&#x2f;&#x2f;gw.example.com&#x2f;callback&#x2f;probe&#x2f;a&#x2f;&lt;key&gt;</pre>";
    assert!(page.contains(whole), "{page}");
    assert!(!page.contains("Put the public address") && !page.contains(KEY));
}
