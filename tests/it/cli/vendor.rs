//! `campanile send` against a real listener.

use std::collections::BTreeSet;

use super::Run;
use super::peer::{Asked, Peer, free_port};

const OK: (u16, &str) = (200, r#"{"SessionID":"s","RetCode":0}"#);

fn send(
    vendor: &str,
    path: &str,
    more: &[&str],
    answers: &[(u16, &str)],
) -> (Run, Vec<Asked>, usize) {
    let peer = Peer::answering(answers);
    let to = format!("{}{path}", peer.url);
    let run = Run::of(&[&["send", vendor, "--to", &to], more].concat());
    let (asked, connections) = peer.asked();
    (run, asked, connections)
}

#[test]
fn the_vendor_is_played_to_the_url_as_it_is_given() {
    let (run, asked, _) = send(
        "ucloud",
        "/callback/ucloud/prod",
        &["--key", "a key"],
        &[OK],
    );
    assert_eq!(run.code, 0, "{}", run.err);
    assert_eq!(
        asked[0].line(),
        "POST /callback/ucloud/prod/a%20key HTTP/1.1"
    );
    let body: serde_json::Value = serde_json::from_str(&asked[0].body).unwrap();
    assert!(body.get("SessionID").is_some(), "{body}");
    run.says("200");
    run.says(r#""RetCode":0"#);
    run.says("ms");
}

#[test]
fn each_message_is_new() {
    let (run, asked, connections) = send("ucloud", "/x", &["--count", "3"], &[OK, OK, OK]);
    assert_eq!(run.code, 0, "{}", run.err);
    let ids: BTreeSet<String> = asked
        .iter()
        .map(|asked| {
            let body: serde_json::Value = serde_json::from_str(&asked.body).unwrap();
            body["SessionID"].to_string()
        })
        .collect();
    assert_eq!(ids.len(), 3);
    assert_eq!(connections, 1, "the connection is kept alive");
    run.says("3 sent");
    run.says("3 × 200");
    run.says("p99");
}

#[test]
fn a_vendor_that_uses_get_sends_its_parameters_behind_those_of_the_url() {
    let more = ["--get", "--token", "callback-token"];
    let (run, asked, _) = send(
        "jiankong",
        "/callback/jiankong/web?a=b",
        &more,
        &[(200, "OK 1")],
    );
    assert_eq!(run.code, 0, "{}", run.err);
    let line = asked[0].line();
    assert!(
        line.starts_with("GET /callback/jiankong/web?a=b&"),
        "{line}"
    );
    assert!(
        line.contains("msg_id=") && line.contains("token="),
        "{line}"
    );
    assert_eq!(asked[0].body, "");
}

#[test]
fn a_refusal_is_a_failure_and_says_what_to_compare() {
    let (run, ..) = send(
        "ucloud",
        "/callback/ucloud/prod",
        &[],
        &[(403, "not authorized")],
    );
    assert_eq!(run.code, 1);
    run.says("not authorized");
    run.says("compare --token with the source's token");
}

#[test]
fn one_failure_among_many_is_a_failure_of_the_run() {
    let more = ["--count", "3", "--json"];
    let (run, ..) = send("ucloud", "/x", &more, &[OK, (503, "later"), OK]);
    assert_eq!(run.code, 1);
    let tally = run.json();
    assert_eq!(tally["sent"], 3);
    assert_eq!(tally["failed"], 1);
    assert_eq!(tally["statuses"], serde_json::json!({"200": 2, "503": 1}));
    assert_eq!(tally["messages"].as_array().unwrap().len(), 3);
}

#[test]
fn nobody_listening_is_said_as_such() {
    let to = format!("http://127.0.0.1:{}/callback", free_port());
    let run = Run::of(&["send", "ucloud", "--to", &to]);
    assert_eq!(run.code, 1);
    run.says("Connection refused");
    run.says("check that the gateway is running");
}

#[test]
fn a_case_that_is_not_there_names_those_that_are() {
    let run = Run::of(&[
        "send",
        "ucloud",
        "--to",
        "http://127.0.0.1:1/",
        "--case",
        "fring",
    ]);
    assert_eq!(run.code, 2);
    run.says("firing");
    run.says("resolved");
    let list = Run::of(&["send", "ucloud", "--case", "list"]);
    assert_eq!(list.code, 0);
    list.says("POST");
}

/// The mapping of an operator with `[fresh]`, and one request of its vendor.
const OWN: &str = r#"
[mappings.lighthouse]
title = "Lighthouse"
confidence = "documented"
status = { from = "body.state", firing = ["DOWN"], resolved = ["UP"] }
proof = { kind = "header", name = "X-Lighthouse-Token" }
fresh = { "body.run" = "r-{serial}" }
[mappings.lighthouse.alert]
message_id = ["body.run"]
fingerprint = ["body.check"]
"#;
const REQUEST: &str = "POST /x HTTP/1.1\nContent-Type: application/json\n\n{\"run\":\"r-1\",\"check\":17,\"state\":\"DOWN\"}";

#[test]
fn a_vendor_of_the_operators_mappings_sends_a_given_request_with_a_new_id_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("campanile.toml");
    let request = folder.path().join("lighthouse.http");
    std::fs::write(&config, OWN).unwrap();
    std::fs::write(&request, REQUEST).unwrap();
    let (config, request) = (config.to_str().unwrap(), request.to_str().unwrap());
    let more = ["--config", config, "--file", request, "--count", "2"];
    let (run, asked, _) = send("lighthouse", "/x", &more, &[OK, OK]);
    assert_eq!(run.code, 0, "{}", run.err);
    let runs: BTreeSet<String> = asked
        .iter()
        .map(|asked| {
            let body: serde_json::Value = serde_json::from_str(&asked.body).unwrap();
            assert_eq!(body["check"], 17);
            body["run"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(runs.len(), 2, "{runs:?}");
    assert!(!runs.contains("r-1"), "{runs:?}");

    let run = Run::of(&[
        "send",
        "lighthouse",
        "--to",
        "http://127.0.0.1:9/x",
        "--config",
        config,
    ]);
    assert_eq!(run.code, 2);
    assert!(run.err.contains("--file REQUEST.http"), "{}", run.err);
}
