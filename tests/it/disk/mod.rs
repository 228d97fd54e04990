//! Disk faults under a running gateway: I/O errors, a full disk, power cuts, damaged files.
#![expect(
    clippy::print_stdout,
    reason = "a failed run must be repeatable, so it prints its seed and its faults"
)]

mod damaged;
mod full;
mod nth;
mod power;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use campanile::app::{App, Error};
use campanile::config::{self, Environment};
use campanile::telemetry::Metrics;
use campanile_model::Clock;
use campanile_providers::fixture;
use campanile_store::sqlite::Sqlite;
use campanile_store::{AlertFilter, Archive, StoredAlert, Upkeep};
use serde_json::{Value, json};

use crate::gateway::preamble;
use crate::patience::idle;
use crate::receiver::{Got, Play, Receiver};
use crate::standing::{Reply, Wire, post, request};

/// The name of the database in its folder.
const FILE: &str = "campanile.db";

/// A gateway on a folder that is kept after it stops.
struct Gateway {
    app: App,
    clock: Clock,
}

impl Gateway {
    /// Starts on a folder; every alert is pending for each of the receivers.
    async fn open(folder: &Path, receivers: &[&Receiver]) -> Result<Self, Error> {
        let file = folder.join("campanile.toml");
        std::fs::write(&file, preamble(folder) + &settings(receivers)).unwrap();
        let config = config::load(&[file], &Environment::new());
        let config = config.unwrap_or_else(|mistakes| panic!("{mistakes}"));
        let clock = Clock::manual(fixture::RECEIVED_AT.parse().unwrap());
        let app = App::start(config, clock.clone(), Arc::new(Metrics::new())).await?;
        Ok(Self { app, clock })
    }

    /// Sends the alarm of a new problem and returns the answer.
    async fn alarm(&self, session: &str) -> Reply {
        let public = self.app.public_address().unwrap();
        Wire::to(public).await.send(alarm(session)).await
    }

    /// Gets a page of the admin listener.
    async fn look(&self, path: &str) -> Reply {
        let asked = request("GET", path, "connection: close\r\n", b"");
        let admin = self.app.admin_address().unwrap();
        Wire::to(admin).await.send(asked).await
    }

    /// Sends all due deliveries, as far as the disk permits.
    async fn deliver(&self) {
        idle(self.app.delivery()).await;
    }

    async fn advance(&self, by: Duration) {
        self.clock.advance(by);
        self.deliver().await;
    }

    async fn stop(self) {
        self.app.stop().await;
    }
}

/// The settings of one open source and one sink for each receiver.
fn settings(receivers: &[&Receiver]) -> String {
    let sink = |(n, receiver): (usize, &&Receiver)| {
        let url = receiver.url("/");
        format!("[sinks.webhook.s{n}]\nurl = \"{url}\"\nretry_schedule = [\"1s\"]\n")
    };
    let sinks: String = receivers.iter().enumerate().map(sink).collect();
    format!("[providers.ucloud.prod]\nopen = true\n{sinks}")
}

/// A UCloud callback. Each session is a separate problem.
fn alarm(session: &str) -> Vec<u8> {
    let body = json!({
        "SessionID": session, "ResourceId": session, "MetricName": "MemUsage", "AlarmTime": 1_470_822_697,
    });
    post("/callback/ucloud/prod", "", body.to_string().as_bytes())
}

/// A receiver that accepts everything.
async fn willing() -> Receiver {
    Receiver::start([Play::status(200)]).await
}

/// The session of an alert.
fn session(alert: &Value) -> String {
    let id = alert["message_id"].as_str().unwrap();
    id.trim_end_matches(":firing").to_owned()
}

/// The sessions that a receiver got, in the order of their first arrival. A repeated session must be the same delivery.
fn came(got: &[Got]) -> Vec<String> {
    let mut deliveries = BTreeMap::new();
    let mut order = Vec::new();
    for got in got {
        let session = session(&got.json());
        let delivery = got.header("webhook-id").unwrap().to_owned();
        let known = deliveries.insert(session.clone(), delivery.clone());
        match known {
            None => order.push(session),
            Some(known) => assert_eq!(known, delivery, "{session} is two deliveries"),
        }
    }
    order
}

/// The sessions in the database of a folder. SQLite must find the file intact.
async fn kept(folder: &Path) -> BTreeSet<String> {
    let path = folder.join(FILE);
    let store = Sqlite::open(&path).unwrap_or_else(|refused| panic!("{refused}"));
    let all = AlertFilter {
        limit: 100_000,
        ..AlertFilter::default()
    };
    let alerts = store.alerts(all).await.unwrap().rows;
    store.close().await.unwrap();
    assert_eq!(integrity(&path), "ok");
    let read = |alert: StoredAlert| session(&serde_json::from_slice(&alert.json).unwrap());
    alerts.into_iter().map(read).collect()
}

/// The result of SQLite's integrity check.
fn integrity(path: &Path) -> String {
    let connection = rusqlite::Connection::open(path).unwrap();
    let check = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0));
    check.unwrap()
}
