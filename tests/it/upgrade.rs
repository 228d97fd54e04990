//! A database of an older build is opened, migrated and served.
//!
//! `schema-2.db.gz` was written by the build of commit 081d627 (schema 2): five alerts of two sources, pending for
//! `webhook/down`, which refused connections; dead letters of `webhook/strict`, which answered 422; one quarantined
//! callback; the attempts; `file/log` has every alert.
//!
//! `schema-9.db.gz` was written by the build of commit 1e45b5a6 (schema 9): one alert of UCloud that fires, pending for `webhook/strict`,
//! the only sink of its routes. `webhook/down` was configured too.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use campanile::app::App;
use campanile::config::{self, Environment};
use campanile::telemetry::Metrics;
use campanile_model::Clock;
use serde_json::{Value, json};

use crate::gateway::preamble;
use crate::patience::idle;
use crate::receiver::{Play, Receiver};
use crate::standing::{Reply, Wire, post, request};

const OLD: &[u8] = include_bytes!("schema-2.db.gz");
const BEFORE_PLANS: &[u8] = include_bytes!("schema-9.db.gz");

fn unpack(packed: &[u8], folder: &Path) {
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(packed)
        .read_to_end(&mut plain)
        .unwrap();
    std::fs::write(folder.join("campanile.db"), plain).unwrap();
}

async fn start(folder: &Path, receiver: &Receiver) -> App {
    start_with(folder, receiver, "").await
}

async fn start_with(folder: &Path, receiver: &Receiver, routes: &str) -> App {
    let (url, file) = (receiver.url("/"), folder.join("campanile.toml"));
    let settings = format!(
        "[providers.ucloud.prod]\nkey = \"0123456789abcdefXYZ\"\n\
         [sinks.webhook.down]\nurl = \"{url}\"\n[sinks.webhook.strict]\nurl = \"{url}\"\n{routes}"
    );
    std::fs::write(&file, preamble(folder) + &settings).unwrap();
    let config = config::load(&[file], &Environment::new());
    let config = config.unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let clock = Clock::manual("2026-11-26T08:00:00Z".parse().unwrap());
    App::start(config, clock, Arc::new(Metrics::new()))
        .await
        .unwrap()
}

async fn ask(app: &App, method: &str, path: &str, body: &str) -> Value {
    let head = "connection: close\r\ncontent-type: application/json\r\n";
    let asked = request(method, path, head, body.as_bytes());
    let admin = app.admin_address().unwrap();
    Wire::to(admin).await.send(asked).await.json()
}

async fn items(app: &App, path: &str) -> Vec<Value> {
    let page = ask(app, "GET", path, "").await;
    page["items"].as_array().unwrap().clone()
}

async fn alarm(app: &App, session: &str) -> Reply {
    call(app, session, "uhost-2", 0).await
}

async fn call(app: &App, session: &str, resource: &str, recovered: i64) -> Reply {
    let body = json!({
        "SessionID": session, "Region": "cn-bj2", "ResourceType": "uhost", "ResourceId": resource,
        "MetricName": "CPUUtilization", "AlarmTime": 1_800_000_002, "RecoveryTime": recovered, "Content": "cpu high",
    });
    let path = "/callback/ucloud/prod/0123456789abcdefXYZ";
    let post = post(path, "", body.to_string().as_bytes());
    Wire::to(app.public_address().unwrap())
        .await
        .send(post)
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_an_older_build_is_migrated_and_served() {
    let folder = tempfile::tempdir().unwrap();
    unpack(OLD, folder.path());
    let receiver = Receiver::start([Play::status(200)]).await;
    let app = start(folder.path(), &receiver).await;
    idle(app.delivery()).await;

    let pending: Vec<String> = receiver
        .got()
        .iter()
        .map(|got| got.json()["message_id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(pending.len(), 5, "{pending:?}");
    let place = |id: &str| pending.iter().position(|other| other == id);
    assert!(place("s1:firing") < place("s1:resolved"), "{pending:?}");

    assert_eq!(items(&app, "/api/v1/alerts").await.len(), 5);
    assert_eq!(items(&app, "/api/v1/quarantine").await.len(), 1);
    let dead = items(&app, "/api/v1/dead").await;
    assert_eq!(dead.len(), 5);
    assert!(dead.iter().all(|letter| letter["sink"] == "webhook/strict"));
    let path = format!("/api/v1/alerts/{}", dead[0]["alert_id"].as_str().unwrap());
    let attempts = ask(&app, "GET", &path, "").await["attempts"].clone();
    assert!(attempts.as_array().unwrap().len() > 3, "{attempts}");
    // That build kept no arrival, and no note with an attempt.
    let shown = ask(&app, "GET", &path, "").await;
    assert_eq!(
        (&shown["arrival"]["from"], &shown["routes"]),
        (&json!(null), &json!([]))
    );
    let noted = attempts
        .as_array()
        .unwrap()
        .iter()
        .filter(|a| !a["note"].is_null());
    assert_eq!(noted.count(), 0, "{attempts}");

    // That build kept no postings: its alerts are found by a scan.
    let first = items(&app, "/api/v1/alerts?limit=1").await;
    let problem = format!(
        "/api/v1/alerts?fingerprint={}",
        first[0]["fingerprint"].as_str().unwrap()
    );
    let before = items(&app, &problem).await.len();
    assert!(before > 0);
    assert_eq!(
        items(&app, "/api/v1/alerts?source=ucloud/prod&status=resolved")
            .await
            .len(),
        1
    );

    ask(&app, "POST", "/api/v1/dead/retry", r#"{"all":true}"#).await;
    idle(app.delivery()).await;
    assert_eq!(receiver.got().len(), 10, "the dead letters were sent again");
    assert_eq!(alarm(&app, "s2").await.status, 200);
    let alerts = items(&app, "/api/v1/alerts").await;
    assert_eq!(alerts.len(), 5, "s2 is known");
    app.stop().await;

    let app = start(folder.path(), &receiver).await;
    assert_eq!(items(&app, "/api/v1/alerts").await, alerts);
    app.stop().await;
}

/// The sinks of the newest alert. For `webhook/strict` it waits: an earlier alert of its lane is due later.
async fn newest(app: &App) -> Vec<String> {
    let id = items(app, "/api/v1/alerts?limit=1").await[0]["id"].clone();
    let path = format!("/api/v1/alerts/{}", id.as_str().unwrap());
    let shown = ask(app, "GET", &path, "").await;
    let rows = ["attempts", "deliveries"].map(|rows| shown[rows].as_array().unwrap().clone());
    let rows = rows.concat().into_iter();
    let mut sinks: Vec<String> = rows
        .map(|row| row["sink"].as_str().unwrap().to_owned())
        .collect();
    sinks.sort_unstable();
    sinks.dedup();
    sinks
}

#[tokio::test(flavor = "multi_thread")]
async fn an_episode_of_an_older_build_ends_where_the_routes_say_and_the_next_one_has_a_plan() {
    let folder = tempfile::tempdir().unwrap();
    unpack(BEFORE_PLANS, folder.path());
    let receiver = Receiver::start([Play::status(200)]).await;
    let app = start(folder.path(), &receiver).await;
    // Without routes every alert goes to every sink. The firing went to one of them, but that is not stored.
    assert_eq!(call(&app, "o1", "uhost-9", 1_800_000_090).await.status, 200);
    idle(app.delivery()).await;
    assert_eq!(newest(&app).await, ["webhook/down", "webhook/strict"]);
    assert_eq!(call(&app, "o2", "uhost-9", 0).await.status, 200);
    idle(app.delivery()).await;
    app.stop().await;

    let routes = "[[routes]]\nwhen = \"false\"\nsinks = [\"webhook/down\"]\n";
    let app = start_with(folder.path(), &receiver, routes).await;
    assert_eq!(call(&app, "o2", "uhost-9", 1_800_000_091).await.status, 200);
    idle(app.delivery()).await;
    assert_eq!(newest(&app).await, ["webhook/down", "webhook/strict"]);
    app.stop().await;
}
