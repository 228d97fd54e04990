//! Without a token, the admin listener refuses requests from other web pages that the operator visits.

mod browser;

use std::net::SocketAddr;

use campanile::config::Config;
use campanile_store::Verdict;
use serde_json::json;

use crate::standing::{Reply, SINK, Standing, Wire, config, source};

/// The title of the alert that no other page may read.
const TITLE: &str = "disk";

/// A gateway with the defaults (loopback, no token) and one dead letter.
async fn without_token(change: impl FnOnce(&mut Config)) -> Standing {
    let mut config = config(vec![source("a")]);
    config.admin.token = None;
    change(&mut config);
    let gateway = Standing::of(&config).await;
    let body = json!({"probe": "1", "problem": TITLE, "status": "firing", "severity": "error"});
    assert_eq!(gateway.post("/callback/probe/a", &body).await.status, 200);
    let dead = Verdict::Dead {
        class: "poison",
        error: "400 Bad Request".into(),
    };
    gateway.store.settle_all(&dead).await;
    gateway
}

/// Whether the sink is not paused and the dead letter exists.
async fn is_untouched(gateway: &Standing) -> bool {
    let sinks = gateway.ask("GET", "/api/v1/sinks", "").await.json();
    let dead = gateway.ask("GET", "/api/v1/dead", "").await.json();
    let letters = dead["items"].as_array().unwrap().len();
    sinks["items"][0]["state"] == "ok" && letters == 1
}

async fn send(to: SocketAddr, line: &str, head: &str, body: &str) -> Reply {
    let length = body.len();
    let raw = format!("{line} HTTP/1.1\r\n{head}content-length: {length}\r\n\r\n{body}");
    Wire::to(to).await.send(raw).await
}

fn pause() -> String {
    format!("POST /api/v1/sinks/{SINK}/pause")
}

#[tokio::test(flavor = "multi_thread")]
async fn only_names_of_the_listener_are_answered() {
    let gateway = without_token(|config| {
        config.admin.public_url = Some("https://alerts.example.com/".parse().unwrap());
    })
    .await;
    for host in [
        "127.0.0.1:8081",
        "127.0.0.1",
        "localhost",
        "LOCALHOST:1",
        "gateway.localhost",
        "[::1]:8081",
        "alerts.example.com",
        "Alerts.Example.Com:8443",
    ] {
        let head = format!("host: {host}\r\n");
        let reply = send(gateway.admin, "GET /api/v1/alerts", &head, "").await;
        assert_eq!(reply.status, 200, "{host}");
    }
    for head in [
        "host: evil.example\r\n",
        "host: evil.example:8081\r\n",
        "host: localhost.evil.example\r\n",
        "host: 127.0.0.1.evil.example\r\n",
        "host: evil.example@127.0.0.1\r\n",
        "host: 192.0.2.7\r\n",
        "host: 127.0.0.1/evil.example\r\n",
        "host: alerts.example.com.evil.example\r\n",
        "host: \r\n",
        "",
    ] {
        for line in ["GET /api/v1/alerts", "GET /", "GET /metrics", &pause()] {
            let reply = send(gateway.admin, line, head, "").await;
            // The HTTP server itself refuses a request without `Host`, or with two.
            assert!(matches!(reply.status, 400 | 403), "{line} {head}");
            assert!(!reply.body.contains(TITLE));
        }
    }
    let reply = send(gateway.admin, "GET /", "host: evil.example\r\n", "").await;
    let error = reply.json();
    assert_eq!(error["error"]["code"], "wrong_host");
    let message = error["error"]["message"].as_str().unwrap();
    assert!(message.contains("`evil.example`") && message.contains("`[admin] public_url`"));
    for health in ["GET /healthz", "GET /readyz"] {
        let head = "host: probe.example\r\n";
        assert_eq!(send(gateway.admin, health, head, "").await.status, 200);
    }
    assert!(is_untouched(&gateway).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_on_every_address_is_known_by_each_of_them_but_by_no_strange_name() {
    let gateway = without_token(|config| config.admin.listen = "0.0.0.0:0".parse().unwrap()).await;
    for (host, status) in [("192.0.2.7:8081", 200), ("evil.example", 403)] {
        let head = format!("host: {host}\r\n");
        let reply = send(gateway.admin, "GET /api/v1/alerts", &head, "").await;
        assert_eq!(reply.status, status, "{host}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_opens_the_listener_under_any_name() {
    let gateway = Standing::with(vec![source("a")]).await;
    for (token, status) in [("operators-token", 200), ("wrong", 403)] {
        let head = format!("host: campanile\r\nauthorization: Bearer {token}\r\n");
        let reply = send(gateway.admin, "GET /metrics", &head, "").await;
        assert_eq!(reply.status, status, "{token}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_comes_from_the_same_origin_or_from_a_program() {
    let gateway = without_token(|config| {
        config.admin.public_url = Some("https://alerts.example.com/".parse().unwrap());
    })
    .await;
    for head in [
        "sec-fetch-site: cross-site\r\n",
        "sec-fetch-site: same-site\r\n",
        "sec-fetch-site: cross-site\r\norigin: http://127.0.0.1:8081\r\n",
        "origin: https://evil.example\r\n",
        "origin: http://127.0.0.1:3000\r\n",
        "origin: http://127.0.0.1.evil.example:8081\r\n",
        "origin: null\r\n",
        "origin: \r\n",
    ] {
        let head = format!("host: 127.0.0.1:8081\r\n{head}");
        for line in [&pause(), "DELETE /api/v1/deliveries/1?sink=x"] {
            let reply = send(gateway.admin, line, &head, "").await;
            assert_eq!(reply.status, 403, "{line} {head}");
            assert_eq!(reply.json()["error"]["code"], "other_origin");
        }
    }
    assert!(is_untouched(&gateway).await);
    for head in [
        "",
        "sec-fetch-site: same-origin\r\norigin: http://127.0.0.1:8081\r\n",
        "sec-fetch-site: none\r\n",
        "origin: http://127.0.0.1:8081\r\n",
        "origin: https://alerts.example.com\r\n",
    ] {
        let head = format!("host: 127.0.0.1:8081\r\n{head}");
        let reply = send(gateway.admin, &pause(), &head, "").await;
        assert_eq!(reply.status, 200, "{head}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_json_and_says_so() {
    let gateway = without_token(|_| ()).await;
    for kind in [
        "content-type: text/plain\r\n",
        "content-type: application/x-www-form-urlencoded\r\n",
        "content-type: multipart/form-data; boundary=x\r\n",
        "content-type: text/plain; x=application/json\r\n",
        "content-type: \r\n",
        "",
    ] {
        let head = format!("host: localhost\r\n{kind}");
        let line = "POST /api/v1/dead/drop";
        let reply = send(gateway.admin, line, &head, "{\"all\":true}").await;
        assert_eq!(reply.status, 415, "{kind}");
        assert_eq!(reply.json()["error"]["code"], "unsupported_media_type");
    }
    assert!(is_untouched(&gateway).await);
    let head = "host: localhost\r\ncontent-type: application/json; charset=utf-8\r\n";
    let line = "POST /api/v1/dead/drop";
    let reply = send(gateway.admin, line, head, "{\"all\":true}").await;
    assert_eq!(reply.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_forbids_frames_and_guessing_and_none_allows_another_origin() {
    let gateway = without_token(|_| ()).await;
    for (line, host, status) in [
        ("GET /", "localhost", 200),
        ("GET /healthz", "localhost", 200),
        ("GET /api/v1/alerts", "localhost", 200),
        ("GET /nowhere", "localhost", 404),
        ("OPTIONS /api/v1/alerts", "localhost", 403),
        ("GET /api/v1/alerts", "evil.example", 403),
    ] {
        let head = format!("host: {host}\r\norigin: https://evil.example\r\n");
        let reply = send(gateway.admin, line, &head, "").await;
        assert_eq!(reply.status, status, "{line} {host}");
        assert_eq!(reply.header("x-content-type-options"), "nosniff");
        let policy = reply.header("content-security-policy");
        assert_eq!(policy, "frame-ancestors 'none'");
        assert_eq!(reply.header("x-frame-options"), "DENY");
        let mut names = reply.headers.keys();
        assert!(!names.any(|name| name.starts_with("access-control-")));
    }
}
