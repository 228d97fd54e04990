//! Alerta 9 on PostgreSQL.

use std::sync::Arc;

use campanile_model::Severity;
use campanile_receiver::postgres::Postgres;
use campanile_receiver::server::{Server, free_port};
use campanile_sinks::{Class, Message, Sink, Worth};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use super::message_of;
use super::server::{ask, file, program, send_to_nobody};
use super::tables::{PASSWORD, assert_failure, built, firing, hard, id, resolved, send};

struct Alerta {
    database: Postgres,
    port: u16,
    server: Option<Server>,
    _folder: TempDir,
}

impl Alerta {
    async fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let database = Postgres::start(folder.path(), &[]).await;
        database.sql("postgres", "CREATE DATABASE monitoring").await;
        let port = free_port();
        let server = Self::run(&database, port).await;
        let key = format!(
            "INSERT INTO keys (id, key, \"user\", scopes, text, expire_time, count) \
             VALUES ('1', '{PASSWORD}', 'campanile', '{{read,write}}', '', now() + interval '1 day', 0), \
             ('2', 'c4nary-reader', 'reader', '{{read}}', '', now() + interval '1 day', 0)"
        );
        database.sql("monitoring", &key).await;
        Self {
            database,
            port,
            server: Some(server),
            _folder: folder,
        }
    }

    async fn run(database: &Postgres, port: u16) -> Server {
        let (socket, at) = (database.socket().display(), database.port);
        let mut command = Command::new(program("python"));
        command
            .arg(file("alerta_server.py"))
            .arg(port.to_string())
            .env(
                "DATABASE_URL",
                format!("postgresql://postgres@/monitoring?host={socket}&port={at}"),
            )
            .env("SECRET_KEY", "not-a-secret")
            .env("AUTH_REQUIRED", "1");
        Server::start(&mut command, "ready").await
    }

    fn sink(&self, more: &str) -> Arc<dyn Sink> {
        self.sink_with(PASSWORD, more)
    }

    fn sink_with(&self, key: &str, more: &str) -> Arc<dyn Sink> {
        let url = format!(
            "url = 'http://127.0.0.1:{}'\nkey = '{key}'\n{more}",
            self.port
        );
        built("alerta", &url)
    }

    /// The alerts on its console, in the order in which they came.
    async fn alerts(&self) -> Vec<Value> {
        let url = format!("http://127.0.0.1:{}/alerts?sort-by=-receiveTime", self.port);
        let key = format!("Key {PASSWORD}");
        let (status, answer) = ask("GET", &url, &[("authorization", &key)], String::new()).await;
        assert_eq!(status, 200, "{answer}");
        answer["alerts"].as_array().unwrap().clone()
    }

    async fn states(&self) -> Vec<String> {
        let alerts = self.alerts().await;
        let states = alerts
            .iter()
            .map(|alert| alert["status"].as_str().unwrap().to_owned());
        states.collect()
    }
}

/// The end of the problem, in which the vendor names the resource in other words.
fn recovery() -> Message {
    let mut alert = resolved(&id(2));
    alert.resource.name = Some("another name".to_owned());
    Message {
        opened: Some(Arc::new(firing(&id(1)))),
        ..message_of(alert)
    }
}

#[tokio::test]
async fn a_firing_and_its_resolved_are_one_alert_and_a_refusal_has_its_class() {
    let console = Alerta::start().await;
    one_alert(&console).await;
    every_severity(&console).await;
    hard_texts(&console).await;
    refusals(&console).await;
}

async fn one_alert(console: &Alerta) {
    let sink = console.sink("");
    for _ in 0..2 {
        let delivered = send(&sink, firing(&id(1))).await.unwrap();
        assert_eq!(
            (delivered.code, delivered.worth),
            (Some(201), Worth::Committed)
        );
    }
    let alerts = console.alerts().await;
    let [open] = &alerts[..] else {
        panic!("{alerts:?}")
    };
    assert_eq!(
        (&open["status"], &open["severity"]),
        (&json!("open"), &json!("critical"))
    );
    assert_eq!(open["duplicateCount"], 1);
    assert_eq!(open["createTime"], "2016-08-10T09:51:37.000Z");
    assert_eq!(open["attributes"]["label_team"], "db");
    sink.send(&recovery()).await.unwrap();
    let alerts = console.alerts().await;
    let [closed] = &alerts[..] else {
        panic!("{alerts:?}")
    };
    assert_eq!(closed["id"], open["id"]);
    assert_eq!(
        (&closed["status"], &closed["severity"]),
        (&json!("closed"), &json!("normal"))
    );
    assert_eq!(closed["previousSeverity"], "critical");
}

async fn every_severity(console: &Alerta) {
    let sink = console.sink("environment = 'Development'");
    for (severity, word) in [
        (Severity::Critical, "critical"),
        (Severity::Error, "major"),
        (Severity::Warning, "warning"),
        (Severity::Info, "informational"),
        (Severity::Unknown, "unknown"),
    ] {
        let mut alert = firing(&id(1));
        alert.severity = severity;
        alert.resource.name = Some(word.to_owned());
        send(&sink, alert).await.unwrap();
        let alerts = console.alerts().await;
        let found = alerts.iter().find(|alert| alert["resource"] == word);
        assert_eq!(found.unwrap()["severity"], word);
    }
}

async fn hard_texts(console: &Alerta) {
    let mut alert = hard(&id(3));
    alert.resource.name = Some("hard\u{0}".to_owned());
    alert.labels.insert("a.b$c".to_owned(), "\u{0}d".to_owned());
    send(&console.sink(""), alert).await.unwrap();
    let alerts = console.alerts().await;
    let found = alerts
        .iter()
        .find(|alert| alert["resource"] == "hard")
        .unwrap();
    assert_eq!(found["attributes"]["label_a_b_c"], "d");
    let text = found["text"].as_str().unwrap();
    assert!(
        text.starts_with("it's \"資料庫\" \\ '; DROP TABLE campanile_alerts; -- 🔥\n"),
        "{text}"
    );
}

async fn refusals(console: &Alerta) {
    for (key, more, words) in [
        ("c4nary-9f2b7d10-wrong", "", "401"),
        ("c4nary-reader", "", "scope"),
        (PASSWORD, "environment = 'Nowhere'", "[POLICY]"),
    ] {
        let done = send(&console.sink_with(key, more), firing(&id(1))).await;
        assert_failure(done, Class::Operator, &[words]);
    }
}

#[tokio::test]
async fn an_alert_that_failed_while_alerta_was_down_is_closed_when_it_is_back() {
    let mut console = Alerta::start().await;
    let sink = console.sink("");
    send(&sink, firing(&id(1))).await.unwrap();
    console.server.take().unwrap().end("KILL").await;
    send_to_nobody(&sink, &recovery()).await;
    console.server = Some(Alerta::run(&console.database, console.port).await);
    assert_eq!(console.states().await, ["open"]);
    sink.send(&recovery()).await.unwrap();
    assert_eq!(console.states().await, ["closed"]);
}
