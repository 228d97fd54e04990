//! `InfluxDB` 1, from Debian's `influxdb`.

use std::fs;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use campanile_receiver::server::{Server, free_port};
use campanile_sinks::{Class, Sink, Worth};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use super::message_of;
use super::server::{ask, send_to_nobody};
use super::tables::{PASSWORD, assert_failure, built, firing, hard, id, many, resolved, send};

const COLUMNS: [&str; 7] = [
    "firing", "value", "source", "resource", "metric", "severity", "title",
];

struct Influx {
    server: Server,
    folder: TempDir,
    port: u16,
}

impl Influx {
    /// A server with the database `alerts` and a user for the sink.
    async fn start() -> Self {
        let (folder, port) = (TempDir::new().unwrap(), free_port());
        let path = |name: &str| folder.path().join(name).display().to_string();
        let config = format!(
            "reporting-disabled = true\nbind-address = '127.0.0.1:{}'\n\
             [meta]\ndir = '{}'\n[data]\ndir = '{}'\nwal-dir = '{}'\n[monitor]\nstore-enabled = false\n\
             [http]\nbind-address = '127.0.0.1:{port}'\nauth-enabled = true\n",
            free_port(),
            path("meta"),
            path("data"),
            path("wal")
        );
        fs::write(folder.path().join("influx.toml"), config).unwrap();
        let server = Self::run(&folder).await;
        let influx = Self {
            server,
            folder,
            port,
        };
        influx
            .query(&format!(
                "CREATE USER campanile WITH PASSWORD '{PASSWORD}' WITH ALL PRIVILEGES"
            ))
            .await;
        influx.query("CREATE DATABASE alerts").await;
        influx
    }

    async fn run(folder: &TempDir) -> Server {
        let config = folder.path().join("influx.toml");
        Server::start(
            Command::new("influxd").arg("-config").arg(config),
            "Listening on HTTP",
        )
        .await
    }

    /// The rows that a query gives.
    async fn query(&self, query: &str) -> Vec<Value> {
        let login = BASE64_STANDARD.encode(format!("campanile:{PASSWORD}"));
        let headers = [
            ("authorization", &*format!("Basic {login}")),
            ("content-type", "application/x-www-form-urlencoded"),
        ];
        let url = format!("http://127.0.0.1:{}/query?db=alerts&epoch=ns", self.port);
        let body = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("q", query)
            .finish();
        let (status, answer) = ask("POST", &url, &headers, body).await;
        assert!(
            status == 200 && answer["results"][0]["error"].is_null(),
            "{answer}"
        );
        let rows = answer["results"][0]["series"][0]["values"].as_array();
        rows.cloned().unwrap_or_default()
    }

    /// The points of the sink: the time, then [`COLUMNS`].
    async fn points(&self) -> Vec<Value> {
        self.query(&format!(
            "SELECT {} FROM campanile_alert",
            COLUMNS.join(", ")
        ))
        .await
    }

    fn sink(&self, database: &str, password: &str) -> Arc<dyn Sink> {
        let url = format!(
            "http://127.0.0.1:{}/write?db={database}&precision=ns",
            self.port
        );
        built(
            "influx",
            &format!("url = '{url}'\nuser = 'campanile'\npassword = '{password}'"),
        )
    }
}

#[tokio::test]
async fn each_alert_is_one_point_however_often_it_is_sent_and_a_refusal_has_its_class() {
    let influx = Influx::start().await;
    points(&influx).await;
    hard_names(&influx).await;
    refusals(&influx).await;
}

async fn points(influx: &Influx) {
    let sink = influx.sink("alerts", PASSWORD);
    for _ in 0..2 {
        let delivered = send(&sink, firing(&id(1))).await.unwrap();
        assert_eq!(
            (delivered.code, delivered.worth),
            (Some(204), Worth::Committed)
        );
    }
    let both = many(vec![resolved(&id(2)), firing(&id(3))]);
    sink.send(&both).await.unwrap();
    let points = influx.points().await;
    let firing: Vec<_> = points.iter().map(|point| &point[1]).collect();
    assert_eq!(firing, [1, 0, 1], "{points:?}");
    let first = points[0].as_array().unwrap();
    let wanted = json!([
        1,
        97,
        "ucloud/prod",
        "db-1",
        "cpu_usage",
        "critical",
        "CPU of db-1"
    ]);
    assert_eq!(&first[1..], wanted.as_array().unwrap());
}

/// A tag ends at a blank or a comma that is not escaped, and a text at a quote.
async fn hard_names(influx: &Influx) {
    let sink = influx.sink("alerts", PASSWORD);
    for (number, name, kept) in [
        (11, "db 1, main=x", "db 1, main=x"),
        (12, "資料庫 \"a\"", "資料庫 \"a\""),
        (13, "end\\", "end/"),
        (14, "a\\,b\r\nc d=1", "a/,b  c d=1"),
        (15, "it's 'x'", "it's 'x'"),
        (16, "\u{0}\t", "\u{0}\t"),
    ] {
        let mut alert = hard(&id(number));
        alert.resource.name = Some(name.to_owned());
        alert.title = format!("{name} \\\" 5,=");
        send(&sink, alert)
            .await
            .unwrap_or_else(|failure| panic!("{name:?}: {failure}"));
        let points = influx.points().await;
        let found = points.iter().filter(|point| point[4] == kept);
        let found: Vec<_> = found.collect();
        assert_eq!(found.len(), 1, "{name:?}: {points:?}");
        let title = format!("{name} \\\" 5,=").replace(['\r', '\n'], " ");
        assert_eq!(found[0][7], title.as_str());
    }
}

async fn refusals(influx: &Influx) {
    for (database, password, words) in [
        ("alerts", "c4nary-9f2b7d10-wrong", "authorization failed"),
        ("missing", PASSWORD, "database not found"),
    ] {
        let done = send(&influx.sink(database, password), firing(&id(1))).await;
        assert_failure(done, Class::Operator, &[words]);
    }
    influx.query("CREATE DATABASE other").await;
    let login = BASE64_STANDARD.encode(format!("campanile:{PASSWORD}"));
    let url = format!("http://127.0.0.1:{}/write?db=other", influx.port);
    // The type of a field is that of its day.
    let line = "campanile_alert firing=\"yes\" 1".to_owned();
    ask(
        "POST",
        &url,
        &[("authorization", &format!("Basic {login}"))],
        line,
    )
    .await;
    let done = send(&influx.sink("other", PASSWORD), firing(&id(1))).await;
    assert_failure(done, Class::Poison, &["field type conflict"]);
}

#[tokio::test]
async fn what_failed_while_the_server_was_down_is_not_written_later() {
    let influx = Influx::start().await;
    let sink = influx.sink("alerts", PASSWORD);
    send(&sink, firing(&id(1))).await.unwrap();
    let Influx {
        server,
        folder,
        port,
    } = influx;
    server.end("KILL").await;
    send_to_nobody(&sink, &message_of(firing(&id(2)))).await;
    let server = Influx::run(&folder).await;
    let influx = Influx {
        server,
        folder,
        port,
    };
    send(&sink, resolved(&id(3))).await.unwrap();
    let points = influx.points().await;
    let firing: Vec<_> = points.iter().map(|point| &point[1]).collect();
    assert_eq!(firing, [1, 0], "{points:?}");
}
