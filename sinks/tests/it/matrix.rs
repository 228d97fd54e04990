//! Matrix, against the homeserver Synapse.

use std::fs;
use std::sync::Arc;

use campanile_receiver::server::{Server, free_port};
use campanile_sinks::{Class, Message, Sink};
use jiff::Timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use super::message_of;
use super::server::{ask, named, program, send_to_nobody};
use super::tables::{built, firing, id, resolved, send};

/// The bursts of messages that it takes, so that a test sees the limit.
const BURST: usize = 8;

struct Matrix {
    server: Server,
    folder: TempDir,
    port: u16,
    token: String,
    room: String,
}

impl Matrix {
    /// A server with a user in a room of its own.
    async fn start() -> Self {
        let (folder, port) = (TempDir::new().unwrap(), free_port());
        let path = |name: &str| folder.path().join(name);
        let log = json!({ "version": 1, "disable_existing_loggers": false, "handlers": { "out": { "class": "logging.StreamHandler" } },
            "root": { "level": "INFO", "handlers": ["out"] } });
        fs::write(path("log.yaml"), log.to_string()).unwrap();
        // JSON is YAML too.
        let config = json!({
            "server_name": "localhost", "report_stats": false, "trusted_key_servers": [],
            "listeners": [{ "bind_addresses": ["127.0.0.1"], "port": port, "tls": false, "type": "http", "resources": [{ "names": ["client"] }] }],
            "database": { "name": "sqlite3", "args": { "database": path("synapse.db") } },
            "log_config": path("log.yaml"), "media_store_path": path("media"), "pid_file": path("pid"),
            "signing_key": "ed25519 a_test AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "macaroon_secret_key": "not-a-secret", "form_secret": "not-a-secret",
            "enable_registration": true, "enable_registration_without_verification": true,
            "rc_message": { "per_second": 0.01, "burst_count": BURST },
        });
        fs::write(path("synapse.yaml"), config.to_string()).unwrap();
        let server = Self::run(&folder).await;
        let mut matrix = Self {
            server,
            folder,
            port,
            token: String::new(),
            room: String::new(),
        };
        matrix.token = matrix.user("campanile").await;
        let room = matrix
            .ask("POST", "createRoom", &matrix.token, json!({}))
            .await;
        matrix.room = text(&room["room_id"]);
        matrix
    }

    async fn run(folder: &TempDir) -> Server {
        let mut command = Command::new(program("python"));
        command
            .args(["-m", "synapse.app.homeserver", "-c"])
            .arg(folder.path().join("synapse.yaml"));
        Server::start(command.current_dir(folder), "Synapse now listening").await
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/_matrix/client/v3/{path}", self.port)
    }

    /// Asks with an access token, or with none if it is empty.
    async fn ask(&self, method: &str, path: &str, token: &str, body: Value) -> Value {
        let authorization = format!("Bearer {token}");
        let headers = [("authorization", &*authorization)];
        let headers = if token.is_empty() { &[] } else { &headers[..] };
        let (status, answer) = ask(method, &self.url(path), headers, body.to_string()).await;
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    /// Makes a user. Gives its access token.
    async fn user(&self, name: &str) -> String {
        let user = json!({ "username": name, "password": "c4nary-9f2b7d10", "auth": { "type": "m.login.dummy" } });
        let made = self.ask("POST", "register", "", user).await;
        text(&made["access_token"])
    }

    fn sink(&self, token: &str) -> Arc<dyn Sink> {
        let url = format!("http://127.0.0.1:{}", self.port);
        built(
            "matrix",
            &format!("url = '{url}'\ntoken = '{token}'\nroom = '{}'", self.room),
        )
    }

    /// The messages of the room, in their order.
    async fn messages(&self) -> Vec<Value> {
        let path = format!("rooms/{}/messages?dir=f&limit=100", self.room);
        let answer = self.ask("GET", &path, &self.token, Value::Null).await;
        let events = answer["chunk"].as_array().unwrap().iter();
        events
            .filter(|event| event["type"] == "m.room.message")
            .cloned()
            .collect()
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// The recovery of an alert that the server named so.
fn recovery(handle: Option<String>) -> Message {
    Message {
        delivery_id: "dlv_recovery".to_owned(),
        opened: Some(Arc::new(firing(&id(1)))),
        handle,
        ..message_of(resolved(&id(2)))
    }
}

fn asked_at() -> Timestamp {
    "2026-11-21T07:00:00Z".parse().unwrap()
}

#[tokio::test]
async fn a_room_gets_each_delivery_once_and_a_refusal_has_its_class() {
    let matrix = Matrix::start().await;
    room(&matrix).await;
    refusals(&matrix).await;
    limit(&matrix).await;
}

async fn room(matrix: &Matrix) {
    let sink = matrix.sink(&matrix.token);
    let says = sink.probe(asked_at()).unwrap().await.unwrap();
    assert_eq!(says, "@campanile:localhost");
    assert!(matrix.messages().await.is_empty(), "a probe sends nothing");
    let first = send(&sink, firing(&id(1))).await.unwrap();
    let again = send(&sink, firing(&id(1))).await.unwrap();
    assert_eq!(first.handle, again.handle);
    sink.send(&recovery(first.handle.clone())).await.unwrap();
    let messages = matrix.messages().await;
    let [fired, ended] = &messages[..] else {
        panic!("{messages:?}")
    };
    assert_eq!(fired["event_id"].as_str(), first.handle.as_deref());
    let content = &fired["content"];
    assert_eq!(content["msgtype"], "m.text");
    let text = content["body"].as_str().unwrap();
    assert!(
        text.starts_with("🔴 CRITICAL CPU of db-1 · 97 %\n"),
        "{text}"
    );
    let content = &ended["content"];
    assert_eq!(content["msgtype"], "m.notice");
    assert_eq!(content["m.relates_to"]["rel_type"], "m.thread");
    assert_eq!(content["m.relates_to"]["event_id"], fired["event_id"]);
}

async fn refusals(matrix: &Matrix) {
    let outsider = matrix.user("outsider").await;
    for (token, words) in [
        ("c4nary-9f2b7d10", "access token"),
        (&outsider, "not in room"),
    ] {
        let failure = send(&matrix.sink(token), firing(&id(1))).await.unwrap_err();
        assert_eq!(failure.class, Class::Operator, "{failure}");
        assert!(failure.reason.contains(words), "{failure}");
        assert!(!failure.reason.contains(token), "{failure}");
    }
    let probe = matrix.sink("c4nary-9f2b7d10");
    let failure = probe.probe(asked_at()).unwrap().await.unwrap_err();
    assert_eq!(failure.class, Class::Operator, "{failure}");
    let mut long = firing(&id(3));
    long.metric.unit = Some("長".repeat(40_000));
    send(&matrix.sink(&matrix.token), long).await.unwrap();
}

async fn limit(matrix: &Matrix) {
    let sink = matrix.sink(&matrix.token);
    let mut taken = 0;
    let failure = loop {
        match sink.send(&named(&format!("dlv_{taken}"))).await {
            Ok(_) => taken += 1,
            Err(failure) => break failure,
        }
    };
    assert!(taken < BURST, "{taken}");
    assert_eq!(failure.class, Class::Transient, "{failure}");
    let wait = failure.retry_after.unwrap().as_secs();
    assert!((1..=100).contains(&wait), "{wait}");
}

#[tokio::test]
async fn what_failed_while_the_server_was_down_is_not_sent_later() {
    let matrix = Matrix::start().await;
    let sink = matrix.sink(&matrix.token);
    let first = send(&sink, firing(&id(1))).await.unwrap();
    let Matrix {
        server,
        folder,
        port,
        token,
        room,
    } = matrix;
    server.end("KILL").await;
    send_to_nobody(&sink, &named("dlv_lost")).await;
    let server = Matrix::run(&folder).await;
    let matrix = Matrix {
        server,
        folder,
        port,
        token,
        room,
    };
    sink.send(&recovery(first.handle)).await.unwrap();
    // The server knows a delivery of before its restart.
    send(&sink, firing(&id(1))).await.unwrap();
    let messages = matrix.messages().await;
    let kinds: Vec<_> = messages
        .iter()
        .map(|message| &message["content"]["msgtype"])
        .collect();
    assert_eq!(kinds, ["m.text", "m.notice"]);
}
