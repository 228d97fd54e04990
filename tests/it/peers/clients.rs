//! Client libraries from Python's index: `CloudEvents`, `PagerDuty` and Standard Webhooks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use campanile_language::sample_alerts;
use campanile_model::{Severity, Status};
use campanile_settings::{Environment, Values};
use campanile_sinks::{Message, Sink, Tools, kinds};
use serde_json::Value;

use super::{TOKEN, gateway, python, run, stored};
use crate::receiver::Receiver;
use crate::standing::{Standing, request};

const INSTALL: &str = "scripts/test makes it";

/// Runs a script of `tests/it/peers/` against the gateway. Its output is one line of JSON.
async fn script(name: &str, gateway: &Standing) -> Value {
    let script = format!("{}/tests/it/peers/{name}", env!("CARGO_MANIFEST_DIR"));
    let base = format!("http://{}", gateway.public);
    let said = run(&python(), INSTALL, &[&script, &base, TOKEN]).await;
    let last = said.lines().last().unwrap();
    serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {said}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn pagerdutys_own_clients_take_the_gateway_for_pagerduty() {
    let gateway = gateway(&["pagerduty-events"]).await;
    let keys = script("pagerduty_client.py", &gateway).await;
    let alerts = stored(&gateway).await;
    let said: Vec<_> = alerts
        .iter()
        .map(|alert| (alert.title.as_str(), alert.status, alert.severity))
        .collect();
    assert_eq!(
        said,
        [
            ("disk 91 % on db7", Status::Firing, Severity::Critical),
            ("disk 91 % on db7", Status::Firing, Severity::Critical),
            ("db7/disk", Status::Resolved, Severity::Unknown),
        ]
    );
    assert_eq!(keys[0], "db7/disk", "the answer has the sender's own key");
    assert_eq!(
        keys[1].as_str().unwrap().len(),
        32,
        "a key is generated when the sender gives none"
    );
    assert_eq!(alerts[0].fingerprint, alerts[2].fingerprint);
    assert_ne!(alerts[0].fingerprint, alerts[1].fingerprint);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_routing_key_says_whose_an_event_is() {
    let gateway = gateway(&["pagerduty-events"]).await;
    let event = serde_json::json!({
        "routing_key": "ffffffffffffffffffffffffffffffff", "event_action": "trigger",
        "payload": {"summary": "s", "source": "db7", "severity": "info"},
    });
    let reply = gateway.post("/v2/enqueue", &event).await;
    assert_eq!(
        (reply.status, &reply.json()["status"]),
        (403, &"invalid event".into())
    );
    assert_eq!(stored(&gateway).await.len(), 0);
    let kept = {
        let mut event = event;
        event["routing_key"] = TOKEN.into();
        let reply = gateway
            .post("/callback/pagerduty-events/prod/v2/enqueue", &event)
            .await;
        assert_eq!(
            (reply.status, &reply.json()["message"]),
            (202, &"Event processed".into())
        );
        gateway.store.first_callback().await
    };
    assert!(!String::from_utf8(kept).unwrap().contains(TOKEN));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cloudevents_library_is_read_in_both_of_its_modes() {
    let gateway = gateway(&["cloudevents"]).await;
    script("cloudevents_client.py", &gateway).await;
    let alerts = stored(&gateway).await;
    let said: Vec<_> = alerts
        .iter()
        .map(|alert| (alert.title.as_str(), alert.status, alert.severity))
        .collect();
    assert_eq!(
        said,
        [
            ("磁盘 91 %", Status::Firing, Severity::Critical),
            ("磁盘 91 %", Status::Resolved, Severity::Critical),
        ]
    );
    assert_eq!(alerts[0].fingerprint, alerts[1].fingerprint);
    assert_eq!(alerts[0].resource.name.as_deref(), Some("db7 \"一\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn consent_is_given_to_those_who_ask_for_it_as_the_standard_says() {
    let gateway = gateway(&["cloudevents", "alertmanager-api"]).await;
    let ask =
        async |path: &str, head: &str| gateway.send(request("OPTIONS", path, head, b"")).await;
    let origin = "webhook-request-origin: events.example.net\r\nwebhook-request-rate: 120\r\n";
    let path = "/callback/cloudevents/prod";

    // A sender without a proof does not get it: this source has no key and no addresses, and the token was not sent.
    let unproven = ask(path, origin).await;
    assert_eq!(
        (unproven.status, unproven.header("webhook-allowed-origin")),
        (204, "")
    );
    let wrong = ask(&format!("{path}?access_token=wrong"), origin).await;
    assert_eq!(
        (wrong.status, wrong.header("webhook-allowed-origin")),
        (204, "")
    );

    let right = ask(&format!("{path}?access_token={TOKEN}"), origin).await;
    assert_eq!(right.status, 200);
    assert_eq!(right.header("webhook-allowed-origin"), "events.example.net");
    assert_eq!(right.header("webhook-allowed-rate"), "*");
    assert_eq!(right.header("allow"), "POST");

    let other = ask("/callback/alertmanager-api/prod", origin).await;
    assert_eq!(
        (other.status, other.header("webhook-allowed-origin")),
        (204, "")
    );
    assert_eq!(other.header("allow"), "POST");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_standard_webhooks_library_signs_is_believed() {
    let gateway = gateway(&["standard-webhooks"]).await;
    let statuses = script("standard_webhooks_sender.py", &gateway).await;
    assert_eq!(
        statuses,
        serde_json::json!([200, 200, 403, 403]),
        "signed, sent again, changed after signing, signed with another secret"
    );
    let alerts = stored(&gateway).await;
    assert_eq!(alerts.len(), 1);
    assert_eq!(
        (alerts[0].title.as_str(), alerts[0].status),
        ("磁盘 91 %", Status::Firing)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_webhook_sink_signs_the_standard_webhooks_library_verifies() {
    let receiver = Receiver::start([]).await;
    let sink = signing_sink(&receiver.url("/hook"));
    let [alert, _] = sample_alerts();
    // The library uses the system clock.
    let at = campanile_model::Clock::machine().now();
    let message = Message::of(alert, "dlv_0123456789abcdef0123456789abcdef", at);
    sink.send(&message).await.unwrap();
    let got = receiver.got().remove(0);
    let headers: BTreeMap<_, _> = got.headers.iter().cloned().collect();
    let headers = serde_json::to_string(&headers).unwrap();
    let body = String::from_utf8(got.body).unwrap();
    let script = format!(
        "{}/tests/it/peers/standard_webhooks_receiver.py",
        env!("CARGO_MANIFEST_DIR")
    );
    let said = run(&python(), INSTALL, &[&script, &headers, &body, TOKEN]).await;
    assert_eq!(said.trim(), r#"["verified", "refused", "refused"]"#);
}

fn signing_sink(url: &str) -> Arc<dyn Sink> {
    let kinds = kinds().iter();
    let mut webhook = kinds.filter(|kind| kind.about().name == "webhook");
    let webhook = webhook.next().unwrap();
    let text = format!("url = \"{url}\"\nsigning_secret = \"whsec_{TOKEN}\"");
    let values = Values::parse(&text, webhook.settings(), &Environment::new()).unwrap();
    let tools = Tools {
        name: "webhook/oncall",
        timeout: Duration::from_secs(15),
    };
    webhook.build(&values, &tools).unwrap()
}
