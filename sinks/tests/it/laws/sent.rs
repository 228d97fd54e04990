//! What a recipe sends.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use super::stage::{
    CANARY, exchange, fields, firing, folder, hold, many, message, recipes, recovery, resolved,
    shown, sink, success, warning,
};
use campanile_receiver::Got;
use campanile_sinks::{Delivered, Failure, Group, Kind, Message};

/// The recovery of an alert that the receiver named so: `handle.txt`, where the name must have a form.
fn recovered(kind: &dyn Kind) -> Message {
    let handle = fs::read_to_string(folder(kind).join("handle.txt"));
    let handle = handle.unwrap_or_else(|_| "C0FFEE-1".to_owned());
    recovery(Some(handle.trim()))
}

/// The requests that were made, or the reason for which the message is not sent.
fn outcome(got: &[Got], done: &Result<Delivered, Failure>) -> String {
    match done {
        _ if !got.is_empty() => got.iter().map(shown).collect::<Vec<_>>().join("\n"),
        Ok(Delivered {
            remark: Some(says), ..
        }) => format!("{says}\n"),
        _ => panic!("nothing is sent: {done:?}"),
    }
}

/// The messages of the fixtures that a kind has.
fn cases(kind: &dyn Kind) -> Vec<(&'static str, Message)> {
    let mut cases = vec![
        ("firing", message(firing())),
        ("resolved", message(resolved())),
    ];
    if kind.about().digest {
        cases.push(("many", many(37)));
    }
    if kind.toml().is_some_and(|toml| toml.contains("if handle")) {
        cases.push(("recovery", recovered(kind)));
    }
    cases
}

#[tokio::test(flavor = "multi_thread")]
async fn every_recipe_sends_exactly_the_requests_of_its_fixtures() {
    let mut changed = Vec::new();
    for kind in recipes() {
        for (case, message) in cases(&**kind) {
            let (got, done) = exchange(&**kind, "", &message, vec![success(&**kind)]).await;
            let path = folder(&**kind).join(format!("{case}.http"));
            if !hold(&path, &outcome(&got, &done)) {
                changed.push(path);
            }
        }
    }
    assert!(
        changed.is_empty(),
        "{changed:?} were not what is sent, and are now: read them, run again and commit"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_three_languages_are_the_fixtures_of_the_languages() {
    let mut changed = Vec::new();
    let speaking = |kind: &&Arc<dyn Kind>| {
        let people = matches!(kind.about().group, Group::Chat | Group::People);
        people
            && kind
                .settings()
                .iter()
                .any(|setting| setting.name == "language")
    };
    for kind in recipes().filter(speaking) {
        let cases = cases(&**kind).into_iter();
        for (case, message) in cases.filter(|(case, _)| *case != "recovery") {
            for language in ["zh-Hant", "zh-Hans"] {
                let more = format!("language = \"{language}\"\ntimezone = \"Asia/Shanghai\"\n");
                let (got, done) = exchange(&**kind, &more, &message, vec![success(&**kind)]).await;
                let path = folder(&**kind).join(format!("{case}-{language}.http"));
                if !hold(&path, &outcome(&got, &done)) {
                    changed.push(path);
                }
            }
        }
    }
    assert!(
        changed.is_empty(),
        "{changed:?} were not what is sent, and are now: read them"
    );
}

/// The message for which settings are held: the first word of the name of their file, else a firing.
fn message_of(kind: &dyn Kind, name: &str) -> Message {
    match name.split('-').next() {
        Some("resolved") => message(resolved()),
        Some("recovery") => recovered(kind),
        Some("many") => many(37),
        Some("warning") => message(warning()),
        _ => message(firing()),
    }
}

/// The files `settings/NAME.toml` of a kind: settings whose request is the file `settings/NAME.http`.
fn set(kind: &dyn Kind) -> Vec<(PathBuf, String)> {
    let files = fs::read_dir(folder(kind).join("settings"));
    let paths = files.into_iter().flatten().map(|file| file.unwrap().path());
    let paths = paths.filter(|path| path.extension().is_some_and(|is| is == "toml"));
    paths
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            (path, text)
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_change_the_request_as_their_fixtures_show() {
    let mut changed = Vec::new();
    for kind in recipes() {
        for (path, settings) in set(&**kind) {
            let name = path.file_stem().unwrap().to_string_lossy();
            let message = message_of(&**kind, &name);
            let (got, done) = exchange(&**kind, &settings, &message, vec![success(&**kind)]).await;
            let path = path.with_extension("http");
            if !hold(&path, &outcome(&got, &done)) {
                changed.push(path);
            }
        }
    }
    assert!(
        changed.is_empty(),
        "{changed:?} were not what is sent, and are now: read them, run again and commit"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_delivery_is_the_same_request_on_every_attempt() {
    for kind in recipes() {
        let first = message(firing());
        let second = Message {
            attempt: 2,
            ..first.clone()
        };
        let (one, _) = exchange(&**kind, "", &first, vec![success(&**kind)]).await;
        let (two, _) = exchange(&**kind, "", &second, vec![success(&**kind)]).await;
        assert_eq!(shown(&one[0]), shown(&two[0]), "{}", kind.about().name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_mentioned_for_a_critical_firing_only() {
    const SOMEONE: &str = "13800000000";
    let more = format!("mention = [\"{SOMEONE}\"]\n");
    for kind in recipes().filter(|kind| kind.settings().iter().any(|s| s.name == "mention")) {
        for (message, mentioned) in [
            (message(firing()), true),
            (message(warning()), false),
            (message(resolved()), false),
        ] {
            let (got, _) = exchange(&**kind, &more, &message, vec![success(&**kind)]).await;
            let body = String::from_utf8_lossy(&got[0].body).into_owned();
            assert_eq!(
                body.contains(SOMEONE),
                mentioned,
                "{}: {body}",
                kind.about().name
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_text_of_a_vendor_can_add_a_key_a_header_or_a_mention() {
    let hostile = "x\", \"priority\": 1, \"a\": \"\r\nX-Evil: 1 {{ settings.token }} @all @everyone <!channel> <@U1> <users/all> <at user_id=\"all\"></at> </Say><Dial>1</Dial> &to=1 \u{7}";
    for kind in recipes() {
        let name = &kind.about().name;
        let (plain, _) = exchange(&**kind, "", &message(firing()), vec![success(&**kind)]).await;
        let mut alert = firing();
        alert.title = hostile.into();
        alert.description = hostile.into();
        alert.resource.name = Some(hostile.to_owned());
        alert.resource.region = Some(hostile.to_owned());
        alert.metric.unit = Some(hostile.to_owned());
        let (got, _) = exchange(&**kind, "", &message(alert), vec![success(&**kind)]).await;
        let names = |got: &campanile_receiver::Got| {
            let names = got.headers.iter().map(|(name, _)| name.clone());
            names.collect::<Vec<_>>()
        };
        assert_eq!(names(&got[0]), names(&plain[0]), "{name}");
        assert_eq!(fields(&got[0]), fields(&plain[0]), "{name}");
        let body = String::from_utf8(got[0].body.clone()).unwrap();
        let form = serde_json::from_str::<serde_json::Value>(&body).is_err();
        let shown = if form {
            body.replace('+', " ")
                .replace("%40", "@")
                .replace("%3C", "<")
                .replace("%3E", ">")
        } else {
            body.replace("\\u003c", "<").replace("\\u003e", ">")
        };
        let people = matches!(kind.about().group, Group::Chat | Group::People);
        for word in [
            "@all",
            "@everyone",
            "<!channel",
            "<@U1>",
            "<users/all",
            "<at user",
            "</Say>",
        ] {
            assert!(
                !people || !shown.contains(word),
                "{name}: {word} in {shown}"
            );
        }
        assert!(
            !shown.contains(&format!("X-Evil: 1 {CANARY}")),
            "{name}: {shown}"
        );
    }
}

#[test]
fn what_a_recipe_shows_of_its_request_holds_no_secret() {
    for kind in recipes() {
        let secret = kind.settings().iter().any(|setting| {
            setting.takes.is_secret() && !["url", "proxy"].contains(&&*setting.name)
        });
        let shown = sink(&**kind, "http://127.0.0.1:9", "");
        let shown = shown.render(&message(firing())).unwrap();
        let name = &kind.about().name;
        assert!(!shown.contains(CANARY), "{name}: {shown}");
        assert!(!secret || shown.contains("***"), "{name}: {shown}");
    }
}
