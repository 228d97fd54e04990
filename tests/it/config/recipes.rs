//! An operator's own kind of sink: a recipe in the config.

use std::path::Path;

use campanile_language::sample_alerts;
use campanile_sinks::{Message, build};

use super::load;

/// The example of the page for new sinks.
fn example() -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/add-a-sink.md");
    let page = std::fs::read_to_string(page).unwrap();
    let text = page.split("```toml\n").nth(1).unwrap();
    text.split("```").next().unwrap().to_owned()
}

#[test]
fn a_recipe_in_the_config_is_a_kind_of_sink() {
    let config = load(&example()).unwrap();
    let sink = build(&config.sinks[0]).unwrap();
    let [alert, _] = sample_alerts();
    let message = Message::of(alert, "dlv_1", jiff::Timestamp::UNIX_EPOCH);
    let request = sink.render(&message).unwrap();
    assert!(
        request.starts_with("POST https://pager.example.com/v1/pages")
            || request.starts_with("POST ***"),
        "{request}"
    );
    assert!(!request.contains("a-long-random-key"), "{request}");
}

#[test]
fn a_recipe_wins_over_a_built_in_kind_of_the_same_name() {
    let config = load(&example().replace("pager", "ntfy")).unwrap();
    assert_eq!(
        config.sinks[0].kind.about().title,
        "Pager: pages the person on call"
    );
}

#[test]
fn a_mistake_in_a_recipe_is_reported_once_and_its_sinks_are_not_blamed() {
    let mistakes = load(&example().replace("again = ", "agian = ")).unwrap_err();
    let drawn = mistakes.to_string();
    assert_eq!(mistakes.iter().count(), 1, "{drawn}");
    assert!(
        drawn.contains("in the recipe `pager`: unknown field `agian`"),
        "{drawn}"
    );
}
