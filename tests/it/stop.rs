//! A stop is not delayed, and after a kill the next start continues with everything. The package `campanile-chaos`
//! tests deliveries after a kill or a stop under load.

use std::path::Path;

use serde_json::{Value, json};

use crate::api::following::Following;
use crate::gateway::preamble;
use crate::patience::within;
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
