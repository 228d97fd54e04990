//! Proofs of a sender: a key, a token, an address, a client certificate.

use campanile_model::Secret;
use serde_json::json;

use super::{REFUSED, gzip, probe};
use crate::standing::{Standing, config, keyed, post, source};

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_hears_nothing_of_why() {
    let mut guarded = keyed("a", "the-secret-key");
    guarded.tokens = vec![Secret::from("the-secret-token")];
    let gateway = Standing::with(vec![guarded]).await;
    let path = "/callback/probe/a/the-secret-key";
    let mut forged = probe("1");
    forged["token"] = json!("wrong");
    for (path, body, status) in [
        (path, &probe("1"), 401),
        (path, &forged, 403),
        ("/callback/probe/a/x", &forged, 403),
        ("/callback/probe/a", &forged, 401),
    ] {
        let reply = gateway.post(path, body).await;
        assert_eq!(
            (reply.status, reply.json()["say"].as_str().unwrap()),
            (status, "not authorized")
        );
    }
    // The proof is in a body that cannot be read.
    let bomb = gzip(&vec![b' '; 9 * 1024 * 1024]);
    let reply = gateway
        .send(post(path, "content-encoding: gzip\r\n", &bomb))
        .await;
    assert_eq!(reply.status, 400);
    assert!(gateway.store.is_empty().await);
    for (reason, count) in [("no_proof", 2.0), ("wrong_proof", 2.0), ("unreadable", 1.0)] {
        let counted = gateway.metric(&format!("{REFUSED}\"{reason}\"}}")).await;
        assert!((counted - count).abs() < 0.1, "{reason}: {counted}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_address_is_that_of_the_caller_behind_trusted_proxies_only() {
    let mut guarded = source("a");
    guarded.open = false;
    guarded.allow_from = vec!["203.0.113.0/24".parse().unwrap()];
    let mut trusting = config(vec![guarded]);
    let body = probe("1").to_string();
    let send = |head: &'static str| post("/callback/probe/a", head, body.as_bytes());
    let doubting = Standing::of(&trusting).await;
    assert_eq!(
        doubting
            .send(send("x-forwarded-for: 203.0.113.9\r\n"))
            .await
            .status,
        403
    );
    trusting.server.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    let gateway = Standing::of(&trusting).await;
    for (head, status) in [
        ("x-forwarded-for: 203.0.113.9\r\n", 200),
        ("x-forwarded-for: 203.0.113.9, 198.51.100.1\r\n", 403),
        (
            "x-forwarded-for: 203.0.113.9\r\nx-forwarded-for: 198.51.100.1\r\n",
            403,
        ),
        (
            "x-forwarded-for: 198.51.100.1\r\nx-forwarded-for: 203.0.113.9\r\n",
            200,
        ),
        ("x-forwarded-for: nonsense\r\n", 403),
        ("", 403),
    ] {
        assert_eq!(gateway.send(send(head)).await.status, status, "{head}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_certificate_is_believed_of_a_trusted_proxy_only_and_not_kept() {
    let mut certified = source("a");
    certified.open = false;
    certified.client_certificates = vec!["app.example.com".to_owned()];
    let mut config = config(vec![certified]);
    config.server.client_certificate_header = Some("x-client-cert-cn".to_owned());
    let body = probe("1").to_string();
    let send = |head: &'static str| post("/callback/probe/a", head, body.as_bytes());
    let spoofed = "x-client-cert-cn: app.example.com\r\n";
    // Only another proxy is trusted, not every peer. A claimed address has no effect either.
    config.server.trusted_proxies = vec!["203.0.113.0/24".parse().unwrap()];
    let doubting = Standing::of(&config).await;
    assert_eq!(doubting.send(send(spoofed)).await.status, 401);
    let claimed = "x-client-cert-cn: app.example.com\r\nx-forwarded-for: 203.0.113.1\r\n";
    assert_eq!(doubting.send(send(claimed)).await.status, 401);
    config.server.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    let gateway = Standing::of(&config).await;
    for (head, status) in [
        ("", 401),
        ("x-client-cert-cn: \r\n", 401),
        ("x-client-cert-cn: app.example.com.evil.example\r\n", 403),
        ("x-client-cert-cn: O=x\\,CN=app.example.com\r\n", 403),
        (
            "x-client-cert-cn: evil\r\nx-client-cert-cn: app.example.com\r\n",
            401,
        ),
        ("x-client-cert-cn: CN=app.example.com,O=Example\r\n", 200),
        (spoofed, 200),
    ] {
        assert_eq!(gateway.send(send(head)).await.status, status, "{head}");
    }
    let raw = String::from_utf8(gateway.store.first_callback().await).unwrap();
    assert!(!raw.contains("x-client-cert-cn"), "{raw}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_certificate_is_asked_for_beside_the_key() {
    let mut certified = keyed("a", "the-secret-key");
    certified.client_certificates = vec!["app.example.com".to_owned()];
    let mut config = config(vec![certified]);
    config.server.client_certificate_header = Some("x-client-cert-cn".to_owned());
    config.server.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    let gateway = Standing::of(&config).await;
    let body = probe("1").to_string();
    let shown = "x-client-cert-cn: app.example.com\r\n";
    for (path, head, status) in [
        ("/callback/probe/a/the-secret-key", "", 401),
        ("/callback/probe/a", shown, 401),
        ("/callback/probe/a/another-key", shown, 403),
        ("/callback/probe/a/the-secret-key", shown, 200),
    ] {
        let reply = gateway.send(post(path, head, body.as_bytes())).await;
        assert_eq!(reply.status, status, "{path} {head}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_source_asks_for_its_client_certificate_all_the_same() {
    let mut open = source("a");
    open.client_certificates = vec!["app.example.com".to_owned()];
    let mut config = config(vec![open]);
    config.server.client_certificate_header = Some("x-client-cert-cn".to_owned());
    config.server.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    let gateway = Standing::of(&config).await;
    let body = probe("1").to_string();
    let send = |head: &'static str| post("/callback/probe/a", head, body.as_bytes());
    assert_eq!(gateway.send(send("")).await.status, 401);
    let shown = "x-client-cert-cn: app.example.com\r\n";
    assert_eq!(gateway.send(send(shown)).await.status, 200);
}
