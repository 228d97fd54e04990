//! Mail servers that lie, and somebody in between.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use campanile_sinks::{Class, Failure};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;

use super::{built, firing, message_of};

/// Greets, then gives each answer to one command. The last answer is repeated without a question until the other side closes. Gives what the
/// sink ended with, and every line that it sent.
async fn talk(tls: &str, answers: &'static [&'static str]) -> (Failure, Vec<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let lines = Arc::clone(&heard);
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let (input, mut output) = stream.into_split();
        let mut input = BufReader::new(input).split(b'\n');
        let (last, first) = answers.split_last().unwrap();
        for answer in first {
            if output.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
            let Ok(Some(line)) = input.next_segment().await else {
                return;
            };
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            lines.lock().unwrap().push(line);
        }
        while output.write_all(last.as_bytes()).await.is_ok() {}
    });
    let login = match tls {
        "none" => "",
        _ => "username = \"u\"\npassword = \"c4nary-password\"\n",
    };
    let settings = format!(
        "host = \"localhost\"\nport = {port}\ntls = \"{tls}\"\n{login}from = \"a@example.com\"\nto = [\"b@example.com\"]\n"
    );
    let sink = built(&settings, Duration::from_secs(20));
    let failure = sink.send(&message_of(firing())).await.unwrap_err();
    drop(sink);
    server.await.unwrap();
    let heard = heard.lock().unwrap().clone();
    (failure, heard)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_before_tls_begins_is_never_read_as_an_answer_of_the_server() {
    let (failure, heard) = talk(
        "starttls",
        &[
            "220 mail.example.com\r\n",
            "250-mail.example.com\r\n250 STARTTLS\r\n",
            "220 Go ahead\r\n250-mail.example.com\r\n250 AUTH PLAIN\r\n235 OK\r\n",
        ],
    )
    .await;
    assert_eq!(failure.class, Class::Operator, "{failure}");
    assert!(failure.reason.contains("somebody in between"), "{failure}");
    assert_eq!(heard.len(), 2, "{heard:?}");
    assert_eq!(heard[1], "STARTTLS");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_starttls_was_taken_out_gets_no_password() {
    let (failure, heard) = talk(
        "starttls",
        &[
            "220 mail.example.com\r\n",
            "250-mail.example.com\r\n250 AUTH PLAIN\r\n",
        ],
    )
    .await;
    assert_eq!(failure.class, Class::Operator, "{failure}");
    assert!(
        heard.iter().all(|line| line.starts_with("EHLO")),
        "{heard:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_end_is_cut_off() {
    static FLOOD: &[&str] = &[
        "220 mail.example.com\r\n",
        "250-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    ];
    static LINES: &[&str] = &[
        "220 mail.example.com\r\n",
        "250-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n",
    ];
    for answers in [FLOOD, LINES] {
        for tls in ["none", "starttls"] {
            let (failure, _) = talk(tls, answers).await;
            assert_eq!(failure.class, Class::Transient, "{failure}");
            assert!(!failure.reason.contains("within"), "{tls}: {failure}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_speak_smtp_or_utf_8_is_transient_and_readable() {
    let (failure, _) = talk("none", &["SSH-2.0-OpenSSH_9.9\r\n"]).await;
    assert_eq!(failure.class, Class::Transient, "{failure}");
    let (failure, _) = talk("none", &["554 \u{7f51}\u{7edc} refused\r\n"]).await;
    assert_eq!(failure.class, Class::Operator, "{failure}");
    assert!(failure.reason.contains("554 ?????? refused"), "{failure}");
}
