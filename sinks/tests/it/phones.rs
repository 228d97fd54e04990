//! What recipes for phones need: short texts, texts for a voice.

use campanile_receiver::scripted::Receiver;
use campanile_settings::{Environment, Values};
use campanile_sinks::{Kind, Message, Recipe, Tools, settings_of};

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
body = '{"text": {{ title|FILTER|tojson }}}'

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

/// What the receiver gets of this title through this filter.
async fn filtered(filter: &str, title: &str) -> String {
    let receiver = Receiver::start([]).await;
    let recipe = recipe(&BASE.replace("FILTER", filter));
    let text = format!("url = \"{}\"", receiver.url(""));
    let values = Values::parse(&text, &settings_of(&recipe), &Environment::new());
    let tools = Tools {
        name: "acme/law",
        timeout: TIMEOUT,
    };
    let sink = recipe.build(&values.unwrap(), &tools).unwrap();
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
