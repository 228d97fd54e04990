//! Senders that hold hundreds of slow or idle connections. No connection stays open without a limit, and normal senders
//! are served.

use std::path::Path;
use std::time::Duration;

use serde_json::json;

use crate::gateway::preamble;
use crate::patience::within;
use crate::process::Process;
use crate::receiver::Receiver;
use crate::standing::{Standing, Wire, impatient, post, source};

const HALF_A_HEAD: &str = "POST /callback/probe/a HTTP/1.1\r\nhost: x\r\ncontent-";
const HALF_A_BODY: &str =
    "POST /callback/probe/a HTTP/1.1\r\nhost: x\r\ncontent-length: 20\r\n\r\n{";

/// Requests that a sender starts and never finishes.
const BEGINNINGS: &[&str] = &["", "P", HALF_A_HEAD, HALF_A_BODY];

fn whole(id: &str) -> Vec<u8> {
    let body = json!({"probe": id, "problem": "disk"}).to_string();
    post("/callback/probe/a", "", body.as_bytes())
}

/// The interval at which a slow sender writes a byte.
const BEAT: Duration = Duration::from_millis(50);

/// Waits until the server closes the connection of a sender that writes a byte at each interval.
async fn closes_though_bytes_drip(mut wire: Wire) {
    let closed = async {
        let mut beat = tokio::time::interval(BEAT);
        while !wire.has_closed() {
            beat.tick().await;
            wire.write("x").await;
        }
    };
    within("an end of a connection on which bytes drip", closed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_never_ends_gives_its_place_back_also_when_it_is_not_the_first() {
    let gateway = Standing::of(&impatient(vec![source("a")])).await;
    let mut ends = tokio::task::JoinSet::new();
    for (number, beginning) in BEGINNINGS.iter().enumerate() {
        // Alone, after an answered request, and in the same packet as a complete request.
        let mut alone = Wire::to(gateway.public).await;
        alone.write(beginning).await;
        ends.spawn(async move { alone.is_closed().await });
        if beginning.is_empty() {
            continue;
        }
        let mut later = Wire::to(gateway.public).await;
        later.write(whole(&format!("later-{number}"))).await;
        assert_eq!(later.read().await.status, 200);
        later.write(beginning).await;
        ends.spawn(async move { later.is_closed().await });
        let mut in_one = Wire::to(gateway.public).await;
        let both = [&whole(&format!("along-{number}")), beginning.as_bytes()].concat();
        in_one.write(both).await;
        assert_eq!(in_one.read().await.status, 200);
        ends.spawn(async move {
            closes_though_bytes_drip(in_one).await;
            true
        });
    }
    assert!(ends.join_all().await.into_iter().all(|closed| closed));
}

#[tokio::test(flavor = "multi_thread")]
async fn with_every_place_taken_by_the_idle_an_honest_sender_still_gets_in() {
    let mut config = impatient(vec![source("a")]);
    config.server.connections_max = 8;
    let gateway = Standing::of(&config).await;
    let mut crowd = Vec::new();
    for beginning in BEGINNINGS.iter().cycle().take(24) {
        let mut wire = Wire::to(gateway.public).await;
        wire.write(beginning).await;
        crowd.push(wire);
    }
    assert_eq!(gateway.send(whole("honest")).await.status, 200);
    assert_eq!(gateway.store.first_alert().await["message_id"], "honest");
    drop(crowd);
}

fn write_config(folder: &Path, receiver: &Receiver) {
    let settings = format!(
        "[providers.ucloud.prod]\nopen = true\n[sinks.webhook.oncall]\nurl = \"{}\"\n",
        receiver.url("/")
    );
    let impatient = "[server]\nhead_timeout = \"1s\"\nbody_timeout = \"1s\"\n";
    let preamble = preamble(folder).replace("[server]\n", impatient);
    std::fs::write(folder.join("campanile.toml"), preamble + &settings).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_http_fills_no_log() {
    let receiver = Receiver::start([]).await;
    let folder = tempfile::tempdir().unwrap();
    write_config(folder.path(), &receiver);
    let process = Process::start(folder.path()).await;
    process.logs_times("listening", 1).await;
    let lines = |log: String| log.lines().count();
    let quiet = lines(process.log());
    for _ in 0..50 {
        let reply = process.send(b"POST /\x00 HTTP/9\r\n: \r\n\r\n").await;
        assert_eq!(reply.status, 400);
    }
    process.signal("TERM");
    process.ended().await;
    // A stop has a few lines of its own.
    let log = process.log();
    assert!(lines(log.clone()) < quiet + 10, "{log}");
}

/// Unauthenticated senders use every file descriptor that the process reserves for connections. The database and the
/// sinks still need theirs.
#[tokio::test(flavor = "multi_thread")]
async fn strangers_who_take_every_connection_stop_neither_the_store_nor_the_sinks() {
    let receiver = Receiver::start([]).await;
    let folder = tempfile::tempdir().unwrap();
    write_config(folder.path(), &receiver);
    let process = Process::start_after("ulimit -n 120;", folder.path()).await;
    process.logs_times("fewer connections", 1).await;
    let mut crowd = Vec::new();
    for _ in 0..300 {
        crowd.push(Wire::to(process.public).await);
    }
    let alarm = json!({"SessionID": "1", "MetricName": "MemUsage", "AlarmTime": 1_470_822_697});
    let call = post("/callback/ucloud/prod", "", alarm.to_string().as_bytes());
    assert_eq!(process.send(call).await.status, 200);
    receiver.got_at_least(1).await;
    drop(crowd);
    process.signal("TERM");
    process.ended().await;
    assert!(!process.log().contains("os error 24"), "{}", process.log());
}
