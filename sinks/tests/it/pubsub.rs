//! Google Cloud Pub/Sub: the token that the service account signs, against a receiver that checks it as Google does.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use campanile_receiver::google::{EMAIL, KEY_ID, service_account, verified};
use campanile_receiver::scripted::Receiver;
use campanile_receiver::{Got, Play};
use campanile_sinks::{Kind, Message, Sink, kinds};
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};

use super::{assert_no_secret, build_kind, message, try_build_kind};

fn pubsub() -> &'static Arc<dyn Kind> {
    let mut all = kinds().iter();
    all.find(|kind| kind.about().name == "pubsub").unwrap()
}

fn settings(url: &str, key: &str) -> String {
    format!("url = {url:?}\nproject = 'acme'\ntopic = 'alerts'\nservice_account = {key:?}\n")
}

fn sink(receiver: &Receiver, more: &str) -> Arc<dyn Sink> {
    let values = settings(&receiver.url(""), &service_account("c4nary"));
    build_kind(&**pubsub(), &(values + more))
}

fn stored() -> Play {
    Play::body(r#"{"messageIds":["6571234567890123"]}"#)
}

/// 2026-01-01T00:00:00Z and some minutes.
fn at(minutes: i64) -> Timestamp {
    let new_year = Timestamp::from_second(1_767_225_600).unwrap();
    new_year + minutes.minutes()
}

fn message_at(minutes: i64) -> Message {
    Message {
        at: at(minutes),
        ..message()
    }
}

fn authorization(got: &Got) -> &str {
    got.header("authorization").unwrap()
}

/// The claims of the token, which is that of the account.
fn claims(got: &Got) -> Value {
    let (header, claims) = verified(authorization(got));
    assert_eq!(header, json!({"alg": "RS256", "typ": "JWT", "kid": KEY_ID}));
    claims
}

/// The content of the message.
fn data(got: &Got) -> Value {
    let body = got.json();
    let data = body["messages"][0]["data"].as_str().unwrap();
    serde_json::from_slice(&BASE64_STANDARD.decode(data).unwrap()).unwrap()
}

#[tokio::test]
async fn a_message_carries_a_token_of_the_account_for_one_hour() {
    let receiver = Receiver::start([stored()]).await;
    let done = sink(&receiver, "").send(&message_at(0)).await.unwrap();
    assert_eq!(done.handle.as_deref(), Some("6571234567890123"));
    let got = receiver.got().remove(0);
    assert_eq!(got.target, "/v1/projects/acme/topics/alerts:publish");
    let (from, until) = (1_767_225_600, 1_767_229_200);
    assert_eq!(
        claims(&got),
        json!({
            "iss": EMAIL, "sub": EMAIL, "aud": "https://pubsub.googleapis.com/", "iat": from, "exp": until,
        })
    );
    assert_eq!(data(&got), json!(message().alerts[0]));
}

#[tokio::test]
async fn a_token_is_used_until_shortly_before_its_end_and_never_before_its_time() {
    let receiver = Receiver::start(vec![stored(); 5]).await;
    let sink = sink(&receiver, "");
    for minutes in [10, 64, 65, 64, 65] {
        sink.send(&message_at(minutes)).await.unwrap();
    }
    let made: Vec<_> = receiver
        .got()
        .iter()
        .map(|got| claims(got)["iat"].clone())
        .collect();
    let expected = [10, 10, 65, 64, 64].map(|minutes| json!(at(minutes).as_second()));
    assert_eq!(made, expected);
}

#[tokio::test]
async fn an_ordering_key_is_sent_where_the_order_is_asked_for() {
    let receiver = Receiver::start(vec![stored(); 2]).await;
    for more in ["", "ordering = true"] {
        sink(&receiver, more).send(&message()).await.unwrap();
    }
    let keys: Vec<_> = receiver
        .got()
        .iter()
        .map(|got| got.json()["messages"][0]["orderingKey"].clone())
        .collect();
    assert_eq!(keys, [Value::Null, json!(message().alerts[0].fingerprint)]);
}

#[tokio::test]
async fn an_alert_that_is_too_large_is_sent_without_its_details() {
    let receiver = Receiver::start([stored()]).await;
    let mut long = message();
    Arc::make_mut(&mut long.alerts[0]).description = "長".repeat(70_000);
    sink(&receiver, "").send(&long).await.unwrap();
    let sent = data(&receiver.got()[0]);
    assert_eq!(sent["cut"], true);
    assert_eq!(sent["fingerprint"], json!(long.alerts[0].fingerprint));
    assert_eq!(sent.get("description"), None);
}

#[tokio::test]
async fn a_probe_asks_whether_the_account_may_publish() {
    let allowed = Play::body(r#"{"permissions":["pubsub.topics.publish"]}"#);
    let receiver = Receiver::start([allowed, Play::body("{}")]).await;
    let sink = sink(&receiver, "");
    sink.probe(at(0)).unwrap().await.unwrap();
    let refused = sink.probe(at(0)).unwrap().await.unwrap_err();
    assert!(refused.reason.contains("refused"), "{refused}");
    let got = receiver.got().remove(0);
    assert_eq!(
        got.target,
        "/v1/projects/acme/topics/alerts:testIamPermissions"
    );
    assert_eq!(claims(&got)["aud"], "https://pubsub.googleapis.com/");
}

#[test]
fn a_key_that_cannot_sign_is_refused_with_the_name_of_its_setting() {
    let whole: Value = serde_json::from_str(&service_account("c4nary")).unwrap();
    let with = |name: &str, value: Value| {
        let mut key = whole.clone();
        key[name] = value;
        key.to_string()
    };
    let elliptic = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg\n-----END PRIVATE KEY-----\n";
    for (key, said) in [
        ("c4nary-9f2b7d10".to_owned(), "not a JSON key"),
        ("[\"c4nary-9f2b7d10\"]".to_owned(), "not a JSON key"),
        (with("private_key", Value::Null), "no `private_key`"),
        (with("client_email", json!("")), "no `client_email`"),
        (with("private_key_id", json!(7)), "no `private_key_id`"),
        (with("private_key", json!("c4nary")), "not an RSA key"),
        (with("private_key", json!(elliptic)), "not an RSA key"),
    ] {
        let values = settings("https://pubsub.googleapis.com", &key);
        let Err(error) = try_build_kind(&**pubsub(), &values) else {
            panic!("{said} is accepted");
        };
        assert_eq!(error.setting, "service_account");
        assert!(error.problem.contains(said), "{error}");
        assert_no_secret(&format!("{error} {error:?}"));
    }
}

#[test]
fn what_is_shown_of_the_request_holds_neither_key_nor_token() {
    let values = settings("https://pubsub.googleapis.com", &service_account("c4nary"));
    let shown = build_kind(&**pubsub(), &values)
        .render(&message_at(0))
        .unwrap();
    assert!(shown.contains("authorization: ***"), "{shown}");
    assert!(!shown.contains("eyJhbGci"), "{shown}");
    assert_no_secret(&shown);
}

#[test]
fn a_path_is_not_the_id_of_a_topic() {
    let values = settings("https://pubsub.googleapis.com", &service_account("c4nary"));
    let values = values.replace("'alerts'", "'projects/acme/topics/alerts'");
    let error = try_build_kind(&**pubsub(), &values).err().unwrap();
    assert_eq!(error.setting, "topic");
}
