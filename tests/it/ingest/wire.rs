//! Bodies: too large, too slow, several at once, compressed, or in another charset.

use serde_json::Value;

use super::{REFUSED, gzip, probe};
use crate::standing::{Standing, Wire, impatient, post, source};

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_the_limit_gets_413_announced_or_not() {
    let gateway = Standing::with(vec![source("a")]).await;
    let large = vec![b' '; 100 * 1024];
    let reply = gateway.send(post("/callback/probe/a", "", &large)).await;
    assert_eq!((reply.status, reply.header("connection")), (413, "close"));
    assert_eq!(reply.json()["ret"], -1);
    let mut chunked =
        b"POST /callback/probe/a HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
            .to_vec();
    for _ in 0..25 {
        chunked.extend_from_slice(b"1000\r\n");
        chunked.extend_from_slice(&[b' '; 4096]);
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    assert_eq!(gateway.send(&chunked).await.status, 413);
    let mut fitting = probe("1").to_string();
    fitting.push_str(&" ".repeat(64 * 1024 - fitting.len()));
    let exact = gateway
        .send(post("/callback/probe/a", "", fitting.as_bytes()))
        .await;
    assert_eq!(exact.status, 200);
    assert!((gateway.metric(&format!("{REFUSED}\"too_large\"}}")).await - 2.0).abs() < 0.1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_head_and_a_slow_body_get_408() {
    let gateway = Standing::of(&impatient(vec![source("a")])).await;
    let mut wire = Wire::to(gateway.public).await;
    wire.write("POST /callback/probe/a HTT").await;
    assert_eq!(wire.read().await.status, 408);
    assert!(wire.is_closed().await);
    let mut wire = Wire::to(gateway.public).await;
    wire.write("POST /callback/probe/a HTTP/1.1\r\nhost: x\r\ncontent-length: 20\r\n\r\n{")
        .await;
    let reply = wire.read().await;
    assert_eq!((reply.status, reply.header("connection")), (408, "close"));
    assert!(wire.is_closed().await);
    assert!(gateway.store.is_empty().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_headers_get_431_and_a_long_uri_414() {
    let gateway = Standing::with(vec![source("a")]).await;
    let many =
        |count: usize| (0..count).fold(String::new(), |all, i| all + &format!("x-{i}: 1\r\n"));
    for head in [
        many(70),
        many(200),
        format!("x: {}\r\n", "y".repeat(40_000)),
        format!("x: {}\r\n", "y".repeat(200_000)),
    ] {
        let reply = gateway.send(post("/callback/probe/a", &head, b"{}")).await;
        assert_eq!(reply.status, 431);
    }
    let long = format!("/callback/probe/a?{}", "x".repeat(20_000));
    assert_eq!(gateway.send(post(&long, "", b"{}")).await.status, 414);
    assert!(gateway.store.is_empty().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn pipelined_callbacks_are_answered_in_order() {
    let gateway = Standing::with(vec![source("a")]).await;
    let mut wire = Wire::to(gateway.public).await;
    let mut raw = Vec::new();
    for body in [probe("1"), probe("2"), probe("1")] {
        raw.extend(post("/callback/probe/a", "", body.to_string().as_bytes()));
    }
    wire.write(raw).await;
    let mut said = Vec::new();
    for _ in 0..3 {
        said.push(wire.read().await.json()["say"].as_str().unwrap().to_owned());
    }
    assert_eq!(said, ["accepted", "accepted", "duplicate"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_are_inflated_and_decoded_as_declared_or_guessed_and_else_quarantined() {
    let gateway = Standing::with(vec![source("a")]).await;
    let gzipped = gzip(probe("1").to_string().as_bytes());
    let gbk = b"{\"probe\":\"2\",\"title\":\"\xb8\xdf\"}";
    let undeclared = b"{\"probe\":\"3\",\"title\":\"\xb8\xdf\",}";
    let bomb = gzip(&vec![b' '; 9 * 1024 * 1024]);
    for (head, body, say) in [
        ("content-encoding: gzip\r\n", gzipped.as_slice(), "accepted"),
        (
            "content-type: application/json; charset=gbk\r\n",
            gbk,
            "accepted",
        ),
        (
            "content-type: application/json; charset=utf-8\r\n",
            gbk,
            "accepted for review",
        ),
        ("content-type: application/json\r\n", undeclared, "accepted"),
        (
            "content-encoding: gzip\r\n",
            bomb.as_slice(),
            "accepted for review",
        ),
        ("content-encoding: br\r\n", b"{}", "accepted for review"),
        ("", b"", "accepted for review"),
    ] {
        let reply = gateway.send(post("/callback/probe/a", head, body)).await;
        assert_eq!(
            (reply.status, reply.json()["say"].as_str().unwrap()),
            (200, say),
            "{head}"
        );
    }
    let alerts = gateway.store.all_alerts().await;
    for decoded in &alerts[1..] {
        let alert: Value = serde_json::from_slice(&decoded.json).unwrap();
        assert_eq!(alert["title"], "高");
    }
}
