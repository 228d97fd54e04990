//! Where the fields of an alert come from, and the test of a sink.

use serde_json::{Value, json};

use super::trial::{open, send};
use crate::gateway::{Gateway, named, raw};
use crate::receiver::{Play, Receiver};

/// A vendor of the operator. Its mapping says where the severity is.
fn mapping(severity: &str) -> String {
    format!(
        "[mappings.acme]\ntitle = \"Acme\"\nconfidence = \"documented\"\n\
         status = {{ from = \"body.state\", firing = [\"up\"], resolved = [\"down\"] }}\n\
         severity = {{ from = \"{severity}\", critical = [\"P1\"], warning = [\"P3\"] }}\n\
         alert.message_id = [\"body.id\"]\nalert.fingerprint = [\"body.host\"]\nalert.title = \"body.text\"\n\
         [providers.acme.prod]\nopen = true\n"
    )
}

async fn page_of_newest(gateway: &Gateway) -> String {
    let alerts = gateway.list("/api/v1/alerts").await;
    let id = alerts.last().unwrap()["id"].as_str().unwrap();
    open(gateway, &format!("/alerts/{id}")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_says_where_each_field_came_from_and_what_the_mapping_of_today_would_read() {
    let gateway = Gateway::start(&mapping("body.prio")).await;
    let call = json!({"id": "1", "state": "up", "host": "db7", "text": "disk", "prio": "P1", "level": "P3"});
    assert_eq!(gateway.post("/callback/acme/prod", &call).await.status, 200);
    let page = page_of_newest(&gateway).await;
    let severity = "<dt><code>severity</code></dt><dd><bdi lang=\"\">critical</bdi>\n <span class=\"quiet\">← <code lang=\"\">body.prio</code>";
    assert!(page.contains(severity), "{page}");
    assert!(!page.contains("The current mapping would read"), "{page}");
    gateway.write(&mapping("body.level"));
    gateway.reload_with(|_| ()).await;
    let page = page_of_newest(&gateway).await;
    for part in [
        "The current mapping would read",
        "<bdi lang=\"\">warning</bdi>",
        "← <code lang=\"\">body.level</code>",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    gateway.write("");
    gateway.reload_with(|_| ()).await;
    let page = page_of_newest(&gateway).await;
    assert!(
        page.contains("the source acme/prod is no longer configured"),
        "{page}"
    );
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_of_a_batch_is_that_of_the_item_of_the_alert() {
    let gateway = Gateway::start("[providers.alertmanager.prod]\nopen = true\n").await;
    let one = |name: &str| json!({"status": "firing", "labels": {"alertname": name, "severity": "warning"}, "startsAt": "2026-01-01T00:00:00Z"});
    let batch = json!({"version": "4", "alerts": [one("first"), one("second")]});
    gateway.post("/callback/alertmanager/prod", &batch).await;
    let alerts = gateway.list("/api/v1/alerts").await;
    assert_eq!(alerts.len(), 2);
    for alert in alerts {
        let (id, title) = (
            alert["id"].as_str().unwrap(),
            alert["title"].as_str().unwrap(),
        );
        let origin = gateway.ask(&format!("/api/v1/alerts/{id}/origin")).await;
        let item = if title == "first" { "[0]" } else { "[1]" };
        let fields = origin["origin"]["fields"].as_array().unwrap();
        let own = |field: &Value| field["field"].as_str().unwrap().starts_with(item);
        assert!(
            !fields.is_empty() && fields.iter().all(own),
            "{title}: {origin}"
        );
        assert_eq!(origin["differs"], json!([]));
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendor_that_is_read_by_code_has_no_origin() {
    let gateway = Gateway::start("[providers.ucloud.prod]\nopen = true\n").await;
    let call = named("ucloud/firing").callback().unwrap();
    gateway.send(raw(&call, "/callback/ucloud/prod")).await;
    let page = page_of_newest(&gateway).await;
    assert!(page.contains("Code reads this vendor"), "{page}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_of_a_sink_sends_one_marked_alert_and_shows_what_the_receiver_said() {
    let refusal = Play::Answer(401, vec![], "{\"error\":\"who <are> you\"}".to_owned());
    let receiver = Receiver::start([Play::status(202), refusal]).await;
    let hook = receiver.url("/c4nary");
    let gateway = Gateway::start(&format!(
        "[sinks.webhook.oncall]\nurl = \"{hook}\"\negress = \"private\"\n"
    ))
    .await;
    let form = "application/x-www-form-urlencoded";
    let press = async |path: &str| send(&gateway, "POST", path, form, "").await;
    let page = press("/sinks/webhook/oncall/test").await.body;
    for part in ["webhook/oncall", "took the test alert", "<code>202</code>"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let got = receiver.got();
    assert_eq!(got.len(), 1);
    let page = press("/sinks/webhook/oncall/test").await.body;
    for part in [
        "did not take the test alert",
        "<code>401</code>",
        "needs an operator",
        "who &lt;are&gt; you",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!page.contains("c4nary"), "{page}");
    let absent = press("/sinks/webhook/other/test").await;
    assert_eq!(absent.status, 404);
    assert!(absent.body.contains("the sinks are: webhook/oncall"));
    // Nothing is stored, and nothing is sent again.
    assert_eq!(gateway.list("/api/v1/alerts").await, Vec::<Value>::new());
    gateway.deliver_everything().await;
    assert_eq!(receiver.got().len(), 2);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_severity_of_a_test_can_be_chosen_in_the_api() {
    let receiver = Receiver::start([]).await;
    let hook = receiver.url("/");
    let gateway = Gateway::start(&format!(
        "[sinks.webhook.oncall]\nurl = \"{hook}\"\negress = \"private\"\n"
    ))
    .await;
    let path = "/api/v1/sinks/webhook/oncall/test";
    let ask = async |body: &str| send(&gateway, "POST", path, "application/json", body).await;
    let tested = ask("{\"severity\":\"critical\"}").await.json();
    assert_eq!(tested["result"], "delivered", "{tested}");
    let got = receiver.got_at_least(1).await;
    let body = String::from_utf8_lossy(&got[0].body).into_owned();
    assert!(body.contains("critical") && body.contains("TEST"), "{body}");
    assert_eq!(ask("{\"severity\":\"loud\"}").await.status, 400);
    gateway.stop().await;
}
