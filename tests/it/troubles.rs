//! The gateway's own troubles as alerts of `campanile/self`: firing and resolved, each once.

use std::time::Duration;

use campanile::config::Config;
use campanile_store::Act;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::gateway::Gateway;
use crate::receiver::{Got, Play, Receiver};

const MINUTE: Duration = Duration::from_mins(1);

/// A source that may be silent for an hour.
const SOURCE: &str = "[providers.ucloud.prod]\nopen = true\nsilent_after = \"1h\"\n";

fn watching(config: &mut Config) {
    config.own.alerts = true;
    config.own.free_bytes_min = 0;
}

/// A webhook without retries in the way: its breaker opens with the fifth failure.
fn sink(name: &str, url: &str) -> String {
    format!("[sinks.webhook.{name}]\nurl = \"{url}\"\nretry_schedule = [\"1s\"]\n")
}

async fn alarm(gateway: &Gateway, session: &str) {
    let body = json!({"SessionID": session, "MetricName": "MemUsage", "AlarmTime": 1_470_822_697});
    let reply = gateway.post("/callback/ucloud/prod", &body).await;
    assert_eq!(reply.status, 200);
}

/// Moves the clock in steps of a second, so that each retry is made at its time, and looks at the end.
async fn pass(gateway: &Gateway, seconds: u64) {
    for _ in 0..seconds {
        gateway.advance(Duration::from_secs(1)).await;
    }
    gateway.look_at_itself().await;
    gateway.deliver_everything().await;
}

/// The alerts of the gateway about itself, oldest first: what, about what, and its status.
async fn raised(gateway: &Gateway) -> Vec<String> {
    let alerts = gateway.list("/api/v1/alerts?source=campanile/self").await;
    let line = |alert: &Value| {
        let label = |name: &str| alert["labels"][name].as_str().unwrap().to_owned();
        let status = alert["status"].as_str().unwrap();
        format!("{} {} {status}", label("trouble"), label("about"))
    };
    alerts.iter().map(line).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_sink_is_reported_once_through_the_others_and_so_is_its_recovery() {
    let failing = Receiver::start([Play::status(500)]).await;
    let works = Receiver::start([Play::status(200)]).await;
    let settings =
        SOURCE.to_owned() + &sink("down", &failing.url("/")) + &sink("up", &works.url("/"));
    let gateway = Gateway::start_with(&settings, watching).await;
    alarm(&gateway, "1").await;
    pass(&gateway, 12).await;
    let firing = "sink_failing webhook/down firing";
    assert_eq!(raised(&gateway).await, [firing]);
    pass(&gateway, 1).await;
    assert_eq!(raised(&gateway).await, [firing]);
    failing.now_plays([Play::status(200)]);
    gateway.advance(10 * MINUTE).await;
    pass(&gateway, 1).await;
    let both = [firing, "sink_failing webhook/down resolved"];
    assert_eq!(raised(&gateway).await, both);
    pass(&gateway, 1).await;
    assert_eq!(raised(&gateway).await, both);
    let own = |receiver: &Receiver| {
        let got = receiver.got();
        let own = got.iter().map(Got::json);
        own.filter(|it| it["source"] == "campanile/self").count()
    };
    assert_eq!((own(&works), own(&failing)), (2, 0));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_reported_until_none_is_left() {
    let refuses = Receiver::start([Play::status(400), Play::status(400), Play::status(400)]).await;
    let settings = SOURCE.to_owned() + &sink("picky", &refuses.url("/"));
    let gateway = Gateway::start_with(&settings, watching).await;
    alarm(&gateway, "1").await;
    pass(&gateway, 10).await;
    let firing = "dead_letters webhook/picky firing";
    assert_eq!(raised(&gateway).await, [firing]);
    let alerts = gateway.list("/api/v1/alerts?source=campanile/self").await;
    let pending = gateway.list("/api/v1/deliveries").await;
    assert!(pending.is_empty(), "it goes through no sink: {pending:?}");
    assert!(
        alerts[0]["description"]
            .as_str()
            .unwrap()
            .starts_with("1 deliveries")
    );
    let drop = gateway.list("/api/v1/dead").await;
    let id = drop[0]["id"].as_i64().unwrap();
    assert_eq!(
        gateway
            .store()
            .drop_dead(vec![id], Act::new(Timestamp::UNIX_EPOCH, "dead.drop"))
            .await
            .unwrap(),
        1
    );
    gateway.advance(5 * MINUTE).await;
    pass(&gateway, 1).await;
    assert_eq!(
        raised(&gateway).await,
        [firing, "dead_letters webhook/picky resolved"]
    );
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_source_is_reported_once_also_over_a_restart() {
    let works = Receiver::start([Play::status(200)]).await;
    let settings = SOURCE.to_owned() + &sink("up", &works.url("/"));
    let mut gateway = Gateway::start_with(&settings, watching).await;
    alarm(&gateway, "1").await;
    gateway.advance(59 * MINUTE).await;
    pass(&gateway, 1).await;
    assert_eq!(raised(&gateway).await, [""; 0]);
    gateway.advance(MINUTE).await;
    pass(&gateway, 1).await;
    let firing = "silent_source ucloud/prod firing";
    assert_eq!(raised(&gateway).await, [firing]);
    gateway.restart_with(watching).await;
    gateway.advance(10 * MINUTE).await;
    pass(&gateway, 1).await;
    gateway.advance(60 * MINUTE).await;
    pass(&gateway, 1).await;
    assert_eq!(
        raised(&gateway).await,
        [firing],
        "the restart changes nothing"
    );
    alarm(&gateway, "2").await;
    pass(&gateway, 1).await;
    let both = [firing, "silent_source ucloud/prod resolved"];
    assert_eq!(raised(&gateway).await, both);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_and_a_slow_store_are_reported_and_resolved() {
    let works = Receiver::start([Play::status(200)]).await;
    let settings = SOURCE.to_owned() + &sink("up", &works.url("/"));
    let gateway = Gateway::start_with(&settings, watching).await;
    gateway
        .reload_with(|config| {
            watching(config);
            config.own.free_bytes_min = u64::MAX;
        })
        .await;
    gateway.metrics().committed(Duration::from_secs(2));
    pass(&gateway, 1).await;
    let firing = ["slow_store store firing", "low_disk store firing"];
    assert_eq!(raised(&gateway).await, firing);
    gateway.reload_with(watching).await;
    gateway.advance(6 * MINUTE).await;
    pass(&gateway, 1).await;
    let resolved = ["slow_store store resolved", "low_disk store resolved"];
    assert_eq!(raised(&gateway).await, [firing, resolved].concat());
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_setting_nothing_is_raised() {
    let gateway = Gateway::start(&(SOURCE.to_owned() + crate::gateway::IDLE_SINK)).await;
    gateway.advance(120 * MINUTE).await;
    pass(&gateway, 1).await;
    assert_eq!(raised(&gateway).await, [""; 0]);
    assert!(gateway.metric("campanile_store_free_bytes").await > 0.0);
    gateway.stop().await;
}
