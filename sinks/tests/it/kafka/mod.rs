//! Kafka, against the mock cluster of librdkafka, read by the client of librdkafka.

mod credentials;

use std::sync::Arc;

use campanile_receiver::server::{Server, free_port};
use campanile_sinks::kinds::kafka::KafkaKind;
use campanile_sinks::{Class, Failure, Message, Sink, Worth};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;

use super::server::{file, program};
use super::{assert_no_secret, build_kind, digest, json, message, other, try_build_kind};

/// The number of the request in Kafka's protocol.
const PRODUCE: u16 = 0;

struct Kafka {
    server: Server,
    control: u16,
    bootstrap: String,
}

impl Kafka {
    async fn start() -> Self {
        let control = free_port();
        let mut command = Command::new(program("python"));
        command
            .arg(file("kafka/broker.py"))
            .arg(control.to_string());
        let mut kafka = Self {
            server: Server::start(&mut command, "ready").await,
            control,
            bootstrap: String::new(),
        };
        kafka.bootstrap = serde_json::from_value(kafka.ask("where").await).unwrap();
        kafka
    }

    /// Runs a command of `broker.py`.
    async fn ask(&self, command: &str) -> Value {
        let mut stream = TcpStream::connect(("127.0.0.1", self.control))
            .await
            .unwrap();
        stream
            .write_all(format!("{command}\n").as_bytes())
            .await
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    async fn read(&self, topic: &str) -> Vec<Value> {
        let read = self.ask(&format!("read {topic}")).await;
        read.as_array().unwrap().clone()
    }

    fn sink(&self, more: &str) -> Arc<dyn Sink> {
        sink_at(&self.bootstrap, more)
    }
}

fn sink_at(broker: &str, more: &str) -> Arc<dyn Sink> {
    build_kind(
        &KafkaKind,
        &format!("brokers = ['{broker}']\ntopic = 'alerts'\n{more}"),
    )
}

async fn refusal(sink: &Arc<dyn Sink>, message: &Message) -> Failure {
    sink.send(message).await.unwrap_err()
}

fn ids(records: &[Value]) -> Vec<&str> {
    let ids = records
        .iter()
        .map(|record| &record["headers"]["campanile-id"]);
    ids.map(|id| id.as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_record_has_the_alert_its_key_its_headers_and_the_partition_of_java_clients() {
    let kafka = Kafka::start().await;
    let sink = kafka.sink("");
    let delivered = sink.send(&message()).await.unwrap();
    assert_eq!(
        (delivered.worth, delivered.remark),
        (Worth::Committed, None)
    );
    sink.send(&other("dlv_resolved")).await.unwrap();
    sink.send(&digest()).await.unwrap();
    let got = kafka.read("alerts").await;
    let alert = &message().alerts[0];
    let key = alert.fingerprint.to_string();
    assert_eq!(got[0]["key"], key.as_str());
    assert_eq!(
        got[0]["value"],
        String::from_utf8(json(&message())).unwrap()
    );
    assert_eq!(got[0]["timestamp"], alert.received_at.as_millisecond());
    let headers = json!({
        "campanile-id": "dlv_0123456789abcdef0123456789abcdef", "alert-id": alert.id, "status": "firing",
        "severity": "critical", "source": "ucloud/prod", "content-type": "application/json",
    });
    assert_eq!(got[0]["headers"], headers);
    let statuses: Vec<_> = got
        .iter()
        .map(|record| &record["headers"]["status"])
        .collect();
    assert_eq!(statuses, ["firing", "resolved", "firing", "resolved"]);
    // A topic of the same size, written by librdkafka with the partitioner of Java.
    let expected = kafka.ask(&format!("partition others {key}")).await;
    assert!(
        got.iter().all(|record| record["partition"] == expected),
        "{got:?}"
    );
}

#[tokio::test]
async fn the_partition_follows_the_key_and_the_size_of_the_topic() {
    let kafka = Kafka::start().await;
    kafka.ask("create wide-api 7").await;
    kafka.ask("create others 7").await;
    let values = format!(
        "brokers = ['{}']\ntopic = 'wide-{{{{ labels.app }}}}'\nkey = '{{{{ labels.team }}}}'\nformat = 'cloudevents'",
        kafka.bootstrap
    );
    let sink = build_kind(&KafkaKind, &values);
    let teams = ["db", "核心", "", "a-little-bit-long-string", "x.y/z"];
    for team in teams {
        let mut message = message();
        let alert = Arc::make_mut(&mut message.alerts[0]);
        alert.labels.insert("team".into(), team.into());
        alert.labels.insert("app".into(), "api".into());
        sink.send(&message).await.unwrap();
    }
    let got = kafka.read("wide-api").await;
    for team in teams {
        let key = if team.is_empty() { "_" } else { team };
        let record = got.iter().find(|record| record["key"] == key).unwrap();
        let expected = kafka.ask(&format!("partition others {key}")).await;
        assert_eq!(record["partition"], expected, "{team}");
        let event: Value = serde_json::from_str(record["value"].as_str().unwrap()).unwrap();
        assert_eq!(event["type"], "campanile.alert.firing");
    }
}

#[tokio::test]
async fn each_error_of_the_broker_has_a_class_and_leaves_the_sink_usable() {
    let kafka = Kafka::start().await;
    let sink = kafka.sink("");
    for (code, class) in [
        (5, Class::Transient),
        (6, Class::Transient),
        (7, Class::Transient),
        (19, Class::Transient),
        (20, Class::Transient),
        (56, Class::Transient),
        (89, Class::Transient),
        (3, Class::Transient),
        (17, Class::Operator),
        (29, Class::Operator),
        (31, Class::Operator),
        (44, Class::Operator),
        (2, Class::Poison),
        (42, Class::Poison),
        (87, Class::Poison),
    ] {
        kafka.ask(&format!("errors {PRODUCE} {code}")).await;
        let failure = refusal(&sink, &message()).await;
        assert_eq!(failure.class, class, "{code}: {failure}");
        assert!(failure.reason.contains("Kafka"), "{failure}");
    }
    sink.send(&message()).await.unwrap();
    assert_eq!(kafka.read("alerts").await.len(), 1);
}

#[tokio::test]
async fn a_record_that_is_too_large_is_sent_once_more_in_a_shorter_form() {
    let kafka = Kafka::start().await;
    let mut long = message();
    Arc::make_mut(&mut long.alerts[0]).description = "x".repeat(5000);
    for format in ["alert", "cloudevents"] {
        let sink = kafka.sink(&format!("format = '{format}'"));
        kafka.ask(&format!("errors {PRODUCE} 10 0")).await;
        let delivered = sink.send(&long).await.unwrap();
        assert!(delivered.remark.unwrap().contains("cut"));
        kafka.ask(&format!("errors {PRODUCE} 10 18")).await;
        let failure = refusal(&sink, &long).await;
        assert_eq!(failure.class, Class::TooLarge, "{failure}");
    }
    for record in kafka.read("alerts").await {
        let value = record["value"].as_str().unwrap();
        assert!(value.contains("xxx") && value.len() < 3000, "{value}");
    }
}

#[tokio::test]
async fn an_unknown_topic_is_an_operators_matter_from_the_third_attempt_on() {
    let kafka = Kafka::start().await;
    kafka.ask("topic alerts 3").await;
    let sink = kafka.sink("");
    for (attempt, class) in [(1, Class::Transient), (3, Class::Operator)] {
        let message = Message {
            attempt,
            ..message()
        };
        let failure = refusal(&sink, &message).await;
        assert_eq!(failure.class, class, "{failure}");
        assert!(
            failure
                .reason
                .contains("`alerts`: the topic does not exist"),
            "{failure}"
        );
    }
    kafka.ask("topic alerts 29").await;
    let failure = refusal(&sink, &message()).await;
    assert_eq!(failure.class, Class::Operator, "{failure}");
    assert!(failure.reason.contains("may not write"), "{failure}");
    kafka.ask("topic alerts 0").await;
    sink.send(&message()).await.unwrap();
}

#[tokio::test]
async fn what_failed_while_the_broker_was_down_is_not_sent_later() {
    let kafka = Kafka::start().await;
    let sink = kafka.sink("");
    sink.send(&message()).await.unwrap();
    kafka.ask("down").await;
    for _ in 0..2 {
        let failure = refusal(&sink, &other("dlv_lost")).await;
        assert_eq!(failure.class, Class::Transient, "{failure}");
    }
    let dropped = other("dlv_dropped");
    let _begun = futures_util::poll!(std::pin::pin!(sink.send(&dropped)));
    kafka.ask("up").await;
    sink.send(&other("dlv_again")).await.unwrap();
    let got = kafka.read("alerts").await;
    assert_eq!(
        ids(&got),
        ["dlv_0123456789abcdef0123456789abcdef", "dlv_again"]
    );
}

#[tokio::test]
async fn a_broker_that_does_not_answer_is_given_up_at_the_timeout() {
    let kafka = Kafka::start().await;
    let sink = kafka.sink("");
    sink.send(&message()).await.unwrap();
    kafka.server.signal("STOP");
    for sink in [&sink, &kafka.sink("")] {
        let failure = refusal(sink, &message()).await;
        assert_eq!(failure.class, Class::Transient, "{failure}");
        assert!(failure.reason.contains("within 1.5 s"), "{failure}");
    }
    kafka.server.signal("CONT");
    // The broker works off what it missed first.
    while sink.send(&other("dlv_again")).await.is_err() {}
    assert!(ids(&kafka.read("alerts").await).contains(&"dlv_again"));
}

#[tokio::test]
async fn an_advertised_address_that_cannot_be_reached_is_named() {
    let kafka = Kafka::start().await;
    let closed = free_port();
    kafka.ask(&format!("advertise 127.0.0.1 {closed}")).await;
    let failure = refusal(&kafka.sink(""), &message()).await;
    assert_eq!(failure.class, Class::Transient, "{failure}");
    assert!(
        failure.reason.contains(&format!("`127.0.0.1:{closed}`")),
        "{failure}"
    );
    assert!(failure.reason.contains("advertised.listeners"), "{failure}");
}

#[tokio::test]
async fn the_next_broker_of_the_list_is_asked_if_one_does_not_accept() {
    let kafka = Kafka::start().await;
    let values = format!(
        "brokers = ['127.0.0.1:{}', '{}']\ntopic = 'alerts'",
        free_port(),
        kafka.bootstrap
    );
    let sink = build_kind(&KafkaKind, &values);
    sink.send(&message()).await.unwrap();
    let says = sink.probe(message().at).unwrap().await.unwrap();
    assert!(says.contains("accepts the connection"), "{says}");
    assert_eq!(kafka.read("alerts").await.len(), 1);
}

#[tokio::test]
async fn a_broker_with_tls_must_show_a_certificate_that_is_trusted() {
    let kafka = Kafka::start().await;
    let port = free_port();
    kafka
        .ask(&format!("tls {port} {}", file("server.pem")))
        .await;
    let address = format!("localhost:{port}");
    let failure = refusal(&sink_at(&address, "tls = true"), &message()).await;
    assert_eq!(failure.class, Class::Transient, "{failure}");
    assert!(failure.reason.contains("not trusted"), "{failure}");
    let trusting = format!("tls = true\nca_file = '{}'", file("authority.pem"));
    sink_at(&address, &trusting).send(&message()).await.unwrap();
    let plain = kafka.bootstrap.replace(':', " ");
    kafka.ask(&format!("advertise {plain}")).await;
    assert_eq!(kafka.read("alerts").await.len(), 1);
}

#[tokio::test]
async fn an_address_that_the_egress_rules_refuse_is_not_called() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let sink = sink_at(&format!("localhost:{port}"), "egress = 'public_only'");
    let failure = refusal(&sink, &message()).await;
    assert_eq!(failure.class, Class::Operator, "{failure}");
    let heard = std::pin::pin!(listener.accept());
    assert!(futures_util::poll!(heard).is_pending());
}

#[test]
fn settings_that_cannot_work_are_refused_without_their_secrets() {
    for (values, setting) in [
        ("brokers = ['kafka://c4nary:9092']\ntopic = 't'", "brokers"),
        ("brokers = ['u:c4nary@h:9092']\ntopic = 't'", "brokers"),
        ("brokers = ['h:9092/x']\ntopic = 't'", "brokers"),
        ("brokers = ['h']\ntopic = 'a b'", "topic"),
        ("brokers = ['h']\ntopic = '..'", "topic"),
        ("brokers = ['h']\ntopic = 't'\nuser = 'u'", "password"),
        (
            "brokers = ['h']\ntopic = 't'\npassword = 'c4nary-wrong'",
            "user",
        ),
    ] {
        let error = try_build_kind(&KafkaKind, values).err().unwrap();
        assert_eq!(error.setting, setting, "{error}");
        assert_no_secret(&error.to_string());
    }
}
