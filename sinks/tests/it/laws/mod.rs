//! What holds for every kind of sink, and for every recipe against a receiver that answers as the vendor does.

mod answered;
mod choices;
mod clouds;
mod json;
mod probes;
mod sent;
mod stage;

use std::fs;
use std::path::PathBuf;

use campanile_receiver::{Got, Play};
use campanile_sinks::{Class, Recipe, catalog, kinds};

use stage::{exchange, firing, message, recipes};

fn ok() -> Vec<Play> {
    vec![Play::body("{}")]
}

#[test]
fn every_recipe_of_the_catalogue_can_be_read() {
    for (name, recipe) in catalog::recipes() {
        assert!(recipe.is_ok(), "{name}: {}", recipe.unwrap_err());
    }
    assert!(catalog::recipes().count() >= 2);
}

#[test]
fn every_kind_has_a_page_with_the_four_headings_and_an_example() {
    let names: Vec<_> = kinds().iter().map(|kind| &kind.about().name).collect();
    assert!(names.is_sorted(), "{names:?}");
    for kind in kinds() {
        let (name, page) = (&kind.about().name, kind.page());
        for heading in ["What it does", "Set it up", "What is sent", "When it fails"] {
            assert!(
                page.contains(&format!("\n## {heading}\n")),
                "{name} {heading}"
            );
        }
        assert!(page.contains(&format!("[sinks.{name}.")), "{name}");
    }
}

#[tokio::test]
async fn a_message_that_is_too_long_is_sent_once_more_with_half_the_text() {
    let Some(ntfy) = recipes().find(|kind| kind.about().name == "ntfy") else {
        return;
    };
    let mut long = firing();
    long.metric.unit = Some("長".repeat(3000));
    let too_long = Play::Answer(
        413,
        Vec::new(),
        r#"{"code":41301,"error":"too large"}"#.to_owned(),
    );
    let taken = Play::body(r#"{"id":"x1","event":"message"}"#);
    let (got, done) = exchange(&**ntfy, "", &message(long), vec![too_long, taken]).await;
    let text = |got: &Got| got.json()["message"].as_str().unwrap().len();
    assert!(
        text(&got[0]) <= 3900 && text(&got[0]) > 3800,
        "{}",
        text(&got[0])
    );
    assert!(text(&got[1]) <= 1950, "{}", text(&got[1]));
    let done = done.unwrap();
    assert_eq!(done.handle.as_deref(), Some("x1"));
    assert!(done.remark.unwrap().contains("cut"));
}

#[tokio::test]
async fn the_first_line_is_enough_in_each_language() {
    let Some(gotify) = recipes().find(|kind| kind.about().name == "gotify") else {
        return;
    };
    for (language, head, text) in [
        (
            "en",
            "🔴 CRITICAL CPU of db-1 is at 97 %",
            "since 1970-01-01 08:00:00 +08:00",
        ),
        (
            "zh-Hans",
            "🔴 严重 CPU of db-1 is at 97 %",
            "开始于 1970-01-01 08:00:00 +08:00",
        ),
        (
            "zh-Hant",
            "🔴 嚴重 CPU of db-1 is at 97 %",
            "開始於 1970-01-01 08:00:00 +08:00",
        ),
    ] {
        let more = format!("language = \"{language}\"\ntimezone = \"Asia/Shanghai\"\n");
        let (got, _) = exchange(&**gotify, &more, &message(firing()), ok()).await;
        let body = got[0].json();
        assert_eq!(body["title"], head);
        assert!(body["message"].as_str().unwrap().contains(text), "{body}");
    }
    let mut long = firing();
    long.title = "資料庫 ".repeat(60);
    let (got, _) = exchange(&**gotify, "", &message(long), ok()).await;
    let title = got[0].json()["title"].as_str().unwrap().to_owned();
    assert!(
        title.chars().count() == 80 && title.ends_with('…'),
        "{title}"
    );
}

#[test]
fn a_mistake_in_a_recipe_is_named_with_its_line() {
    let Some(ntfy) = recipes().find(|kind| kind.about().name == "ntfy") else {
        return;
    };
    let right = ntfy.toml().unwrap();
    let wrong = right.replace("too_large = ", "to_large = ");
    let mistake = Recipe::parse("mine", &wrong).unwrap_err();
    assert!(
        mistake.message.contains("to_large") && mistake.line > 20,
        "{mistake}"
    );
    let wrong = right.replace("settings.topic|tojson", "setings.topic|tojson");
    let mistake = Recipe::parse("mine", &wrong).unwrap_err();
    assert!(
        mistake.message.contains("unknown name `setings`"),
        "{mistake}"
    );
}

#[tokio::test]
async fn the_example_of_the_page_for_new_sinks_works() {
    let page = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/add-a-sink.md");
    let page = fs::read_to_string(page).unwrap();
    let text = page.split("```toml\n").nth(1).unwrap();
    let text = text.split("```").next().unwrap();
    let recipe = Recipe::parse_at("pager", text, &["recipes", "pager"]).unwrap();
    let taken = Play::body(r#"{"ok": true, "ticket": "T-7"}"#);
    let (got, done) = exchange(&recipe, "", &message(firing()), vec![taken]).await;
    assert_eq!(got[0].target, "/v1/pages");
    assert_eq!(got[0].json()["team"], "db");
    assert_eq!(done.unwrap().handle.as_deref(), Some("T-7"));
    let busy = Play::body(r#"{"ok": false, "error": "busy"}"#);
    let (_, done) = exchange(&recipe, "", &message(firing()), vec![busy]).await;
    let failure = done.unwrap_err();
    assert_eq!(failure.class, Class::Transient);
    assert!(failure.reason.contains("busy"), "{failure}");
}
