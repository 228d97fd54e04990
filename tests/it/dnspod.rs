//! A signed fault of 監控專家 comes in, and the record of the server goes off at DNSPod; its recovery switches it on.

use std::time::Duration;

use campanile_providers::fixture;
use campanile_receiver::dnspod::{Dnspod, Fault, SECRET_ID, SECRET_KEY};
use jiff::Timestamp;
use md5::{Digest, Md5};
use tempfile::TempDir;

use crate::gateway::Gateway;
use crate::standing::{post, request};

const TOKEN: &str = "our-own-callback-token";
const A: &str = "203.0.113.7";
const B: &str = "203.0.113.8";
const MINUTE: Duration = Duration::from_mins(1);

struct Stage {
    gateway: Gateway,
    dnspod: Dnspod,
    now: Timestamp,
    _folder: TempDir,
}

impl Stage {
    async fn start() -> Self {
        let now = fixture::RECEIVED_AT.parse().unwrap();
        let dnspod = Dnspod::start(now, &[A, B]).await;
        let folder = tempfile::tempdir().unwrap();
        let settings = format!(
            "[providers.jiankong.web]\ntoken = \"{TOKEN}\"\n\
             [sinks.dnspod.web]\nurl = \"{}\"\nsecret_id = \"{SECRET_ID}\"\nsecret_key = \"{SECRET_KEY}\"\n\
             domain = \"example.com\"\nsub_domain = \"www\"\nledger = \"{}\"\n\
             value = \"{{{{ {{'1234': '{A}', '1235': '{B}'}}[labels.server_id] }}}}\"\n\
             [[routes]]\nwhen = \"severity == 'critical'\"\nsinks = [\"dnspod/web\"]\n",
            dnspod.url(),
            folder.path().join("dnspod.jsonl").display(),
        );
        Self {
            gateway: Gateway::start(&settings).await,
            dnspod,
            now,
            _folder: folder,
        }
    }

    /// Sends a callback and waits for what follows from it.
    async fn callback(&self, raw: Vec<u8>) {
        let reply = self.gateway.send(raw).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        self.gateway.deliver_everything().await;
    }

    /// Moves the clocks of the gateway and of the vendor.
    async fn pass(&mut self, whole: Duration, step: Duration) {
        let end = self.now + whole;
        while self.now < end {
            self.now += step;
            self.dnspod.set_now(self.now);
            self.gateway.advance(step).await;
        }
    }

    async fn stop(self) {
        self.gateway.stop().await;
    }
}

/// A signed `POST`: a fault or a recovery of a server.
fn signed(message: &str, server: &str, status: &str, kind: &str) -> Vec<u8> {
    let token = hex::encode(Md5::digest(format!("{message}2591971409803140{TOKEN}")));
    let form = [
        ("msg_id", message),
        ("task_user_id", "5021"),
        ("task_id", "259197"),
        ("task_type", "load"),
        ("fault_time", "1409803140"),
        ("message_type", kind),
        ("message_status", status),
        ("task_summary", "web"),
        ("server_id", server),
        ("content", "x"),
        ("message_detail", "{\"metric\":\"load_average_5\"}"),
        ("token", &token),
    ];
    let form = serde_urlencoded::to_string(form).unwrap();
    let head = "content-type: application/x-www-form-urlencoded; charset=UTF-8\r\n";
    post("/callback/jiankong/web", head, form.as_bytes())
}

fn fault(message: &str, server: &str) -> Vec<u8> {
    signed(message, server, "1", "1")
}

fn recovery(message: &str, server: &str) -> Vec<u8> {
    signed(message, server, "2", "1")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_takes_the_server_out_of_dns_and_its_recovery_brings_it_back() {
    let stage = Stage::start().await;
    stage.callback(fault("1", "1234")).await;
    assert_eq!(stage.dnspod.on(), [B]);
    // A reminder, and the same message once more, change nothing.
    stage.callback(signed("2", "1235", "1", "2")).await;
    stage.callback(fault("1", "1234")).await;
    stage.callback(recovery("3", "1234")).await;
    assert_eq!(stage.dnspod.on(), [A, B]);
    let calls = ["list", "DISABLE 101", "list", "list", "ENABLE 101", "list"];
    assert_eq!(stage.dnspod.calls(), calls);
    let delivered = stage.gateway.list("/api/v1/alerts").await;
    assert_eq!(delivered.len(), 3);
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_not_signed_switches_nothing() {
    let stage = Stage::start().await;
    let mut raw = fault("1", "1234");
    let last = raw.len() - 1;
    raw[last] = if raw[last] == b'0' { b'1' } else { b'0' };
    assert_eq!(stage.gateway.send(raw).await.status, 403);
    let unsigned = "msg_id=1&task_id=259197&fault_time=1&task_status=1&server_id=1234";
    let target = format!("/callback/jiankong/web?{unsigned}");
    let reply = stage.gateway.send(request("GET", &target, "", b"")).await;
    assert_eq!(reply.status, 401);
    stage.gateway.deliver_everything().await;
    assert!(stage.dnspod.calls().is_empty());
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_faults_at_once_never_take_the_last_two_records() {
    let mut stage = Stage::start().await;
    let (a, b) = (fault("1", "1234"), fault("2", "1235"));
    let both = tokio::join!(stage.gateway.send(a), stage.gateway.send(b));
    assert_eq!((both.0.status, both.1.status), (200, 200));
    stage.gateway.deliver_everything().await;
    stage.pass(10 * MINUTE, MINUTE).await;
    assert_eq!(stage.dnspod.on().len(), 1);
    // The one that was refused is a dead letter with its reason, for an operator.
    let dead = stage.gateway.ask("/api/v1/dead").await.to_string();
    assert!(dead.contains("`floor` is 1"), "{dead}");
    // Both recover: both are on, and only one was switched.
    stage.callback(recovery("3", "1234")).await;
    stage.callback(recovery("4", "1235")).await;
    stage.pass(10 * MINUTE, MINUTE).await;
    assert_eq!(stage.dnspod.on(), [A, B]);
    assert_eq!(stage.dnspod.needless(), 0);
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_six_hours_late_never_takes_a_healthy_server_out() {
    let mut stage = Stage::start().await;
    stage.dnspod.fails("list", vec![Fault::Status(502); 1000]);
    stage.callback(fault("1", "1234")).await;
    stage.pass(60 * MINUTE, 5 * MINUTE).await;
    stage.callback(recovery("2", "1234")).await;
    stage.pass(300 * MINUTE, 15 * MINUTE).await;
    let tried = stage.dnspod.calls().len();
    assert!(tried > 3, "{tried}");
    stage.dnspod.works();
    stage.pass(60 * MINUTE, 5 * MINUTE).await;
    assert_eq!(stage.dnspod.on(), [A, B]);
    assert!(stage.dnspod.calls().iter().all(|call| call == "list"));
    // Both deliveries are done: nothing is left that could act later.
    let states = stage.gateway.ask("/api/v1/sinks").await.to_string();
    assert!(states.contains("\"pending\":0"), "{states}");
    stage.stop().await;
}

/// The problem is still there: then being late is right.
#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_six_hours_late_takes_a_server_out_that_is_still_down() {
    let mut stage = Stage::start().await;
    stage.dnspod.fails("list", vec![Fault::Status(502); 1000]);
    stage.callback(fault("1", "1234")).await;
    stage.pass(360 * MINUTE, 15 * MINUTE).await;
    assert_eq!(stage.dnspod.on(), [A, B]);
    stage.dnspod.works();
    stage.pass(60 * MINUTE, 5 * MINUTE).await;
    assert_eq!(stage.dnspod.on(), [B]);
    stage.callback(recovery("2", "1234")).await;
    stage.pass(10 * MINUTE, MINUTE).await;
    assert_eq!(stage.dnspod.on(), [A, B]);
    stage.stop().await;
}
