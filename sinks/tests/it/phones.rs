//! What recipes for phones need: short texts, texts for a voice, messages that are not sent, and a request before others.

use std::sync::Arc;

use campanile_model::{Severity, Status};
use campanile_receiver::scripted::Receiver;
use campanile_receiver::{Got, Play};
use campanile_settings::{Environment, Values};
use campanile_sinks::{
    BuildError, Delivered, Failure, Kind, Message, Recipe, Sink, Tools, settings_of,
};

use super::{TIMEOUT, message};

/// A recipe that sends the title of an alert through a filter.
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
url = "{{ settings.url }}"
body = '''{"text": {{ title|FILTER|tojson }}}'''

[answer]
success = "status == 200"
"#;

fn recipe(text: &str) -> Recipe {
    Recipe::parse("acme", text).unwrap_or_else(|mistake| panic!("{mistake}\n{text}"))
}

fn titled(title: &str) -> Message {
    let mut message = message();
    let mut alert = (*message.alerts[0]).clone();
    alert.title = title.into();
    message.alerts[0] = alert.into();
    message
}

fn build(recipe: &Recipe, receiver: &Receiver) -> Arc<dyn Sink> {
    let text = format!("url = \"{}\"\ntimezone = 'Asia/Shanghai'", receiver.url(""));
    try_build(recipe, &text).unwrap()
}

fn try_build(recipe: &Recipe, values: &str) -> Result<Arc<dyn Sink>, BuildError> {
    let values = Values::parse(values, &settings_of(recipe), &Environment::new());
    let tools = Tools {
        name: "acme/law",
        timeout: TIMEOUT,
    };
    recipe.build(&values.unwrap(), &tools)
}

/// What the receiver gets of this title through this filter.
async fn filtered(filter: &str, title: &str) -> String {
    let receiver = Receiver::start([]).await;
    let sink = build(&recipe(&BASE.replace("FILTER", filter)), &receiver);
    sink.send(&titled(title)).await.unwrap();
    let text = receiver.got()[0].json()["text"].clone();
    text.as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_text_is_cut_to_characters_and_shows_that_it_was() {
    for (title, cut) in [
        ("資料庫一二三", "資料庫一二三"),
        ("資料庫一二三四", "資料庫一二…"),
        ("", ""),
    ] {
        assert_eq!(filtered("cut(6)", title).await, cut);
    }
}

#[tokio::test]
async fn a_text_for_sms_holds_no_sign_that_makes_it_longer() {
    for (title, sms) in [
        (
            "🔴 CRITICAL “db-1” · 97 % … \u{200d}it’s",
            "CRITICAL \"db-1\", 97 % ... it's",
        ),
        ("【云】[a] ≥ 90 – x", "(云)(a) >= 90 - x"),
        ("a  b \n ✅ c · d\n", "a b\nc, d"),
        ("@\u{200b}all <\u{200b}users", "@ all < users"),
        ("數據庫 97%，严重", "數據庫 97%，严重"),
    ] {
        assert_eq!(filtered("sms", title).await, sms);
    }
}

#[tokio::test]
async fn a_text_for_a_voice_spells_digits_and_names_no_sign() {
    for (title, spoken) in [
        ("CPU of db-01 is at 97.5 %.", "CPU of db 0 1 is at 9 7 . 5"),
        ("https://a.example.com/?x=1&y", "https a example com x 1 y"),
        (
            "主机web01宕机，10.9.8.7",
            "主机web 0 1 宕机 1 0 . 9 . 8 . 7",
        ),
        ("🔴 </Say>", "Say"),
    ] {
        assert_eq!(filtered("spoken", title).await, spoken);
    }
}

/// A recipe with these lines before its tables and after them.
fn lined(before: &str, after: &str) -> Recipe {
    let text = BASE.replace("FILTER", "trim");
    recipe(&format!("{before}\n{text}\n{after}"))
}

/// What the receiver gets of this message, and what follows.
async fn exchange(
    recipe: &Recipe,
    message: &Message,
    plays: Vec<Play>,
) -> (Vec<Got>, Result<Delivered, Failure>) {
    let receiver = Receiver::start(plays).await;
    let done = build(recipe, &receiver).send(message).await;
    (receiver.got(), done)
}

fn over(message: Message) -> Message {
    Message {
        episode_open: false,
        handle: Some("ring-7".to_owned()),
        ..message
    }
}

#[tokio::test]
async fn a_message_that_a_recipe_skips_is_done_without_a_request() {
    let calls = lined(
        "skip = [{ when = \"not message.urgent\", says = 'no call' }, { when = \"not episode_open\", says = 'it is over' }]",
        "",
    );
    let (got, done) = exchange(&calls, &message(), vec![]).await;
    assert_eq!((got.len(), done.unwrap().remark), (1, None));
    let late = over(message());
    let (got, done) = exchange(&calls, &late, vec![]).await;
    let done = done.unwrap();
    assert_eq!(got.len(), 0);
    assert_eq!(done.remark.as_deref(), Some("not sent: it is over"));
    assert_eq!(done.handle.as_deref(), Some("ring-7"));
    let receiver = Receiver::start([]).await;
    let shown = build(&calls, &receiver).render(&late).unwrap();
    assert_eq!(shown, "not sent: it is over\n");
}

#[test]
fn a_mistake_in_a_rule_for_skipping_points_at_it() {
    let text = BASE.replace("FILTER", "trim");
    for (when, said) in [
        ("not message.urgnt", "`message` has no part `urgnt`"),
        ("message.count", "not true or false"),
        ("severity == 'crit'", "crit"),
    ] {
        let text = format!("skip = [{{ when = \"{when}\", says = 's' }}]\n{text}");
        let mistake = Recipe::parse("acme", &text).unwrap_err();
        assert_eq!(mistake.line, 1, "{mistake}");
        assert!(mistake.message.contains(said), "{mistake}");
        assert!(mistake.message.contains("`skip`"), "{mistake}");
    }
}

#[tokio::test]
async fn a_request_before_the_message_is_made_for_the_messages_that_need_it() {
    let ringing = lined(
        "",
        r#"
[before]
when = "handle != '' and not episode_open"

[before.request]
method = "POST"
url = "{{ settings.url }}/cancel/{{ handle|urlencode }}"
form = { token = "t" }
"#,
    );
    let targets = |got: &[Got]| {
        let targets = got.iter().map(|got| got.target.clone());
        targets.collect::<Vec<_>>()
    };
    let (got, _) = exchange(&ringing, &message(), vec![]).await;
    assert_eq!(targets(&got), ["/"]);
    let (got, done) = exchange(&ringing, &over(message()), vec![]).await;
    assert_eq!(targets(&got), ["/cancel/ring-7", "/"]);
    assert_eq!(done.unwrap().remark, None);
    let refused = Play::Answer(404, Vec::new(), "{}".to_owned());
    let plays = vec![refused, Play::body("{}")];
    let (got, done) = exchange(&ringing, &over(message()), plays).await;
    assert_eq!(targets(&got), ["/cancel/ring-7", "/"]);
    let remark = done.unwrap().remark.unwrap();
    assert!(
        remark.starts_with("the request before the message failed: the receiver answered 404"),
        "{remark}"
    );
}

#[tokio::test]
async fn a_rule_for_skipping_sees_what_opened_the_episode() {
    let worst = lined(
        "skip = [{ when = \"opening.severity != 'critical'\", says = 's' }]",
        "",
    );
    let mut recovery = (*message().alerts[0]).clone();
    recovery.status = Status::Resolved;
    recovery.severity = Severity::Unknown;
    let alone = Message {
        alerts: vec![recovery.into()],
        ..message()
    };
    let of_critical = Message {
        opened: message().alerts.pop(),
        ..alone.clone()
    };
    for (message, requests) in [(alone, 0), (of_critical, 1)] {
        let (got, _) = exchange(&worst, &message, vec![]).await;
        assert_eq!(got.len(), requests);
    }
}

#[tokio::test]
async fn a_template_shows_a_time_in_the_zone_of_its_sink() {
    let clock = recipe(&BASE.replace(
        "title|FILTER",
        "starts_at|at(settings.timezone, '%m-%d %H:%M')",
    ));
    let (got, _) = exchange(&clock, &message(), vec![]).await;
    assert_eq!(got[0].json()["text"], "01-01 08:00");
}

#[test]
fn a_template_refuses_settings_that_it_cannot_use() {
    let words = BASE.replace(
        "{{ title|FILTER|tojson }}",
        "\"{% if settings.word != 'a' %}{{ fail('`word` is not a') }}{% endif %}\"",
    );
    let words = words.replace(
        "[request]",
        "word = { takes = 'text', default = 'a', doc = 'd' }\n\n[request]",
    );
    let recipe = recipe(&words);
    let url = "url = 'https://acme.example.com'";
    assert!(try_build(&recipe, url).is_ok());
    let refused = try_build(&recipe, &format!("{url}\nword = 'b'"));
    let problem = refused.err().unwrap().problem;
    assert!(problem.contains("`word` is not a"), "{problem}");
}
