//! What a recipe says about the addresses of its sinks: which it refuses, and what it hides.

use campanile_receiver::Play;
use campanile_receiver::scripted::Receiver;
use campanile_settings::{Environment, Values};
use campanile_sinks::{Kind, Recipe, Tools, settings_of};

use super::{TIMEOUT, message};

/// Rewrites the address, as a chat's recipe does for another version of the vendor's API.
const REWRITING: &str = r#"
title = "Acme"
limit = { characters = 500 }

[doc]
does = "d"
setup = "s"
sent = "s"
fails = "f"

[settings.url]
takes = "url"
required = true
example = "https://acme.example.com/api/hooks/EXAMPLE"
refuses = [{ part = "old.example.com", says = "this service ended: make a new address" }]
doc = "d"

[request]
method = "POST"
url = "{{ settings.url|replace('/api/', '/api/v2/') }}"
body = '{"title": {{ [message.title, message.resource]|tojson }}}'

[answer]
success = "status == 200"
reason = "/error"
"#;

fn built(url: &str) -> Result<std::sync::Arc<dyn campanile_sinks::Sink>, String> {
    let recipe = Recipe::parse("acme", REWRITING).unwrap();
    let text = format!("url = \"{url}\"");
    let values = Values::parse(&text, &settings_of(&recipe), &Environment::new()).unwrap();
    let tools = Tools {
        name: "acme/law",
        timeout: TIMEOUT,
    };
    let built = recipe.build(&values, &tools);
    built.map_err(|error| error.to_string())
}

#[test]
fn an_address_that_cannot_work_is_refused_with_the_reason() {
    assert!(built("https://acme.example.com/api/hooks/1").is_ok());
    let refused = built("https://old.example.com/api/hooks/1").err();
    let said = "url: this service ended: make a new address";
    assert_eq!(refused.as_deref(), Some(said));
}

#[tokio::test]
async fn a_key_in_an_address_is_hidden_in_a_rewritten_address_and_in_what_the_receiver_says() {
    let quoted = r#"{"error": "no hook c4nary-0123456789 here, see documentation"}"#;
    let receiver = Receiver::start([Play::Answer(404, Vec::new(), quoted.to_owned())]).await;
    let address = receiver.url("/api/documentation/c4nary-0123456789?sig=c4nary%2F0123456789");
    let sink = built(&address).unwrap();
    let shown = sink.render(&message()).unwrap();
    assert!(!shown.contains("c4nary"), "{shown}");
    assert!(
        shown.contains("/api/v2/documentation/***?sig=***"),
        "{shown}"
    );
    let reason = sink.send(&message()).await.unwrap_err().reason;
    assert!(
        reason.ends_with("no hook *** here, see documentation"),
        "{reason}"
    );
}

fn message_of_opening() -> campanile_model::Alert {
    let [mut opening, _] = campanile_language::sample_alerts();
    opening.title = "it began".into();
    opening
}

#[tokio::test]
async fn the_title_and_the_resource_of_a_message_are_one_line_without_mentions() {
    let receiver = Receiver::start([]).await;
    let sink = built(&receiver.url("/api/x")).unwrap();
    let mut message = message();
    let mut alert = (*message.alerts[0]).clone();
    alert.title = "disk\nof @all".into();
    alert.resource.name = Some("@here\u{7}".to_owned());
    message.alerts[0] = alert.into();
    sink.send(&message).await.unwrap();
    let sent = receiver.got()[0].json()["title"].clone();
    assert_eq!(sent[0], "disk of @\u{200b}all");
    assert_eq!(sent[1], "@\u{200b}here ");
    message.opened = Some(message_of_opening().into());
    sink.send(&message).await.unwrap();
    let sent = receiver.got()[1].json()["title"].clone();
    assert_eq!(sent[0], "it began", "the same from firing to resolved");
}
