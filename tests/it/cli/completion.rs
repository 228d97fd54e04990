//! Completions: commands, and names and ids of the running gateway.

use std::net::TcpListener;
use std::process::Command;

use serde_json::{Value, json};

use super::gateway::{ID, alert};
use super::peer::{Peer, free_port};
use super::{Run, campanile};

use crate::patience::output;

/// What is offered for the last of these words, as the script of fish asks for it: value, tab, help.
fn offered(words: &[&str]) -> Run {
    let line = [&["--", "campanile"], words].concat();
    let mut command = campanile(&line);
    Run::from(output(command.env("CAMPANILE_COMPLETE", "fish")))
}

fn page(items: &Value) -> String {
    json!({"items": items, "next": null}).to_string()
}

#[test]
fn every_shell_gets_a_script_that_asks_the_program() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = Run::of(&["completions", shell]);
        assert_eq!(script.code, 0, "{}", script.err);
        script.says("CAMPANILE_COMPLETE");
    }
}

#[test]
fn bash_completes_commands_with_the_script() {
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_campanile"));
    let path = format!("{}:/usr/bin:/bin", program.parent().unwrap().display());
    let script = "source <(campanile completions bash); COMP_WORDS=(campanile quar); COMP_CWORD=1; \
        _clap_complete_campanile campanile quar campanile 2> /dev/null; echo \"${COMPREPLY[@]}\"";
    let bash = output(Command::new("bash").args(["-c", script]).env("PATH", path));
    assert_eq!(Run::from(bash).out.trim(), "quarantine");
}

#[test]
fn names_and_ids_come_from_the_gateway_with_their_titles() {
    let letter = json!({"id": 17, "error": "answered 503\n\u{1b}[2J"});
    for (words, answer, path, value) in [
        (
            &["alerts", "list", "--source", ""][..],
            json!([{"name": "ucloud/prod"}]),
            "sources",
            "ucloud/prod",
        ),
        (
            &["sinks", "pause", ""],
            json!([{"name": "webhook/oncall", "state": "ok"}]),
            "sinks",
            "webhook/oncall\tok",
        ),
        (
            &["alerts", "show", ""],
            json!([alert("load is high")]),
            "alerts?limit=50",
            &format!("{ID}\tload is high"),
        ),
        (
            &["dead", "retry", ""],
            json!([letter]),
            "dead?limit=50",
            "17\tanswered 503",
        ),
        (
            &["quarantine", "drop", ""],
            json!([{"id": 3, "faults": []}]),
            "quarantine?limit=50",
            "3",
        ),
    ] {
        let peer = Peer::answering(&[(200, &page(&answer))]);
        let gateway = ["--url", &peer.url, "--token", "the-token"];
        // The flags of the gateway stand before the word that is completed.
        let (last, first) = words.split_last().unwrap();
        let run = match first {
            [command, action, flag] => {
                offered(&[&[*command, *action], &gateway[..], &[*flag, *last]].concat())
            }
            _ => offered(&[first, &gateway[..], &[*last]].concat()),
        };
        assert!(
            run.out.lines().any(|line| line.starts_with(value)),
            "{words:?}: {}{}",
            run.out,
            run.err
        );
        assert!(!run.out.contains('\u{1b}'));
        let (asked, _) = peer.asked();
        assert_eq!(asked[0].line(), format!("GET /api/v1/{path} HTTP/1.1"));
        assert_eq!(asked[0].header("authorization"), Some("Bearer the-token"));
    }
}

#[test]
fn completions_are_silent_when_the_gateway_does_not_answer() {
    // This listener accepts connections and never answers.
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let mute = mute.local_addr().unwrap().port();
    for port in [mute, free_port()] {
        let url = format!("http://127.0.0.1:{port}");
        let run = offered(&["alerts", "--url", &url, "list", "--source", ""]);
        assert_eq!((run.code, run.out.as_str(), run.err.as_str()), (0, "", ""));
    }
    let refused = Peer::answering(&[(401, "{}")]);
    let run = offered(&["alerts", "--url", &refused.url, "list", "--source", ""]);
    assert_eq!((run.code, run.out.as_str(), run.err.as_str()), (0, "", ""));
    refused.asked();
}
