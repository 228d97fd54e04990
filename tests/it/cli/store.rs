//! `campanile store`: a copy of the database, its check and its migration.

use std::io::Read;
use std::path::Path;

use serde_json::{Value, json};

use super::{Run, campanile};
use crate::gateway::preamble;
use crate::patience::output;
use crate::process::Process;
use crate::receiver::{Play, Receiver};
use crate::standing::post;

const OLD: &[u8] = include_bytes!("../schema-2.db.gz");

/// A running gateway whose sink gets nothing, with alerts that are pending.
async fn running(folder: &Path, receiver: &Receiver, alerts: usize) -> Process {
    let url = receiver.url("/");
    let settings = format!(
        "[providers.ucloud.prod]\nkey = \"the-key-of-ucloud\"\n[sinks.webhook.oncall]\nurl = \"{url}\"\n"
    );
    std::fs::write(folder.join("campanile.toml"), preamble(folder) + &settings).unwrap();
    let gateway = Process::start_after("set -- \"$@\" --hold;", folder).await;
    for number in 0..alerts {
        let answer = alarm(&gateway, number).await;
        assert_eq!(answer.status, 200);
    }
    gateway
}

async fn alarm(gateway: &Process, number: usize) -> crate::standing::Reply {
    let body = json!({
        "SessionID": format!("session-{number}"), "Region": "cn-north-03", "ResourceType": "uhost",
        "ResourceId": format!("uhost-{number}"), "MetricName": "MemUsage",
        "AlarmTime": 1_470_822_697, "RecoveryTime": 0,
    });
    let path = "/callback/ucloud/prod/the-key-of-ucloud";
    gateway
        .send(post(path, "", body.to_string().as_bytes()))
        .await
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn rows(report: &Value, table: &str) -> Value {
    let tables = report["tables"].as_array().unwrap();
    let found = tables.iter().find(|found| found["table"] == table);
    found.unwrap()["rows"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_a_running_gateway_is_restored_with_hold() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start([Play::status(200)]).await;
    let gateway = running(folder.path(), &receiver, 3).await;
    let config = folder.path().join("campanile.toml");
    let to = folder.path().join("backup.db");
    let config = ["--config", text(&config)];

    let backup = Run::of(&[&["store", "backup", text(&to)], &config[..]].concat());
    assert_eq!(backup.code, 0, "{}", backup.err);
    backup.says("backup.db is a checked copy");
    backup.says("webhook/oncall");
    let again = Run::of(&[&["store", "backup", text(&to)], &config[..]].concat());
    assert_eq!(again.code, 1);
    again.says("exists already, and a backup never replaces a file");
    assert_eq!(
        alarm(&gateway, 3).await.status,
        200,
        "the gateway continues"
    );

    let lively = Run::of(&[&["store", "verify", "--json"], &config[..]].concat()).json();
    assert_eq!(
        (&lively["ok"], rows(&lively, "alert")),
        (&json!(true), json!(4))
    );
    let copy = Run::of(&["store", "verify", text(&to), "--json"]).json();
    assert_eq!(
        (&copy["ok"], rows(&copy, "alert")),
        (&json!(true), json!(3))
    );
    let migrate = Run::of(&[&["store", "migrate"], &config[..]].concat());
    assert_eq!(migrate.code, 0);
    migrate.says("nothing to migrate");

    gateway.kill().await;
    for ending in ["-wal", "-shm"] {
        std::fs::remove_file(folder.path().join(format!("campanile.db{ending}"))).unwrap();
    }
    std::fs::rename(&to, folder.path().join("campanile.db")).unwrap();
    let gateway = Process::start_after("set -- \"$@\" --hold;", folder.path()).await;
    let sinks: Value = gateway.look("/api/v1/sinks", "").await.json();
    let sink = &sinks["items"][0];
    let found = (&sink["state"], &sink["paused_by"], &sink["pending"]);
    assert_eq!(found, (&json!("paused"), &json!("hold"), &json!(3)));
    assert_eq!(receiver.got().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_backup_is_listed_and_ends_with_one() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start([Play::status(200)]).await;
    let gateway = running(folder.path(), &receiver, 2).await;
    let (from, to) = (
        folder.path().join("campanile.db"),
        folder.path().join("backup.db"),
    );
    let backup = ["store", "backup", text(&to), "--database", text(&from)];
    assert_eq!(Run::of(&backup).code, 0);
    gateway.kill().await;
    let file = rusqlite::Connection::open(&to).unwrap();
    file.execute_batch(
        "DELETE FROM callback WHERE id = 1; UPDATE callback SET packed = x'00' WHERE id = 2;",
    )
    .unwrap();
    drop(file);
    let verify = Run::of(&["store", "verify", text(&to)]);
    assert_eq!(verify.code, 1, "{}", verify.out);
    verify.says("damaged: alerts without their callback: 1, the first at place 1");
    verify.says("damaged: the alert at place 2 cannot be read from callback 2");
    verify.says("is damaged: 3 findings");
    let report = Run::of(&["store", "verify", text(&to), "--json"]);
    assert_eq!((report.code, &report.json()["ok"]), (1, &json!(false)));
}

/// A limit of the size of files acts like a full disk.
#[test]
fn a_backup_that_does_not_fit_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let from = old(folder.path());
    let to = folder.path().join("backup.db");
    let program = campanile(&["store", "backup", text(&to), "--database", text(&from)]);
    let mut limited = std::process::Command::new("sh");
    limited.args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$0\" \"$@\""]);
    limited.arg(program.get_program()).args(program.get_args());
    let run = Run::from(output(&mut limited));
    assert_eq!(run.code, 1, "{}", run.err);
    run.says("Nothing was kept");
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

/// A database of an older build.
fn old(folder: &Path) -> std::path::PathBuf {
    let mut plain = Vec::new();
    let mut reader = flate2::read::GzDecoder::new(OLD);
    reader.read_to_end(&mut plain).unwrap();
    let path = folder.join("campanile.db");
    std::fs::write(&path, plain).unwrap();
    path
}

#[test]
fn a_migration_is_shown_before_it_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let path = old(folder.path());
    let before = std::fs::read(&path).unwrap();
    let database = ["--database", text(&path)];
    let shown = Run::of(&[&["store", "migrate", "--dry-run"], &database[..]].concat());
    assert_eq!(shown.code, 0, "{}", shown.err);
    shown.says("from schema 2 to ");
    shown.says("ALTER TABLE attempt ADD COLUMN worth INTEGER;");
    shown.says("CREATE TABLE tally");
    assert_eq!(std::fs::read(&path).unwrap(), before);
    let verify = Run::of(&["store", "verify", text(&path)]);
    assert_eq!(
        verify.code, 0,
        "an older database is checked too: {}",
        verify.out
    );

    // What is shown as SQL does the same as the migration.
    let by_hand = folder.path().join("by-hand.db");
    std::fs::copy(&path, &by_hand).unwrap();
    let file = rusqlite::Connection::open(&by_hand).unwrap();
    file.execute_batch(&shown.out).unwrap();
    drop(file);
    let done = Run::of(&[&["store", "migrate"], &database[..]].concat());
    done.says("was migrated from schema 2 to ");
    let tables = |path: &Path| {
        let run = Run::of(&["store", "verify", text(path), "--json"]);
        let mut report = run.json();
        report["file"] = Value::Null;
        report
    };
    assert_eq!(tables(&path), tables(&by_hand));
    assert_eq!(tables(&path)["ok"], true);

    let newer = rusqlite::Connection::open(&path).unwrap();
    newer.execute_batch("PRAGMA user_version = 99").unwrap();
    drop(newer);
    for args in [
        &["store", "migrate"][..],
        &["store", "migrate", "--dry-run"],
    ] {
        let refused = Run::of(&[args, &database[..]].concat());
        assert_eq!(refused.code, 1);
        refused.says("was written by a newer Campanile (schema 99");
    }
}

#[test]
fn a_database_that_is_not_named_is_asked_for() {
    let run = Run::of(&["store", "verify"]);
    assert_eq!(run.code, 2);
    run.says("give --config PATH or --database FILE");
    let run = Run::of(&["store", "verify", "/nonexistent/campanile.db"]);
    assert_eq!(run.code, 1);
    run.says("cannot read /nonexistent/campanile.db");
}
