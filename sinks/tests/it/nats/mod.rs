//! NATS, against the real server: Debian's `nats-server`.

use std::sync::Arc;

use campanile_sinks::kinds::nats::NatsKind;
use campanile_sinks::{Class, Message, Worth};
use serde_json::{Value, json};

use super::server::file;
use super::{
    assert_no_secret, build_kind, digest, json, message, message_of, sample, try_build_kind,
};

mod stage;

use stage::{Nats, Wire};

fn resolved() -> Message {
    let [_, resolved] = sample();
    Message {
        delivery_id: "dlv_resolved".to_owned(),
        ..message_of(resolved)
    }
}

#[tokio::test]
async fn a_firing_and_its_resolved_are_stored_with_their_names() {
    let nats = Nats::with_stream("").await;
    let sink = nats.sink("stream = 'AL'");
    let delivered = sink.send(&message()).await.unwrap();
    assert_eq!(delivered.worth, Worth::Committed);
    assert_eq!(delivered.remark, None);
    sink.send(&resolved()).await.unwrap();
    let stored = nats.stored().await;
    let [firing, resolved] = &stored[..] else {
        panic!("{stored:?}")
    };
    let fingerprint = message().alerts[0].fingerprint.to_string();
    assert_eq!(
        firing.0,
        format!("campanile.firing.ucloud_prod.{fingerprint}")
    );
    assert_eq!(
        resolved.0,
        format!("campanile.resolved.ucloud_prod.{fingerprint}")
    );
    for header in [
        "Nats-Msg-Id: dlv_0123456789abcdef0123456789abcdef\r\n",
        "Nats-Expected-Stream: AL\r\n",
        "Campanile-Status: firing\r\n",
        "Campanile-Severity: critical\r\n",
        "Campanile-Source: ucloud/prod\r\n",
        "Content-Type: application/json\r\n",
    ] {
        assert!(firing.1.contains(header), "{header} in {}", firing.1);
    }
    let sent: Value = serde_json::from_slice(&json(&message())).unwrap();
    assert_eq!(firing.2, sent);
}

#[tokio::test]
async fn a_digest_is_one_message_for_each_alert_in_order() {
    let nats = Nats::with_stream("").await;
    let mut digest = digest();
    Arc::make_mut(&mut digest.alerts[1]).id = "00000000-0000-7000-8000-000000000001".into();
    nats.sink("").send(&digest).await.unwrap();
    let stored = nats.stored().await;
    let status: Vec<_> = stored.iter().map(|(_, _, body)| &body["status"]).collect();
    assert_eq!(status, ["firing", "resolved"]);
    assert_ne!(stored[0].1, stored[1].1);
}

#[tokio::test]
async fn a_repeated_delivery_is_stored_once_and_is_a_success() {
    let nats = Nats::with_stream("").await;
    let sink = nats.sink("");
    sink.send(&message()).await.unwrap();
    sink.send(&message()).await.unwrap();
    nats.sink("").send(&message()).await.unwrap();
    assert_eq!(nats.stored().await.len(), 1);
}

#[tokio::test]
async fn a_refusal_of_the_stream_has_a_class_and_the_connection_goes_on() {
    let nats = Nats::start("").await;
    let sink = nats.sink("");
    let failure = sink.send(&message()).await.unwrap_err();
    assert_eq!(failure.class, Class::Operator, "{failure}");
    assert!(failure.reason.contains("no stream takes"), "{failure}");
    nats.add_stream(json!({ "max_msgs": 1 })).await;
    let failure = nats
        .sink("stream = 'OTHER'")
        .send(&message())
        .await
        .unwrap_err();
    assert_eq!(failure.class, Class::Operator, "{failure}");
    assert!(failure.reason.contains("another stream"), "{failure}");
    sink.send(&message()).await.unwrap();
    let failure = sink.send(&resolved()).await.unwrap_err();
    assert_eq!(failure.class, Class::Transient, "{failure}");
    assert!(failure.reason.contains("full"), "{failure}");
}

#[tokio::test]
async fn an_alert_that_is_too_large_is_shortened_once() {
    let nats = Nats::with_stream("max_payload: 3000").await;
    let mut long = message();
    Arc::make_mut(&mut long.alerts[0]).description = "長".repeat(5000);
    let failure = nats.sink("").send(&long).await.unwrap_err();
    assert_eq!(failure.class, Class::TooLarge, "{failure}");
    Arc::make_mut(&mut long.alerts[0]).description = "x".repeat(5000);
    let delivered = nats.sink("").send(&long).await.unwrap();
    assert!(delivered.remark.unwrap().contains("cut"));
    assert_eq!(nats.stored().await[0].2["description"], "x".repeat(1000));
}

#[tokio::test]
async fn the_limit_of_the_stream_shortens_too() {
    let nats = Nats::start("").await;
    nats.add_stream(json!({ "max_msg_size": 4096 })).await;
    let mut long = message();
    Arc::make_mut(&mut long.alerts[0]).description = "x".repeat(5000);
    let delivered = nats.sink("").send(&long).await.unwrap();
    assert!(delivered.remark.unwrap().contains("cut"));
}

const USERS: &str = r#"authorization { users = [
  { user: all, password: "all" }
  { user: campanile, password: "c4nary-nats", permissions { publish { allow: ["other.>", "_INBOX.>"] } } }
  { user: deaf, password: "c4nary-nats", permissions { subscribe { deny: "_INBOX.>" } } }
] }"#;

#[tokio::test]
async fn a_publish_that_is_not_permitted_is_reported_at_once_with_and_without_jetstream() {
    let nats = Nats::with_stream(USERS).await;
    for more in ["", "jetstream = false\n"] {
        let sink = nats.sink(&format!(
            "user = 'campanile'\npassword = 'c4nary-nats'\n{more}"
        ));
        let failure = sink.send(&message()).await.unwrap_err();
        assert_eq!(failure.class, Class::Operator, "{more} {failure}");
        assert!(failure.reason.contains("may not publish"), "{failure}");
    }
    let deaf = "user = 'deaf'\npassword = 'c4nary-nats'\n";
    let failure = nats.sink(deaf).send(&message()).await.unwrap_err();
    assert_eq!(failure.class, Class::Operator, "{failure}");
    assert!(failure.reason.contains("_INBOX"), "{failure}");
}

#[tokio::test]
async fn bad_credentials_are_for_the_operator_and_are_not_shown() {
    let nats = Nats::with_stream(USERS).await;
    for login in [
        "user = 'campanile'\npassword = 'c4nary-wrong'",
        "token = 'c4nary-token'",
        "nkey = 'SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY'",
        "credentials = 'c4nary-credentials'",
    ] {
        let sink = nats.sink(login);
        let failure = sink.send(&message()).await.unwrap_err();
        assert_eq!(failure.class, Class::Operator, "{login}: {failure}");
        assert_no_secret(&failure.reason);
        assert!(!failure.reason.contains("SUACS"), "{failure}");
        assert_no_secret(&sink.render(&message()).unwrap());
        let failure = sink.probe(message().at).unwrap().await.unwrap_err();
        assert_no_secret(&failure.reason);
    }
}

#[tokio::test]
async fn what_failed_while_the_server_was_down_is_not_sent_later() {
    let nats = Nats::with_stream("").await;
    let sink = nats.sink("");
    sink.send(&message()).await.unwrap();
    let Nats {
        server,
        folder,
        port,
    } = nats;
    server.end("KILL").await;
    for attempt in 0..3 {
        let mut lost = message();
        lost.delivery_id = format!("dlv_lost{attempt}");
        let failure = sink.send(&lost).await.unwrap_err();
        assert_eq!(failure.class, Class::Transient, "{failure}");
    }
    // Dropped before its end.
    let mut dropped = message();
    dropped.delivery_id = "dlv_dropped".to_owned();
    let begun = futures_util::poll!(std::pin::pin!(sink.send(&dropped)));
    assert!(begun.is_pending() || begun.is_ready());
    let server = Nats::run(&folder).await;
    let nats = Nats {
        server,
        folder,
        port,
    };
    sink.send(&resolved()).await.unwrap();
    let stored = nats.stored().await;
    let status: Vec<_> = stored.iter().map(|(_, _, body)| &body["status"]).collect();
    assert_eq!(status, ["firing", "resolved"]);
    // The connection of before the restart fails once at most.
    let nats = nats.restarted().await;
    let mut again = resolved();
    again.delivery_id = "dlv_again".to_owned();
    let first = sink.send(&again).await;
    if first.is_err() {
        sink.send(&again).await.unwrap();
    }
    assert_eq!(nats.stored().await.len(), 3);
}

#[tokio::test]
async fn a_server_that_does_not_answer_ends_the_send_within_the_timeout() {
    let nats = Nats::with_stream("").await;
    let sink = nats.sink("");
    sink.send(&message()).await.unwrap();
    nats.server.signal("STOP");
    let failure = sink.send(&resolved()).await.unwrap_err();
    assert_eq!(failure.class, Class::Transient, "{failure}");
    let failure = nats.sink("").send(&resolved()).await.unwrap_err();
    assert_eq!(failure.class, Class::Transient, "{failure}");
    nats.server.signal("CONT");
    sink.send(&resolved()).await.unwrap();
}

#[tokio::test]
async fn without_jetstream_the_subscribers_get_it_and_a_success_means_written() {
    let nats = Nats::start("").await;
    let mut reader = Wire::open(nats.port).await;
    reader.subscribe("campanile.>").await;
    let sink = nats.sink("jetstream = false");
    let delivered = sink.send(&message()).await.unwrap();
    assert_eq!(delivered.worth, Worth::Written);
    let (subject, text) = reader.next().await;
    assert!(
        subject.starts_with("campanile.firing.ucloud_prod."),
        "{subject}"
    );
    assert!(text.contains("Nats-Msg-Id: dlv_0123456789abcdef"), "{text}");
    assert!(
        text.ends_with(&String::from_utf8(json(&message())).unwrap()),
        "{text}"
    );
}

#[tokio::test]
async fn no_text_of_a_vendor_adds_a_level_to_the_subject() {
    let nats = Nats::with_stream("").await;
    let sink = nats.sink("subject = 'campanile.{{ labels.team }}.{{ fingerprint }}'");
    for (team, level) in [
        ("a.b", "a_b"),
        ("*", "_"),
        (">", "_"),
        ("a b\r\nPUB x 0", "a_b__PUB_x_0"),
        ("資料/庫", "____"),
        ("", "_"),
        (&"x".repeat(300), &"x".repeat(100)),
    ] {
        let mut message = message();
        message.delivery_id = format!("dlv_{}", hex::encode(team));
        let alert = Arc::make_mut(&mut message.alerts[0]);
        alert.labels.insert("team".into(), team.into());
        sink.send(&message).await.unwrap();
        let (subject, _, _) = nats.stored().await.pop().unwrap();
        let found = subject.split('.').nth(1).unwrap();
        assert_eq!((found, subject.split('.').count()), (level, 3), "{team}");
    }
}

#[tokio::test]
async fn an_address_that_the_egress_rules_refuse_is_not_called() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let values = format!("servers = ['nats://localhost:{port}']\negress = 'public_only'");
    let failure = build_kind(&NatsKind, &values)
        .send(&message())
        .await
        .unwrap_err();
    assert_eq!(failure.class, Class::Operator, "{failure}");
    let heard = std::pin::pin!(listener.accept());
    assert!(futures_util::poll!(heard).is_pending());
}

#[tokio::test]
async fn tls_needs_an_authority_that_is_trusted() {
    let (authority, pem) = (file("authority.pem"), file("server.pem"));
    let tls = format!(
        "tls {{ cert_file: '{pem}', key_file: '{pem}', ca_file: '{authority}', verify: true }}"
    );
    let nats = Nats::start(&tls).await;
    let known = format!("client_certificate = {{ certificate = '{pem}', key = '{pem}' }}\n");
    let trusting = format!("ca_file = '{authority}'\n");
    for (scheme, more, trusted) in [
        ("tls", format!("{trusting}{known}"), true),
        ("nats", format!("{trusting}{known}"), true),
        (
            "tls",
            format!("dangerous_skip_tls_verification = true\n{known}"),
            true,
        ),
        ("tls", known, false),
    ] {
        let values = format!(
            "servers = ['{scheme}://localhost:{}']\njetstream = false\n{more}",
            nats.port
        );
        let sent = build_kind(&NatsKind, &values).send(&message()).await;
        match sent {
            Ok(_) => assert!(trusted, "{more}"),
            Err(failure) => {
                assert!(!trusted, "{more}: {failure}");
                assert_eq!(failure.class, Class::Transient);
                assert!(failure.reason.contains("not trusted"), "{failure}");
            }
        }
    }
}

#[tokio::test]
async fn a_probe_asks_for_the_stream_and_sends_nothing() {
    let nats = Nats::with_stream("").await;
    let says = nats
        .sink("stream = 'AL'")
        .probe(message().at)
        .unwrap()
        .await
        .unwrap();
    assert!(says.contains("has the stream `AL`"), "{says}");
    let failure = nats
        .sink("stream = 'OTHER'")
        .probe(message().at)
        .unwrap()
        .await
        .unwrap_err();
    assert_eq!(failure.class, Class::Operator);
    assert_eq!(nats.stored().await.len(), 0);
}

#[test]
fn what_is_shown_is_the_subject_the_headers_and_the_body() {
    let sink = build_kind(
        &NatsKind,
        "servers = ['nats://nats.example.com']\nstream = 'AL'",
    );
    let shown = sink.render(&message()).unwrap();
    let subject = "PUB nats://nats.example.com:4222 campanile.firing.ucloud_prod.";
    assert!(shown.starts_with(subject), "{shown}");
    assert!(shown.contains("\nNats-Expected-Stream: AL\n"), "{shown}");
    assert!(shown.contains("{\"id\":"), "{shown}");
}

#[test]
fn settings_that_cannot_work_are_refused_without_their_secrets() {
    for (values, setting) in [
        ("servers = ['http://c4nary.example.com']", "servers"),
        ("servers = ['nats://u:c4nary@nats.example.com']", "servers"),
        ("servers = ['nats://']", "servers"),
        ("servers = ['nats://h']\nsubject = 'a b'", "subject"),
        (
            "servers = ['nats://h']\nsubject = '$SYS.{{ status }}'",
            "subject",
        ),
        ("servers = ['nats://h']\nuser = 'u'", "password"),
        (
            "servers = ['nats://h']\nstream = 'A'\njetstream = false",
            "stream",
        ),
        (
            "servers = ['nats://h']\nca_file = '/does/not/exist'",
            "ca_file",
        ),
    ] {
        let error = try_build_kind(&NatsKind, values).err().unwrap();
        assert_eq!(error.setting, setting, "{error}");
        assert_no_secret(&error.to_string());
    }
}
