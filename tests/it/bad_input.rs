//! Invalid input and the answers to it, with requests of real vendors. Tests that need no vendor are in `ingest`.

use campanile::config::Config;
use serde_json::{Value, json};

use crate::gateway::{Gateway, IDLE_SINK, named, raw};
use crate::standing::{Reply, post, request};

const UCLOUD: &str = "/callback/ucloud/fixture/campanile-fixture-key";
const JIANKONG: &str = "/callback/jiankong/fixture";

/// The sources of the fixtures, with a small limit for bodies.
async fn gateway() -> Gateway {
    let settings = "[providers.ucloud.fixture]\nkey = \"campanile-fixture-key\"\n\
                    [providers.jiankong.fixture]\ntoken = \"campanile-fixture-token\"\n";
    let small = |config: &mut Config| config.server.body_bytes_max = 64 * 1024;
    Gateway::start_with(&(settings.to_owned() + IDLE_SINK), small).await
}

/// The answer to UCloud for a failure.
fn failure(session: &str, why: &str) -> Value {
    json!({"SessionID": session, "RetCode": -1, "Error": why})
}

async fn kept(gateway: &Gateway) -> (usize, usize) {
    let alerts = gateway.list("/api/v1/alerts").await;
    let quarantined = gateway.list("/api/v1/quarantine").await;
    (alerts.len(), quarantined.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_gets_one_sentence_in_the_vendors_form_and_is_counted() {
    let gateway = gateway().await;
    for (fixture, status) in [
        ("ucloud/refused", 403),
        ("ucloud/refused-missing", 401),
        ("jiankong/refused", 403),
        ("jiankong/refused-missing", 401),
    ] {
        let reply = gateway.send_fixture(fixture).await;
        assert_eq!(reply.status, status, "{fixture}");
        let said = ["not authorized", "invalid token"];
        let said = said.iter().any(|words| reply.body.contains(words));
        assert!(said && reply.body.len() <= 100, "{reply:?}");
    }
    for source in ["ucloud/fixture", "jiankong/fixture"] {
        for reason in ["wrong_proof", "no_proof"] {
            let name = format!("{{source=\"{source}\",reason=\"{reason}\"}}");
            let name = format!("campanile_refused_total{name}");
            assert!((gateway.metric(&name).await - 1.0).abs() < 0.1, "{name}");
        }
    }
    assert_eq!(kept(&gateway).await, (0, 0));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_of_a_believed_sender_is_kept_with_its_place_and_answered_as_success() {
    let gateway = gateway().await;
    let cut = b"{\"SessionID\":\"1\",\"Alarm".as_slice();
    let ucloud = [
        (cut, "", "body"),
        (b"", "", "body"),
        (b"[1,2]", "", "body"),
        (b"{\"SessionID\":\"1\"}", "", "body.AlarmTime"),
        (b"{\"AlarmTime\":1}", "", "body.SessionID"),
        (b"not gzip", "content-encoding: gzip\r\n", "body"),
    ];
    for (body, head, place) in ucloud {
        let reply = gateway.send(post(UCLOUD, head, body)).await;
        assert_eq!((reply.status, &reply.json()["RetCode"]), (200, &json!(0)));
        let last = gateway.list("/api/v1/quarantine").await.pop().unwrap();
        let found = last["faults"][0]["place"].as_str().unwrap();
        assert!(found.starts_with(place), "{found} is not in {place}");
    }
    let reply = gateway.send_fixture("jiankong/bad-status").await;
    assert_eq!(reply.status, 200);
    assert!(reply.body.starts_with("OK"), "{}", reply.body);
    assert_eq!(kept(&gateway).await, (0, ucloud.len() + 1));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_over_a_limit_or_not_served_says_so_in_the_vendors_form() {
    let gateway = gateway().await;
    let large = vec![b' '; 100 * 1024];
    let reply = gateway.send(post(UCLOUD, "", &large)).await;
    let wanted = (413, failure("", "the body is too large"));
    assert_eq!((reply.status, reply.json()), wanted);
    let reply = gateway.send(request("GET", UCLOUD, "", b"")).await;
    let wanted = (405, failure("", "method not allowed"));
    assert_eq!((reply.status, reply.json()), wanted);
    assert_eq!(reply.header("allow"), "POST");
    let reply = gateway.send(request("PUT", JIANKONG, "", b"")).await;
    assert_eq!((reply.status, reply.header("allow")), (405, "GET, POST"));
    let many = "x-one: 1\r\n".repeat(70);
    let reply = gateway.send(post(JIANKONG, &many, b"")).await;
    let wanted = (431, "the headers are too large or too many");
    assert_eq!((reply.status, reply.body.as_str()), wanted);
    for path in [
        "/",
        "/callback/ucloud/other",
        "/callback/jiankong/fixture/a/b",
    ] {
        assert_eq!(gateway.send(post(path, "", b"{}")).await.status, 404);
    }
    assert_eq!(kept(&gateway).await, (0, 0));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_inside_a_body_that_nobody_can_read_gets_400() {
    let gateway = gateway().await;
    let head = "content-encoding: gzip\r\ncontent-type: application/json\r\n";
    let reply = gateway.send(post(JIANKONG, head, b"not gzip")).await;
    let wanted = (400, "the request cannot be read");
    assert_eq!((reply.status, reply.body.as_str()), wanted);
    assert_eq!(kept(&gateway).await, (0, 0));
    gateway.stop().await;
}

fn gzip(body: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut zip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    zip.write_all(body).unwrap();
    zip.finish().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn gbk_gzip_and_numbers_in_quotes_are_read_and_a_bomb_is_not_inflated() {
    let gateway = gateway().await;
    let accepted = |reply: &Reply| assert_eq!(reply.status, 200, "{reply:?}");
    accepted(&gateway.send_fixture("jiankong/gbk").await);
    accepted(&gateway.send_fixture("ucloud/loose-types").await);
    let mut call = named("ucloud/cloudwatch-firing").callback().unwrap();
    call.headers
        .push(("content-encoding".into(), "gzip".into()));
    call.body = gzip(&call.body);
    accepted(&gateway.send(raw(&call, &call.path)).await);
    call.body = gzip(&vec![b' '; 9 * 1024 * 1024]);
    accepted(&gateway.send(raw(&call, &call.path)).await);
    assert_eq!(kept(&gateway).await, (3, 1));
    let alerts = gateway.list("/api/v1/alerts").await;
    let said: Vec<_> = alerts
        .iter()
        .map(|alert| alert["description"].as_str())
        .collect();
    let garbled = said.iter().flatten().any(|text| text.contains('\u{fffd}'));
    assert!(!garbled, "{said:?}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_two_vendors_take_for_theirs_is_quarantined_with_both_named() {
    let vendor = |name: &str| {
        format!(
            "[mappings.{name}]\ntitle = '{name}'\nconfidence = 'documented'\nrecognizes = 'body.check'\n\
             status = {{ default = 'firing' }}\nalert.message_id = ['body.check']\n\
             alert.fingerprint = ['body.check']\n[providers.{name}.prod]\nkey = 'one-key-for-both'\n"
        )
    };
    let settings = vendor("acme") + &vendor("apex") + IDLE_SINK;
    let gateway = Gateway::start(&settings).await;
    let reply = gateway
        .post("/callback/one-key-for-both", &json!({"check": "c1"}))
        .await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let kept = gateway.list("/api/v1/quarantine").await.pop().unwrap();
    let fault = kept["faults"][0]["problem"].as_str().unwrap();
    assert!(
        fault.contains("acme/prod") && fault.contains("apex/prod"),
        "{fault}"
    );
    let unproven = gateway
        .post("/callback/another-key", &json!({"check": "c1"}))
        .await;
    assert_eq!(unproven.status, 403, "{unproven:?}");
    assert!(
        !unproven.body.contains("acme"),
        "an unauthenticated sender must not learn names: {unproven:?}"
    );
    let own = gateway
        .post(
            "/callback/acme/prod/one-key-for-both",
            &json!({"check": "c1"}),
        )
        .await;
    assert_eq!(own.status, 200, "{own:?}");
    gateway.stop().await;
}
