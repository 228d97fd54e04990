//! Several gateways on one PostgreSQL database: real processes, of which one is killed or frozen.

mod balancers;
mod copies;
mod newer;
mod parts;
mod rolling;
mod silences;

use std::net::SocketAddr;

use campanile_receiver::postgres::Postgres;
use campanile_receiver::scripted::Receiver;
use campanile_receiver::{Got, Play};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::patience::{until, within};
use crate::process::Process;
use crate::standing::{Reply, Wire, post, request};

const KEY: &str = "campanile-replica-key";
/// The time of the day that is wrong by `OFFSET` seconds. (Debian's `faketime` and the allocator of the program exclude each other.)
const CLOCK: &str = "#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t clock, struct timespec *time) {
    int failed = syscall(SYS_clock_gettime, clock, time);
    if (!failed && clock == CLOCK_REALTIME) time->tv_sec += atol(getenv(\"OFFSET\"));
    return failed;
}
";
const SINKS: [&str; 3] = ["one", "two", "three"];

/// A database, and a receiver for each sink.
struct Place {
    server: Postgres,
    receivers: Vec<Receiver>,
    folder: TempDir,
}

impl Place {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Postgres::start_with_alerts(folder.path(), "hunter2").await;
        let mut receivers = Vec::new();
        for _ in SINKS {
            receivers.push(Receiver::start([Play::status(200)]).await);
        }
        Self {
            server,
            receivers,
            folder,
        }
    }

    /// Starts a gateway in a folder of its own.
    async fn gateway(&self, name: &str) -> Process {
        self.gateway_with(name, &self.settings()).await
    }

    async fn gateway_with(&self, name: &str, settings: &str) -> Process {
        self.gateway_after("", name, settings).await
    }

    /// Starts a gateway whose clock is wrong by so many seconds.
    async fn gateway_at(&self, offset: i32, name: &str) -> Process {
        let library = self.folder.path().join("clock.so");
        if !library.exists() {
            let source = self.folder.path().join("clock.c");
            std::fs::write(&source, CLOCK).unwrap();
            let mut compile = tokio::process::Command::new("cc");
            compile
                .args(["-shared", "-fPIC", "-o"])
                .args([&library, &source]);
            assert!(compile.status().await.unwrap().success());
        }
        let library = library.display();
        let first = format!("export OFFSET={offset} LD_PRELOAD={library};");
        self.gateway_after(&first, name, &self.settings()).await
    }

    async fn gateway_after(&self, first: &str, name: &str, settings: &str) -> Process {
        let folder = self.folder.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("campanile.toml"), settings).unwrap();
        Process::start_after(first, &folder).await
    }

    fn settings(&self) -> String {
        let port = self.server.port;
        let first = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\ndrain = \"0s\"\n[admin]\nlisten = \"127.0.0.1:0\"\n[self]\nalerts = false\n\
             [store]\nurl = \"postgres://campanile:hunter2@127.0.0.1:{port}/alerts?sslmode=disable\"\n\
             [providers.ucloud.prod]\nkey = \"{KEY}\"\n"
        );
        let sinks = SINKS.iter().zip(&self.receivers);
        let sinks = sinks.map(|(name, receiver)| {
            format!("[sinks.webhook.{name}]\nurl = \"{}\"\n", receiver.url("/"))
        });
        first + &sinks.collect::<String>()
    }

    /// The `SessionID`s that a receiver got, in their order.
    fn got(&self, sink: usize) -> Vec<String> {
        self.receivers[sink].got().iter().map(message_id).collect()
    }

    /// Waits until every receiver got these messages, each once.
    async fn all_get(&self, messages: &[String]) {
        for (sink, name) in SINKS.iter().enumerate() {
            until(&format!("the alerts at {name}"), async || {
                self.got(sink).len() >= messages.len()
            })
            .await;
            let mut got = self.got(sink);
            got.sort();
            assert_eq!(got, messages, "{name}");
        }
    }
}

fn message_id(got: &Got) -> String {
    let alert = got.json();
    let id = alert["message_id"].as_str().unwrap();
    id.trim_end_matches(":firing").to_owned()
}

async fn send(gateway: &Process, message: &str) -> String {
    let reply = send_to(gateway.public, message).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply.body
}

async fn send_to(address: SocketAddr, message: &str) -> Reply {
    let body = json!({
        "SessionID": message, "Region": "cn-sh2", "ResourceType": "uhost", "ResourceId": message, "MetricName": "CPU",
        "AlarmTime": 1_767_225_600, "RecoveryTime": 0, "content": "CPU is high",
    });
    let path = format!("/callback/ucloud/prod/{KEY}");
    let head = "content-type: application/json\r\n";
    let raw = post(&path, head, body.to_string().as_bytes());
    Wire::to(address).await.send(raw).await
}

async fn ask(gateway: &Process, method: &str, path: &str) -> Value {
    command(gateway, method, path, b"").await
}

async fn command(gateway: &Process, method: &str, path: &str, body: &[u8]) -> Value {
    let head = "connection: close\r\ncontent-type: application/json\r\n";
    let raw = request(method, path, head, body);
    Wire::to(gateway.admin).await.send(raw).await.json()
}

/// The sinks of each gateway, this one first.
async fn shares(gateway: &Process) -> Vec<Vec<String>> {
    let mut peers: Vec<Value> = ask(gateway, "GET", "/api/v1/gateway").await["gateways"]
        .as_array()
        .unwrap()
        .clone();
    peers.sort_by_key(|peer| peer["this"] == false);
    let names = |peer: &Value| serde_json::from_value(peer["sinks"].clone()).unwrap();
    peers.iter().map(names).collect()
}

/// The names and the words of the states of all sinks.
async fn states(gateway: &Process) -> Vec<(String, String)> {
    let sinks = ask(gateway, "GET", "/api/v1/sinks").await;
    let sinks = sinks["items"].as_array().unwrap().clone();
    let word = |sink: &Value, key: &str| sink[key].as_str().unwrap().to_owned();
    sinks
        .iter()
        .map(|sink| (word(sink, "name"), word(sink, "state")))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_gateway_accepts_and_each_alert_reaches_each_sink_once() {
    let place = Place::new().await;
    let one = place.gateway("one").await;
    let other = place.gateway("other").await;
    let mut messages = Vec::new();
    for number in 0..10 {
        let message = format!("message-{number}");
        for gateway in [&one, &other] {
            send(gateway, &message).await;
        }
        messages.push(message);
    }
    place.all_get(&messages).await;

    // Each knows both, and each sink has one gateway.
    for gateway in [&one, &other] {
        until("each sink has a gateway", async || {
            let shares = shares(gateway).await;
            shares.len() == 2 && shares.concat().len() == SINKS.len()
        })
        .await;
    }

    // A pause counts at all gateways.
    ask(&other, "POST", "/api/v1/sinks/webhook/one/pause").await;
    for gateway in [&one, &other] {
        until("the pause", async || {
            let paused = ("webhook/one".to_owned(), "paused".to_owned());
            states(gateway).await.contains(&paused)
        })
        .await;
    }
    // The owner has seen it, and obeys.
    until("the pause at the owner", async || {
        let sql = "SELECT count(*) FROM gateway WHERE state LIKE '%\"paused\"%'";
        place.server.sql("alerts", sql).await.contains('1')
    })
    .await;
    send(&one, "paused").await;
    messages.push("paused".to_owned());
    until("the alert at the other sinks", async || {
        place.got(1).len() == messages.len() && place.got(2).len() == messages.len()
    })
    .await;
    assert_eq!(place.got(0).len(), messages.len() - 1);
    ask(&one, "POST", "/api/v1/sinks/webhook/one/resume").await;
    place.all_get(&messages).await;

    for gateway in [&one, &other] {
        gateway.signal("TERM");
        gateway.ended().await;
    }
    let left = place
        .server
        .sql("alerts", "SELECT count(*) FROM gateway")
        .await;
    assert_eq!(left, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sinks_of_a_killed_and_of_a_frozen_gateway_are_taken_over() {
    let place = Place::new().await;
    let killed = place.gateway("killed").await;
    send(&killed, "a").await;
    place.all_get(&["a".to_owned()]).await;
    let frozen = place.gateway("frozen").await;
    killed.kill().await;
    send(&frozen, "b").await;
    place.all_get(&["a".to_owned(), "b".to_owned()]).await;

    let third = place.gateway("third").await;
    frozen.signal("STOP");
    send(&third, "c").await;
    let messages = ["a", "b", "c"].map(str::to_owned);
    place.all_get(&messages).await;
    frozen.signal("CONT");
    frozen.logs_times("it joins again", 1).await;
    send(&frozen, "d").await;
    let messages = ["a", "b", "c", "d"].map(str::to_owned);
    place.all_get(&messages).await;
    // They keep nothing in their folders but the settings.
    let folder = place.folder.path().join("third");
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_operator_asks_for_at_any_gateway_reaches_the_one_that_delivers() {
    let place = Place::new().await;
    let busy = Play::with(429, "retry-after", "3600");
    place.receivers[0].now_plays([busy, Play::status(200)]);
    let one = place.gateway("one").await;
    let other = place.gateway("other").await;
    until("both gateways are there", async || {
        shares(&one).await.len() == 2 && shares(&other).await.len() == 2
    })
    .await;
    let owner = shares(&one).await[0].contains(&"webhook/one".to_owned());
    let elsewhere = if owner { &other } else { &one };
    send(elsewhere, "a").await;
    until("the receiver is busy for an hour", async || {
        place.got(0).len() == 1
    })
    .await;
    // The operator cannot see which gateway it is.
    let all = br#"{"sink":"webhook/one"}"#;
    until("the delivery waits", async || {
        let waiting = br#"{"sink":"webhook/one","dry_run":true}"#;
        let counted = command(elsewhere, "POST", "/api/v1/deliveries/retry", waiting).await;
        counted["count"] == 1
    })
    .await;
    let retried = command(elsewhere, "POST", "/api/v1/deliveries/retry", all).await;
    assert_eq!(retried["count"], 1, "{retried}");
    until("the second attempt", async || place.got(0).len() == 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_takeover_sends_no_more_than_the_limit_of_the_sink() {
    let place = Place::new().await;
    let limited = "[sinks.webhook.one]\nper_hour = 6\nin_flight_max = 2\n";
    let settings = place.settings().replace("[sinks.webhook.one]\n", limited);
    let killed = place.gateway_with("killed", &settings).await;
    let mut messages: Vec<String> = Vec::new();
    for number in 0..9 {
        messages.push(format!("message-{number}"));
        send(&killed, &messages[number]).await;
    }
    until("the limit is reached", async || place.got(0).len() == 6).await;
    let waits = ("webhook/one".to_owned(), "waiting".to_owned());
    until("the rest waits", async || {
        states(&killed).await.contains(&waits)
    })
    .await;
    let other = place.gateway_with("other", &settings).await;
    killed.kill().await;
    until("the sinks are taken over", async || {
        shares(&other).await[0].len() == SINKS.len()
    })
    .await;
    // The other sinks show that it delivers.
    messages.push("later".to_owned());
    send(&other, "later").await;
    until("the alert at the other sinks", async || {
        place.got(1).len() == messages.len() && place.got(2).len() == messages.len()
    })
    .await;
    until("the limit holds", async || {
        states(&other).await.contains(&waits)
    })
    .await;
    assert_eq!(place.got(0).len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn clocks_that_are_wrong_by_an_hour_change_no_lease() {
    let place = Place::new().await;
    let ahead = place.gateway_at(3600, "ahead").await;
    let behind = place.gateway_at(-3600, "behind").await;
    let right = place.gateway("right").await;
    for (message, gateway) in [("a", &ahead), ("b", &behind), ("c", &right)] {
        send(gateway, message).await;
    }
    place.all_get(&["a", "b", "c"].map(str::to_owned)).await;
    let times = "SELECT max(received) - min(received) > interval '119 minutes' FROM callback";
    assert_eq!(place.server.sql("alerts", times).await, "t");
    let began = place.server.sql("alerts", "SELECT now()").await;
    let passed = format!("SELECT now() > '{began}'::timestamptz + interval '12 seconds'");
    until("longer than a gateway may be silent", async || {
        place.server.sql("alerts", &passed).await == "t"
    })
    .await;
    let living = "SELECT count(*) FROM gateway WHERE NOT dead";
    assert_eq!(place.server.sql("alerts", living).await, "3");
    let dead = "SELECT count(*) FROM gateway WHERE dead";
    assert_eq!(place.server.sql("alerts", dead).await, "0");
    ahead.kill().await;
    send(&behind, "d").await;
    place
        .all_get(&["a", "b", "c", "d"].map(str::to_owned))
        .await;
}

/// The first of six free ports, below those that the system gives to others.
fn six_free_ports() -> u16 {
    let seed = u16::try_from(std::process::id() % 2_000).unwrap();
    let mut firsts = (0..2_000).map(|step| 12_000 + (seed + step) % 2_000 * 6);
    let is_free = |port| std::net::TcpListener::bind(("127.0.0.1", port)).is_ok();
    firsts
        .find(|first| (*first..first + 6).all(is_free))
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_delivers_one_alert_once_behind_haproxy() {
    let start = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/config/examples/replicas/start"
    );
    let mut command = tokio::process::Command::new(start);
    command
        .env("CAMPANILE", env!("CARGO_BIN_EXE_campanile"))
        .env("PORT", six_free_ports().to_string())
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true);
    let output = within("the example", command.output()).await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let wrong = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{wrong}");
    assert!(said.contains("delivered 1 time(s)"), "{said}\n{wrong}");
    let listed = said.matches("CPUUtilization on uhost uhost-1").count();
    assert_eq!(listed, 4, "two alerts at two gateways: {said}");
}
