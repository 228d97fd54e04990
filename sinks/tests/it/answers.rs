//! What a recipe reads in a response, and what it makes of an episode and of many alerts.

use std::sync::Arc;

use campanile_model::Severity;
use campanile_receiver::scripted::Receiver;
use campanile_receiver::{Got, Play};
use campanile_settings::{Environment, Values};
use campanile_sinks::{Class, Delivered, Failure, Kind, Message, Recipe, Tools, settings_of};

use super::{TIMEOUT, message};

/// Up to the keys of `[answer]`, which a test adds.
const BASE: &str = r#"
title = "Acme"
limit = { characters = 500 }

[doc]
does = "d"
setup = "s"
sent = "s"
fails = "f"

[settings]
url = { takes = "url", required = true, example = "https://acme.example.com", doc = "d" }

[request]
method = "POST"
url = "{{ settings.url }}/send"
body = 'BODY'

[answer]
success = "status == 200"
"#;

/// What the receiver gets of a recipe with this body and these lines of `[answer]`, and what follows from its responses.
async fn exchange(
    body: &str,
    answer: &str,
    message: &Message,
    plays: Vec<Play>,
) -> (Vec<Got>, Result<Delivered, Failure>) {
    whole_exchange(&(BASE.replace("BODY", body) + answer), message, plays).await
}

/// The same of the whole recipe.
async fn whole_exchange(
    text: &str,
    message: &Message,
    plays: Vec<Play>,
) -> (Vec<Got>, Result<Delivered, Failure>) {
    let recipe = Recipe::parse("acme", text).unwrap_or_else(|mistake| panic!("{mistake}"));
    let receiver = Receiver::start(plays).await;
    let values = format!("url = \"{}\"", receiver.url(""));
    let values = Values::parse(&values, &settings_of(&recipe), &Environment::new()).unwrap();
    let tools = Tools {
        name: "acme/law",
        timeout: TIMEOUT,
    };
    let done = recipe.build(&values, &tools).unwrap().send(message).await;
    (receiver.got(), done)
}

fn refusal(status: u16, body: &str) -> Play {
    let reset = ("x-reset".to_owned(), "900".to_owned());
    Play::Answer(status, vec![reset], body.to_owned())
}

#[tokio::test]
async fn the_end_of_a_quota_is_read_only_for_that_quota() {
    let answer = "later = [{ when = \"status == 429\", wait = 'header:x-reset', seconds = 60 }, { when = \"status == 503\", wait = '/none', seconds = 60 }]";
    for (status, wait) in [(429, Some(900)), (503, Some(60)), (502, None)] {
        let (_, done) = exchange("{}", answer, &message(), vec![refusal(status, "{}")]).await;
        let failure = done.unwrap_err();
        assert_eq!(failure.class, Class::Transient, "{status}");
        let seconds = failure.retry_after.map(|wait| wait.as_secs());
        assert_eq!(seconds, wait, "{status}");
    }
}

#[tokio::test]
async fn the_first_place_of_a_list_that_names_words_is_the_reason() {
    let answer = "reason = ['/errors', '/message', '']";
    for (body, said) in [
        (r#"{"errors": [], "message": "no key"}"#, "no key"),
        (r#"{"errors": ["a", "b"], "message": "m"}"#, r#"["a","b"]"#),
        (
            r#"{"errors": {"project": "is needed"}}"#,
            r#"{"project":"is needed"}"#,
        ),
        ("over the limit", "over the limit"),
    ] {
        let (_, done) = exchange("{}", answer, &message(), vec![refusal(400, body)]).await;
        let reason = done.unwrap_err().reason;
        assert!(reason.ends_with(&format!("It said: {said}")), "{reason}");
    }
}

#[tokio::test]
async fn a_message_without_a_handle_is_not_repeated_without_one() {
    let answer = "stale = \"status == 404\"";
    let sent = async |handle: Option<&str>| {
        let message = Message {
            handle: handle.map(str::to_owned),
            ..message()
        };
        let plays = vec![refusal(404, "{}"), Play::body("{}")];
        let body = "{ {% if handle %}\"of\": {{ handle|tojson }}{% endif %} }";
        let (got, done) = exchange(body, answer, &message, plays).await;
        (got.len(), done.is_ok())
    };
    assert_eq!(sent(None).await, (1, false));
    assert_eq!(sent(Some("T-7")).await, (2, true));
}

#[tokio::test]
async fn a_recovery_of_what_is_gone_can_be_left_out() {
    let skip = "skip = [{ when = \"handle == ''\", says = 'nothing is open' }]\n";
    let text = skip.to_owned() + &BASE.replace("BODY", "{}") + "stale = \"status == 404\"\n";
    let message = Message {
        handle: Some("T-7".to_owned()),
        ..message()
    };
    let plays = vec![refusal(404, "{}"), Play::body("{}")];
    let (got, done) = whole_exchange(&text, &message, plays).await;
    let done = done.unwrap();
    assert_eq!((got.len(), done.handle), (1, None));
    assert_eq!(done.remark.as_deref(), Some("not sent: nothing is open"));
}

#[tokio::test]
async fn a_recipe_says_what_its_plain_form_lacks() {
    let plays = || vec![refusal(400, "too old"), Play::body("{}")];
    let body = "{\"plain\": {{ plain|tojson }}}";
    let plain = "plain = \"status == 400\"";
    let remark = async |answer: &str| {
        let (got, done) = exchange(body, answer, &message(), plays()).await;
        assert_eq!(got[1].json()["plain"], true);
        done.unwrap().remark.unwrap()
    };
    assert!(remark(plain).await.contains("as plain text"));
    let own = remark(&format!(
        "{plain}\nplain_says = 'stored under another time'"
    ))
    .await;
    assert_eq!(own, "stored under another time");
}

#[tokio::test]
async fn a_later_message_of_an_episode_can_name_what_opened_it() {
    let body = "{\"opening\": {{ opening.severity|tojson }}, \"now\": {{ severity|tojson }}}";
    let mut opened = message().alerts[0].as_ref().clone();
    opened.severity = Severity::Warning;
    let later = Message {
        opened: Some(Arc::new(opened)),
        ..message()
    };
    for (message, opening) in [(later, "warning"), (message(), "critical")] {
        let (got, _) = exchange(body, "", &message, vec![Play::body("{}")]).await;
        let body = got[0].json();
        assert_eq!(
            (&body["opening"], &body["now"]),
            (&opening.into(), &"critical".into())
        );
    }
}

#[tokio::test]
async fn a_digest_that_is_more_than_a_template_may_write_is_too_large() {
    let body = "{\"all\": {{ alerts|tojson }}}";
    let many = |count: usize| {
        let mut alert = message().alerts[0].as_ref().clone();
        alert.description = "x".repeat(4096);
        let alert = Arc::new(alert);
        Message {
            alerts: vec![alert; count],
            ..message()
        }
    };
    let (_, done) = exchange(body, "", &many(20), vec![Play::body("{}")]).await;
    assert!(done.is_ok(), "{done:?}");
    let (got, done) = exchange(body, "", &many(200), vec![Play::body("{}")]).await;
    assert_eq!(done.unwrap_err().class, Class::TooLarge);
    assert!(got.is_empty());
}

#[tokio::test]
async fn a_wait_can_stand_in_a_sentence() {
    for (body, wait) in [
        (
            r#"{"error": "limit 413: wait \"86400\" seconds"}"#,
            Some(86_400),
        ),
        (r#"{"error": "Please wait 2.5 seconds and retry"}"#, Some(3)),
        (r#"{"error": "error 413, wait some seconds"}"#, None),
    ] {
        let plays = vec![refusal(429, body)];
        let (_, done) = exchange("{}", "wait = '/error'", &message(), plays).await;
        let wait_of = done.unwrap_err().retry_after.map(|wait| wait.as_secs());
        assert_eq!(wait_of, wait, "{body}");
    }
}

#[tokio::test]
async fn an_element_of_xml_is_the_reason() {
    let answer = "reason = ['<Message>', '<Code>']";
    for (body, said) in [
        (
            "<Error><Code>Denied</Code><Message>No access</Message></Error>",
            "It said: No access",
        ),
        (
            "<Error><Code>Denied</Code><Message></Message></Error>",
            "It said: Denied",
        ),
        ("<html><Code", "check the secrets of this sink"),
    ] {
        let (_, done) = exchange("{}", answer, &message(), vec![refusal(403, body)]).await;
        let failure = done.unwrap_err();
        assert!(failure.reason.ends_with(said), "{failure}");
    }
}

#[tokio::test]
async fn a_success_can_be_compared_with_what_was_sent() {
    let compared = "status == 200 and body.digest == (sent|json).text|md5";
    let text = BASE
        .replace("BODY", r#"{"text": "a"}"#)
        .replace("status == 200", compared);
    for (digest, delivered) in [
        ("0cc175b9c0f1b6a831c399e269772661", true),
        ("92eb5ffee6ae2fec3ad71c777531578f", false),
    ] {
        let body = format!(r#"{{"digest": "{digest}"}}"#);
        let (_, done) = whole_exchange(&text, &message(), vec![Play::body(&body)]).await;
        assert_eq!(done.is_ok(), delivered, "{done:?}");
    }
}

#[tokio::test]
async fn the_receivers_own_code_is_read_at_the_first_place_that_has_one() {
    let answer = "code = ['/error/code', '/items/0/code', '<Code>']\nnever = \"code|split('.')|first == 'Bad'\"\nlater = [{ when = \"code == '7'\", seconds = 60 }]";
    for (body, class) in [
        (r#"{"error": {"code": "Bad.Number"}}"#, Class::Poison),
        (
            r#"{"error": null, "items": [{"code": "Bad"}]}"#,
            Class::Poison,
        ),
        ("<Error><Code>Bad.Key</Code></Error>", Class::Poison),
        (r#"{"error": {"code": 7}}"#, Class::Transient),
        (r#"{"error": {"text": "Bad"}}"#, Class::Operator),
    ] {
        let (_, done) = exchange("{}", answer, &message(), vec![refusal(403, body)]).await;
        assert_eq!(done.unwrap_err().class, class, "{body}");
    }
}
