//! `/try` and `POST /api/v1/try`: a forecast that stores and sends nothing.

use campanile_model::Callback;
use serde_json::{Value, json};

use crate::gateway::{Gateway, named};
use crate::standing::{Reply, Wire, request};

const KEY: &str = "campanile-fixture-key";

const SETTINGS: &str = r#"
[providers.ucloud.prod]
key = "campanile-fixture-key"

[providers.alertmanager.prod]
open = true

[sinks.webhook.oncall]
url = "http://127.0.0.1:9/hook"
headers = { authorization = "Bearer a-secret-of-the-receiver" }

[sinks.stdout.screen]

[[routes]]
when = "source == 'alertmanager/prod'"
sinks = ["webhook/oncall"]

[[routes]]
when = "severity == 'critical'"
sinks = ["stdout/screen"]

[[routes]]
name = "disks"
match = { "labels.none" = ["db", ""] }
regex = { title = "disk .*" }
share = 100
sinks = ["webhook/oncall"]

[[routes.routes]]
match = { title = "load" }
sinks = ["stdout/screen"]
"#;

pub(super) async fn send(
    gateway: &Gateway,
    method: &str,
    path: &str,
    kind: &str,
    body: &str,
) -> Reply {
    let head = format!(
        "accept: text/html\r\nsec-fetch-site: same-origin\r\nconnection: close\r\ncontent-type: {kind}\r\n"
    );
    let raw = request(method, path, &head, body.as_bytes());
    let mut reply = Wire::to(gateway.admin()).await.send(raw).await;
    reply.body = reply.body.replace("&#x2f;", "/").replace("&#x27;", "'");
    reply
}

pub(super) async fn open(gateway: &Gateway, path: &str) -> String {
    let reply = send(gateway, "GET", path, "text/plain", "").await;
    assert_eq!(reply.status, 200, "{path}: {}", reply.body);
    reply.body
}

async fn submit(gateway: &Gateway, fields: &[(&str, &str)]) -> Reply {
    let body = serde_urlencoded::to_string(fields).unwrap();
    let kind = "application/x-www-form-urlencoded";
    send(gateway, "POST", "/try", kind, &body).await
}

async fn api(gateway: &Gateway, body: &Value) -> Reply {
    let body = body.to_string();
    send(gateway, "POST", "/api/v1/try", "application/json", &body).await
}

/// A request of Alertmanager as a browser sends it from a text field: with CR LF.
fn alertmanager() -> String {
    let text = String::from_utf8(named("alertmanager/firing").request.to_vec()).unwrap();
    text.replace("/fixture", "/prod").replace('\n', "\r\n")
}

async fn is_untouched(gateway: &Gateway) {
    for list in ["alerts", "quarantine", "deliveries", "callbacks"] {
        let items = gateway.list(&format!("/api/v1/{list}")).await;
        assert_eq!(items, Vec::<Value>::new(), "{list}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pasted_request_shows_verdict_fields_routes_and_what_each_sink_would_send() {
    let gateway = Gateway::start(SETTINGS).await;
    let reply = submit(&gateway, &[("request", &alertmanager())]).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    let page = reply.body;
    for part in [
        ">accepted</strong>",
        "disk 91 % on db7",
        "<dt><code>severity</code></dt>",
        "← <code lang=\"\">body.alerts[0].labels.severity</code>",
        "<strong>route matches</strong>",
        "source == 'alertmanager/prod'",
        "<strong>route does not match</strong>",
        "<bdi>disks</bdi>:",
        "<code lang=\"\"><bdi>labels.none = db | </bdi></code>",
        "<code lang=\"\"><bdi>title ~ disk .*</bdi></code>",
        "100 % of the problems",
        "<bdi>3.1</bdi>:",
        "→ stdout/screen",
        "webhook/oncall would get this",
        "POST http://127.0.0.1:9/***",
        "item.labels.severity",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!page.contains("a-secret-of-the-receiver"), "{page}");
    is_untouched(&gateway).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unproven_sender_is_refused_until_the_reader_vouches_for_it() {
    let gateway = Gateway::start(SETTINGS).await;
    let text = String::from_utf8(named("ucloud/firing").request.to_vec()).unwrap();
    let request = text.replace("/fixture/", "/prod/").replace(KEY, "wrong");
    let refused = submit(&gateway, &[("request", &request)]).await.body;
    for part in [">refused</strong>", "mark “As if the sender were verified”"] {
        assert!(refused.contains(part), "{part}: {refused}");
    }
    let fields = [("request", &*request), ("believe", "yes")];
    let believed = submit(&gateway, &fields).await.body;
    assert!(believed.contains(">accepted</strong>"), "{believed}");
    assert!(believed.contains("Code reads this vendor"), "{believed}");
    is_untouched(&gateway).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_with_a_mistake_comes_back_as_it_was_typed() {
    let gateway = Gateway::start(SETTINGS).await;
    for (fields, said) in [
        ([("request", "no request"), ("from", "")], "cannot be read"),
        (
            [("request", "GET /nowhere"), ("from", "")],
            "cannot be read",
        ),
        (
            [("request", "GET /nowhere HTTP/1.1\n\n"), ("from", "")],
            "no source has the path",
        ),
        (
            [("request", "GET / HTTP/1.1\n\n"), ("from", "noon")],
            "is not a valid IP address",
        ),
        (
            [("request", "GET / HTTP/1.1\n\n"), ("source", "a/b")],
            "this source is not configured",
        ),
    ] {
        let reply = submit(&gateway, &fields).await;
        assert!((400..500).contains(&reply.status), "{fields:?}: {reply:?}");
        for part in [said, "aria-invalid=\"true\"", "Raw HTTP request"] {
            assert!(reply.body.contains(part), "{part}: {}", reply.body);
        }
        let typed = fields[0].1.lines().next().unwrap();
        assert!(reply.body.contains(typed), "{}", reply.body);
    }
    let huge = "x".repeat((3 << 20) + 1);
    assert_eq!(submit(&gateway, &[("request", &huge)]).await.status, 413);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_request_is_tried_with_the_mapping_of_today() {
    let gateway = Gateway::start(SETTINGS).await;
    gateway.send(alertmanager_raw()).await;
    let id = gateway.list("/api/v1/alerts").await[0]["id"].clone();
    let id = id.as_str().unwrap();
    let alert = open(&gateway, &format!("/alerts/{id}")).await;
    assert!(
        alert.contains(&format!("href=\"/try?alert={id}\"")),
        "{alert}"
    );
    let page = open(&gateway, &format!("/try?alert={id}")).await;
    for part in [
        ">accepted</strong>",
        "webhook/oncall would get this",
        " checked>",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(
        open(&gateway, "/try")
            .await
            .contains(&format!("/try?alert={id}"))
    );
    let same = api(&gateway, &json!({"alert": id})).await.json();
    assert_eq!(same["alerts"][0]["sinks"][0]["name"], "webhook/oncall");
    let path = format!("/callback/ucloud/prod/{KEY}");
    assert_eq!(gateway.post(&path, &json!({})).await.status, 200);
    let page = open(&gateway, "/try?quarantine=1").await;
    assert!(page.contains(">quarantined</strong>"), "{page}");
    assert!(
        open(&gateway, "/quarantine/1")
            .await
            .contains("/try?quarantine=1")
    );
    gateway.stop().await;
}

/// The request of [`alertmanager`] as its vendor sends it.
fn alertmanager_raw() -> Vec<u8> {
    let call: Callback = named("alertmanager/firing").callback().unwrap();
    crate::gateway::raw(&call, "/callback/alertmanager/prod")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_example_of_a_vendor_can_be_tried_before_the_vendor_has_called() {
    let gateway = Gateway::start(SETTINGS).await;
    let page = open(&gateway, "/try").await;
    let link = "/try?source=ucloud/prod&amp;case=firing";
    assert!(page.contains(link), "{page}");
    let page = open(&gateway, &link.replace("&amp;", "&")).await;
    assert!(page.contains(">accepted</strong>"), "{page}");
    is_untouched(&gateway).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_shows_at_most_twenty_alerts_and_refuses_what_it_cannot_read() {
    let gateway = Gateway::start(SETTINGS).await;
    let alerts: Vec<Value> = (0..25)
        .map(|n| json!({"status": "firing", "labels": {"alertname": n.to_string()}, "startsAt": "2026-01-01T00:00:00Z"}))
        .collect();
    let body = json!({"version": "4", "alerts": alerts});
    let request = format!("POST /callback/alertmanager/prod HTTP/1.1\n\n{body}");
    let seen = api(&gateway, &json!({"request": request})).await.json();
    assert_eq!(seen["alerts"].as_array().unwrap().len(), 20);
    assert_eq!(seen["more_alerts"], 5);
    let origins = seen["explained"]["fields"].as_array().unwrap();
    assert!(origins.iter().all(|origin| origin["field"] != "[20].title"));
    assert!(origins.iter().any(|origin| origin["field"] == "[19].title"));
    for (body, said) in [
        (json!({}), "exactly one of"),
        (json!({"request": request, "alert": "x"}), "exactly one of"),
        (json!({"requests": request}), "the body is not valid"),
        (
            json!({"alert": "00000000-0000-0000-0000-000000000000"}),
            "no alert has this id",
        ),
        (json!({"quarantine": 9}), "no quarantined callback"),
    ] {
        let reply = api(&gateway, &body).await;
        assert!((400..500).contains(&reply.status), "{body}");
        assert!(reply.body.contains(said), "{said}: {}", reply.body);
    }
    is_untouched(&gateway).await;
    gateway.stop().await;
}
