//! What holds for every kind of sink, and for every recipe against a receiver that answers as the vendor does.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use campanile_language::sample_alerts;
use campanile_model::{Alert, Status};
use campanile_receiver::{Got, Play, Receiver};
use campanile_settings::{Environment, Values};
use campanile_sinks::{
    Class, Delivered, Failure, Kind, Message, Recipe, Sink, Tools, catalog, kinds,
};
use jiff::Timestamp;
use serde_json::Value;

/// The secret of every sink here: must never be seen.
const CANARY: &str = "c4nary-9f2b7d10";
const WORDS: &[&str] = &[
    "success",
    "transient",
    "operator",
    "too_large",
    "poison",
    "gone",
];

fn recipes() -> impl Iterator<Item = &'static Arc<dyn Kind>> {
    kinds().iter().filter(|kind| kind.toml().is_some())
}

fn folder(kind: &dyn Kind) -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fixtures/sinks");
    root.join(&*kind.about().name)
}

/// The sink of a recipe that calls this address, with the examples of its page and a secret.
fn sink(kind: &dyn Kind, url: &str, more: &str) -> Arc<dyn Sink> {
    let needed = kind
        .settings()
        .iter()
        .filter(|setting| setting.name != "url");
    let needed = needed.filter(|setting| setting.required || setting.takes.is_secret());
    let line = |name: &str, value: &str| format!("{name} = {value}\n");
    let lines: String = needed.map(|s| line(&s.name, &s.example)).collect();
    let text = format!("url = \"{url}/\"\n{lines}{more}");
    let variables = ["NTFY_TOKEN", "GOTIFY_TOKEN", "PAGER_KEY"]
        .map(|name| (name.to_owned(), CANARY.to_owned()));
    let values = Values::parse(&text, kind.settings(), &Environment::from(variables));
    let tools = Tools {
        name: "recipe/law",
        timeout: Duration::from_secs(5),
    };
    let values = values.unwrap_or_else(|mistakes| panic!("{mistakes}"));
    kind.build(&values, &tools).unwrap()
}

fn message(alert: Alert) -> Message {
    Message::of(alert, "dlv_0123456789abcdef", Timestamp::UNIX_EPOCH)
}

fn firing() -> Alert {
    let [mut alert, _] = sample_alerts();
    alert.title = "CPU of db-1 is at 97 %".into();
    alert
}

fn resolved() -> Alert {
    let mut alert = firing();
    alert.status = Status::Resolved;
    alert.ends_at = Some("1970-01-01T00:12:31Z".parse().unwrap());
    alert
}

/// Sends one message; what the receiver got, and what the sink said.
async fn exchange(
    kind: &dyn Kind,
    more: &str,
    message: &Message,
    answers: Vec<Play>,
) -> (Vec<Got>, Result<Delivered, Failure>) {
    let got = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&got);
    let receiver = Receiver::start(move |request| {
        let mut kept = kept.lock().unwrap();
        kept.push(request);
        answers[(kept.len() - 1).min(answers.len() - 1)].clone()
    });
    let receiver = receiver.await.unwrap();
    let done = sink(kind, &format!("http://{}", receiver.address()), more)
        .send(message)
        .await;
    let got = got.lock().unwrap().clone();
    (got, done)
}

fn ok() -> Vec<Play> {
    vec![Play::body("{}")]
}

fn shown(got: &Got) -> String {
    let headers = got.headers.iter().filter(|(name, _)| {
        !["host", "user-agent", "accept", "content-length"].contains(&name.as_str())
    });
    let headers: Vec<_> = headers
        .map(|(name, value)| format!("{name}: {}", unsigned(value)))
        .collect();
    let headers = headers.join("\n");
    let body = String::from_utf8_lossy(&got.body);
    format!("{} {}\n{headers}\n\n{body}\n", got.method, got.target)
}

/// Without the signature: it covers the port of the receiver, which is another in each run.
fn unsigned(value: &str) -> String {
    match value.split_once("Signature=") {
        Some((before, _)) => format!("{before}Signature=***"),
        None => value.to_owned(),
    }
}

/// Makes this the text of a file. False if it was another.
fn hold(path: &Path, text: &str) -> bool {
    let same = fs::read_to_string(path).unwrap_or_default() == text;
    if !same {
        fs::write(path, text).unwrap();
    }
    same
}

/// An answer as a vendor gives it: status in the first line, then the body after an empty line.
fn answer(text: &str) -> Play {
    let (head, body) = text.split_once("\n\n").unwrap();
    let status = head.split_whitespace().nth(1).unwrap().parse().unwrap();
    let body = body.trim().replace("CANARY", CANARY);
    Play::Answer(status, Vec::new(), body)
}

fn word(done: &Result<Delivered, Failure>) -> &'static str {
    match done {
        Ok(_) => "success",
        Err(failure) => failure.class.as_str(),
    }
}

#[test]
fn every_recipe_of_the_catalogue_can_be_read() {
    for (name, recipe) in catalog::recipes() {
        assert!(recipe.is_ok(), "{name}: {}", recipe.unwrap_err());
    }
    assert!(recipes().count() >= 2);
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
async fn every_recipe_sends_exactly_the_requests_of_its_fixtures() {
    let mut changed = Vec::new();
    for kind in recipes() {
        let mut many = message(firing());
        many.alerts.push(Arc::new(resolved()));
        for (case, message) in [
            ("firing", message(firing())),
            ("resolved", message(resolved())),
            ("many", many),
        ] {
            let (got, _) = exchange(&**kind, "", &message, ok()).await;
            let path = folder(&**kind).join(format!("{case}.http"));
            if !hold(&path, &shown(&got[0])) {
                changed.push(path);
            }
        }
    }
    assert!(
        changed.is_empty(),
        "{changed:?} were not what is sent, and are now: read them, run again and commit"
    );
}

#[tokio::test]
async fn every_answer_of_a_vendor_has_the_class_that_its_file_is_named_for() {
    for kind in recipes() {
        let mut seen = Vec::new();
        for file in fs::read_dir(folder(&**kind).join("answers")).unwrap() {
            let path = file.unwrap().path();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let wanted = WORDS.iter().find(|word| name.starts_with(**word)).unwrap();
            let play = answer(&fs::read_to_string(&path).unwrap());
            let (_, done) = exchange(&**kind, "", &message(firing()), vec![play]).await;
            assert_eq!(word(&done), *wanted, "{}: {done:?}", path.display());
            let said =
                done.map_or_else(|failure| failure.to_string(), |d| format!("{:?}", d.remark));
            assert!(!said.contains(CANARY), "{}: {said}", path.display());
            seen.push(*wanted);
        }
        for needed in ["success", "transient", "operator", "poison"] {
            assert!(
                seen.contains(&needed),
                "{} has no answer {needed}",
                kind.about().name
            );
        }
    }
}

#[tokio::test]
async fn a_message_that_is_too_long_is_sent_once_more_with_half_the_text() {
    let ntfy = recipes().find(|kind| kind.about().name == "ntfy").unwrap();
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
async fn no_text_of_a_vendor_can_add_a_key_a_header_or_a_mention() {
    let hostile =
        "x\", \"priority\": 1, \"a\": \"\r\nX-Evil: 1 {{ settings.token }} @all <!channel> \u{7}";
    for kind in recipes() {
        let (plain, _) = exchange(&**kind, "", &message(firing()), ok()).await;
        let mut alert = firing();
        alert.title = hostile.into();
        alert.description = hostile.into();
        alert.resource.name = Some(hostile.to_owned());
        alert.resource.region = Some(hostile.to_owned());
        alert.metric.unit = Some(hostile.to_owned());
        let (got, _) = exchange(&**kind, "", &message(alert), ok()).await;
        let names = |got: &Got| {
            got.headers
                .iter()
                .map(|(name, _)| name.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(names(&got[0]), names(&plain[0]));
        let keys = |got: &Got| match got.json() {
            Value::Object(keys) => keys.keys().cloned().collect::<Vec<_>>(),
            other => panic!("{other}"),
        };
        assert_eq!(keys(&got[0]), keys(&plain[0]));
        assert_eq!(got[0].json()["priority"], plain[0].json()["priority"]);
        let body = String::from_utf8(got[0].body.clone()).unwrap();
        for word in ["@all", "<!channel", CANARY] {
            assert!(!body.contains(word), "{word} in {body}");
        }
    }
}

#[test]
fn what_a_recipe_shows_of_its_request_holds_no_secret() {
    for kind in recipes() {
        let shown = sink(&**kind, "http://127.0.0.1:9", "")
            .render(&message(firing()))
            .unwrap();
        assert!(shown.contains("***") && !shown.contains(CANARY), "{shown}");
    }
}

#[tokio::test]
async fn the_first_line_is_enough_in_each_language() {
    let gotify = recipes()
        .find(|kind| kind.about().name == "gotify")
        .unwrap();
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
    let ntfy = recipes().find(|kind| kind.about().name == "ntfy").unwrap();
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

/// The recipe of `docs/add-a-sink.md` is the text between its first fence of TOML.
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
