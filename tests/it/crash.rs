//! A 2xx is a promise: killed or stopped under load, the gateway delivers all that it has answered, in order.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use md5::{Digest, Md5};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::gateway::preamble;
use crate::process::Process;
use crate::receiver::{Got, Play, Receiver};
use crate::standing::{Wire, post, request};

const TOKEN: &str = "our-own-callback-token";

/// Vendors that call at the same time, each on a connection of its own.
const VENDORS: usize = 8;

/// A message, and what it is called by the gateway.
struct Message {
    id: String,
    raw: Vec<u8>,
}

impl Message {
    /// The alarm or the recovery of a problem: every other one in the words of another vendor.
    fn of(problem: usize, resolved: bool) -> Self {
        if problem.is_multiple_of(2) {
            Self::ucloud(problem, resolved)
        } else {
            Self::jiankong(problem, resolved)
        }
    }

    fn ucloud(problem: usize, resolved: bool) -> Self {
        let session = format!("session-{problem}");
        let body = json!({
            "SessionID": session, "Region": "cn-north-03", "ResourceType": "uhost",
            "ResourceId": format!("uhost-{problem}"), "MetricName": "MemUsage",
            "AlarmTime": 1_470_822_697, "RecoveryTime": if resolved { 1_470_823_697 } else { 0 },
        });
        let path = "/callback/ucloud/prod/the-key-of-ucloud";
        let status = if resolved { "resolved" } else { "firing" };
        Self {
            id: format!("{session}:{status}"),
            raw: post(path, "", body.to_string().as_bytes()),
        }
    }

    fn jiankong(problem: usize, resolved: bool) -> Self {
        let id = (2 * problem + usize::from(resolved)).to_string();
        let token = hex::encode(Md5::digest(format!("{id}{problem}1271767302{TOKEN}")));
        let query = format!(
            "msg_id={id}&task_user_id=7001&task_id={problem}&task_type=http&fault_time=1271767302&task_status={}\
             &task_summary=www.example.com&content=down&token={token}",
            u8::from(!resolved)
        );
        let raw = request("GET", &format!("/callback/jiankong/web?{query}"), "", b"");
        Self { id, raw }
    }
}

/// All that the vendors have to say, and what of it was answered with a 2xx.
struct Load {
    messages: Vec<Vec<Message>>,
    answered: Vec<usize>,
    count: Arc<watch::Sender<usize>>,
}

impl Load {
    /// So many alerts, shared out to the vendors: of each problem the alarm, then the recovery.
    fn of(alerts: usize) -> Self {
        let of = |vendor: usize| {
            let problems = (vendor..alerts / 2).step_by(VENDORS);
            let pair = |problem| [Message::of(problem, false), Message::of(problem, true)];
            problems.flat_map(pair).collect()
        };
        Self {
            messages: (0..VENDORS).map(of).collect(),
            answered: vec![0; VENDORS],
            count: Arc::new(watch::Sender::new(0)),
        }
    }

    /// Sends until all is answered or the gateway is gone. As vendors do, what got no answer is sent again next time.
    async fn send(mut self, to: SocketAddr) -> Self {
        let mut talks = JoinSet::new();
        let vendors = self.messages.into_iter().zip(self.answered).enumerate();
        for (vendor, (messages, mut answered)) in vendors {
            let count = Arc::clone(&self.count);
            talks.spawn(async move {
                if let Some(mut wire) = Wire::try_to(to).await {
                    while let Some(next) = messages.get(answered) {
                        wire.write(&next.raw).await;
                        match wire.read_unless_closed().await {
                            Some(reply) if reply.status == 200 => answered += 1,
                            Some(reply) => panic!("{reply:?}"),
                            None => break,
                        }
                        count.send_modify(|count| *count += 1);
                    }
                }
                (vendor, messages, answered)
            });
        }
        let mut back = talks.join_all().await;
        back.sort_by_key(|(vendor, ..)| *vendor);
        let back = back.into_iter();
        (self.messages, self.answered) = back.map(|(_, messages, done)| (messages, done)).unzip();
        self
    }

    fn promised(&self) -> BTreeSet<String> {
        let of = |(messages, done): (&Vec<Message>, &usize)| {
            let promised = messages.iter().take(*done);
            promised.map(|m| m.id.clone()).collect::<Vec<_>>()
        };
        let all = self.messages.iter().zip(&self.answered);
        all.flat_map(of).collect()
    }
}

fn write_config(folder: &Path, sink: &str) {
    let settings = format!(
        "[log]\nlevel = \"warn\"\n\
         [providers.ucloud.prod]\nkey = \"the-key-of-ucloud\"\n\
         [providers.jiankong.web]\ntoken = \"{TOKEN}\"\n\
         [sinks.webhook.oncall]\nurl = \"{sink}\"\nin_flight_max = 64\nretry_schedule = [\"1s\"]\n"
    );
    std::fs::write(folder.join("campanile.toml"), preamble(folder) + &settings).unwrap();
}

/// A receiver that fails now and then, in every way, but never so often that it is left alone for a while.
fn whims(random: &mut StdRng) -> Vec<Play> {
    let play = |whim: u8| match whim {
        0 => Play::status(500),
        1 => Play::Reset,
        2 => Play::ResetInBody,
        3 => Play::AnswerAndClose(200),
        _ => Play::status(200),
    };
    (0..20_000)
        .map(|_| play(random.random_range(0..60)))
        .collect()
}

/// Waits until every promised message has come.
async fn come(receiver: &Receiver, promised: &BTreeSet<String>) {
    let mut missing = promised.clone();
    let mut looked_at = 0;
    let all_came = |got: &Vec<Got>| {
        for got in &got[looked_at..] {
            missing.remove(got.json()["message_id"].as_str().unwrap());
        }
        looked_at = got.len();
        missing.is_empty()
    };
    receiver.until(all_came).await;
}

/// A message came twice only as the same delivery, and in a lane nothing came before what was accepted earlier.
fn check_order(got: &[Got]) {
    let mut deliveries: BTreeMap<String, String> = BTreeMap::new();
    let mut last_of_lane: BTreeMap<String, (String, String)> = BTreeMap::new();
    for got in got {
        let alert = got.json();
        let word = |name: &str| alert[name].as_str().unwrap().to_owned();
        let delivery = got.header("webhook-id").unwrap().to_owned();
        let known = deliveries
            .entry(word("message_id"))
            .or_insert(delivery.clone());
        assert_eq!(*known, delivery, "{} is two deliveries", word("message_id"));
        let now = (word("id"), word("status"));
        let last = last_of_lane.insert(word("fingerprint"), now.clone());
        if let Some(last) = last {
            assert!(last <= now, "{now:?} came after {last:?}");
            let back = (last.1.as_str(), now.1.as_str()) == ("resolved", "firing");
            assert!(!back, "firing came after its resolved");
        }
    }
}

fn seed() -> u64 {
    let asked = std::env::var("CAMPANILE_SEED").ok();
    asked.map_or_else(rand::random, |seed| seed.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_under_load_it_delivers_every_alert_that_it_has_answered() {
    const ALERTS: usize = 5_000;
    const KILLS: usize = 3;
    let seed = seed();
    println!("CAMPANILE_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let receiver = Receiver::start(whims(&mut random)).await;
    let folder = tempfile::tempdir().unwrap();
    write_config(folder.path(), &receiver.url("/"));
    let mut load = Load::of(ALERTS);
    for cycle in 0..KILLS {
        let process = Process::start(folder.path()).await;
        let (from, to) = (cycle * ALERTS / KILLS, (cycle + 1) * ALERTS / KILLS);
        let moment = random.random_range(from + VENDORS..to - VENDORS);
        let mut answered = load.count.subscribe();
        let sending = tokio::spawn(load.send(process.public));
        answered.wait_for(|count| *count >= moment).await.unwrap();
        process.kill().await;
        load = sending.await.unwrap();
    }
    let process = Process::start(folder.path()).await;
    load = load.send(process.public).await;
    let promised = load.promised();
    assert_eq!(promised.len(), ALERTS);
    come(&receiver, &promised).await;
    check_order(&receiver.got());
    process.signal("TERM");
    assert_eq!(process.ended().await.code(), Some(0), "{}", process.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_under_load_it_ends_well_and_delivers_all_after_the_next_start() {
    let receiver = Receiver::start([Play::status(200)]).await;
    let folder = tempfile::tempdir().unwrap();
    write_config(folder.path(), &receiver.url("/"));
    let process = Process::start(folder.path()).await;
    let load = Load::of(2_000);
    let mut answered = load.count.subscribe();
    let sending = tokio::spawn(load.send(process.public));
    answered.wait_for(|count| *count >= 600).await.unwrap();
    let began = tokio::time::Instant::now();
    process.signal("TERM");
    let status = process.ended().await;
    assert_eq!(status.code(), Some(0), "{}", process.log());
    assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
    let load = sending.await.unwrap();
    let promised = load.promised();
    assert!((600..2_000).contains(&promised.len()), "{}", promised.len());
    let process = Process::start(folder.path()).await;
    come(&receiver, &promised).await;
    check_order(&receiver.got());
    process.kill().await;
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
        wire.write(Message::of(problem, false).raw).await;
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
