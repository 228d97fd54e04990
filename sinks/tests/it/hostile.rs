//! Receivers that answer in bad faith. A try ends within the sink's timeout, reads little, and is classified for what it is;
//! `tests/it/answers.rs` tests what the gateway then does with the delivery.

use std::io::Write as _;
use std::time::Duration;

use campanile_sinks::Class;
use campanile_sinks::http::client::{Client, Request, Settings};
use campanile_sinks::http::guard::Egress;

use super::{assert_no_secret, message, sink, webhook};
use campanile_receiver::scripted::Receiver;
use campanile_receiver::{Play, Then};

/// So much may wait in the kernel's buffers on both sides of a connection, and no end of an answer is read for long.
const TAKEN_MAX: u64 = 32 * 1024 * 1024;

/// What comes of a row: the status of a success, or words of the cause of a transient failure.
type Comes = Result<u16, &'static str>;

const LATE: Comes = Err("no complete response within 1.5 s");
const BROKE: Comes = Err("the connection failed");

fn raw(head: &str, then: Then) -> Play {
    Play::Raw(head.replace('\n', "\r\n").into_bytes(), then)
}

fn again(text: &str) -> Then {
    Then::Again(text.replace('\n', "\r\n").into_bytes())
}

fn drip(text: &str) -> Then {
    Then::Drip(text.replace('\n', "\r\n").into_bytes())
}

/// Plays each row at the same time, for many of them take the whole timeout.
async fn hold(rows: Vec<(&'static str, Play, Comes)>) {
    let mut tries = tokio::task::JoinSet::new();
    for (name, play, comes) in rows {
        tries.spawn(async move {
            let receiver = Receiver::start([play]).await;
            let sink = sink(webhook(&receiver.url("/c4nary?token=c4nary")));
            match (sink.send(&message()).await, comes) {
                (Ok(delivered), Ok(status)) => assert_eq!(delivered.code, Some(status), "{name}"),
                (Err(failure), Err(words)) => {
                    assert_eq!(failure.class, Class::Transient, "{name}: {failure}");
                    assert!(failure.reason.contains(words), "{name}: {failure}");
                    assert_no_secret(&format!("{failure} {failure:?}"));
                }
                (came, _) => panic!("{name}: {came:?}"),
            }
            drop(sink);
            receiver.ended_at_least(receiver.connections()).await;
            assert!(receiver.sent() < TAKEN_MAX, "{name}: {}", receiver.sent());
            assert_eq!(receiver.got().len(), 1, "{name}: a try is one request");
        });
    }
    while let Some(held) = tries.join_next().await {
        held.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_drips_ends_at_the_timeout_wherever_it_drips() {
    let ok = "HTTP/1.1 200 OK\n";
    let head = |more: &str| format!("{ok}{more}\n");
    hold(vec![
        ("status line", raw("", drip("HTTP/1.1 200 OK OK OK OK OK OK OK OK OK OK OK OK OK OK OK OK OK OK OK OK OK OK OK")), LATE),
        ("header", raw(&format!("{ok}x: "), drip("y")), LATE),
        ("headers", raw(ok, drip("x: y\n")), LATE),
        ("body", raw(&head("content-length: 100000\n"), drip(".")), LATE),
        ("chunks", raw(&head("transfer-encoding: chunked\n"), drip("1\n.\n")), LATE),
        ("chunk extension", raw(&head("transfer-encoding: chunked\n").replace("\n\n", "\n\n1;"), drip("a")), LATE),
        ("trailers", raw(&format!("{}0\n", head("transfer-encoding: chunked\n")), drip("x: y\n")), LATE),
        ("provisional answers", raw("", drip("HTTP/1.1 100 Continue\n\n")), LATE),
    ]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_end_is_cut_or_refused_after_little() {
    let (row, long) = ("x: y\n".repeat(1000), "y".repeat(64 * 1024));
    let chunk = format!("1000\n{}\n", ".".repeat(0x1000));
    let chunked = "HTTP/1.1 200 OK\ntransfer-encoding: chunked\n\n";
    hold(vec![
        (
            "endless header",
            raw("HTTP/1.1 200 OK\nx: ", again(&long)),
            BROKE,
        ),
        (
            "endless headers",
            raw("HTTP/1.1 200 OK\n", again(&row)),
            BROKE,
        ),
        (
            "endless status line",
            raw("HTTP/1.1 200 ", again(&long)),
            BROKE,
        ),
        ("endless garbage", raw("", again(&long)), BROKE),
        ("endless chunks", raw(chunked, again(&chunk)), Ok(200)),
        (
            "endless trailers",
            raw(&format!("{chunked}0\n"), again(&row)),
            BROKE,
        ),
        (
            "endless extension",
            raw(&format!("{chunked}5;"), again(&long)),
            BROKE,
        ),
    ])
    .await;
}

/// Each is read and forgotten: only time can end it.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_provisional_answers_ends_at_the_timeout() {
    for provisional in [
        "HTTP/1.1 100 Continue\n\n",
        "HTTP/1.1 103 Early Hints\nlink: </x>\n\n",
    ] {
        let receiver = Receiver::start([raw("", again(&provisional.repeat(100)))]).await;
        let sink = sink(webhook(&receiver.url("/")));
        let failure = sink.send(&message()).await.unwrap_err();
        assert_eq!(failure.class, Class::Transient, "{failure}");
        drop(sink);
        receiver.ended_at_least(1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_with_broken_framing_is_transient() {
    let with = |head: &str| raw(&format!("HTTP/1.1 200 OK\n{head}\n\n....."), Then::Close);
    hold(vec![
        ("nothing", raw("", Then::Close), BROKE),
        (
            "another protocol",
            raw("SSH-2.0-OpenSSH_9.9\n", Then::Close),
            BROKE,
        ),
        (
            "TLS",
            Play::Raw(b"\x15\x03\x03\x00\x02\x02\x28".to_vec(), Then::Close),
            BROKE,
        ),
        ("no version", raw("200 OK\n\n", Then::Close), BROKE),
        (
            "status of two digits",
            raw("HTTP/1.1 20 OK\n\n", Then::Close),
            BROKE,
        ),
        (
            "half a head",
            raw("HTTP/1.1 200 OK\nx: y", Then::Close),
            BROKE,
        ),
        (
            "chunk size that is none",
            with("transfer-encoding: chunked\n\nZZ"),
            BROKE,
        ),
        (
            "chunk size overflow",
            with("transfer-encoding: chunked\n\nffffffffffffffffff"),
            BROKE,
        ),
        (
            "chunks without end",
            with("transfer-encoding: chunked\n\n5\n.....\n5"),
            BROKE,
        ),
        ("negative length", with("content-length: -5"), BROKE),
        (
            "length overflow",
            with("content-length: 99999999999999999999999"),
            BROKE,
        ),
        (
            "two lengths",
            with("content-length: 5\ncontent-length: 4"),
            BROKE,
        ),
        ("shorter than announced", with("content-length: 500"), BROKE),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_to_itself_is_asked_once() {
    let receiver = Receiver::start([]).await;
    let url = receiver.url("/again");
    receiver.now_plays([Play::with(302, "location", &url)]);
    let failure = sink(webhook(&url)).send(&message()).await.unwrap_err();
    assert_eq!((failure.class, failure.code), (Class::Operator, Some(302)));
    assert_eq!(receiver.got().len(), 1);
}

/// An answer that nobody asked for would else be taken for that to the next alert.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_sent_ahead_is_never_that_to_the_next_request() {
    let two = "HTTP/1.1 200 OK\ncontent-length: 0\n\nHTTP/1.1 200 OK\ncontent-length: 0\n\n";
    let receiver = Receiver::start([raw(two, Then::Next), Play::status(500)]).await;
    let sink = sink(webhook(&receiver.url("/")));
    assert_eq!(sink.send(&message()).await.unwrap().code, Some(200));
    let second = sink.send(&message()).await;
    // Refused, or the connection was given up: anything but a success that the receiver never gave.
    assert!(second.is_err(), "{second:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compressed_answer_is_kept_as_it_came() {
    let mut zip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    zip.write_all(&vec![0; 256 * 1024 * 1024]).unwrap();
    let bomb = zip.finish().unwrap();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n",
        bomb.len()
    );
    let answer = [head.as_bytes(), &bomb].concat();
    let receiver = Receiver::start([Play::Raw(answer, Then::Next)]).await;
    let client = Client::new(Settings {
        egress: Egress::Any,
        timeout: Duration::from_secs(20),
        ca_file: None,
        skip_tls_verification: false,
        proxy: None,
    });
    let request = Request {
        method: reqwest::Method::POST,
        url: receiver.url("/").parse().unwrap(),
        headers: reqwest::header::HeaderMap::new(),
        body: "{}".into(),
        at: message().at,
    };
    let answer = client.unwrap().exchange(request).await.unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body.len(), 64 * 1024);
    assert!(bomb.starts_with(&answer.body));
    let asked = receiver.got();
    assert_eq!(
        asked[0].header("accept-encoding"),
        None,
        "nobody is asked to compress"
    );
}
