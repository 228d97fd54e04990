//! A running NATS server, and its protocol by hand.

use std::fs;
use std::sync::Arc;

use campanile_receiver::server::{Server, free_port};
use campanile_sinks::Sink;
use campanile_sinks::kinds::nats::NatsKind;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::build_kind;

const READY: &str = "Server is ready";

pub(super) struct Nats {
    pub(super) server: Server,
    pub(super) folder: TempDir,
    pub(super) port: u16,
}

impl Nats {
    /// A server with `JetStream` and a stream `AL` that takes `campanile.>`.
    pub(super) async fn with_stream(more: &str) -> Self {
        let nats = Self::start(more).await;
        nats.add_stream(json!({})).await;
        nats
    }

    pub(super) async fn start(more: &str) -> Self {
        let (folder, port) = (TempDir::new().unwrap(), free_port());
        let config = format!(
            "listen: 127.0.0.1:{port}\njetstream {{ store_dir: \"{}\" }}\n{more}\n",
            folder.path().display()
        );
        fs::write(folder.path().join("nats.conf"), config).unwrap();
        let server = Self::run(&folder).await;
        Self {
            server,
            folder,
            port,
        }
    }

    pub(super) async fn run(folder: &TempDir) -> Server {
        let config = folder.path().join("nats.conf");
        Server::start(Command::new("nats-server").arg("-c").arg(config), READY).await
    }

    pub(super) async fn add_stream(&self, more: Value) {
        let mut stream = json!({
            "name": "AL", "subjects": ["campanile.>"], "storage": "file", "retention": "limits",
            "max_consumers": -1, "max_msgs": -1, "max_bytes": -1, "max_age": 0, "num_replicas": 1,
            "discard": "new", "duplicate_window": 120_000_000_000_u64,
        });
        for (name, value) in more.as_object().unwrap() {
            stream[name] = value.clone();
        }
        let made = Wire::open(self.port).await;
        let made = made.ask("$JS.API.STREAM.CREATE.AL", &stream).await;
        assert!(made["error"].is_null(), "{made}");
    }

    /// The subjects and headers and bodies of the stream, in its order.
    pub(super) async fn stored(&self) -> Vec<(String, String, Value)> {
        let state = Wire::open(self.port).await;
        let state = state.ask("$JS.API.STREAM.INFO.AL", &json!({})).await;
        let mut found = Vec::new();
        for seq in 1..=state["state"]["last_seq"].as_u64().unwrap() {
            let got = Wire::open(self.port).await;
            let got = got
                .ask("$JS.API.STREAM.MSG.GET.AL", &json!({ "seq": seq }))
                .await;
            let text = |name: &str| {
                let text = got["message"][name].as_str().unwrap_or_default();
                let bytes = base64_decoded(text);
                String::from_utf8(bytes).unwrap()
            };
            let subject = got["message"]["subject"].as_str().unwrap().to_owned();
            let body = serde_json::from_str(&text("data")).unwrap();
            found.push((subject, text("hdrs"), body));
        }
        found
    }

    pub(super) fn sink(&self, more: &str) -> Arc<dyn Sink> {
        build_kind(&NatsKind, &self.values(more))
    }

    pub(super) fn values(&self, more: &str) -> String {
        format!("servers = ['nats://127.0.0.1:{}']\n{more}", self.port)
    }

    pub(super) async fn restarted(self) -> Self {
        self.server.end("KILL").await;
        let server = Self::run(&self.folder).await;
        Self { server, ..self }
    }
}

fn base64_decoded(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::prelude::BASE64_STANDARD.decode(text).unwrap()
}

/// The protocol of NATS by hand: a reader that shares no code with the sink.
pub(super) struct Wire(BufReader<TcpStream>);

impl Wire {
    pub(super) async fn open(port: u16) -> Self {
        let user = json!({ "user": "all", "pass": "all", "headers": true, "verbose": false });
        let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let mut wire = Self(BufReader::new(stream));
        wire.line().await;
        wire.say(&format!("CONNECT {user}\r\nPING\r\n")).await;
        assert_eq!(wire.line().await, "PONG");
        wire
    }

    async fn say(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).await.unwrap();
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).await.unwrap();
        line.trim_end().to_owned()
    }

    pub(super) async fn subscribe(&mut self, subject: &str) {
        self.say(&format!("SUB {subject} 1\r\nPING\r\n")).await;
        assert_eq!(self.line().await, "PONG");
    }

    /// The next message: its subject, and its headers and body as one text.
    pub(super) async fn next(&mut self) -> (String, String) {
        loop {
            let line = self.line().await;
            let words: Vec<_> = line.split(' ').collect();
            if !matches!(words[0], "MSG" | "HMSG") {
                continue;
            }
            let size: usize = words.last().unwrap().parse().unwrap();
            let mut body = vec![0; size + 2];
            self.0.read_exact(&mut body).await.unwrap();
            let body = String::from_utf8(body).unwrap().trim_end().to_owned();
            return (words[1].to_owned(), body);
        }
    }

    async fn ask(mut self, subject: &str, question: &Value) -> Value {
        self.subscribe("_INBOX.test").await;
        let question = question.to_string();
        let size = question.len();
        self.say(&format!(
            "PUB {subject} _INBOX.test {size}\r\n{question}\r\n"
        ))
        .await;
        serde_json::from_str(&self.next().await.1).unwrap()
    }
}
