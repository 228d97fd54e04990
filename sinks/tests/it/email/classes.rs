//! What each refusal of a mail server leads to.

use std::time::Duration;

use campanile_sinks::{Class, Failure};
use serde_json::json;

use super::{PASSWORD, PATIENT, Post, assert_no_secret, built, file, firing, message_of};

const MINUTES: Option<Duration> = Some(Duration::from_mins(5));
const HOUR: Option<Duration> = Some(Duration::from_hours(1));

const RCPT: &str = "RCPT oncall@example.com";

/// The step, what the server says, and what follows.
const ANSWERS: &[(&str, &str, Class, Option<Duration>)] = &[
    (
        "AUTH",
        "454 4.7.0 Temporary authentication failure",
        Class::Transient,
        MINUTES,
    ),
    (
        "AUTH",
        "535 5.7.8 Username and Password not accepted",
        Class::Operator,
        None,
    ),
    (
        "AUTH",
        "535 Login Fail. Please enter your authorization code to login",
        Class::Operator,
        None,
    ),
    (
        "AUTH",
        "534 5.7.9 Application-specific password required",
        Class::Operator,
        None,
    ),
    (
        "MAIL",
        "501 mail from address must be same as authorization user",
        Class::Operator,
        None,
    ),
    (
        "MAIL",
        "553 Mail from must equal authorized user",
        Class::Operator,
        None,
    ),
    (
        "MAIL",
        "550 5.7.30 Basic authentication is not supported",
        Class::Operator,
        None,
    ),
    (
        "MAIL",
        "530 5.7.57 Client not authenticated",
        Class::Operator,
        None,
    ),
    ("MAIL", "421 4.3.2 Shutting down", Class::Transient, None),
    (
        "MAIL",
        "452 4.3.1 Insufficient system storage",
        Class::Transient,
        None,
    ),
    (
        "MAIL",
        "552 5.3.4 Message too big for system",
        Class::TooLarge,
        None,
    ),
    (
        RCPT,
        "450 4.2.1 The user is receiving mail too quickly",
        Class::Transient,
        MINUTES,
    ),
    (
        RCPT,
        "451 4.7.1 Greylisting in action, please come back later",
        Class::Transient,
        MINUTES,
    ),
    (RCPT, "450 Greylisted", Class::Transient, MINUTES),
    (RCPT, "552 5.2.2 Mailbox full", Class::Transient, MINUTES),
    (RCPT, "550 5.1.1 No such user", Class::Operator, None),
    (RCPT, "550 Mailbox not found", Class::Operator, None),
    (RCPT, "550 5.7.54 Unable to relay", Class::Operator, None),
    (RCPT, "421 Too much", Class::Transient, None),
    ("DATA", "451 4.3.0 Try again", Class::Transient, None),
    (
        "DATA",
        "550 5.4.5 Daily sending quota exceeded",
        Class::Transient,
        HOUR,
    ),
    (
        "DATA",
        "554 5.7.1 Message rejected as spam",
        Class::Operator,
        None,
    ),
    ("DATA", "554 DT:SPM", Class::Operator, None),
    ("DATA", "501 Syntax error", Class::Poison, None),
    (
        "DATA",
        "554 5.6.0 Message content is not acceptable",
        Class::Poison,
        None,
    ),
    (
        "DATA",
        "552 Message size exceeds fixed maximum message size",
        Class::TooLarge,
        None,
    ),
    ("DATA", "554 5.3.4 Message too big", Class::TooLarge, None),
];

/// What an attempt ends with when the server gives this answer at this step.
async fn refused(post: &mut Post, step: &str, answer: &str) -> Failure {
    post.kill().await;
    post.answers = json!({});
    post.answers[step] = json!([answer]);
    post.run().await;
    let failure = post.sink().send(&message_of(firing())).await.unwrap_err();
    assert_no_secret(&failure.to_string());
    failure
}

#[tokio::test(flavor = "multi_thread")]
async fn each_answer_of_a_server_has_its_class_and_its_wait() {
    let mut post = Post::start("implicit", json!({})).await;
    for (step, answer, class, wait) in ANSWERS {
        let failure = refused(&mut post, step, answer).await;
        assert_eq!(
            (failure.class, failure.retry_after),
            (*class, *wait),
            "{step} {answer}: {failure}"
        );
        assert!(failure.reason.contains(*answer), "{failure}");
    }
    assert!(post.mails().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_is_repeated_by_the_server_is_not_shown() {
    let mut post = Post::start("implicit", json!({})).await;
    let failure = refused(
        &mut post,
        "AUTH",
        &format!("535 5.7.8 bad password {PASSWORD}"),
    )
    .await;
    assert!(failure.reason.contains("bad password ***"), "{failure}");
    let post = Post::start("starttls", json!({})).await;
    let wrong = post.settings().replace(PASSWORD, "c4nary-wrong");
    let failure = built(&wrong, PATIENT)
        .send(&message_of(firing()))
        .await
        .unwrap_err();
    assert_no_secret(&format!("{failure} {failure:?}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_is_too_large_is_sent_once_more_without_the_long_texts() {
    let post = Post::start("implicit", json!({"DATA": ["552 5.3.4 Too big", ""]})).await;
    let delivered = post.sink().send(&message_of(firing())).await.unwrap();
    assert!(delivered.remark.unwrap().contains("too large"));
    let mail = post.mails().remove(0);
    let text = mail["parts"][0].as_str().unwrap();
    assert!(
        text.contains("CPU of db-1") && !text.contains("資料庫"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_cut_is_transient_and_says_when_the_mail_may_arrive_twice() {
    let mut post = Post::start("implicit", json!({})).await;
    let before = refused_without_words(&mut post, "MAIL").await;
    assert!(!before.reason.contains("twice"), "{before}");
    let after = refused_without_words(&mut post, "DATA").await;
    assert!(after.reason.contains("may arrive twice"), "{after}");
}

async fn refused_without_words(post: &mut Post, step: &str) -> Failure {
    let failure = refused(post, step, "close").await;
    assert_eq!(failure.class, Class::Transient, "{failure}");
    failure
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_not_trusted_ends_the_attempt_before_the_login() {
    for mode in ["implicit", "starttls"] {
        let post = Post::start(mode, json!({})).await;
        let authority = format!("ca_file = \"{}\"\n", file("authority.pem"));
        let untrusted = post.settings().replace(&authority, "");
        let failure = built(&untrusted, PATIENT)
            .send(&message_of(firing()))
            .await
            .unwrap_err();
        assert_eq!(failure.class, Class::Operator, "{failure}");
        assert!(failure.reason.contains("set `ca_file`"), "{failure}");
        let risky = format!("{untrusted}dangerous_skip_tls_verification = true\n");
        built(&risky, PATIENT)
            .send(&message_of(firing()))
            .await
            .unwrap();
        // The certificate is for localhost.
        let other = post.settings().replace("\"localhost\"", "\"127.0.0.1\"");
        let failure = built(&other, PATIENT)
            .send(&message_of(firing()))
            .await
            .unwrap_err();
        assert_eq!(failure.class, Class::Operator, "{failure}");
        assert!(failure.reason.contains("another host name"), "{failure}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wrong_way_to_begin_tls_is_named_with_the_fix() {
    let post = Post::start("starttls", json!({})).await;
    let wrong = post.settings().replace("\"starttls\"", "\"implicit\"");
    let failure = built(&wrong, PATIENT)
        .send(&message_of(firing()))
        .await
        .unwrap_err();
    assert_eq!(failure.class, Class::Operator, "{failure}");
    assert!(failure.reason.contains("tls = \"starttls\""), "{failure}");
    let post = Post::start("plain", json!({})).await;
    let wrong = post.settings().replace("\"none\"", "\"starttls\"");
    let failure = built(&wrong, PATIENT)
        .send(&message_of(firing()))
        .await
        .unwrap_err();
    assert_eq!(failure.class, Class::Operator, "{failure}");
    assert!(
        failure.reason.contains("does not offer STARTTLS"),
        "{failure}"
    );
}
