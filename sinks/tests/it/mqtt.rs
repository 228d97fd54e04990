//! MQTT, against the real broker: Debian's `mosquitto`, read by its own client.

use std::fs;
use std::sync::Arc;

use campanile_receiver::server::{Server, free_port};
use campanile_sinks::kinds::mqtt::MqttKind;
use campanile_sinks::{Class, Sink, Worth};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use super::server::file;
use super::{assert_no_secret, build_kind, digest, json, message, other, try_build_kind};

struct Mosquitto {
    server: Server,
    folder: TempDir,
    port: u16,
}

impl Mosquitto {
    async fn start(more: &str) -> Self {
        let (folder, port) = (TempDir::new().unwrap(), free_port());
        let users = Command::new("mosquitto_passwd")
            .args(["-b", "-c", "users", "campanile", "c4nary-mqtt"])
            .current_dir(folder.path())
            .status();
        assert!(users.await.unwrap().success());
        let rules = "topic readwrite other/#\nuser campanile\ntopic readwrite campanile/#\n";
        fs::write(folder.path().join("rules"), rules).unwrap();
        let config = format!("user root\nlistener {port} 127.0.0.1\n{more}\n");
        fs::write(folder.path().join("mosquitto.conf"), config).unwrap();
        let server = Self::run(&folder).await;
        Self {
            server,
            folder,
            port,
        }
    }

    async fn open(more: &str) -> Self {
        Self::start(&format!("allow_anonymous true\n{more}")).await
    }

    async fn run(folder: &TempDir) -> Server {
        let mut command = Command::new("mosquitto");
        command
            .args(["-c", "mosquitto.conf"])
            .current_dir(folder.path());
        Server::start(&mut command, " running").await
    }

    fn sink(&self, more: &str) -> Arc<dyn Sink> {
        build_kind(
            &MqttKind,
            &format!("url = 'mqtt://127.0.0.1:{}'\n{more}", self.port),
        )
    }

    /// A reader for which the broker keeps the messages.
    async fn subscribe(&self) {
        self.reader(&["-E"]).await;
    }

    /// So many messages, with their properties. Once in a test: the last message may be given to the next reader again.
    async fn read(&self, count: usize) -> Vec<Value> {
        let count = count.to_string();
        let said = self.reader(&["-C", &count, "-F", "%J"]).await;
        said.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    async fn reader(&self, args: &[&str]) -> String {
        let port = self.port.to_string();
        let session = [
            "-V", "5", "-i", "reader", "-c", "-x", "3600", "-q", "2", "-t", "#",
        ];
        let mut command = Command::new("mosquitto_sub");
        command
            .args(["-h", "127.0.0.1", "-p", &port])
            .args(session)
            .args(args);
        let output = command.kill_on_drop(true).output().await.unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }
}

/// The user property of a message.
fn property(message: &Value, name: &str) -> String {
    let found = message["properties"]["user-properties"][name].as_str();
    found
        .unwrap_or_else(|| panic!("{name} in {message}"))
        .to_owned()
}

#[tokio::test]
async fn a_firing_and_its_resolved_reach_the_subscriber_with_their_names() {
    let broker = Mosquitto::open("").await;
    broker.subscribe().await;
    for qos in [1, 2] {
        let sink = broker.sink(&format!("qos = {qos}"));
        let delivered = sink.send(&message()).await.unwrap();
        assert_eq!((delivered.worth, delivered.remark), (Worth::Accepted, None));
        sink.send(&other("dlv_resolved")).await.unwrap();
    }
    let got = broker.read(4).await;
    for (qos, got) in [(1, &got[..2]), (2, &got[2..])] {
        let fingerprint = message().alerts[0].fingerprint.to_string();
        let topic = format!("campanile/ucloud_prod/{fingerprint}");
        assert_eq!(got[0]["topic"], topic.as_str());
        assert_eq!(got[1]["topic"], topic.as_str());
        assert_eq!(got[0]["qos"], qos);
        assert_eq!(got[0]["properties"]["content-type"], "application/json");
        let id = "dlv_0123456789abcdef0123456789abcdef";
        assert_eq!(got[0]["properties"]["correlation-data"], id);
        assert_eq!(property(&got[0], "delivery-id"), id);
        assert_eq!(property(&got[0], "fingerprint"), fingerprint);
        assert_eq!(property(&got[0], "severity"), "critical");
        assert_eq!(property(&got[1], "status"), "resolved");
        let sent: Value = serde_json::from_slice(&json(&message())).unwrap();
        assert_eq!(got[0]["payload"], sent);
    }
}

#[tokio::test]
async fn a_digest_is_one_message_for_each_alert_in_order() {
    let broker = Mosquitto::open("").await;
    broker.subscribe().await;
    broker.sink("").send(&digest()).await.unwrap();
    let got = broker.read(2).await;
    assert_eq!(property(&got[0], "status"), "firing");
    assert_eq!(property(&got[1], "status"), "resolved");
}

#[tokio::test]
async fn a_message_that_nobody_reads_is_a_remark_or_a_failure() {
    let broker = Mosquitto::open("").await;
    let delivered = broker.sink("").send(&message()).await.unwrap();
    assert!(delivered.remark.unwrap().contains("nobody is subscribed"));
    let strict = broker.sink("require_subscriber = true");
    let failure = strict.send(&message()).await.unwrap_err();
    assert_eq!(failure.class, Class::Transient, "{failure}");
    broker.subscribe().await;
    strict.send(&message()).await.unwrap();
}

#[tokio::test]
async fn a_topic_that_is_not_permitted_is_for_the_operator_and_the_connection_goes_on() {
    let broker = Mosquitto::start("allow_anonymous true\nacl_file rules").await;
    for qos in [1, 2] {
        let sink = broker.sink(&format!("qos = {qos}\ntopic = '{{{{ labels.team }}}}/x'"));
        let failure = sink.send(&message()).await.unwrap_err();
        assert_eq!(failure.class, Class::Operator, "{qos}: {failure}");
        assert!(failure.reason.contains("may not publish"), "{failure}");
        let mut allowed = message();
        let alert = Arc::make_mut(&mut allowed.alerts[0]);
        alert.labels.insert("team".into(), "other".into());
        sink.send(&allowed).await.unwrap();
    }
}

#[tokio::test]
async fn bad_credentials_are_for_the_operator_and_are_not_shown() {
    let broker = Mosquitto::start("allow_anonymous false\npassword_file users").await;
    for login in ["", "user = 'campanile'\npassword = 'c4nary-wrong'"] {
        let sink = broker.sink(login);
        let failure = sink.send(&message()).await.unwrap_err();
        assert_eq!(failure.class, Class::Operator, "{login}: {failure}");
        assert!(
            failure.reason.contains("rejects the credentials"),
            "{failure}"
        );
        assert_no_secret(&failure.reason);
        assert_no_secret(&sink.render(&message()).unwrap());
        let failure = sink.probe(message().at).unwrap().await.unwrap_err();
        assert_eq!(failure.class, Class::Operator, "{failure}");
    }
    let sink = broker.sink("user = 'campanile'\npassword = 'c4nary-mqtt'");
    let says = sink.probe(message().at).unwrap().await.unwrap();
    assert!(says.contains("accepts the credentials"), "{says}");
    sink.send(&message()).await.unwrap();
}

#[tokio::test]
async fn an_alert_that_is_too_large_is_shortened_once() {
    let broker = Mosquitto::open("max_packet_size 3000").await;
    broker.subscribe().await;
    let sink = broker.sink("");
    let mut long = message();
    Arc::make_mut(&mut long.alerts[0]).description = "長".repeat(5000);
    let failure = sink.send(&long).await.unwrap_err();
    assert_eq!(failure.class, Class::TooLarge, "{failure}");
    Arc::make_mut(&mut long.alerts[0]).description = "x".repeat(5000);
    let delivered = sink.send(&long).await.unwrap();
    assert!(delivered.remark.unwrap().contains("cut"));
    let got = broker.read(1).await;
    assert_eq!(got[0]["payload"]["description"], "x".repeat(1000));
}

#[tokio::test]
async fn what_the_broker_does_not_offer_is_for_the_operator() {
    let broker = Mosquitto::open("max_qos 1\nretain_available false").await;
    for (more, says) in [("qos = 2", "qos"), ("retain = true", "retain")] {
        let failure = broker.sink(more).send(&message()).await.unwrap_err();
        assert_eq!(failure.class, Class::Operator, "{failure}");
        assert!(failure.reason.contains(says), "{failure}");
    }
    broker.sink("qos = 1").send(&message()).await.unwrap();
    let delivered = broker.sink("qos = 0").send(&message()).await.unwrap();
    assert_eq!(delivered.worth, Worth::Written);
}

#[tokio::test]
async fn a_retained_message_waits_for_the_next_subscriber() {
    let broker = Mosquitto::open("").await;
    broker.sink("retain = true").send(&message()).await.unwrap();
    broker.subscribe().await;
    let got = broker.read(1).await;
    assert_eq!(got[0]["retain"], 1);
}

#[tokio::test]
async fn a_second_client_with_the_same_id_is_named_and_without_an_id_there_is_none() {
    let broker = Mosquitto::open("").await;
    let (one, two) = (broker.sink(""), broker.sink(""));
    for sink in [&one, &two, &one, &two] {
        sink.send(&message()).await.unwrap();
    }
    let same = broker.sink("client_id = 'gateway'");
    same.send(&message()).await.unwrap();
    broker
        .sink("client_id = 'gateway'")
        .send(&message())
        .await
        .unwrap();
    // The first one is out; it connects again.
    let again = same.send(&message()).await;
    if let Err(failure) = again {
        assert_eq!(failure.class, Class::Transient, "{failure}");
        same.send(&message()).await.unwrap();
    }
}

#[tokio::test]
async fn what_failed_while_the_broker_was_down_is_not_sent_later() {
    let broker = Mosquitto::open("").await;
    let sink = broker.sink("");
    sink.send(&message()).await.unwrap();
    let Mosquitto {
        server,
        folder,
        port,
    } = broker;
    server.end("KILL").await;
    for _ in 0..3 {
        let failure = sink.send(&other("dlv_lost")).await.unwrap_err();
        assert_eq!(failure.class, Class::Transient, "{failure}");
    }
    let dropped = other("dlv_dropped");
    let _begun = futures_util::poll!(std::pin::pin!(sink.send(&dropped)));
    let server = Mosquitto::run(&folder).await;
    let broker = Mosquitto {
        server,
        folder,
        port,
    };
    broker.subscribe().await;
    sink.send(&other("dlv_again")).await.unwrap();
    sink.send(&other("dlv_last")).await.unwrap();
    let got = broker.read(2).await;
    assert_eq!(property(&got[0], "delivery-id"), "dlv_again");
    assert_eq!(property(&got[1], "delivery-id"), "dlv_last");
}

#[tokio::test]
async fn a_broker_that_does_not_answer_ends_the_send_within_the_timeout() {
    let broker = Mosquitto::open("").await;
    let sink = broker.sink("");
    sink.send(&message()).await.unwrap();
    broker.server.signal("STOP");
    let failure = sink.send(&message()).await.unwrap_err();
    assert_eq!(failure.class, Class::Transient, "{failure}");
    let failure = broker.sink("").send(&message()).await.unwrap_err();
    assert_eq!(failure.class, Class::Transient, "{failure}");
    broker.server.signal("CONT");
    sink.send(&message()).await.unwrap();
}

#[tokio::test]
async fn many_messages_at_once_are_all_confirmed() {
    let broker = Mosquitto::open("max_inflight_messages 2").await;
    let sink = broker.sink("");
    let messages: Vec<_> = (0..40).map(|n| other(&format!("dlv_{n}"))).collect();
    let all = futures_util::future::join_all(messages.iter().map(|m| sink.send(m))).await;
    assert!(all.iter().all(Result::is_ok), "{all:?}");
}

#[tokio::test]
async fn no_text_of_a_vendor_adds_a_level_to_the_topic() {
    let broker = Mosquitto::open("").await;
    broker.subscribe().await;
    let sink = broker.sink("topic = 'c/{{ labels.team }}/{{ status }}'");
    let (long, cut) = ("x".repeat(300), "x".repeat(100));
    let cases = [
        ("a/b", "a_b"),
        ("+", "_"),
        ("#", "_"),
        ("a b\u{0}\n", "a_b__"),
        ("資料庫", "資料庫"),
        ("", "_"),
        (&long, &cut),
    ];
    for (team, _) in cases {
        let mut message = message();
        let alert = Arc::make_mut(&mut message.alerts[0]);
        alert.labels.insert("team".into(), team.into());
        sink.send(&message).await.unwrap();
    }
    let got = broker.read(cases.len()).await;
    for ((team, level), got) in cases.iter().zip(got) {
        let topic = format!("c/{level}/firing");
        assert_eq!(got["topic"], topic.as_str(), "{team}");
    }
}

#[tokio::test]
async fn tls_needs_an_authority_that_is_trusted_and_the_certificate_of_the_client() {
    let (authority, pem) = (file("authority.pem"), file("server.pem"));
    let tls =
        format!("certfile {pem}\nkeyfile {pem}\ncafile {authority}\nrequire_certificate true");
    let broker = Mosquitto::open(&tls).await;
    let known = format!("client_certificate = {{ certificate = '{pem}', key = '{pem}' }}\n");
    let trusting = format!("ca_file = '{authority}'\n");
    let sink = |more: &str| {
        let url = format!("url = 'mqtts://localhost:{}'\n{more}", broker.port);
        build_kind(&MqttKind, &url)
    };
    sink(&format!("{trusting}{known}"))
        .send(&message())
        .await
        .unwrap();
    let failure = sink(&known).send(&message()).await.unwrap_err();
    assert_eq!(failure.class, Class::Transient);
    assert!(failure.reason.contains("not trusted"), "{failure}");
    let failure = sink(&trusting).send(&message()).await.unwrap_err();
    assert_eq!(failure.class, Class::Transient, "{failure}");
}

#[tokio::test]
async fn an_address_that_the_egress_rules_refuse_is_not_called() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let values = format!("url = 'mqtt://localhost:{port}'\negress = 'public_only'");
    let failure = build_kind(&MqttKind, &values)
        .send(&message())
        .await
        .unwrap_err();
    assert_eq!(failure.class, Class::Operator, "{failure}");
    let heard = std::pin::pin!(listener.accept());
    assert!(futures_util::poll!(heard).is_pending());
}

#[test]
fn settings_that_cannot_work_are_refused_without_their_secrets() {
    for (values, setting) in [
        ("url = 'http://c4nary.example.com'", "url"),
        ("url = 'mqtt://u:c4nary@mqtt.example.com'", "url"),
        ("url = 'mqtt://h'\nuser = 'u'", "password"),
        ("url = 'mqtt://h'\npassword = 'c4nary-mqtt'", "user"),
        ("url = 'mqtt://h'\ntopic = 'a/#'", "topic"),
        ("url = 'mqtt://h'\ntopic = '$SYS/{{ status }}'", "topic"),
    ] {
        let error = try_build_kind(&MqttKind, values).err().unwrap();
        assert_eq!(error.setting, setting, "{error}");
        assert_no_secret(&error.to_string());
    }
}

#[test]
fn what_is_shown_is_the_topic_the_properties_and_the_body() {
    let sink = build_kind(&MqttKind, "url = 'mqtts://mqtt.example.com'");
    let shown = sink.render(&message()).unwrap();
    let head = "PUBLISH mqtts://mqtt.example.com:8883 campanile/ucloud_prod/";
    assert!(shown.starts_with(head), "{shown}");
    assert!(
        shown.contains("\ndelivery-id: dlv_0123456789abcdef"),
        "{shown}"
    );
    assert!(shown.contains("{\"id\":"), "{shown}");
}
