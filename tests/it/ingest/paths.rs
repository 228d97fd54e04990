//! Which paths are served, with which methods, for which source.

use campanile_providers::Source;
use serde_json::json;

use super::probe;
use crate::standing::{Standing, keyed, request, source};

#[tokio::test(flavor = "multi_thread")]
async fn paths_and_methods_that_are_not_served_say_so() {
    let gateway = Standing::with(vec![source("a")]).await;
    for path in [
        "/",
        "/callback/probe/b",
        "/callback/probe/a/b/c",
        "/add",
        "/get",
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
async fn demo_paths_are_served_for_those_who_may() {
    let open = Source {
        demo_paths: true,
        ..source("a")
    };
    let gateway = Standing::with(vec![source("other"), open]).await;
    assert_eq!(gateway.post("/add", &probe("1")).await.status, 200);
    assert_eq!(gateway.store.first_alert().await["source"], "probe/a");
    let list = gateway.send(request("GET", "/get", "", b"")).await;
    assert_eq!(
        (list.status, list.json()),
        (200, json!({"Result": 1, "RetCode": 0}))
    );
    assert_eq!(
        gateway
            .send(request("GET", "/add", "", b""))
            .await
            .header("allow"),
        "POST"
    );

    let guarded = Source {
        demo_paths: true,
        ..keyed("a", "the-secret-key")
    };
    let gateway = Standing::with(vec![guarded]).await;
    assert_eq!(gateway.post("/add", &probe("1")).await.status, 401);
    assert_eq!(
        gateway
            .post("/add/the-secret-key", &probe("1"))
            .await
            .status,
        200
    );
    assert_eq!(
        gateway.send(request("GET", "/get", "", b"")).await.status,
        401
    );
    assert_eq!(
        gateway
            .send(request("GET", "/get/the-secret-key", "", b""))
            .await
            .status,
        200
    );
}
