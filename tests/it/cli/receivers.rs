//! `campanile sinks test` and `campanile check --probe`: receivers are asked directly.

use std::fs;

use super::Run;
use super::peer::{Asked, Peer};

const TAKEN: &str = r#"{"id":"x1","event":"message"}"#;
const REFUSED: &str = r#"{"code":40101,"http":401,"error":"unauthorized"}"#;

/// Runs the command with a config that has one ntfy sink, whose server gives these answers.
fn run(words: &[&str], answers: &[(u16, &str)]) -> (Run, Vec<Asked>) {
    let peer = Peer::answering(answers);
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("c.toml");
    let text = format!(
        "[sinks.ntfy.phone]\nurl = \"{}\"\ntopic = \"alerts\"\ntoken = \"c4nary-token\"\n",
        peer.url
    );
    fs::write(&config, text).unwrap();
    let mut all = words.to_vec();
    all.extend(["--config", config.to_str().unwrap()]);
    let run = Run::of(&all);
    let (asked, _) = peer.asked();
    (run, asked)
}

#[test]
fn one_marked_message_is_sent_and_the_answer_is_said_in_words() {
    let (run, asked) = run(&["sinks", "test", "ntfy/phone"], &[(200, TAKEN)]);
    assert_eq!(run.code, 0, "{}{}", run.out, run.err);
    assert_eq!(asked.len(), 1);
    assert!(asked[0].body.contains("TEST"), "{}", asked[0].body);
    run.says("firing: delivered (accepted), the receiver answered 200");
}

#[test]
fn the_recovery_of_a_test_has_the_same_fingerprint() {
    let words = ["sinks", "test", "ntfy/phone", "--resolve", "--json"];
    let (run, asked) = run(&words, &[(200, TAKEN), (200, TAKEN)]);
    assert_eq!((run.code, asked.len()), (0, 2), "{}{}", run.out, run.err);
    let id = |asked: &Asked| {
        let body: serde_json::Value = serde_json::from_str(&asked.body).unwrap();
        body["sequence_id"].clone()
    };
    assert_eq!(id(&asked[0]), id(&asked[1]));
    assert_eq!(run.out.lines().count(), 2, "{}", run.out);
}

#[test]
fn a_refused_test_says_why_without_the_secret_and_fails() {
    let (run, _) = run(&["sinks", "test", "ntfy/phone"], &[(401, REFUSED)]);
    assert_eq!(run.code, 1, "{}{}", run.out, run.err);
    run.says("not delivered (operator): the receiver answered 401");
    run.says("It said: unauthorized");
    assert!(!format!("{}{}", run.out, run.err).contains("c4nary"));
}

#[test]
fn a_sink_that_is_not_in_the_config_is_named_with_the_nearest_one() {
    let (run, _) = run(&["sinks", "test", "ntfy/fone"], &[]);
    assert_eq!(run.code, 2, "{}{}", run.out, run.err);
    run.says("did you mean `ntfy/phone`?");
}

#[test]
fn a_probe_says_of_each_sink_what_its_receiver_said() {
    let (run, asked) = run(&["check", "--probe"], &[]);
    assert_eq!((run.code, asked.len()), (0, 0), "{}{}", run.out, run.err);
    run.says("ntfy/phone");
    run.says("not asked");
}
