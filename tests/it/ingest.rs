//! What the public listener takes, refuses and answers.

use std::io::Write as _;
use std::sync::Arc;

use campanile::config::Feed;
use campanile_providers::{Secret, Source};
use serde_json::{Value, json};

use crate::moody::Mood;
use crate::standing::{SINK, Standing, Wire, config, impatient, keyed, post, request, source};

fn probe(id: &str) -> Value {
    json!({"probe": id, "problem": "disk", "status": "firing", "severity": "error", "title": "full"})
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut zip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    zip.write_all(body).unwrap();
    zip.finish().unwrap()
}

const OUTCOMES: &str = "campanile_callbacks_total{source=\"probe/a\",outcome=";
const REFUSED: &str = "campanile_refused_total{source=\"probe/a\",reason=";

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
async fn every_callback_ends_as_exactly_one_of_four() {
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
        ("accepted", 4.0),
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
async fn no_secret_reaches_the_store() {
    let mut guarded = keyed("a", "the-secret-key");
    guarded.tokens = vec![Secret::from("the-secret-token")];
    let gateway = Standing::with(vec![guarded]).await;
    let mut body = probe("1");
    body["token"] = json!("the-secret-token");
    let head = "authorization: Basic c2VjcmV0\r\ncontent-type: application/json\r\n";
    let raw = post(
        "/callback/probe/a/the%2Dsecret-key",
        head,
        body.to_string().as_bytes(),
    );
    assert_eq!(gateway.send(raw).await.status, 200);
    let kept = String::from_utf8(gateway.store.first_callback().await).unwrap();
    assert!(
        kept.starts_with("POST /callback/probe/a/*** HTTP/1.1\r\n"),
        "{kept}"
    );
    for secret in ["the-secret", "the%2Dsecret", "c2VjcmV0"] {
        assert!(!kept.contains(secret), "{kept}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compressed_body_is_kept_inflated_without_its_secrets() {
    let mut guarded = source("a");
    guarded.open = false;
    guarded.tokens = vec![Secret::from("the-secret-token")];
    let gateway = Standing::with(vec![guarded]).await;
    let body = b"{\"probe\":\"1\",\"token\":\"the-secret-token\",\"title\":\"\xb8\xdf\"}";
    let head = "content-encoding: gzip\r\ncontent-type: application/json; charset=gbk\r\n";
    let reply = gateway
        .send(post("/callback/probe/a", head, &gzip(body)))
        .await;
    assert_eq!(reply.status, 200);
    let kept = gateway.store.first_callback().await;
    let kept = campanile_providers::Callback::from_http(&kept).unwrap();
    let read = kept.json().unwrap();
    assert_eq!(
        (&read["title"], &read["token"]),
        (&json!("高"), &json!("***"))
    );
}

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
    // The proof lies in a body that nobody can read.
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
async fn bodies_are_inflated_and_decoded_as_declared_and_else_quarantined() {
    let gateway = Standing::with(vec![source("a")]).await;
    let gzipped = gzip(probe("1").to_string().as_bytes());
    let gbk = b"{\"probe\":\"2\",\"title\":\"\xb8\xdf\"}";
    let bomb = gzip(&vec![b' '; 9 * 1024 * 1024]);
    for (head, body, say) in [
        ("content-encoding: gzip\r\n", gzipped.as_slice(), "accepted"),
        (
            "content-type: application/json; charset=gbk\r\n",
            gbk,
            "accepted",
        ),
        (
            "content-type: application/json\r\n",
            gbk,
            "accepted for review",
        ),
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
    let second: Value = serde_json::from_slice(&alerts[1].json).unwrap();
    assert_eq!(second["title"], "高");
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
    // Another proxy is trusted, not whoever connects; nor does an address that is only claimed help.
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

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_is_followed_and_keeps_its_counters() {
    let gateway = Standing::with(vec![source("a")]).await;
    gateway.post("/callback/probe/a", &probe("1")).await;
    let sink = gateway.store.sink(SINK).await;
    let changed = config(vec![source("a"), source("b")]);
    let metrics = &gateway.gateway.metrics;
    let plan =
        campanile::http::Plan::new(&changed, std::sync::Arc::new(move |_| vec![sink]), metrics);
    gateway.gateway.follow(plan);
    assert_eq!(
        gateway.post("/callback/probe/b", &probe("1")).await.json()["say"],
        "accepted"
    );
    gateway.post("/callback/probe/a", &probe("2")).await;
    assert!((gateway.metric(&format!("{OUTCOMES}\"accepted\"}}")).await - 2.0).abs() < 0.1);
}

/// Its token covers nothing of the message: who reads it once can use it for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_digest_that_is_always_the_same_is_not_kept_with_the_callback() {
    const DIGEST: &str = "108188de4901e5ff0501d23921484e66";
    let mut all = campanile_providers::all().iter().copied();
    let statuscake = all.find(|p| p.name() == "statuscake").unwrap();
    let mut plan = config(vec![]);
    plan.feeds = vec![Feed {
        provider: Arc::new(statuscake),
        source: Arc::new(Source {
            name: "statuscake/a".to_owned(),
            tokens: vec![Secret::from("campanile-fixture-token")],
            user: Some("campanile-fixture-user".to_owned()),
            ..Source::default()
        }),
    }];
    for digest in [DIGEST.to_owned(), DIGEST.to_uppercase()] {
        let form = format!("Token={digest}&Name=db7&Status=Down&StatusCode=503&TestID=7");
        let by_form = request(
            "POST",
            "/callback/statuscake/a",
            "content-type: application/x-www-form-urlencoded\r\n",
            form.as_bytes(),
        );
        let by_query = request("GET", &format!("/callback/statuscake/a?{form}"), "", b"");
        for raw in [by_form, by_query] {
            let gateway = Standing::of(&plan).await;
            assert_eq!(gateway.send(raw).await.status, 200);
            let kept = String::from_utf8(gateway.store.first_callback().await).unwrap();
            assert!(kept.contains("Token=***&Name=db7"), "{kept}");
            assert!(!kept.contains(&digest), "{kept}");
        }
    }
}
