//! A stop is not delayed, and after a kill the next start continues with everything. The package `campanile-chaos`
//! tests deliveries after a kill or a stop under load.

use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use campanile::app::App;
use campanile::config::{self, Environment};
use campanile::telemetry::Metrics;
use campanile_model::Clock;
use serde_json::{Value, json};

use crate::api::following::Following;
use crate::gateway::preamble;
use crate::patience::{until, within};
use crate::process::Process;
use crate::receiver::{Play, Receiver};
use crate::standing::{Wire, post, request};

fn alarm(problem: usize) -> Vec<u8> {
    let body = json!({
        "SessionID": format!("session-{problem}"), "Region": "cn-north-03", "ResourceType": "uhost",
        "ResourceId": format!("uhost-{problem}"), "MetricName": "MemUsage",
        "AlarmTime": 1_470_822_697, "RecoveryTime": 0,
    });
    let path = "/callback/ucloud/prod/the-key-of-ucloud";
    post(path, "", body.to_string().as_bytes())
}

fn write_config(folder: &Path, sink: &str) {
    let settings = format!(
        "[log]\nlevel = \"warn\"\n\
         [providers.ucloud.prod]\nkey = \"the-key-of-ucloud\"\n\
         [sinks.webhook.oncall]\nurl = \"{sink}\"\n"
    );
    std::fs::write(folder.join("campanile.toml"), preamble(folder) + &settings).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_do_not_hold_up_a_stop() {
    let receiver = Receiver::start([Play::status(200)]).await;
    let folder = tempfile::tempdir().unwrap();
    write_config(folder.path(), &receiver.url("/"));
    let process = Process::start(folder.path()).await;
    let mut idle = Vec::new();
    for problem in 0..20 {
        let mut wire = Wire::to(process.public).await;
        wire.write(alarm(problem)).await;
        assert_eq!(wire.read().await.status, 200);
        let mut operators = Wire::to(process.admin).await;
        operators.write(request("GET", "/healthz", "", b"")).await;
        assert_eq!(operators.read().await.status, 200);
        idle.extend([wire, operators, Wire::to(process.public).await]);
    }
    let began = tokio::time::Instant::now();
    process.signal("TERM");
    assert_eq!(process.ended().await.code(), Some(0), "{}", process.log());
    assert!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
    for wire in &mut idle {
        assert!(wire.is_closed().await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_drains_is_not_ready_and_answers_every_callback_on_a_connection_that_it_closes()
 {
    let receiver = Receiver::start([Play::status(200)]).await;
    let folder = tempfile::tempdir().unwrap();
    write_config(folder.path(), &receiver.url("/"));
    let config = config::load(&[folder.path().join("campanile.toml")], &Environment::new());
    let mut config = config.unwrap();
    config.server.drain = Some(Duration::from_secs(5));
    let clock = Clock::manual("2026-11-26T08:00:00Z".parse().unwrap());
    let app = App::start(config, clock.clone(), Arc::new(Metrics::new())).await;
    let mut app = app.unwrap();
    let [public, admin] = [app.public_address(), app.admin_address()].map(Option::unwrap);
    let mut open = Wire::to(public).await;
    open.write(alarm(1)).await;
    let kept = open.read().await;
    assert_eq!((kept.status, kept.header("connection")), (200, ""));

    let callers = async {
        let readyz = || request("GET", "/readyz", "connection: close\r\n", b"");
        until("the end of readiness", async || {
            let ready = Wire::to(admin).await.send(readyz()).await;
            (ready.status, &*ready.body) == (503, "stopping\n")
        })
        .await;
        clock.advance(Duration::from_millis(4999));
        for (mut wire, problem) in [(open, 2), (Wire::to(public).await, 3)] {
            wire.write(alarm(problem)).await;
            let answer = wire.read().await;
            assert_eq!(answer.status, 200, "{}", answer.body);
            assert_eq!(answer.header("connection"), "close");
            assert!(wire.is_closed().await);
        }
        // No other gateway has this file, so it still delivers.
        receiver.got_at_least(3).await;
    };
    {
        let mut drain = std::pin::pin!(app.drain());
        tokio::select! {
            () = &mut drain => panic!("the drain ended too early"),
            () = callers => {}
        }
        clock.advance(Duration::from_millis(1));
        within("the end of the drain", drain).await;
    }
    app.stop().await;
    assert!(TcpStream::connect(public).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_the_drain() {
    let folder = tempfile::tempdir().unwrap();
    write_config(folder.path(), "http://127.0.0.1:1/");
    let file = folder.path().join("campanile.toml");
    let settings = std::fs::read_to_string(&file).unwrap();
    let settings = settings.replacen("[server]\n", "[server]\ndrain = \"5m\"\n", 1);
    std::fs::write(&file, settings.replace("\"warn\"", "\"info\"")).unwrap();
    let process = Process::start(folder.path()).await;
    process.signal("INT");
    process
        .logs_times("callbacks are still accepted for 300s", 1)
        .await;
    assert_eq!(process.send(alarm(1)).await.status, 200);
    process.signal("INT");
    assert_eq!(process.ended().await.code(), Some(0), "{}", process.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_before_its_receiver_answers_it_sends_the_same_delivery_after_the_next_start() {
    let receiver = Receiver::start([Play::Silence, Play::status(200)]).await;
    let folder = tempfile::tempdir().unwrap();
    write_config(folder.path(), &receiver.url("/"));
    let process = Process::start(folder.path()).await;
    assert_eq!(process.send(alarm(1)).await.status, 200);
    receiver.got_at_least(1).await;
    process.kill().await;
    let process = Process::start(folder.path()).await;
    receiver.until(|got| got.len() == 2).await;
    let got = receiver.got();
    assert_eq!(got[0].header("webhook-id"), got[1].header("webhook-id"));
    assert_eq!(got[0].body, got[1].body);
    process.signal("TERM");
    assert_eq!(process.ended().await.code(), Some(0), "{}", process.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_goes_on_after_kills_shows_every_accepted_alert_once_and_in_order() {
    let receiver = Receiver::start([Play::status(200)]).await;
    let folder = tempfile::tempdir().unwrap();
    write_config(folder.path(), &receiver.url("/"));
    let (mut shown, mut accepted, mut last) = (Vec::new(), 0, "0".to_owned());
    for round in 0..2 {
        let process = Process::start(folder.path()).await;
        let mut stream = Following::lines(process.admin, &format!("?after={last}")).await;
        let sending = async {
            let mut wire = Wire::to(process.public).await;
            for problem in 0.. {
                if problem == 100 {
                    process.signal("KILL");
                }
                let asked = alarm(1000 * round + problem);
                match within("an answer", wire.ask(&asked)).await {
                    Some(reply) if reply.is_success() => accepted += 1,
                    _ => return,
                }
            }
        };
        tokio::join!(
            sending,
            read(&mut stream, &mut shown, &mut last, usize::MAX)
        );
        process.ended().await;
    }
    let process = Process::start(folder.path()).await;
    let mut stream = Following::lines(process.admin, &format!("?after={last}")).await;
    let kept = async || {
        let kept = process.look("/api/v1/alerts?limit=500", "").await.json();
        let kept = kept["items"].as_array().unwrap().iter().rev();
        kept.map(|alert| alert["id"].clone())
            .collect::<Vec<Value>>()
    };
    read(&mut stream, &mut shown, &mut last, kept().await.len()).await;
    // The stream has all of the store, so this one can only come as it happens.
    assert_eq!(process.send(alarm(5000)).await.status, 200);
    let kept = kept().await;
    read(&mut stream, &mut shown, &mut last, kept.len()).await;
    assert!(
        accepted >= 200 && kept.len() > accepted,
        "{accepted} of {}",
        kept.len()
    );
    assert_eq!(shown, kept);
}

/// Reads a stream until it ends or this many alerts were shown. `last` is its last id.
async fn read(stream: &mut Following, shown: &mut Vec<Value>, last: &mut String, most: usize) {
    // Signs of life come without end.
    let reading = async {
        while shown.len() < most {
            let Some(line) = stream.line().await else {
                return;
            };
            if line["event"] == "alert" {
                shown.push(line["data"]["id"].clone());
            }
            if let Some(id) = line["id"].as_str() {
                id.clone_into(last);
            }
        }
    };
    let what = match most {
        usize::MAX => "the end of the stream".to_owned(),
        _ => format!("{most} alerts in the stream"),
    };
    within(&what, reading).await;
}
