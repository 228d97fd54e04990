//! `RabbitMQ`, against the real broker: Debian's `rabbitmq-server`, read by `pika`.
//!
//! The broker needs many seconds to start, so one broker serves all rules that do not stop it.

use std::fs;
use std::sync::Arc;

use campanile_receiver::server::{Server, free_port};
use campanile_sinks::kinds::rabbitmq::RabbitmqKind;
use campanile_sinks::{Class, Failure, Message, Sink, Worth};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use super::server::{file, program};
use super::{assert_no_secret, build_kind, digest, json, message, other, try_build_kind};

struct Rabbitmq {
    server: Server,
    registry: Server,
    folder: TempDir,
    ports: [u16; 4],
}

impl Rabbitmq {
    async fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let ports = [free_port(), free_port(), free_port(), free_port()];
        let [plain, tls, names, _] = ports;
        let (authority, pem) = (file("authority.pem"), file("server.pem"));
        let config = format!(
            "listeners.tcp.1 = 127.0.0.1:{plain}\nlisteners.ssl.1 = 127.0.0.1:{tls}\n\
             ssl_options.cacertfile = {authority}\nssl_options.certfile = {pem}\nssl_options.keyfile = {pem}\n\
             ssl_options.verify = verify_peer\nssl_options.fail_if_no_peer_cert = true\nmax_message_size = 3000\n"
        );
        fs::write(folder.path().join("rabbitmq.conf"), config).unwrap();
        fs::write(folder.path().join("plugins"), "[].").unwrap();
        let names = names.to_string();
        // Its own registry of nodes, which would stay behind if the broker started it.
        let args = ["-port", &names, "-address", "127.0.0.1", "-d"];
        let registry = Server::start(Command::new("epmd").args(args), "epmd running").await;
        let server = Self::run(&folder, ports).await;
        Self {
            server,
            registry,
            folder,
            ports,
        }
    }

    /// A program of the broker, with the names of this node.
    fn command(program: &str, folder: &TempDir, [plain, _, names, _]: [u16; 4]) -> Command {
        let mut command = Command::new(format!("/usr/lib/rabbitmq/bin/{program}"));
        command
            .env("HOME", folder.path())
            .env("RABBITMQ_NODENAME", format!("test{plain}@localhost"))
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("ERL_EPMD_PORT", names.to_string());
        command
    }

    /// Syncs what the broker knows of its queues. It does that late, so a broker that is killed at once can forget a new queue.
    async fn sync(&self) {
        let mut command = Self::command("rabbitmqctl", &self.folder, self.ports);
        let eval = command.args(["eval", "ok = mnesia:sync_log()."]);
        let output = eval.kill_on_drop(true).output().await.unwrap();
        assert!(output.status.success(), "{output:?}");
    }

    async fn run(folder: &TempDir, ports: [u16; 4]) -> Server {
        let path = |name: &str| folder.path().join(name);
        let mut command = Self::command("rabbitmq-server", folder, ports);
        command
            .env("RABBITMQ_DIST_PORT", ports[3].to_string())
            .env("RABBITMQ_MNESIA_BASE", path("data"))
            .env("RABBITMQ_LOG_BASE", path("log"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", path("plugins"))
            .env("RABBITMQ_CONFIG_FILE", path("rabbitmq.conf"))
            .env("RABBITMQ_CONF_ENV_FILE", path("none"));
        Server::start(&mut command, "completed with").await
    }

    fn sink(&self, more: &str) -> Arc<dyn Sink> {
        let url = format!("url = 'amqp://127.0.0.1:{}'\n{more}", self.ports[0]);
        build_kind(&RabbitmqKind, &url)
    }

    /// Runs a command of `rabbitmq_peer.py`. Gives one line of JSON for each message.
    async fn peer(&self, args: &[&str]) -> Vec<Value> {
        let port = self.ports[0].to_string();
        let mut command = Command::new(program("python"));
        command.arg(file("rabbitmq_peer.py")).arg(port).args(args);
        let output = command.kill_on_drop(true).output().await.unwrap();
        assert!(output.status.success(), "{output:?}");
        let said = String::from_utf8(output.stdout).unwrap();
        said.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

async fn refusal(sink: &Arc<dyn Sink>, message: &Message) -> Failure {
    sink.send(message).await.unwrap_err()
}

#[tokio::test]
async fn a_message_is_confirmed_when_a_queue_has_it_and_a_refusal_has_a_class() {
    let broker = Rabbitmq::start().await;
    broker.peer(&["bind", "alerts", "campanile.#", "all"]).await;
    confirms(&broker).await;
    unroutable_and_missing(&broker).await;
    full(&broker).await;
    too_large(&broker).await;
    credentials(&broker).await;
    declares(&broker).await;
    routing_keys(&broker).await;
    tls(&broker).await;
    unanswered(&broker).await;
}

async fn confirms(broker: &Rabbitmq) {
    let sink = broker.sink("exchange = 'alerts'");
    let delivered = sink.send(&message()).await.unwrap();
    assert_eq!(
        (delivered.worth, delivered.remark),
        (Worth::Committed, None)
    );
    sink.send(&other("dlv_resolved")).await.unwrap();
    sink.send(&digest()).await.unwrap();
    let got = broker.peer(&["read", "all", "4"]).await;
    let fingerprint = message().alerts[0].fingerprint.to_string();
    let key = format!("campanile.firing.ucloud_prod.{fingerprint}");
    assert_eq!(got[0]["routing_key"], key.as_str());
    assert_eq!(got[0]["message_id"], "dlv_0123456789abcdef0123456789abcdef");
    assert_eq!(got[0]["delivery_mode"], 2);
    assert_eq!(got[0]["type"], "firing");
    assert_eq!(got[0]["content_type"], "application/json");
    assert_eq!(got[0]["headers"]["fingerprint"], fingerprint.as_str());
    assert_eq!(got[0]["headers"]["source"], "ucloud/prod");
    let sent = String::from_utf8(json(&message())).unwrap();
    assert_eq!(got[0]["body"], sent.as_str());
    let kinds: Vec<_> = got.iter().map(|message| &message["type"]).collect();
    assert_eq!(kinds, ["firing", "resolved", "firing", "resolved"]);
}

async fn unroutable_and_missing(broker: &Rabbitmq) {
    let sink = broker.sink("exchange = 'alerts'\nrouting_key = 'nobody'");
    for _ in 0..2 {
        let failure = refusal(&sink, &message()).await;
        assert_eq!(failure.class, Class::Operator, "{failure}");
        assert!(failure.reason.contains("no queue takes"), "{failure}");
    }
    let sink = broker.sink("exchange = 'missing'");
    for _ in 0..2 {
        let failure = refusal(&sink, &message()).await;
        assert_eq!(failure.class, Class::Operator, "{failure}");
        assert!(
            failure.reason.contains("exchange does not exist"),
            "{failure}"
        );
    }
    let failure = refusal(&broker.sink("queue = 'missing'"), &message()).await;
    assert_eq!(failure.class, Class::Operator, "{failure}");
}

async fn full(broker: &Rabbitmq) {
    broker
        .peer(&[
            "queue",
            "full",
            r#"{"x-max-length": 1, "x-overflow": "reject-publish"}"#,
        ])
        .await;
    let sink = broker.sink("queue = 'full'");
    sink.send(&message()).await.unwrap();
    let failure = refusal(&sink, &message()).await;
    assert_eq!(failure.class, Class::Transient, "{failure}");
    assert!(failure.reason.contains("full"), "{failure}");
}

async fn too_large(broker: &Rabbitmq) {
    broker.peer(&["queue", "large", "{}"]).await;
    let sink = broker.sink("queue = 'large'");
    let mut long = message();
    Arc::make_mut(&mut long.alerts[0]).description = "長".repeat(5000);
    let failure = refusal(&sink, &long).await;
    assert_eq!(failure.class, Class::TooLarge, "{failure}");
    Arc::make_mut(&mut long.alerts[0]).description = "x".repeat(5000);
    let delivered = sink.send(&long).await.unwrap();
    assert!(delivered.remark.unwrap().contains("cut"));
}

async fn credentials(broker: &Rabbitmq) {
    for (more, says) in [
        (
            "user = 'guest'\npassword = 'c4nary-wrong'",
            "rejects the credentials",
        ),
        (
            "user = 'nobody'\npassword = 'c4nary-wrong'",
            "rejects the credentials",
        ),
    ] {
        let sink = broker.sink(&format!("exchange = 'alerts'\n{more}"));
        let failure = refusal(&sink, &message()).await;
        assert_eq!(failure.class, Class::Operator, "{failure}");
        assert!(failure.reason.contains(says), "{failure}");
        assert_no_secret(&failure.reason);
        assert_no_secret(&sink.render(&message()).unwrap());
        let failure = sink.probe(message().at).unwrap().await.unwrap_err();
        assert_eq!(failure.class, Class::Operator, "{failure}");
    }
    let url = format!(
        "url = 'amqp://127.0.0.1:{}/other'\nqueue = 'all'",
        broker.ports[0]
    );
    let failure = refusal(&build_kind(&RabbitmqKind, &url), &message()).await;
    assert_eq!(failure.class, Class::Operator, "{failure}");
    assert!(failure.reason.contains("virtual host"), "{failure}");
    let url = format!(
        "url = 'amqp://127.0.0.1:{}/%2f'\nqueue = 'all'",
        broker.ports[0]
    );
    let sink = build_kind(&RabbitmqKind, &url);
    let says = sink.probe(message().at).unwrap();
    assert!(says.await.unwrap().contains("accepts the credentials"));
}

async fn declares(broker: &Rabbitmq) {
    let sink = broker.sink("queue = 'made'\ndeclare = true");
    sink.send(&message()).await.unwrap();
    // It is there now, and the same.
    broker
        .sink("queue = 'made'\ndeclare = true")
        .send(&message())
        .await
        .unwrap();
    assert_eq!(broker.peer(&["read", "made", "2"]).await.len(), 2);
    let failure = refusal(&broker.sink("queue = 'full'\ndeclare = true"), &message()).await;
    assert_eq!(failure.class, Class::Operator, "{failure}");
    assert!(failure.reason.contains("other properties"), "{failure}");
}

async fn routing_keys(broker: &Rabbitmq) {
    broker.peer(&["bind", "alerts", "c.*.firing", "keys"]).await;
    let sink = broker.sink("exchange = 'alerts'\nrouting_key = 'c.{{ labels.team }}.{{ status }}'");
    let (long, cut) = ("x".repeat(300), "x".repeat(100));
    let cases = [
        ("a.b", "a_b"),
        ("*", "_"),
        ("#", "_"),
        ("a b\n", "a_b_"),
        ("資料/庫", "____"),
        ("", "_"),
        (&long, &cut),
    ];
    for (team, _) in cases {
        let mut message = message();
        let alert = Arc::make_mut(&mut message.alerts[0]);
        alert.labels.insert("team".into(), team.into());
        sink.send(&message).await.unwrap();
    }
    let got = broker.peer(&["read", "keys", "7"]).await;
    for ((team, word), got) in cases.iter().zip(got) {
        let key = format!("c.{word}.firing");
        assert_eq!(got["routing_key"], key.as_str(), "{team}");
    }
}

async fn tls(broker: &Rabbitmq) {
    let (authority, pem) = (file("authority.pem"), file("server.pem"));
    let known = format!("client_certificate = {{ certificate = '{pem}', key = '{pem}' }}\n");
    let trusting = format!("ca_file = '{authority}'\n");
    let sink = |more: &str| {
        let url = format!(
            "url = 'amqps://localhost:{}'\nqueue = 'all'\n{more}",
            broker.ports[1]
        );
        build_kind(&RabbitmqKind, &url)
    };
    sink(&format!("{trusting}{known}"))
        .send(&message())
        .await
        .unwrap();
    let failure = refusal(&sink(&known), &message()).await;
    assert_eq!(failure.class, Class::Transient, "{failure}");
    assert!(failure.reason.contains("not trusted"), "{failure}");
    let failure = refusal(&sink(&trusting), &message()).await;
    assert_eq!(failure.class, Class::Transient, "{failure}");
}

async fn unanswered(broker: &Rabbitmq) {
    let sink = broker.sink("queue = 'all'");
    sink.send(&message()).await.unwrap();
    broker.server.signal("STOP");
    let failure = refusal(&sink, &message()).await;
    assert_eq!(failure.class, Class::Transient, "{failure}");
    let failure = refusal(&broker.sink("queue = 'all'"), &message()).await;
    assert_eq!(failure.class, Class::Transient, "{failure}");
    broker.server.signal("CONT");
    // The broker works off what it missed first.
    while sink.send(&message()).await.is_err() {}
}

#[tokio::test]
async fn what_failed_while_the_broker_was_down_is_not_sent_later() {
    let broker = Rabbitmq::start().await;
    broker.peer(&["queue", "all", "{}"]).await;
    broker.sync().await;
    let sink = broker.sink("queue = 'all'");
    sink.send(&message()).await.unwrap();
    let Rabbitmq {
        server,
        registry,
        folder,
        ports,
    } = broker;
    server.end("KILL").await;
    for _ in 0..2 {
        let failure = refusal(&sink, &other("dlv_lost")).await;
        assert_eq!(failure.class, Class::Transient, "{failure}");
    }
    let dropped = other("dlv_dropped");
    let _begun = futures_util::poll!(std::pin::pin!(sink.send(&dropped)));
    let server = Rabbitmq::run(&folder, ports).await;
    let broker = Rabbitmq {
        server,
        registry,
        folder,
        ports,
    };
    sink.send(&other("dlv_again")).await.unwrap();
    let got = broker.peer(&["read", "all", "2"]).await;
    assert_eq!(got[0]["message_id"], "dlv_0123456789abcdef0123456789abcdef");
    assert_eq!(got[1]["message_id"], "dlv_again");
    assert_eq!(broker.peer(&["count", "all"]).await, [0]);
}

#[tokio::test]
async fn an_address_that_the_egress_rules_refuse_is_not_called() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let values = format!("url = 'amqp://localhost:{port}'\nqueue = 'q'\negress = 'public_only'");
    let failure = refusal(&build_kind(&RabbitmqKind, &values), &message()).await;
    assert_eq!(failure.class, Class::Operator, "{failure}");
    let heard = std::pin::pin!(listener.accept());
    assert!(futures_util::poll!(heard).is_pending());
}

#[test]
fn settings_that_cannot_work_are_refused_without_their_secrets() {
    for (values, setting) in [
        ("url = 'http://c4nary.example.com'\nqueue = 'q'", "url"),
        ("url = 'amqp://u:c4nary@h'\nqueue = 'q'", "url"),
        ("url = 'amqp://h/a/b'\nqueue = 'q'", "url"),
        ("url = 'amqp://h'", "exchange"),
        (
            "url = 'amqp://h'\nexchange = 'e'\ndeclare = true",
            "declare",
        ),
        (
            "url = 'amqp://h'\nexchange = 'e'\nrouting_key = 'a.#'",
            "routing_key",
        ),
        ("url = 'amqp://h'\nqueue = 'q'\nuser = 'u'", "password"),
    ] {
        let error = try_build_kind(&RabbitmqKind, values).err().unwrap();
        assert_eq!(error.setting, setting, "{error}");
        assert_no_secret(&error.to_string());
    }
}
