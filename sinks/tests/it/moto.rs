//! Amazon SQS, SNS and S3, against moto, which checks signatures and permissions as AWS does.

use std::sync::Arc;

use campanile_receiver::server::{Server, free_port, run};
use campanile_sinks::{Class, Message, Sink, Worth};
use serde_json::{Value, json};
use tokio::process::Command;

use super::server::{file, named, program, send_to_nobody};
use super::tables::{assert_failure, built, firing, hard, id, resolved, send};
use super::{message, message_of};

const KINDS: [&str; 3] = ["sqs", "sns", "s3"];

struct Moto {
    server: Server,
    port: u16,
    users: Value,
}

impl Moto {
    async fn start() -> Self {
        Self::start_at(free_port()).await
    }

    async fn start_at(port: u16) -> Self {
        let mut command = Command::new(program("moto_server"));
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
        let server = Server::start(&mut command, "Running on").await;
        // While it has no users, it takes any key.
        let users = json!({ "all": ["none", "none"] });
        let moto = Self {
            server,
            port,
            users,
        };
        let users = moto.peer(&["make"]).await.remove(0);
        Self { users, ..moto }
    }

    /// The key of a user: its id, and the secret.
    fn key(&self, user: &str) -> [&str; 2] {
        let key = &self.users[user];
        [key[0].as_str().unwrap(), key[1].as_str().unwrap()]
    }

    /// Runs a command of `moto_peer.py`. Gives one value for each line.
    async fn peer(&self, args: &[&str]) -> Vec<Value> {
        let mut command = Command::new(program("python"));
        command
            .arg(file("moto_peer.py"))
            .arg(self.port.to_string())
            .args(self.key("all"))
            .args(args);
        let said = run(&mut command, "").await;
        let lines = said.lines().map(|line| serde_json::from_str(line).unwrap());
        lines.collect()
    }

    /// The sink of a kind that writes to `name` with the key of the user who may do everything.
    fn sink(&self, kind: &str, name: &str, more: &str) -> Arc<dyn Sink> {
        let [id, secret] = self.key("all");
        self.sink_of(kind, name, [id, secret], more)
    }

    fn sink_of(
        &self,
        kind: &str,
        name: &str,
        [id, secret]: [&str; 2],
        more: &str,
    ) -> Arc<dyn Sink> {
        let url = format!("http://127.0.0.1:{}", self.port);
        let target = match kind {
            "sqs" => format!("queue = '{url}/123456789012/{name}'"),
            "sns" => format!("topic = 'arn:aws:sns:eu-central-1:123456789012:{name}'"),
            _ => format!("bucket = '{name}'"),
        };
        let settings = format!(
            "url = '{url}'\nregion = 'eu-central-1'\naccess_key_id = '{id}'\nsecret_access_key = '{secret}'\n{target}\n{more}"
        );
        built(kind, &settings)
    }

    /// The delivery ids that reached the target `alerts` of a kind, and are gone from it.
    async fn deliveries(&self, kind: &str) -> Vec<String> {
        let name = if kind == "sqs" {
            "alerts"
        } else {
            "subscriber"
        };
        let got = self.peer(&["queue", name]).await;
        let ids = got.iter().map(|got| match kind {
            "sqs" => text(&got["MessageAttributes"]["delivery_id"]["StringValue"]),
            _ => text(&envelope(got)["MessageAttributes"]["delivery_id"]["Value"]),
        });
        ids.collect()
    }
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value}"))
        .to_owned()
}

/// The value that this text is as JSON.
fn parsed(value: &Value) -> Value {
    serde_json::from_str(&text(value)).unwrap()
}

/// The alert as the API shows it.
fn shown(message: &Message) -> Value {
    serde_json::to_value(&message.alerts[0]).unwrap()
}

/// What SNS puts around a message that it sends on to a queue.
fn envelope(got: &Value) -> Value {
    parsed(&got["Body"])
}

#[tokio::test]
async fn an_alert_arrives_whole_in_a_queue_a_topic_and_a_bucket_and_a_refusal_is_for_the_operator()
{
    let moto = Moto::start().await;
    queue(&moto).await;
    queue_that_keeps_the_order(&moto).await;
    topic(&moto).await;
    bucket(&moto).await;
    refusals(&moto).await;
}

async fn queue(moto: &Moto) {
    let sink = moto.sink("sqs", "alerts", "");
    let delivered = sink.send(&message()).await.unwrap();
    assert_eq!(delivered.worth, Worth::Committed);
    let handle = delivered.handle.unwrap();
    send(&sink, hard(&id(1))).await.unwrap();
    let got = moto.peer(&["queue", "alerts"]).await;
    assert_eq!(got.len(), 2, "{got:?}");
    assert_eq!(got[0]["MessageId"], handle.as_str());
    assert_eq!(parsed(&got[0]["Body"]), shown(&message()));
    assert_eq!(parsed(&got[1]["Body"]), shown(&message_of(hard(&id(1)))));
    let alert = &message().alerts[0];
    for (name, value) in [
        ("status", "firing"),
        ("severity", "critical"),
        ("source", "ucloud/prod"),
        ("fingerprint", &alert.fingerprint.to_string()),
        ("delivery_id", &message().delivery_id),
    ] {
        let found = &got[0]["MessageAttributes"][name]["StringValue"];
        assert_eq!(found, value, "{name}");
    }
}

async fn queue_that_keeps_the_order(moto: &Moto) {
    let sink = moto.sink("sqs", "alerts.fifo", "");
    for delivery in ["dlv_firing", "dlv_firing", "dlv_resolved"] {
        sink.send(&named(delivery)).await.unwrap();
    }
    let got = moto.peer(&["queue", "alerts.fifo"]).await;
    let names = |name: &str| {
        let found = got.iter().map(|got| text(&got["Attributes"][name]));
        found.collect::<Vec<_>>()
    };
    let doubles_are_dropped = ["dlv_firing", "dlv_resolved"];
    assert_eq!(names("MessageDeduplicationId"), doubles_are_dropped);
    let problem = message().alerts[0].fingerprint.to_string();
    assert_eq!(names("MessageGroupId"), [problem.as_str(), &problem]);
}

async fn topic(moto: &Moto) {
    let sink = moto.sink("sns", "alerts", "");
    sink.send(&message()).await.unwrap();
    let words = moto.sink("sns", "alerts", "format = 'text'");
    send(&words, resolved(&id(2))).await.unwrap();
    let got = moto.peer(&["queue", "subscriber"]).await;
    let [alert, words] = &got[..] else {
        panic!("{got:?}")
    };
    let (alert, words) = (envelope(alert), envelope(words));
    assert_eq!(parsed(&alert["Message"]), shown(&message()));
    assert_eq!(alert["MessageAttributes"]["severity"]["Value"], "critical");
    assert_eq!(words["Subject"], "RESOLVED CPU of db-1");
    let message = text(&words["Message"]);
    assert!(
        message.starts_with("✅ RESOLVED CPU of db-1\n"),
        "{message}"
    );
    let ordered = moto.sink("sns", "alerts.fifo", "");
    for delivery in ["dlv_1", "dlv_1", "dlv_2"] {
        ordered.send(&named(delivery)).await.unwrap();
    }
    let got = moto.peer(&["queue", "subscriber.fifo"]).await;
    let ids = got.iter().map(|got| {
        let attributes = &envelope(got)["MessageAttributes"];
        text(&attributes["delivery_id"]["Value"])
    });
    assert_eq!(ids.collect::<Vec<_>>(), ["dlv_1", "dlv_2"]);
}

async fn bucket(moto: &Moto) {
    let sink = moto.sink("s3", "alerts", "prefix = 'a b+資料/c'");
    for _ in 0..2 {
        let delivered = send(&sink, hard(&id(1))).await.unwrap();
        assert_eq!(delivered.worth, Worth::Committed);
    }
    let once = "prefix = 'once'\nif_none_match = true\nencryption = 'AES256'\nstorage_class = 'STANDARD_IA'";
    let once = moto.sink("s3", "alerts", once);
    let first = send(&once, firing(&id(2))).await.unwrap();
    let again = send(&once, firing(&id(2))).await.unwrap();
    assert_eq!((first.code, again.code), (Some(200), Some(412)));
    let got = moto.peer(&["bucket", "alerts"]).await;
    let keys: Vec<_> = got.iter().map(|got| text(&got["key"])).collect();
    let key = |prefix: &str, number| format!("{prefix}/1970/01/01/{}-firing.json", id(number));
    assert_eq!(keys, [key("a b+資料/c", 1), key("once", 2)]);
    assert_eq!(got[0]["type"], "application/json");
    assert_eq!(parsed(&got[0]["body"]), shown(&message_of(hard(&id(1)))));
}

async fn refusals(moto: &Moto) {
    let [id_of_all, _] = moto.key("all");
    let secret = "c4nary-9f2b7d10";
    for (kind, unknown, denied) in [
        (
            "sqs",
            "token included in the request is invalid",
            "not authorized to perform: sqs:SendMessage",
        ),
        (
            "sns",
            "token included in the request is invalid",
            "not authorized to perform: sns:Publish",
        ),
        (
            "s3",
            "Access Key Id you provided does not exist",
            "Access Denied",
        ),
    ] {
        for (key, words) in [
            (
                [id_of_all, secret],
                "signature we calculated does not match",
            ),
            (["AKIA0000000000000000", secret], unknown),
            (moto.key("nobody"), denied),
        ] {
            let sink = moto.sink_of(kind, "alerts", key, "");
            let failure = send(&sink, firing(&id(1))).await.unwrap_err();
            assert_eq!(failure.class, Class::Operator, "{kind}: {failure}");
            assert!(failure.reason.contains(words), "{kind}: {failure}");
            assert!(!failure.reason.contains(key[1]), "{kind}: {failure}");
        }
        let missing = moto.sink(kind, "missing", "");
        let done = send(&missing, firing(&id(1))).await;
        assert_failure(done, Class::Operator, &["exist"]);
    }
}

#[tokio::test]
async fn what_failed_while_the_service_was_down_is_not_sent_later() {
    let moto = Moto::start().await;
    let sinks = KINDS.map(|kind| moto.sink(kind, "alerts", ""));
    for sink in &sinks {
        sink.send(&named("dlv_first")).await.unwrap();
    }
    let (port, users) = (moto.port, moto.users);
    moto.server.end("KILL").await;
    for sink in &sinks {
        send_to_nobody(sink, &named("dlv_lost")).await;
    }
    // It keeps nothing.
    let moto = Moto::start_at(port).await;
    assert_eq!(moto.users, users);
    for sink in &sinks {
        sink.send(&named("dlv_again")).await.unwrap();
    }
    for kind in ["sqs", "sns"] {
        assert_eq!(moto.deliveries(kind).await, ["dlv_again"], "{kind}");
    }
    assert_eq!(moto.peer(&["bucket", "alerts"]).await.len(), 1);
}
