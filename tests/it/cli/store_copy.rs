//! `campanile store copy`: a gateway that moves to PostgreSQL, and a copy that is killed.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use campanile_model::{Fingerprint, Severity, Status, StoreUrl};
use campanile_receiver::postgres::Postgres;
use campanile_receiver::scripted::Receiver;
use campanile_receiver::{Got, Play};
use campanile_store::{Arrival, DeliveryFilter, Entry, NewAlert, Settlement, Store, Verdict};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Run, campanile};
use crate::gateway::preamble;
use crate::patience::{output, until};
use crate::process::Process;
use crate::standing::{Wire, post, request};

const KEY: &str = "the-key-of-ucloud";

/// A server with an empty database, and a folder.
struct Place {
    server: Postgres,
    folder: tempfile::TempDir,
}

impl Place {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Postgres::start_with_alerts(folder.path(), "hunter2").await;
        Self { server, folder }
    }

    fn url(&self) -> String {
        let port = self.server.port;
        format!("postgres://campanile:hunter2@127.0.0.1:{port}/alerts?sslmode=disable")
    }

    fn file(&self) -> String {
        let file = self.folder.path().join("campanile.db");
        file.to_str().unwrap().to_owned()
    }

    /// Copies from the file to the database.
    fn copy(&self, more: &[&str]) -> Run {
        let mut command = self.command(more);
        let run = Run::from(output(&mut command));
        assert!(!run.out.contains("hunter2") && !run.err.contains("hunter2"));
        run
    }

    fn command(&self, more: &[&str]) -> std::process::Command {
        let mut command = campanile(&["store", "copy", &self.file(), "env:STORE"]);
        command.args(more).env("STORE", self.url());
        command
    }

    /// A number in the database.
    async fn number(&self, sql: &str) -> i64 {
        let found = self.server.sql("alerts", sql).await;
        found.trim().parse().unwrap_or(0)
    }

    async fn store(&self) -> Arc<dyn Store> {
        let url = StoreUrl::Sqlite(self.file().into());
        campanile_store::open(&url, None).await.unwrap().store
    }

    /// Writes a config for the file or for the database.
    fn configure(&self, receiver: &Receiver, store: Option<&str>) {
        let folder = self.folder.path();
        let mut first = preamble(folder);
        if let Some(url) = store {
            first = first.replace(&format!("sqlite:{}", self.file()), url);
        }
        let url = receiver.url("/");
        let settings = format!(
            "[providers.ucloud.prod]\nkey = \"{KEY}\"\n[sinks.webhook.oncall]\nurl = \"{url}\"\n"
        );
        std::fs::write(folder.join("campanile.toml"), first + &settings).unwrap();
    }
}

/// Sends an alert of one problem. Returns the answer.
async fn send(gateway: &Process, message: &str) -> String {
    let body = json!({
        "SessionID": message, "Region": "cn-sh2", "ResourceType": "uhost", "ResourceId": "uhost-1", "MetricName": "CPU",
        "AlarmTime": 1_767_225_600, "RecoveryTime": 0, "content": "CPU is high",
    });
    let raw = post(
        &format!("/callback/ucloud/prod/{KEY}"),
        "",
        body.to_string().as_bytes(),
    );
    let reply = gateway.send(raw).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply.body
}

fn messages(receiver: &Receiver) -> Vec<String> {
    let message = |got: &Got| got.json()["message_id"].as_str().unwrap().to_owned();
    receiver.got().iter().map(message).collect()
}

/// What the API shows of alerts, and of what waits.
async fn shown(gateway: &Process) -> Vec<Value> {
    let mut shown = Vec::new();
    for path in [
        "/api/v1/alerts?limit=50",
        "/api/v1/alerts?q=high&limit=2",
        "/api/v1/deliveries",
        "/api/v1/dead",
        "/api/v1/quarantine",
        "/api/v1/problems",
        "/api/v1/audit",
    ] {
        shown.push(gateway.look(path, "").await.json());
    }
    shown
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_moves_to_postgresql_with_all_that_it_has() {
    let place = Place::new().await;
    let receiver = Receiver::start([Play::status(200)]).await;
    place.configure(&receiver, None);
    let hold = "set -- \"$@\" --hold;";
    let gateway = Process::start_after(hold, place.folder.path()).await;
    for message in ["a", "b", "c"] {
        send(&gateway, message).await;
    }
    let bulk = place.copy(&[]);
    assert_eq!(bulk.code, 0, "{}", bulk.err);
    bulk.says("up to place 3. The copy is not finished");
    let early = place.copy(&["--finish"]);
    assert_eq!(early.code, 1);
    early.says("a gateway runs on");
    for message in ["d", "e"] {
        send(&gateway, message).await;
    }
    gateway.signal("TERM");
    gateway.ended().await;
    // The first alert could not be delivered.
    let store = place.store().await;
    let pending = store.deliveries(DeliveryFilter {
        limit: 9,
        ..DeliveryFilter::default()
    });
    let first = pending.await.unwrap().pop().unwrap();
    let gone = Settlement {
        sink: first.sink,
        seq: first.pending.seq,
        at: first.pending.pending_since,
        took_ms: 5,
        attempt: 1,
        code: Some(400),
        verdict: Verdict::Dead {
            class: "poison",
            error: "the receiver refuses it".to_owned(),
        },
        handle: None,
        worth: None,
        remark: None,
    };
    store.settle(vec![gone]).await.unwrap();
    store.close().await.unwrap();
    let gateway = Process::start_after(hold, place.folder.path()).await;
    let before = shown(&gateway).await;
    gateway.signal("TERM");
    gateway.ended().await;

    place.configure(&receiver, Some(&place.url()));
    let config = place.folder.path().join("campanile.toml");
    let unfinished = Run::of(&["run", "--config", config.to_str().unwrap()]);
    assert_eq!(unfinished.code, 1);
    unfinished.says("is an unfinished copy of another store");
    let finished = place.copy(&["--finish"]);
    assert_eq!(finished.code, 0, "{} {}", finished.out, finished.err);
    finished.says("5 alerts compared byte by byte. The copy is finished");
    let compared = place.copy(&["--verify", "--json"]).json();
    assert_eq!(compared["report"]["differences"], 0);

    let gateway = Process::start_after(hold, place.folder.path()).await;
    assert_eq!(shown(&gateway).await, before);
    let known = send(&gateway, "a").await;
    assert!(known.contains("\"RetCode\":0"), "{known}");
    ask(&gateway, "/api/v1/sinks/webhook/oncall/resume", "{}").await;
    ask(&gateway, "/api/v1/dead/retry", "{\"all\":true}").await;
    send(&gateway, "f").await;
    until("all alerts at the receiver", async || {
        messages(&receiver).len() >= 6
    })
    .await;
    let got = messages(&receiver);
    let in_lane: Vec<&str> = got
        .iter()
        .map(String::as_str)
        .filter(|message| *message != "a:firing")
        .collect();
    assert_eq!(
        in_lane,
        ["b", "c", "d", "e", "f"].map(|message| format!("{message}:firing"))
    );
    assert_eq!(got.len(), 6, "{got:?}");
}

async fn ask(gateway: &Process, path: &str, body: &str) {
    let head = "connection: close\r\ncontent-type: application/json\r\n";
    let raw = request("POST", path, head, body.as_bytes());
    let reply = Wire::to(gateway.admin).await.send(raw).await;
    assert!(
        reply.status < 300,
        "{path}: {} {}",
        reply.status,
        reply.body
    );
}

/// How far the copy is, if it has begun.
const REACHED: &str = "SELECT 'SELECT seq FROM copy' WHERE to_regclass('copy') IS NOT NULL \\gexec";

/// Callbacks with this many alerts.
const ALERTS: u64 = 250;

async fn fill(store: &Arc<dyn Store>, callbacks: u64) {
    let sinks = store
        .sink_ids(vec!["webhook/oncall".to_owned()])
        .await
        .unwrap();
    for callback in 0..callbacks {
        let alerts = (0..ALERTS).map(|number| {
            let number = callback * ALERTS + number;
            NewAlert {
                key: u128::from(number + 1)
                    .wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
                    .to_be_bytes(),
                content: number,
                fingerprint: Fingerprint(number % 97),
                status: Status::Firing,
                severity: Severity::Error,
                body: format!("{{\"title\":\"alert {number}\"}}").into_bytes(),
                sinks: if number.is_multiple_of(50) {
                    sinks.clone()
                } else {
                    Vec::new()
                },
                said: String::new(),
            }
        });
        let entry = Entry {
            source: "ucloud/prod".into(),
            received_at: Timestamp::from_second(1_800_000_000).unwrap(),
            callback: b"POST / HTTP/1.1\r\n\r\n".to_vec(),
            alerts: alerts.collect(),
            faults: Vec::new(),
            arrival: Arrival::default(),
        };
        store.append(entry).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_was_killed_goes_on_with_the_same_command() {
    let place = Place::new().await;
    let store = place.store().await;
    let callbacks = 200;
    fill(&store, callbacks).await;
    store.close().await.unwrap();
    let last = i64::try_from(callbacks * ALERTS).unwrap();

    let mut child = place.command(&[]).stdout(Stdio::null()).spawn().unwrap();
    until("the first rows in the target", async || {
        place.number(REACHED).await > 0
    })
    .await;
    child.kill().unwrap();
    child.wait().unwrap();
    let reached = place.number(REACHED).await;
    assert!(reached < last, "it was killed in the middle: {reached}");

    let rest = place.copy(&["--json"]);
    assert_eq!(rest.code, 0, "{}", rest.err);
    let rest = rest.json();
    assert_eq!(rest["seq"], last);
    let finished = place.copy(&["--finish", "--json"]);
    assert_eq!(finished.code, 0, "{} {}", finished.out, finished.err);
    let report = &finished.json()["report"];
    assert_eq!(report["differences"], 0);
    assert_eq!(place.number("SELECT count(*) FROM alert").await, last);
    assert_eq!(place.number("SELECT count(*) FROM dedup").await, last);

    // Into a file, which has several runs of keys then.
    let back = place.folder.path().join("back.db");
    let mut command = campanile(&["store", "copy", "env:STORE", text(&back), "--finish"]);
    let back = Run::from(output(command.env("STORE", place.url())));
    assert_eq!(back.code, 0, "{} {}", back.out, back.err);
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn an_address_that_is_wrong_is_refused_without_showing_a_password() {
    for (from, words) in [
        ("env:NOT_SET", "the variable NOT_SET is not set"),
        ("mysql://u:hunter2@h/d", "not a supported store URL"),
        ("postgres://", "names no server"),
    ] {
        let run = Run::of(&["store", "copy", from, "x.db"]);
        assert_eq!(run.code, 2, "{}", run.err);
        run.says(words);
        assert!(!run.err.contains("hunter2"), "{}", run.err);
    }
    let same = Run::of(&["store", "copy", "x.db", "sqlite:x.db"]);
    assert_eq!(same.code, 2);
    same.says("the same store");
}
