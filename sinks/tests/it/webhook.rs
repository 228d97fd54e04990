//! What a webhook sends: bodies, headers, signatures; and what it refuses to be.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use campanile_language::sample_alerts;
use campanile_model::Secret;
use campanile_sinks::kinds::webhook::{Settings as Webhook, WebhookBody};
use campanile_sinks::{Class, Message};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json as object};
use sha2::Sha256;

use super::{assert_no_secret, digest, json, message, message_of, sink, try_build, webhook};
use campanile_receiver::scripted::Receiver;
use campanile_receiver::{Got, Play};

const KEY: &str = "Yw4naryc4naryc4naryc4naryc4naryA";

async fn sent(change: impl FnOnce(&mut Webhook), message: &Message) -> Got {
    let receiver = Receiver::start([]).await;
    let mut webhook = webhook(&receiver.url("/hook?key=c4nary"));
    change(&mut webhook);
    sink(webhook).send(message).await.unwrap();
    receiver.got().remove(0)
}

#[tokio::test]
async fn an_alert_is_sent_as_the_bytes_that_the_api_shows() {
    let message = message();
    let got = sent(|_| {}, &message).await;
    assert_eq!(
        (got.method.as_str(), got.target.as_str()),
        ("POST", "/hook?key=c4nary")
    );
    assert_eq!(got.body, json(&message));
    assert_eq!(got.header("content-type"), Some("application/json"));
    assert_eq!(got.header("webhook-id"), Some(message.delivery_id.as_str()));
    for absent in [
        "webhook-signature",
        "campanile-retried",
        "referer",
        "cookie",
        "accept-encoding",
    ] {
        assert_eq!(got.header(absent), None, "{absent}");
    }
    for method in ["PUT", "PATCH"] {
        let got = sent(|w| w.method = method.to_owned(), &message).await;
        assert_eq!(got.method, method);
    }
}

#[tokio::test]
async fn a_template_that_is_not_meant_to_be_json_says_so_by_its_content_type() {
    let plain = WebhookBody::Template("{{ status }}: {{ title }}".to_owned());
    let named = |w: &mut Webhook| {
        w.body = plain.clone();
        w.headers = vec![("Content-Type".to_owned(), Secret::from("text/plain"))];
    };
    let got = sent(named, &message()).await;
    assert_eq!(got.header("content-type"), Some("text/plain"));
    let title = &message().alerts[0].title;
    assert_eq!(
        String::from_utf8_lossy(&got.body),
        format!("firing: {title}")
    );
}

#[tokio::test]
async fn the_span_of_an_attempt_is_passed_on_unless_the_operator_has_a_header_of_this_name() {
    let span = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let traced = Message {
        traceparent: Some(span.to_owned()),
        ..message()
    };
    assert_eq!(
        sent(|_| {}, &traced).await.header("traceparent"),
        Some(span)
    );
    assert_eq!(sent(|_| {}, &message()).await.header("traceparent"), None);
    let own = |webhook: &mut Webhook| {
        webhook.headers = vec![("Traceparent".to_owned(), "own".to_owned().into())];
    };
    assert_eq!(sent(own, &traced).await.header("traceparent"), Some("own"));
}

#[tokio::test]
async fn what_an_operator_sends_again_is_marked_and_keeps_its_id() {
    let again = Message {
        retried_by_operator: true,
        attempt: 7,
        ..message()
    };
    let got = sent(|_| {}, &again).await;
    assert_eq!(got.header("campanile-retried"), Some("true"));
    assert_eq!(
        got.header("webhook-id"),
        Some(message().delivery_id.as_str())
    );
}

#[tokio::test]
async fn each_secret_signs_id_time_and_the_exact_bytes() {
    let second = BASE64_STANDARD.encode([9; 32]);
    let secrets = [KEY, &second].map(|key| Secret::from(format!("whsec_{key}")));
    let got = sent(|w| w.signing_secrets = secrets.to_vec(), &message()).await;
    let timestamp = got.header("webhook-timestamp").unwrap();
    assert_eq!(timestamp, message().at.as_second().to_string());
    let expected = [KEY, &second].map(|key| {
        let key = BASE64_STANDARD.decode(key).unwrap();
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        mac.update(format!("{}.{timestamp}.", got.header("webhook-id").unwrap()).as_bytes());
        mac.update(&got.body);
        format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()))
    });
    assert_eq!(
        got.header("webhook-signature"),
        Some(expected.join(" ").as_str())
    );
}

#[tokio::test]
async fn a_signature_is_that_of_the_standards_own_example() {
    // From the Standard Webhooks specification's reference libraries.
    let message = Message {
        delivery_id: "msg_p5jXN8AQM9LWM0D4loKWxJek".to_owned(),
        at: jiff::Timestamp::from_second(1_614_265_330).unwrap(),
        ..message()
    };
    let secret = Secret::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned());
    let signing = |w: &mut Webhook| {
        w.signing_secrets = vec![secret];
        w.body = WebhookBody::Template(r#"{"test": 2432232314}"#.to_owned());
    };
    let got = sent(signing, &message).await;
    let signature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    assert_eq!(got.header("webhook-signature"), Some(signature));
}

#[tokio::test]
async fn format_alert_is_the_stored_json_byte_for_byte() {
    let one = Message {
        stored: vec![r#"{ "stored": 1 }"#.into()],
        ..message()
    };
    assert_eq!(
        sent(|_| {}, &one).await.body,
        r#"{ "stored": 1 }"#.as_bytes()
    );
    let many = Message {
        stored: vec![r#"{ "stored": 1 }"#.into(), r#"{"stored":2}"#.into()],
        ..digest()
    };
    let expected = r#"[{ "stored": 1 },{"stored":2}]"#;
    assert_eq!(sent(|_| {}, &many).await.body, expected.as_bytes());
}

#[tokio::test]
async fn cloudevents_are_structured_and_hold_the_whole_alert() {
    let message = message();
    let got = sent(|w| w.body = WebhookBody::CloudEvents, &message).await;
    let media = got.header("content-type").unwrap();
    assert!(media.starts_with("application/cloudevents+json"), "{media}");
    let event = got.json();
    assert_eq!(event["specversion"], "1.0");
    assert_eq!(event["id"], message.alerts[0].id);
    assert_eq!(event["source"], "/campanile/ucloud/prod");
    assert_eq!(event["type"], "campanile.alert.firing");
    assert_eq!(event["subject"], message.alerts[0].fingerprint.to_string());
    assert_eq!(event["time"], "1970-01-01T00:00:00Z");
    let alert: serde_json::Value = serde_json::from_slice(&json(&message)).unwrap();
    assert_eq!(event["data"], alert);
}

#[tokio::test]
async fn alertmanager_bodies_pair_firing_and_resolved() {
    let [firing, mut resolved] = sample_alerts();
    resolved.metric.name = firing.metric.name.clone();
    let mut bodies = Vec::new();
    for alert in [firing, resolved] {
        let got = sent(|w| w.body = WebhookBody::Alertmanager, &message_of(alert)).await;
        bodies.push(got.json());
    }
    let [firing, resolved] = <[_; 2]>::try_from(bodies).unwrap();
    assert_eq!(firing["version"], "4");
    assert_eq!(firing["receiver"], "webhook/oncall");
    assert_eq!(firing["groupKey"], resolved["groupKey"]);
    assert_eq!(firing["groupLabels"], object!({"alertname": "cpu_usage"}));
    assert_eq!(firing["groupLabels"], resolved["groupLabels"]);
    let (on, off) = (&firing["alerts"][0], &resolved["alerts"][0]);
    assert_eq!(on["fingerprint"], off["fingerprint"]);
    assert_eq!(
        (&on["status"], &off["status"]),
        (&object!("firing"), &object!("resolved"))
    );
    assert_eq!(on["endsAt"], "0001-01-01T00:00:00Z");
    assert_eq!(on["startsAt"], "1970-01-01T00:00:00Z");
    assert_eq!(off["endsAt"], "1970-01-01T00:00:00Z");
    assert_eq!(on["labels"]["team"], "db");
    assert_eq!(on["labels"]["severity"], "critical");
    assert_eq!(on["annotations"]["value"], "97");
    assert_eq!(on["generatorURL"], "https://console.example.com/?a=1&b=2");
}

#[tokio::test]
async fn a_digest_is_one_request_with_every_alert_in_each_format() {
    let got = sent(|_| {}, &digest()).await;
    let expected: Vec<_> = digest().alerts.iter().map(|alert| object!(alert)).collect();
    assert_eq!(got.json(), Value::Array(expected.clone()));

    let got = sent(|w| w.body = WebhookBody::CloudEvents, &digest()).await;
    let media = got.header("content-type").unwrap();
    assert!(
        media.starts_with("application/cloudevents-batch+json"),
        "{media}"
    );
    let data: Vec<_> = got
        .json()
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["data"].clone())
        .collect();
    assert_eq!(data, expected);

    let got = sent(|w| w.body = WebhookBody::Alertmanager, &digest())
        .await
        .json();
    assert_eq!(got["alerts"].as_array().unwrap().len(), 2);
    assert_eq!(
        (&got["status"], &got["groupLabels"]),
        (&object!("firing"), &object!({}))
    );
    assert_eq!(got["commonLabels"]["source"], "ucloud/prod");
    assert_eq!(got["commonLabels"].get("severity"), None);

    let template = r#"{"text": {{ title|tojson }}, "more": {{ description|tojson }}}"#;
    let got = sent(
        |w| w.body = WebhookBody::Template(template.to_owned()),
        &digest(),
    )
    .await
    .json();
    assert_eq!(got["text"], "2 alerts in one message");
    assert!(
        got["more"]
            .as_str()
            .unwrap()
            .starts_with("By status: 1 firing, 1 resolved"),
        "{got}"
    );
}

#[tokio::test]
async fn a_template_makes_body_and_headers_and_json_stays_json() {
    let got = sent(
        |w| {
            let body = r#"{"text": {{ title|tojson }}, "team": {{ labels.team|tojson }}}"#;
            w.body = WebhookBody::Template(body.to_owned());
            let value = Secret::from("Bearer c4nary {{ severity }}".to_owned());
            w.headers = vec![("Authorization".to_owned(), value)];
        },
        &message(),
    )
    .await;
    assert_eq!(
        got.json(),
        object!({"text": message().alerts[0].title, "team": "db"})
    );
    assert_eq!(got.header("authorization"), Some("Bearer c4nary critical"));
    assert_eq!(got.header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn a_failure_says_the_receivers_own_words_on_one_line_without_secrets() {
    let body = "upstream\ngone, key c4nary-0123456789 and Bearer c4nary".to_owned();
    let long = "x".repeat(195) + "c4nary-0123456789";
    for (body, says) in [
        (body, ". It said: upstream gone, key *** and ***"),
        (long, "xxx***"),
        ("<html>down</html>".to_owned(), "the receiver answered 503"),
    ] {
        let receiver = Receiver::start([Play::Answer(503, Vec::new(), body)]).await;
        let sink = sink(Webhook {
            headers: vec![("X-Key".to_owned(), Secret::from("Bearer c4nary".to_owned()))],
            ..webhook(&receiver.url("/hook/c4nary-0123456789"))
        });
        let failure = sink.send(&message()).await.unwrap_err();
        assert!(failure.reason.ends_with(says), "{}", failure.reason);
        assert_no_secret(&failure.reason);
    }
}

#[tokio::test]
async fn an_alert_cannot_add_a_header_of_its_own() {
    let receiver = Receiver::start([]).await;
    let value = Secret::from("{{ labels.note }}".to_owned());
    let sink = sink(Webhook {
        headers: vec![("X-Note".to_owned(), value)],
        ..webhook(&receiver.url("/"))
    });
    let mut evil = message().alerts[0].as_ref().clone();
    evil.labels
        .insert("note".to_owned(), "a\r\nX-Evil: 1".to_owned());
    let failure = sink.send(&message_of(evil)).await.unwrap_err();
    assert_eq!(failure.class, Class::Poison);
    assert!(failure.reason.contains("`x-note`"), "{failure}");
    assert_eq!(receiver.connections(), 0);
}

#[tokio::test]
async fn with_a_success_word_a_2xx_alone_is_not_success() {
    let receiver = Receiver::start([
        Play::body(r#"{"errcode":0}"#),
        Play::body(r#"{"errcode":93000,"errmsg":"c4nary"}"#),
        Play::body("oops"),
    ])
    .await;
    let sink = sink(Webhook {
        success: Some("body.errcode == 0".to_owned()),
        headers: vec![("X-Key".to_owned(), Secret::from("c4nary".to_owned()))],
        ..webhook(&receiver.url("/"))
    });
    sink.send(&message()).await.unwrap();
    for _ in 0..2 {
        let failure = sink.send(&message()).await.unwrap_err();
        assert_eq!((failure.class, failure.code), (Class::Transient, Some(200)));
        assert!(failure.reason.contains("It said: "), "{failure:?}");
        assert_no_secret(&format!("{failure:?}"));
    }
}

#[test]
fn a_rendered_request_shows_the_body_and_hides_every_secret() {
    let value = Secret::from("Bearer c4nary".to_owned());
    let sink = sink(Webhook {
        signing_secrets: vec![Secret::from(format!("whsec_{KEY}"))],
        headers: vec![("X-Api-Key".to_owned(), value)],
        ..webhook("https://me:c4nary@oncall.example.com:8443/c4nary/x?key=c4nary#c4nary")
    });
    let request = sink.render(&message()).unwrap();
    assert!(
        request.starts_with("POST https://oncall.example.com:8443/***\n"),
        "{request}"
    );
    assert!(request.contains("x-api-key: ***\n"), "{request}");
    assert!(request.contains("webhook-id: dlv_0123"), "{request}");
    assert!(request.contains("\n\n{\"id\":"), "{request}");
    assert_no_secret(&request);
}

/// Settings that are wrong, each with a webhook that has nothing else wrong.
fn broken() -> Vec<(&'static str, Webhook)> {
    let header = |name: &str, value: &str| vec![(name.to_owned(), Secret::from(value.to_owned()))];
    let template = |text: &str| WebhookBody::Template(text.to_owned());
    let good = || webhook("https://example.com/c4nary");
    vec![
        ("url", webhook("c4nary")),
        ("url", webhook("ftp://example.com/c4nary")),
        (
            "method",
            Webhook {
                method: "GET".to_owned(),
                ..good()
            },
        ),
        (
            "signing_secret",
            Webhook {
                signing_secrets: vec!["c4nary".into()],
                ..good()
            },
        ),
        (
            "signing_secret",
            Webhook {
                signing_secrets: vec!["whsec_c4nary!".into()],
                ..good()
            },
        ),
        (
            "signing_secret",
            Webhook {
                signing_secrets: vec!["whsec_AAAA".into()],
                ..good()
            },
        ),
        (
            "success",
            Webhook {
                success: Some("body.x =".to_owned()),
                ..good()
            },
        ),
        (
            "body",
            Webhook {
                body: template("{{ tilte }}"),
                ..good()
            },
        ),
        (
            "body",
            Webhook {
                body: template(r#"{"text": "{{ title }}"}"#),
                ..good()
            },
        ),
        (
            "headers.webhook-id",
            Webhook {
                headers: header("webhook-id", "1"),
                ..good()
            },
        ),
        (
            "headers.a b",
            Webhook {
                headers: header("a b", "1"),
                ..good()
            },
        ),
        (
            "headers.x",
            Webhook {
                headers: header("x", "c4nary {{ nosuch }}"),
                ..good()
            },
        ),
        (
            "headers.x",
            Webhook {
                headers: header("x", "{{ title }}"),
                ..good()
            },
        ),
        (
            "ca_file",
            Webhook {
                ca_file: Some("/nonexistent.pem".into()),
                ..good()
            },
        ),
        (
            "ca_file",
            Webhook {
                ca_file: Some("Cargo.toml".into()),
                ..good()
            },
        ),
    ]
}

#[test]
fn a_webhook_that_cannot_work_is_refused_with_the_setting_that_is_wrong() {
    for (setting, webhook) in broken() {
        let Err(error) = try_build(&webhook.clone()) else {
            panic!("{setting} passes: {webhook:?}");
        };
        assert_eq!(error.setting, setting, "{error}");
        assert_no_secret(&error.to_string().replace("expected `whsec_`", ""));
    }
}
