//! The program at a terminal, which `script` provides: questions, and the progress of long work.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use super::peer::Peer;
use crate::patience::{PATIENCE, blocking, ended};

/// The program with these arguments at a terminal, on which this is typed.
fn attended(args: &str, typed: &str) -> Child {
    let program = env!("CARGO_BIN_EXE_campanile");
    let mut script = Command::new("script");
    script.args(["-qec", &format!("{program} {args}"), "/dev/null"]);
    let mut child = script
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .as_mut()
        .unwrap()
        .write_all(typed.as_bytes())
        .unwrap();
    child
}

fn counted(count: u64, dry_run: bool) -> String {
    serde_json::json!({"count": count, "dry_run": dry_run}).to_string()
}

#[test]
fn a_bulk_action_asks_with_the_number_and_no_changes_nothing() {
    for (action, question) in [
        ("dead retry --all", "Retry 142 dead letters? [y/N]"),
        (
            "dead drop --all",
            "Drop 142 dead letters permanently? [y/N]",
        ),
        (
            "deliveries drop --all",
            "Drop 142 pending deliveries permanently? [y/N]",
        ),
    ] {
        for (typed, code) in [("n\n", 1), ("y\n", 0)] {
            let (first, second) = (counted(142, true), counted(142, false));
            let peer = Peer::answering(&[(200, &first), (200, &second)]);
            let args = format!("{action} --url {} --token the-token", peer.url);
            let over = ended(attended(&args, typed));
            let said = String::from_utf8_lossy(&over.stdout).into_owned();
            assert!(said.contains(question), "{said}");
            assert_eq!(over.status.code(), Some(code), "{said}");
            let (asked, _) = peer.asked();
            assert_eq!(asked.len(), if code == 0 { 2 } else { 1 }, "{said}");
            assert!(asked[0].body.contains(r#""dry_run":true"#));
        }
    }
}

#[test]
fn one_item_and_yes_are_not_asked() {
    let (first, second) = (counted(142, true), counted(142, false));
    let peer = Peer::answering(&[(200, &first), (200, &second)]);
    let args = format!("dead retry --all --yes --url {}", peer.url);
    let over = ended(attended(&args, ""));
    let said = String::from_utf8_lossy(&over.stdout).into_owned();
    assert!(over.status.success() && !said.contains("[y/N]"), "{said}");
    assert_eq!(peer.asked().0.len(), 2);
}

/// The peer answers only after the progress is on the screen, so this test ends because of it.
#[test]
fn work_of_more_than_a_second_shows_its_progress() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut child = attended(&format!("dead retry 17 --url {url}"), "");
    let (mut stream, _) = blocking("a connection of the program", move || {
        listener.accept().unwrap()
    });
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    assert!(
        lines
            .next()
            .unwrap()
            .unwrap()
            .starts_with("POST /api/v1/dead/retry")
    );
    let mut screen = child.stdout.take().unwrap();
    let mut screen = blocking("the progress on the screen", move || {
        let mut said = Vec::new();
        let mut byte = [0];
        while !String::from_utf8_lossy(&said).contains("retrying 1 dead letter") {
            screen
                .read_exact(&mut byte)
                .expect("the progress appears before the end");
            said.extend(byte);
        }
        screen
    });
    let body = counted(1, false);
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(answer.as_bytes()).unwrap();
    let rest = blocking("the rest of the screen", move || {
        let mut rest = String::new();
        screen.read_to_string(&mut rest).map(|_| rest)
    });
    let rest = rest.unwrap();
    assert!(
        rest.contains("1 dead letter will be delivered again"),
        "{rest}"
    );
    assert!(ended(child).status.success());
}
