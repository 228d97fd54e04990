//! How long a recipe holds its sink.

use campanile_receiver::Play;
use campanile_receiver::scripted::Receiver;
use campanile_sinks::{Class, Recipe};
use jiff::Timestamp;

use super::message;
use super::recipes::{BASE, POST, at, build};

#[tokio::test]
async fn a_quota_holds_until_it_ends_and_a_wait_in_the_body_is_obeyed() {
    let text = format!(
        "{BASE}wait = '/retry-after'\nagain = \"body.code == 'rate'\"\n\
         later = [{{ when = \"body.code == 'day'\", midnight = 'Asia/Shanghai' }}, {{ when = \"body.code == 'hour'\", seconds = 3600 }}]\n\
         {POST}body = '{{}}'\n"
    );
    let limited = Recipe::parse("acme", &text).unwrap();
    // 23:00 in Shanghai.
    let message = at("2026-11-21T15:00:00Z"
        .parse::<Timestamp>()
        .unwrap()
        .as_second());
    for (answer, wait) in [
        (r#"{"code": "day"}"#, 3600),
        (r#"{"code": "hour"}"#, 3600),
        (r#"{"code": "rate", "retry-after": 28.7}"#, 29),
    ] {
        let receiver = Receiver::start([Play::Answer(400, Vec::new(), answer.to_owned())]).await;
        let sink = build(&limited, &format!("url = \"{}\"", receiver.url("")));
        let failure = sink.send(&message).await.unwrap_err();
        assert_eq!(failure.class, Class::Transient, "{answer}: {failure}");
        assert_eq!(failure.retry_after.unwrap().as_secs(), wait, "{answer}");
    }
}

#[tokio::test]
async fn a_wait_whose_name_ends_in_ms_is_in_milliseconds() {
    let text = format!("{BASE}wait = '/retry_after_ms'\n{POST}body = '{{}}'\n");
    let limited = Recipe::parse("acme", &text).unwrap();
    let slow = Play::Answer(429, Vec::new(), r#"{"retry_after_ms": 4001}"#.to_owned());
    let receiver = Receiver::start([slow]).await;
    let sink = build(&limited, &format!("url = \"{}\"", receiver.url("")));
    let failure = sink.send(&message()).await.unwrap_err();
    assert_eq!(failure.retry_after.unwrap().as_secs(), 5);
}

#[tokio::test]
async fn a_refused_message_does_not_hold_the_sink_until_a_limit_ends() {
    let text = format!("{BASE}wait = 'header:x-reset'\n{POST}body = '{{}}'\n");
    let limited = Recipe::parse("acme", &text).unwrap();
    for (status, wait) in [(429, Some(40)), (400, None), (403, None)] {
        let reset = vec![("x-reset".to_owned(), "40".to_owned())];
        let receiver = Receiver::start([Play::Answer(status, reset, String::new())]).await;
        let sink = build(&limited, &format!("url = \"{}\"", receiver.url("")));
        let failure = sink.send(&message()).await.unwrap_err();
        let asked = failure.retry_after.map(|wait| wait.as_secs());
        assert_eq!(asked, wait, "{status}");
    }
}
