//! Which paths are served, with which methods, for which source.

use std::sync::Arc;

use campanile::config::SourceSpec;
use campanile_providers::{Mapping, Source};
use serde_json::json;

use super::probe;
use crate::standing::{Standing, config, keyed, request, source};

#[tokio::test(flavor = "multi_thread")]
async fn paths_and_methods_that_are_not_served_say_so() {
    let gateway = Standing::with(vec![source("a")]).await;
    for path in [
        "/",
        "/callback/probe/b",
        "/callback/probe/a/b/c",
        "/probes/add",
        "/probes/get",
        "/api/v1/alerts",
        "/healthz",
    ] {
        assert_eq!(gateway.post(path, &probe("1")).await.status, 404, "{path}");
    }
    for method in ["GET", "HEAD", "DELETE"] {
        let reply = gateway
            .send(request(
                method,
                "/callback/probe/a",
                "connection: close\r\n",
                b"",
            ))
            .await;
        assert_eq!(
            (reply.status, reply.header("allow")),
            (405, "POST, PUT"),
            "{method}"
        );
    }
    let reply = gateway
        .send(request("OPTIONS", "/callback/probe/a", "", b""))
        .await;
    assert_eq!((reply.status, reply.header("allow")), (204, "POST, PUT"));
    let reply = gateway
        .send(request(
            "PUT",
            "/callback/probe/a/",
            "",
            probe("1").to_string().as_bytes(),
        ))
        .await;
    assert_eq!(reply.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bare_path_finds_the_source_that_believes() {
    let gateway = Standing::with(vec![keyed("a", "first-key"), keyed("b", "second-key")]).await;
    let reply = gateway.post("/callback/second-key", &probe("1")).await;
    assert_eq!(reply.status, 200);
    assert_eq!(gateway.store.first_alert().await["source"], "probe/b");
    assert_eq!(
        gateway
            .post("/callback/third-key", &probe("2"))
            .await
            .status,
        403
    );
    assert_eq!(gateway.post("/callback", &probe("2")).await.status, 401);
    let strange = gateway.post("/callback", &json!({"other": 1})).await;
    assert_eq!(
        (strange.status, strange.body.as_str()),
        (400, "no configured source knows this format")
    );
    let get = gateway.send(request("GET", "/callback", "", b"")).await;
    assert_eq!((get.status, get.header("allow")), (405, "POST, PUT"));
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_of_a_provider_are_served_for_the_source_that_turns_them_on() {
    let open = source("a").with("own_paths", true);
    let gateway = Standing::with(vec![source("other"), open]).await;
    for id in ["1", "2"] {
        assert_eq!(gateway.post("/probes/add", &probe(id)).await.status, 200);
    }
    assert_eq!(gateway.store.first_alert().await["source"], "probe/a");
    let list = gateway.send(request("GET", "/probes/get", "", b"")).await;
    // Both alerts have one problem: the list has the last alert of each.
    let wanted = json!({"probes": ["2"]});
    assert_eq!((list.status, list.json()), (200, wanted));
    let get = gateway.send(request("GET", "/probes/add", "", b"")).await;
    assert_eq!((get.status, get.header("allow")), (405, "POST"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_of_a_provider_is_proven_by_the_key_after_it() {
    let guarded = keyed("a", "the-secret-key").with("own_paths", true);
    let gateway = Standing::with(vec![guarded]).await;
    for (key, status) in [("", 401), ("/a-wrong-key", 403), ("/the-secret-key", 200)] {
        let add = format!("/probes/add{key}");
        assert_eq!(
            gateway.post(&add, &probe("1")).await.status,
            status,
            "{add}"
        );
        let get = format!("/probes/get{key}");
        let list = gateway.send(request("GET", &get, "", b"")).await;
        assert_eq!(list.status, status, "{get}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_verified_and_not_recognised_is_quarantined_on_the_shared_path() {
    let sources = vec![
        keyed("a", "first-key"),
        keyed("b", "second-key"),
        keyed("c", "second-key"),
    ];
    let gateway = Standing::with(sources).await;
    let strange = json!({"other": 1});
    assert_eq!(
        gateway.post("/callback/second-key", &strange).await.status,
        200
    );
    let kept = gateway.store.all_quarantined().await;
    assert_eq!((kept.len(), kept[0].source.as_str()), (1, "probe/b"));
    let fault = kept[0].faults[0].to_string();
    assert!(fault.contains("probe/b (and that of probe/c)"), "{fault}");
    let counted = "campanile_quarantines_total{source=\"probe/b\",reason=\"unrecognized\"}";
    assert!((gateway.metric(counted).await - 1.0).abs() < 0.1);
    // An unknown key and an empty request: nothing is kept.
    assert_eq!(
        gateway
            .send(request("PUT", "/callback/second-key", "", b""))
            .await
            .status,
        400
    );
    assert_eq!(gateway.post("/callback/guess", &strange).await.status, 400);
    assert_eq!(gateway.store.all_quarantined().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_source_keeps_what_nobody_recognises_but_no_message_of_another_with_a_wrong_key() {
    let gateway = Standing::with(vec![source("open"), keyed("a", "first-key")]).await;
    let strange = json!({"other": 1});
    assert_eq!(gateway.post("/callback", &strange).await.status, 200);
    let kept = gateway.store.all_quarantined().await;
    assert_eq!(kept[0].source, "probe/open");
}

#[tokio::test(flavor = "multi_thread")]
async fn slashes_and_needless_encoding_in_a_path_change_nothing() {
    let gateway = Standing::with(vec![keyed("a", "the-secret-key")]).await;
    for (path, id) in [
        ("//callback/probe/a/the-secret-key", "1"),
        ("/callback//probe/a//the-secret-key/", "2"),
        ("/c%61llback/prob%65/a/the%2Dsecret-key", "3"),
        ("//callback/the-secret-key", "4"),
    ] {
        assert_eq!(gateway.post(path, &probe(id)).await.status, 200, "{path}");
        let raw = gateway.store.first_callback().await;
        assert!(
            !String::from_utf8_lossy(&raw).contains("secret-key"),
            "{path}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_near_miss_of_an_address_is_counted_for_its_source() {
    let gateway = Standing::with(vec![keyed("prod", "the-secret-key")]).await;
    for path in [
        "/callback/probe/prodd/the-secret-key",
        "/callback/Probe/Prod/the-secret-key",
        "/webhook/probe/prod/the-secret-key",
        "/callback/probe/prod/the-secret-key/more",
    ] {
        assert_eq!(gateway.post(path, &probe("1")).await.status, 404, "{path}");
    }
    assert_eq!(
        gateway
            .post("/callback/other/thing", &probe("1"))
            .await
            .status,
        404
    );
    let counted = "campanile_refused_total{source=\"probe/prod\",reason=\"near_miss\"}";
    assert!((gateway.metric(counted).await - 4.0).abs() < 0.1);
}

/// A second vendor whose messages look like those of the test vendor.
const TWIN: &str = r#"
title = "Twin"
confidence = "documented"
recognizes = "body.probe"
status = { from = "body.status", firing = ["firing"], resolved = ["resolved"] }
alert.message_id = ["body.probe"]
alert.fingerprint = ["body.problem"]
alert.title = "body.title"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn what_two_vendors_recognise_and_verify_is_quarantined_with_both_named() {
    let mut config = config(vec![keyed("a", "the-secret-key")]);
    config.sources.push(SourceSpec {
        provider: Arc::new(Mapping::parse("twin", TWIN).unwrap()),
        source: Arc::new(Source {
            name: "twin/b".into(),
            ..keyed("b", "the-secret-key")
        }),
    });
    let gateway = Standing::of(&config).await;
    let shared = gateway.post("/callback/the-secret-key", &probe("1")).await;
    assert_eq!(shared.status, 200);
    let kept = gateway.store.all_quarantined().await;
    let fault = kept[0].faults[0].to_string();
    assert!(
        fault.contains("probe/a") && fault.contains("twin/b"),
        "{fault}"
    );
    let counted = "campanile_quarantines_total{source=\"probe/a\",reason=\"ambiguous\"}";
    assert!((gateway.metric(counted).await - 1.0).abs() < 0.1);
    let own = gateway
        .post("/callback/probe/a/the-secret-key", &probe("1"))
        .await;
    assert_eq!(own.json()["say"], "accepted");
}
