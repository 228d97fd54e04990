//! The client: what an answer means, and that a bad receiver costs neither time nor memory.

use std::time::{Duration, Instant};

use campanile_sinks::http::client::explain;
use campanile_sinks::{Class, Failure};

use super::{assert_no_secret, message, sink, webhook};
use campanile_receiver::scripted::Receiver;
use campanile_receiver::{Play, Then};

async fn failure(receiver: &Receiver) -> Failure {
    let sink = sink(webhook(&receiver.url("/c4nary?token=c4nary")));
    let failure = sink.send(&message()).await.unwrap_err();
    assert_no_secret(&format!("{failure} {failure:?}"));
    failure
}

#[tokio::test]
async fn each_status_is_a_success_or_a_failure_of_its_class() {
    let classes = [
        (None, &[200, 201, 202, 204, 299][..]),
        (
            Some(Class::Transient),
            &[408, 409, 423, 425, 429, 500, 502, 503, 504, 529],
        ),
        (
            Some(Class::Operator),
            &[
                300, 301, 302, 304, 307, 308, 401, 402, 403, 404, 405, 407, 451,
            ],
        ),
        (Some(Class::TooLarge), &[413]),
        (Some(Class::Poison), &[400, 415, 422, 431]),
        (Some(Class::Gone), &[410]),
    ];
    let receiver = Receiver::start([]).await;
    let sink = sink(webhook(&receiver.url("/c4nary")));
    for (class, statuses) in classes {
        for &status in statuses {
            receiver.now_plays([Play::status(status)]);
            match (sink.send(&message()).await, class) {
                (Ok(delivered), None) => assert_eq!(delivered.code, Some(status)),
                (Err(failure), Some(class)) => {
                    assert_eq!((failure.class, failure.code), (class, Some(status)));
                    assert!(failure.reason.contains(&status.to_string()), "{failure}");
                    assert_no_secret(&failure.reason);
                }
                (outcome, _) => panic!("{status}: {outcome:?}"),
            }
        }
    }
}

#[tokio::test]
async fn a_redirect_is_a_failure_and_its_target_hears_nothing() {
    let target = Receiver::start([]).await;
    for status in [301, 302, 303, 307, 308] {
        let from = Receiver::start([Play::with(status, "location", &target.url("/"))]).await;
        let failure = failure(&from).await;
        assert_eq!(failure.class, Class::Operator);
        assert!(failure.reason.contains("redirects are not followed"));
    }
    assert_eq!(target.connections(), 0);
}

#[tokio::test]
async fn retry_after_is_read_as_seconds_or_as_a_date_up_to_an_hour_and_garbage_is_ignored() {
    let at = message().at;
    let date = |seconds: i64| {
        let at = at + jiff::SignedDuration::from_secs(seconds);
        httpdate::fmt_http_date(at.into())
    };
    let ten_years = 10 * 365 * 24 * 3600;
    for (value, expected) in [
        ("120".to_owned(), Some(120)),
        ("0".to_owned(), Some(0)),
        (ten_years.to_string(), Some(ten_years)),
        (date(90), Some(90)),
        (date(-90), None),
        ("-5".to_owned(), None),
        ("1.5".to_owned(), None),
        ("soon".to_owned(), None),
        (String::new(), None),
        ("99999999999999999999999".to_owned(), Some(u64::MAX)),
    ] {
        let receiver = Receiver::start([Play::with(429, "retry-after", &value)]).await;
        let failure = failure(&receiver).await;
        assert_eq!(
            failure.retry_after,
            expected.map(|seconds: u64| Duration::from_secs(seconds.min(3600))),
            "{value}"
        );
    }
}

#[tokio::test]
async fn an_answer_that_drips_or_never_comes_ends_at_the_timeout() {
    for play in [Play::Drip, Play::Silence] {
        let receiver = Receiver::start([play.clone()]).await;
        let begun = Instant::now();
        let failure = failure(&receiver).await;
        assert_eq!(failure.class, Class::Transient);
        assert!(failure.reason.contains("1.5 s"), "{failure}");
        assert!(begun.elapsed() < Duration::from_secs(5), "{play:?}");
    }
}

#[tokio::test]
async fn an_endless_body_is_cut_and_the_status_counts() {
    let receiver = Receiver::start([Play::Endless]).await;
    let sink = sink(webhook(&receiver.url("/")));
    let begun = Instant::now();
    assert_eq!(sink.send(&message()).await.unwrap().code, Some(200));
    assert!(
        begun.elapsed() < Duration::from_secs(1),
        "it waited for the end"
    );
}

#[tokio::test]
async fn a_broken_or_refused_connection_is_transient() {
    for play in [Play::Reset, Play::ResetInBody] {
        let receiver = Receiver::start([play]).await;
        assert_eq!(failure(&receiver).await.class, Class::Transient);
    }
    let nobody = Receiver::start([]).await;
    let sink = sink(webhook(&nobody.url("/c4nary")));
    drop(nobody);
    tokio::task::yield_now().await;
    let failure = sink.send(&message()).await.unwrap_err();
    assert_eq!(failure.class, Class::Transient);
    assert_no_secret(&format!("{failure:?}"));
}

#[tokio::test]
async fn why_no_connection_was_made_is_told_with_and_without_tls() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // Accepts and hangs up; a thread of its own, which ends with the second caller.
    let hangs_up = std::thread::spawn(move || drop(listener.accept()));
    let url = format!("https://{address}/");
    let failure = sink(webhook(&url)).send(&message()).await.unwrap_err();
    hangs_up.join().unwrap();
    assert!(!failure.reason.contains("other"), "{failure}");
    for scheme in ["http", "https"] {
        let url = format!("{scheme}://{address}/");
        let failure = sink(webhook(&url)).send(&message()).await.unwrap_err();
        assert_eq!(failure.reason, "cannot connect: connection refused");
    }
}

#[tokio::test]
async fn a_name_that_does_not_resolve_and_a_port_without_tls_are_transient() {
    let receiver = Receiver::start([]).await;
    let plain = receiver.url("/c4nary").replace("http://", "https://");
    for url in ["http://no-such-host.invalid/c4nary", &plain] {
        let failure = sink(webhook(url)).send(&message()).await.unwrap_err();
        assert_eq!(failure.class, Class::Transient, "{failure}");
        assert_no_secret(&format!("{failure:?}"));
    }
}

#[tokio::test]
async fn connections_are_kept_and_one_that_the_receiver_closed_loses_nothing() {
    let receiver = Receiver::start([]).await;
    let sink = sink(webhook(&receiver.url("/")));
    for _ in 0..5 {
        sink.send(&message()).await.unwrap();
    }
    assert_eq!(receiver.connections(), 1);
    receiver.now_plays([Play::AnswerAndClose(200)]);
    for _ in 0..5 {
        sink.send(&message()).await.unwrap();
    }
    // Each message came once: the pool noticed, or sent again only what the receiver had not begun.
    assert_eq!(receiver.got().len(), 10);
}

#[tokio::test]
async fn a_dropped_send_ends_at_once() {
    let receiver = Receiver::start([Play::Silence]).await;
    let sink = sink(webhook(&receiver.url("/")));
    let message = message();
    tokio::select! {
        outcome = sink.send(&message) => panic!("{outcome:?}"),
        got = receiver.got_at_least(1) => assert_eq!(got.len(), 1),
    }
}

/// The head was whole: what it says counts, although the body is incomplete.
#[tokio::test]
async fn an_answer_that_breaks_off_keeps_its_status_and_what_it_asks_for() {
    let head = "HTTP/1.1 503 x\r\nRetry-After: 40\r\nContent-Length: 100\r\n\r\nhalf";
    let broken = Play::Raw(head.as_bytes().to_vec(), Then::Close);
    let receiver = Receiver::start([broken]).await;
    let failure = sink(webhook(&receiver.url("/c4nary")))
        .send(&message())
        .await
        .unwrap_err();
    assert_eq!(failure.class, Class::Transient, "{failure}");
    assert_eq!(failure.code, Some(503));
    assert_eq!(failure.retry_after, Some(Duration::from_secs(40)));
}

#[test]
fn a_status_is_explained_by_what_an_operator_can_do_about_it() {
    for (status, hint) in [
        (302, "redirects are not followed"),
        (400, "does not accept this message"),
        (401, "credentials"),
        (403, "credentials"),
        (404, "check `url`"),
        (407, "a proxy"),
        (410, "stop sending"),
        (413, "too large"),
        (415, "does not accept this message"),
        (422, "does not accept this message"),
        (429, "fewer requests"),
    ] {
        let failure = explain(status);
        assert!(failure.contains(hint), "{failure}");
        assert!(failure.contains(&status.to_string()), "{failure}");
    }
    assert_eq!(explain(500), "the receiver answered 500");
}
