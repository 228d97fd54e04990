//! One message, sent many times: at once over many connections, inside one body, with other content, across a kill, and
//! while nothing can be written. It is one event, and no sender gets the answer "duplicate" before it is on disk.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use futures_util::future::join_all;
use md5::{Digest, Md5};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::gateway::{Gateway, preamble};
use crate::patience::within;
use crate::process::Process;
use crate::receiver::{Got, Play, Receiver};
use crate::standing::{Reply, Wire, post, request};

const TOKEN: &str = "our-own-callback-token";

/// The number of messages at once.
const COPIES: usize = 100;

/// A call of 監控專家, the vendor whose answer says whether its message is a duplicate. Its token covers the id, not the
/// content.
fn call(message: &str, content: &str) -> Vec<u8> {
    let token = hex::encode(Md5::digest(format!(
        "{message}4711{}{TOKEN}",
        1_271_767_302
    )));
    let query = format!(
        "msg_id={message}&task_user_id=7001&task_id=4711&task_type=http&fault_time=1271767302&task_status=1\
         &task_summary=www.example.com&content={content}&token={token}"
    );
    request("GET", &format!("/callback/jiankong/web?{query}"), "", b"")
}

fn settings(sinks: [&Receiver; 2]) -> String {
    let [a, b] = sinks.map(|sink| sink.url("/"));
    format!(
        "[log]\nlevel = \"warn\"\n\
         [providers.jiankong.web]\ntoken = \"{TOKEN}\"\n\
         [providers.alertmanager-api.k8s]\nopen = true\n\
         [sinks.webhook.a]\nurl = \"{a}\"\n[sinks.webhook.b]\nurl = \"{b}\"\n"
    )
}

async fn receivers() -> [Receiver; 2] {
    [
        Receiver::start([Play::status(200)]).await,
        Receiver::start([Play::status(200)]).await,
    ]
}

/// A call for each connection. All connections are opened before the first call is written.
async fn at_once(to: std::net::SocketAddr, calls: Vec<Vec<u8>>) -> Vec<Reply> {
    let mut wires = join_all(calls.iter().map(|_| Wire::to(to))).await;
    let talks = wires.iter_mut().zip(calls).map(async |(wire, call)| {
        wire.write(call).await;
        wire.read().await
    });
    join_all(talks).await
}

/// The number of answers for a new message, and the number for a duplicate. There are no others.
fn tally(replies: &[Reply]) -> (usize, usize) {
    assert!(
        replies.iter().all(|reply| reply.status == 200),
        "{replies:?}"
    );
    let known = replies
        .iter()
        .filter(|reply| reply.body == "OK duplicate")
        .count();
    (replies.len() - known, known)
}

/// A counter, as a whole number.
async fn counter(gateway: &Gateway, name: &str) -> String {
    gateway.metric(name).await.to_string()
}

async fn outcome(gateway: &Gateway, word: &str) -> String {
    let of = format!("{{source=\"jiankong/web\",outcome=\"{word}\"}}");
    counter(gateway, &format!("campanile_callbacks_total{of}")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_comes_a_hundred_times_at_once_is_one_event_for_each_sink() {
    let sinks = receivers().await;
    let gateway = Gateway::start(&settings([&sinks[0], &sinks[1]])).await;
    let replies = at_once(gateway.public(), vec![call("1", "down"); COPIES]).await;
    assert_eq!(tally(&replies), (1, COPIES - 1));
    gateway.deliver_everything().await;
    assert_eq!(gateway.list("/api/v1/alerts").await.len(), 1);
    for sink in &sinks {
        assert_eq!(sink.got().len(), 1);
    }
    assert_eq!(outcome(&gateway, "accepted").await, "1");
    assert_eq!(outcome(&gateway, "duplicate").await, "99");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_id_with_two_contents_is_the_event_that_came_first_and_each_other_is_a_conflict() {
    let sinks = receivers().await;
    let gateway = Gateway::start(&settings([&sinks[0], &sinks[1]])).await;
    let words = ["down", "up+again"];
    let calls = (0..COPIES).map(|n| call("1", words[n % 2])).collect();
    assert_eq!(
        tally(&at_once(gateway.public(), calls).await),
        (1, COPIES - 1)
    );
    gateway.deliver_everything().await;
    assert_eq!(gateway.list("/api/v1/alerts").await.len(), 1);
    assert_eq!(sinks[0].got().len(), 1);
    let conflicts = "campanile_conflicts_total{source=\"jiankong/web\"}";
    assert_eq!(counter(&gateway, conflicts).await, "50");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_a_hundred_times_in_each_of_ten_bodies_at_once_is_one_event() {
    let sinks = receivers().await;
    let gateway = Gateway::start(&settings([&sinks[0], &sinks[1]])).await;
    let alert =
        |name: &str| json!({"labels": {"alertname": name}, "startsAt": "2025-12-31T23:51:15Z"});
    let mut alerts = vec![alert("DiskAlmostFull"); COPIES];
    alerts.insert(COPIES / 2, alert("LoadHigh"));
    let body = Value::from(alerts).to_string();
    let head = "content-type: application/json\r\n";
    let body = post("/callback/alertmanager-api/k8s", head, body.as_bytes());
    let replies = at_once(gateway.public(), vec![body; 10]).await;
    assert!(
        replies.iter().all(|reply| reply.status == 200),
        "{replies:?}"
    );
    gateway.deliver_everything().await;
    assert_eq!(gateway.list("/api/v1/alerts").await.len(), 2);
    for sink in &sinks {
        assert_eq!(sink.got().len(), 2);
    }
    gateway.stop().await;
}

fn write_config(folder: &Path, settings: &str) {
    std::fs::write(folder.join("campanile.toml"), preamble(folder) + settings).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_hundred_whose_original_cannot_be_written_none_is_told_that_it_is_known() {
    let sinks = receivers().await;
    let folder = tempfile::tempdir().unwrap();
    write_config(folder.path(), &settings([&sinks[0], &sinks[1]]));
    let process = Process::start(folder.path()).await;
    process.limit_files("1");
    let refused = at_once(process.public, vec![call("1", "down"); COPIES]).await;
    let statuses: BTreeSet<u16> = refused.iter().map(|reply| reply.status).collect();
    assert_eq!(statuses, BTreeSet::from([503]), "{refused:?}");
    process.limit_files("unlimited");
    let replies = at_once(process.public, vec![call("1", "down"); COPIES]).await;
    assert_eq!(tally(&replies), (1, COPIES - 1));
    sinks[0].got_at_least(1).await;
    process.kill().await;
}

/// The answers to a hundred connections, which all send the same messages one after the other.
#[derive(Default)]
struct Heard {
    new: BTreeMap<usize, usize>,
    known: BTreeSet<usize>,
}

impl Heard {
    fn promised(&self) -> BTreeSet<String> {
        let all = self.new.keys().chain(&self.known);
        all.map(usize::to_string).collect()
    }
}

/// Sends every message on every connection, until all are answered or the gateway is gone.
async fn storm(
    to: std::net::SocketAddr,
    messages: usize,
    count: Arc<watch::Sender<usize>>,
) -> Heard {
    let mut talks = JoinSet::new();
    for _ in 0..COPIES {
        let count = Arc::clone(&count);
        talks.spawn(async move {
            let mut heard = Vec::new();
            let Some(mut wire) = Wire::try_to(to).await else {
                return heard;
            };
            for message in 0..messages {
                wire.write(call(&message.to_string(), "down")).await;
                let Some(reply) = wire.read_unless_closed().await else {
                    break;
                };
                heard.push((message, tally(&[reply]).0 == 1));
                count.send_modify(|count| *count += 1);
            }
            heard
        });
    }
    let mut heard = Heard::default();
    for (message, new) in talks.join_all().await.into_iter().flatten() {
        if new {
            *heard.new.entry(message).or_default() += 1;
        } else {
            heard.known.insert(message);
        }
    }
    heard
}

/// The message ids of all stored alerts.
async fn held(process: &Process) -> Vec<String> {
    let page = process.look("/api/v1/alerts?limit=500", "").await.json();
    let items = page["items"].as_array().unwrap().iter();
    items
        .map(|alert| alert["message_id"].as_str().unwrap().to_owned())
        .collect()
}

pub(crate) fn seed() -> u64 {
    let asked = std::env::var("CAMPANILE_SEED").ok();
    asked.map_or_else(rand::random, |seed| seed.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_posted_before_during_and_after_a_kill_is_one_event_and_one_delivery_for_each_sink()
 {
    const MESSAGES: usize = 20;
    const KILLS: usize = 3;
    let seed = seed();
    println!("CAMPANILE_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let sinks = receivers().await;
    let folder = tempfile::tempdir().unwrap();
    write_config(folder.path(), &settings([&sinks[0], &sinks[1]]));
    let mut news: BTreeMap<usize, usize> = BTreeMap::new();
    let mut promised = BTreeSet::new();
    for _ in 0..KILLS {
        let process = Process::start(folder.path()).await;
        let held: BTreeSet<String> = held(&process).await.into_iter().collect();
        assert!(
            held.is_superset(&promised),
            "{held:?} is less than {promised:?}"
        );
        let count = Arc::new(watch::Sender::new(0));
        let mut answered = count.subscribe();
        let moment = random.random_range(1..COPIES * MESSAGES / 2);
        let posting = tokio::spawn(storm(process.public, MESSAGES, count));
        let enough = answered.wait_for(|count| *count >= moment);
        within("the answers before the kill", enough).await.unwrap();
        process.kill().await;
        let heard = within("an end of the senders", posting).await.unwrap();
        promised.extend(heard.promised());
        heard
            .new
            .iter()
            .for_each(|(message, new)| *news.entry(*message).or_default() += new);
    }
    let process = Process::start(folder.path()).await;
    let count = Arc::new(watch::Sender::new(0));
    let heard = storm(process.public, MESSAGES, count).await;
    heard
        .new
        .iter()
        .for_each(|(message, new)| *news.entry(*message).or_default() += new);
    assert_eq!(heard.promised().len(), MESSAGES);
    // The answer to the new message may have been lost with the process. A second message cannot be new.
    assert!(news.values().all(|new| *new == 1), "{news:?}");
    let mut held = held(&process).await;
    held.sort();
    let once: BTreeSet<String> = (0..MESSAGES).map(|message| message.to_string()).collect();
    assert_eq!(held, once.iter().cloned().collect::<Vec<_>>());
    for sink in &sinks {
        let came = |got: &Vec<Got>| got.iter().map(message).collect::<BTreeSet<_>>() == once;
        sink.until(came).await;
        one_delivery_each(&sink.got(), KILLS);
    }
    process.kill().await;
}

fn message(got: &Got) -> String {
    got.json()["message_id"].as_str().unwrap().to_owned()
}

/// An alert arrives again only as the same delivery, and only if it was in flight at a kill. All these messages belong
/// to one problem, so only one at a time is in flight to a sink.
fn one_delivery_each(got: &[Got], kills: usize) {
    let mut deliveries: BTreeMap<String, &str> = BTreeMap::new();
    for got in got {
        let delivery = got.header("webhook-id").unwrap();
        assert_eq!(
            *deliveries.entry(message(got)).or_insert(delivery),
            delivery
        );
    }
    let again = got.len() - deliveries.len();
    assert!(again <= kills, "{again} arrived twice after {kills} kills");
}
