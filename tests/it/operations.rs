//! Operation: mistakes in a config, reloads, and a full disk.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::gateway::{Gateway, IDLE_SINK, preamble};
use crate::patience::{output, until};
use crate::process::Process;
use crate::receiver::{Play, Receiver};
use crate::standing::{Reply, post};

/// Settings with an open source for UCloud and one sink.
fn settings(source: &str, sink: &str) -> String {
    format!(
        "[providers.ucloud.{source}]\nopen = true\n\
         [sinks.webhook.oncall]\nurl = \"{sink}\"\n"
    )
}

fn write_config(folder: &Path, settings: &str) {
    let whole = preamble(folder) + settings;
    std::fs::write(folder.join("campanile.toml"), whole).unwrap();
}

pub(crate) async fn alarm(process: &Process, source: &str, session: &str) -> Reply {
    let body = json!({"SessionID": session, "MetricName": "MemUsage", "AlarmTime": 1_470_822_697});
    let path = format!("/callback/ucloud/{source}");
    process
        .send(post(&path, "", body.to_string().as_bytes()))
        .await
}

pub(crate) async fn running(settings: &str) -> (TempDir, Process) {
    let folder = tempfile::tempdir().unwrap();
    write_config(folder.path(), settings);
    let process = Process::start(folder.path()).await;
    (folder, process)
}

#[test]
fn check_shows_five_mistakes_each_in_its_place() {
    let config = "[server]\n\
                  listne = \"127.0.0.1:0\"\n\
                  body_bytes_max = \"big\"\n\
                  [providers.ucloud.prod]\n\
                  key = \"changeme\"\n\
                  [sinks.webhook.oncall]\n\
                  url = \"https://oncall.example.com/\"\n\
                  [[routes]]\n\
                  when = \"severety == 'critical'\"\n\
                  sinks = [\"webhook/oncal\"]\n";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("campanile.toml");
    std::fs::write(&file, config).unwrap();
    let mut check = Command::new(env!("CARGO_BIN_EXE_campanile"));
    let checked = output(check.arg("check").arg("--config").arg(&file));
    let said = String::from_utf8([checked.stdout, checked.stderr].concat()).unwrap();
    assert_eq!(checked.status.code(), Some(2), "{said}");
    assert_eq!(said.matches("error: ").count(), 5, "{said}");
    for (place, words) in [
        ("2:1", "did you mean `listen`?"),
        ("3:18", "expected a whole number"),
        ("5:7", "`key` is a commonly guessed password"),
        ("9:9", "did you mean `severity`?"),
        ("10:10", "did you mean `webhook/oncall`?"),
    ] {
        let at = format!("{}:{place}\n", file.display());
        assert!(said.contains(&at) && said.contains(words), "{at}: {said}");
    }
    assert!(!said.contains("changeme"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_is_taken_whole_or_not_at_all() {
    let receiver = Receiver::start([Play::status(200)]).await;
    let sink = receiver.url("/");
    let (folder, process) = running(&settings("old", &sink)).await;
    for broken in [
        settings("new", &sink) + "[[routes]]\nsinks = [\"webhook/nobody\"]\n",
        settings("new", &sink) + "[server\n",
        settings("new", &sink).replace("http://", "ftp://"),
    ] {
        let before = process.log().matches("did not reload its config").count();
        write_config(folder.path(), &broken);
        process.signal("HUP");
        process
            .logs_times("did not reload its config", before + 1)
            .await;
        assert_eq!(alarm(&process, "old", "1").await.status, 200);
        assert_eq!(alarm(&process, "new", "1").await.status, 404);
    }
    let before = process.log().matches("reloaded its config").count();
    write_config(folder.path(), &settings("new", &sink));
    process.signal("HUP");
    process.logs_times("reloaded its config", before + 1).await;
    assert_eq!(alarm(&process, "old", "2").await.status, 404);
    assert_eq!(alarm(&process, "new", "2").await.status, 200);
    receiver.got_at_least(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_file_is_read_without_being_told() {
    let receiver = Receiver::start([Play::status(200)]).await;
    let sink = receiver.url("/");
    let (folder, process) = running(&settings("old", &sink)).await;
    write_config(folder.path(), &settings("new", &sink));
    process.logs_times("reloaded its config", 1).await;
    assert_eq!(alarm(&process, "new", "1").await.status, 200);
    assert_eq!(alarm(&process, "old", "1").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shorter_retention_removes_what_has_expired_as_soon_as_it_is_reloaded() {
    let open = "[providers.ucloud.fixture]\nkey = \"campanile-fixture-key\"\n";
    let gateway = Gateway::start(&(open.to_owned() + IDLE_SINK)).await;
    assert_eq!(gateway.send_fixture("ucloud/firing").await.status, 200);
    gateway.advance(Duration::from_hours(20 * 24)).await;
    assert_eq!(gateway.list("/api/v1/alerts").await.len(), 1);
    gateway
        .reload_with(|config| config.store.retention_days = 10)
        .await;
    until("a removal of what has expired", async || {
        gateway.list("/api/v1/alerts").await.is_empty()
    })
    .await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_level_changes_with_a_reload() {
    let receiver = Receiver::start([Play::status(200)]).await;
    let settings = settings("prod", &receiver.url("/"));
    let (folder, process) = running(&settings).await;
    assert!(!process.log().contains("the sink delivered the alert"));
    write_config(folder.path(), &(settings + "[log]\nlevel = \"debug\"\n"));
    process.logs_times("reloaded its config", 1).await;
    assert_eq!(alarm(&process, "prod", "1").await.status, 200);
    process.logs_times("the sink delivered the alert", 1).await;
}

async fn metric(process: &Process, name: &str) -> Option<f64> {
    let text = process.look("/metrics", "").await.body;
    let mut lines = text.lines();
    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_full_disk_it_answers_503_and_goes_on_when_there_is_room() {
    let receiver = Receiver::start([Play::status(200)]).await;
    let (folder, process) = running(&settings("prod", &receiver.url("/"))).await;
    assert_eq!(alarm(&process, "prod", "before").await.status, 200);
    receiver.got_at_least(1).await;
    process.limit_files("1");
    for _ in 0..2 {
        let reply = alarm(&process, "prod", "full").await;
        let said = (reply.status, reply.header("retry-after"));
        assert_eq!(said, (503, "5"), "{reply:?}");
        assert_eq!(reply.json()["RetCode"], -1);
    }
    process.logs_times("a commit failed", 1).await;
    let (log, file) = (process.log(), folder.path().join("campanile.db"));
    assert!(
        log.contains(file.to_str().unwrap()),
        "the log names the file: {log}"
    );
    assert!(
        log.contains("Check the disk"),
        "the log names the fix: {log}"
    );
    let known = alarm(&process, "prod", "before").await;
    assert_eq!(known.status, 200, "a duplicate needs no disk space");
    assert_eq!(process.look("/readyz", "").await.status, 503);
    assert_eq!(process.look("/healthz", "").await.status, 200);
    process.limit_files("unlimited");
    assert_eq!(process.look("/readyz", "").await.status, 200);
    for session in ["full", "full", "before"] {
        assert_eq!(alarm(&process, "prod", session).await.status, 200);
    }
    let outcome = |word: &str| {
        format!("campanile_callbacks_total{{source=\"ucloud/prod\",outcome=\"{word}\"}}")
    };
    for (word, count) in [("accepted", 2.0), ("duplicate", 3.0), ("rejected", 2.0)] {
        assert_eq!(
            metric(&process, &outcome(word)).await,
            Some(count),
            "{word}"
        );
    }
    let got = receiver.got_at_least(2).await;
    let ids: Vec<Value> = got
        .iter()
        .map(|got| got.json()["message_id"].clone())
        .collect();
    assert_eq!(ids, ["before:firing", "full:firing"]);
    let list = process.look("/api/v1/alerts", "").await.json();
    assert_eq!(list["items"].as_array().map(Vec::len), Some(2));
}
