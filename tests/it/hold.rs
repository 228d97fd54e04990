//! A start with `--hold` sends nothing to a sink until an operator resumes it.

use std::path::Path;
use std::sync::Arc;

use campanile::app::App;
use campanile::config::{self, Config, Environment};
use campanile::delivery::{PausedBy, Phase};
use campanile::telemetry::Metrics;
use campanile_model::Clock;
use serde_json::{Value, json};

use crate::gateway::preamble;
use crate::patience::idle;
use crate::process::Process;
use crate::receiver::{Play, Receiver};
use crate::standing::{Reply, Wire, post, request};

const SOURCE: &str = "[providers.ucloud.prod]\nkey = \"the-key-of-ucloud\"\n";

fn config(folder: &Path, receiver: &Receiver, sinks: &[&str]) -> Config {
    let url = receiver.url("/");
    let sinks = sinks
        .iter()
        .map(|name| format!("[sinks.webhook.{name}]\nurl = \"{url}\"\n"));
    let settings = preamble(folder) + SOURCE + &sinks.collect::<String>();
    let file = folder.join("campanile.toml");
    std::fs::write(&file, settings).unwrap();
    let config = config::load(&[file], &Environment::new());
    config.unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

async fn start(config: Config, hold: bool, at: &str) -> App {
    let clock = Clock::manual(at.parse().unwrap());
    let app = App::start_with(config, clock, Arc::new(Metrics::new()), hold).await;
    app.unwrap()
}

async fn alarm(app: &App, session: &str) -> Reply {
    let body = json!({
        "SessionID": session, "Region": "cn-bj2", "ResourceType": "uhost", "ResourceId": session,
        "MetricName": "CPUUtilization", "AlarmTime": 1_800_000_002, "RecoveryTime": 0, "Content": "cpu high",
    });
    let path = "/callback/ucloud/prod/the-key-of-ucloud";
    let post = post(path, "", body.to_string().as_bytes());
    let public = app.public_address().unwrap();
    Wire::to(public).await.send(post).await
}

/// The states of all sinks: name, state, and who paused it.
fn states(app: &App) -> Vec<(String, Phase, Option<PausedBy>)> {
    let states = app.delivery().states().into_iter();
    let states = states.map(|state| (state.name.to_string(), state.state, state.paused_by));
    states.collect()
}

fn messages(receiver: &Receiver) -> Vec<String> {
    let id = |got: &crate::receiver::Got| got.json()["message_id"].as_str().map(str::to_owned);
    receiver.got().iter().filter_map(id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_pending_at_a_start_with_hold_goes_out_when_its_sink_is_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start([Play::status(500), Play::status(200)]).await;
    let settings = || config(folder.path(), &receiver, &["a"]);
    let app = start(settings(), false, "2026-11-26T08:00:00Z").await;
    assert_eq!(alarm(&app, "old").await.status, 200);
    receiver.got_at_least(1).await;
    app.stop().await;

    let app = start(settings(), true, "2026-11-26T09:00:00Z").await;
    let held = ("webhook/a".to_owned(), Phase::Paused, Some(PausedBy::Hold));
    assert_eq!(states(&app), [held]);
    assert_eq!(
        alarm(&app, "new").await.status,
        200,
        "callbacks are accepted"
    );
    app.delivery().poke_all();
    idle(app.delivery()).await;
    assert_eq!(
        messages(&receiver),
        ["old:firing"],
        "the attempt before the stop"
    );

    app.delivery().resume("webhook/a").unwrap();
    receiver.got_at_least(3).await;
    let mut sent = messages(&receiver).split_off(1);
    sent.sort();
    assert_eq!(sent, ["new:firing", "old:firing"]);
    idle(app.delivery()).await;
    assert_eq!(states(&app), [("webhook/a".to_owned(), Phase::Ok, None)]);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_keeps_the_hold_and_a_new_sink_is_held_while_another_one_is() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start([Play::status(200)]).await;
    let settings = |sinks: &[&str]| config(folder.path(), &receiver, sinks);
    let app = start(settings(&["a"]), true, "2026-11-26T08:00:00Z").await;
    app.reload(settings(&["a", "b"])).await.unwrap();
    let paused = |name: &str| (name.to_owned(), Phase::Paused, Some(PausedBy::Hold));
    assert_eq!(states(&app), [paused("webhook/a"), paused("webhook/b")]);

    for name in ["webhook/a", "webhook/b"] {
        app.delivery().resume(name).unwrap();
    }
    app.reload(settings(&["a", "b", "c"])).await.unwrap();
    idle(app.delivery()).await;
    let ok = |name: &str| (name.to_owned(), Phase::Ok, None);
    assert_eq!(
        states(&app),
        ["webhook/a", "webhook/b", "webhook/c"].map(ok)
    );
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_says_that_it_holds_in_its_log_in_the_api_and_on_the_page() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start([Play::status(200)]).await;
    config(folder.path(), &receiver, &["a"]);
    let gateway = Process::start_after("set -- \"$@\" --hold;", folder.path()).await;
    gateway
        .logs_times("the gateway was started with --hold", 1)
        .await;
    let sinks: Value = gateway.look("/api/v1/sinks", "").await.json();
    let sink = &sinks["items"][0];
    assert_eq!(
        (&sink["state"], &sink["paused_by"]),
        (&json!("paused"), &json!("hold"))
    );
    let head = "connection: close\r\naccept: text/html\r\naccept-language: en\r\n";
    let page = Wire::to(gateway.admin)
        .await
        .send(request("GET", "/sinks", head, b""))
        .await;
    assert!(
        page.body.contains("by the start with --hold"),
        "{}",
        page.body
    );
}
