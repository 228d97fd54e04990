//! What a recipe sends when an operator sets what the fixtures leave out.

use campanile_receiver::{Got, Play};
use campanile_settings::Type;
use campanile_sinks::Kind;

use super::stage::{
    answers, exchange, fields, firing, message, recipes, recovery, resolved, shown, success,
};

/// Panics unless the receiver can read each request as it can read that of a firing with the examples alone.
fn hold(kind: &dyn Kind, plain: &Got, got: &[Got], set: &str) {
    let name = &kind.about().name;
    for got in got {
        let readable = fields(got).is_some() == fields(plain).is_some();
        assert!(readable, "{name} with {set}: {}", shown(got));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everyone_of_the_example_of_mention_can_be_mentioned() {
    for kind in recipes() {
        let mut settings = kind.settings().iter();
        let Some(setting) = settings.find(|setting| setting.name == "mention") else {
            continue;
        };
        let set = format!("mention = {}\n", setting.example);
        let (plain, _) = exchange(&**kind, "", &message(firing()), vec![success(&**kind)]).await;
        let (got, _) = exchange(&**kind, &set, &message(firing()), vec![success(&**kind)]).await;
        hold(&**kind, &plain[0], &got, &set);
        assert_ne!(got[0].body, plain[0].body, "{} {set}", kind.about().name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_word_flag_and_example_of_a_setting_gives_a_request_that_can_be_read() {
    for kind in recipes() {
        let own = kind.toml().unwrap_or_default();
        let own = |name: &str| own.contains(&format!("[settings.{name}]"));
        let (plain, _) = exchange(&**kind, "", &message(firing()), vec![success(&**kind)]).await;
        for setting in kind.settings().iter().filter(|setting| own(&setting.name)) {
            let values = match &setting.takes {
                Type::Choice(words) => words.iter().map(|word| format!("{word:?}")).collect(),
                Type::Flag => vec!["true".to_owned(), "false".to_owned()],
                Type::Text | Type::Whole(..) if setting.example != "\"...\"" => {
                    vec![setting.example.to_string()]
                }
                _ => continue,
            };
            for value in values {
                let set = format!("{} = {value}\n", setting.name);
                let messages = [
                    message(firing()),
                    message(resolved()),
                    recovery(Some("C0FFEE-1")),
                ];
                for message in &messages {
                    let (got, _) = exchange(&**kind, &set, message, vec![success(&**kind)]).await;
                    hold(&**kind, &plain[0], &got, &set);
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_plain_and_the_shorter_form_can_be_read() {
    for kind in recipes() {
        let (plain, _) = exchange(&**kind, "", &message(firing()), vec![success(&**kind)]).await;
        for (name, refused) in answers(&**kind) {
            if !name.starts_with("plain") && !name.starts_with("too_large") {
                continue;
            }
            let plays: Vec<Play> = vec![refused, success(&**kind)];
            let set = "mention = [\"1\"]\n";
            let mentions = kind
                .settings()
                .iter()
                .any(|setting| setting.name == "mention");
            let set = if mentions { set } else { "" };
            let (got, _) = exchange(&**kind, set, &message(firing()), plays).await;
            hold(&**kind, &plain[0], &got, &name);
        }
    }
}
