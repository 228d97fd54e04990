//! The ledger: what a restart learns from it, and what happens if it cannot be used.

use campanile_receiver::dnspod::Fault;
use campanile_sinks::Class;

use super::rig::{Api, Rig, firing, resolved};
use super::{A, B, C};

#[tokio::test]
async fn every_switch_is_a_line_with_time_alert_and_record() {
    let rig = Rig::start(Api::Cloud, &[A, B]).await;
    let sink = rig.sink("");
    sink.send(&firing(A, "cpu")).await.unwrap();
    sink.send(&resolved(A, "cpu", Some("101"))).await.unwrap();
    let lines: Vec<serde_json::Value> = rig
        .ledger_text()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let done: Vec<_> = lines
        .iter()
        .map(|line| line["done"].as_str().unwrap())
        .collect();
    assert_eq!(done, ["switching_off", "switched_off", "switched_on"]);
    let first = &lines[0];
    assert_eq!(first["sink"], "dnspod/web");
    assert_eq!(first["zone"], "example.com");
    assert_eq!(first["host"], format!("www.example.com A {A}"));
    assert_eq!(first["record"], "101");
    assert_eq!(first["alert"], format!("firing-{A}-cpu"));
    assert_eq!(first["at"], "2026-11-21T07:00:00Z");
    assert_eq!(lines[2]["alert"], format!("resolved-{A}-cpu"));
    assert!(!rig.ledger_text().contains("c4nary"));
}

/// A copy under another name is what a new process reads.
fn restarted(rig: &Rig) -> std::path::PathBuf {
    let copy = rig.folder.path().join("restarted.jsonl");
    std::fs::copy(rig.ledger(), &copy).unwrap();
    copy
}

#[tokio::test]
async fn a_restart_knows_which_problems_hold_a_record_off() {
    let rig = Rig::start(Api::Cloud, &[A, B]).await;
    let sink = rig.sink("");
    sink.send(&firing(A, "cpu")).await.unwrap();
    sink.send(&firing(A, "disk")).await.unwrap();
    let sink = rig.sink_with(&rig.credentials(), &restarted(&rig), "");
    sink.send(&resolved(A, "cpu", Some("101"))).await.unwrap();
    assert_eq!(rig.server.on(), [B]);
    sink.send(&resolved(A, "disk", Some("101"))).await.unwrap();
    assert_eq!(rig.server.on(), [A, B]);
}

#[tokio::test]
async fn a_crash_between_the_switch_and_its_success_leaves_the_record_to_its_problem() {
    let rig = Rig::start(Api::Cloud, &[A, B]).await;
    rig.server.fails("switch", [Fault::Lost]);
    rig.sink("").send(&firing(A, "cpu")).await.unwrap_err();
    // A line that was cut off in the middle.
    let copy = restarted(&rig);
    let torn = std::fs::read_to_string(&copy).unwrap() + "{\"at\":\"2026-";
    std::fs::write(&copy, torn).unwrap();
    let sink = rig.sink_with(&rig.credentials(), &copy, "");
    let done = sink.send(&firing(A, "cpu")).await.unwrap();
    assert_eq!(done.handle.as_deref(), Some("101"));
    let text = std::fs::read_to_string(&copy).unwrap();
    let whole = |line: &str| serde_json::from_str::<serde_json::Value>(line).is_ok();
    assert!(text.lines().all(whole), "{text}");
    sink.send(&resolved(A, "cpu", Some("101"))).await.unwrap();
    assert_eq!(rig.server.on(), [A, B]);
}

#[tokio::test]
async fn a_lost_ledger_leaves_the_handle_to_the_recovery() {
    let rig = Rig::start(Api::Cloud, &[A, B]).await;
    rig.sink("").send(&firing(A, "cpu")).await.unwrap();
    let empty = rig.folder.path().join("empty.jsonl");
    let sink = rig.sink_with(&rig.credentials(), &empty, "");
    sink.send(&resolved(A, "cpu", Some("101"))).await.unwrap();
    assert_eq!(rig.server.on(), [A, B]);
}

#[tokio::test]
async fn nothing_is_switched_without_a_ledger() {
    let rig = Rig::start(Api::Cloud, &[A, B]).await;
    let path = |name: &str| rig.folder.path().join(name);
    std::fs::write(path("log.txt"), "not a ledger\n").unwrap();
    std::fs::create_dir(path("folder")).unwrap();
    for (name, said) in [
        ("folder", "ledger cannot be used"),
        ("log.txt", "line 1 is not a line of a ledger"),
    ] {
        let sink = rig.sink_with(&rig.credentials(), &path(name), "");
        let failure = sink.send(&firing(A, "cpu")).await.unwrap_err();
        assert_eq!(failure.class, Class::Operator, "{name}: {failure}");
        assert!(failure.reason.contains(said), "{failure}");
    }
    assert!(rig.server.calls().is_empty());
    let text = std::fs::read_to_string(path("log.txt")).unwrap();
    assert_eq!(text, "not a ledger\n");
}

#[tokio::test]
async fn a_large_ledger_is_renamed_and_what_is_held_is_kept() {
    let rig = Rig::start(Api::Cloud, &[A, B, C]).await;
    rig.sink("").send(&firing(A, "cpu")).await.unwrap();
    let lines = rig.ledger_text();
    let ended = lines
        .lines()
        .next()
        .unwrap()
        .replace("switching_off", "let_go");
    let ended = ended.replace("101", "999") + "\n";
    let copy = restarted(&rig);
    std::fs::write(
        &copy,
        lines.clone() + &ended.repeat(9 * 1024 * 1024 / ended.len()),
    )
    .unwrap();
    let sink = rig.sink_with(&rig.credentials(), &copy, "");
    sink.send(&firing(B, "cpu")).await.unwrap();
    let text = std::fs::read_to_string(&copy).unwrap();
    assert!(text.len() < 2000, "{}", text.len());
    assert!(
        text.contains("\"101\"") && text.contains("\"102\""),
        "{text}"
    );
    assert!(rig.folder.path().join("restarted.jsonl.1").exists());
    sink.send(&resolved(A, "cpu", None)).await.unwrap();
    assert_eq!(rig.server.on(), [A, C]);
}
