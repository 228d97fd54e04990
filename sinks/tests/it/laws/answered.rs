//! What a recipe makes of the vendor's answers: the files of `fixtures/sinks/<kind>/answers`.
//!
//! The first word of a file's name says what follows: `success`, `partly` (a success with a remark), `later-N` (transient,
//! with a wait of N seconds), a failure class, or a form in which the message is sent once more within the attempt:
//! `plain`, `stale` (without the handle), `token` (with a new access token).

use std::sync::{Arc, Mutex};
use std::time::Duration;

use campanile_receiver::{Got, Play, Receiver};
use campanile_sinks::{Class, Delivered, Failure, Kind};

use super::stage::{
    CANARY, answer, answers, exchange, fields, firing, folder, message, recipes, recovery,
    sink_in_time, success, whole_exchange,
};

/// Whether a recipe makes a request before some messages.
fn is_preceded(kind: &dyn Kind) -> bool {
    kind.toml().is_some_and(|toml| toml.contains("[before]"))
}

/// What followed, in the words of the names of the files.
fn word(done: &Result<Delivered, Failure>) -> String {
    match done {
        Ok(Delivered { remark: None, .. }) => "success".to_owned(),
        Ok(_) => "partly".to_owned(),
        Err(Failure {
            class: Class::Transient,
            retry_after: Some(wait),
            ..
        }) => format!("later-{}", wait.as_secs()),
        Err(failure) => failure.class.as_str().to_owned(),
    }
}

/// Whether a name begins with this word, as a word: `later-6` does not begin `later-60`.
fn begins(name: &str, word: &str) -> bool {
    name.strip_prefix(word)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

fn repeats(name: &str) -> bool {
    ["plain", "stale", "token"]
        .iter()
        .any(|word| begins(name, word))
}

fn said(done: &Result<Delivered, Failure>) -> String {
    format!(
        "{done:?} {}",
        done.as_ref()
            .err()
            .map(ToString::to_string)
            .unwrap_or_default()
    )
}

/// The access token in each fixture of a request for one.
const TOKEN: &str = "accesstoken000001";

/// The same answer with this text in the place of each text of its body.
fn quoting(play: &Play, quoted: &str) -> Option<Play> {
    fn replace(value: &mut serde_json::Value, quoted: &str) {
        match value {
            serde_json::Value::String(text) => quoted.clone_into(text),
            serde_json::Value::Array(all) => all.iter_mut().for_each(|each| replace(each, quoted)),
            serde_json::Value::Object(all) => {
                all.values_mut().for_each(|each| replace(each, quoted));
            }
            _ => {}
        }
    }
    let Play::Answer(status, headers, body) = play else {
        return None;
    };
    let mut body: serde_json::Value = serde_json::from_str(body).ok()?;
    replace(&mut body, quoted);
    Some(Play::Answer(*status, headers.clone(), body.to_string()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_quotes_the_credentials_of_a_request_does_not_show_them() {
    let quotes: [fn(&Got) -> String; 2] = [
        |got| got.header("authorization").unwrap_or("").to_owned(),
        |got| got.target.clone(),
    ];
    let mut shown = 0;
    for kind in recipes() {
        let name = &kind.about().name;
        let refusals = answers(&**kind).into_iter();
        let refusals: Vec<Play> = refusals
            .filter(|(name, _)| !begins(name, "success"))
            .map(|(_, play)| play)
            // The place of the words is the same in all of them.
            .take(3)
            .collect();
        for (play, quote) in refusals
            .iter()
            .flat_map(|play| quotes.map(|quote| (play, quote)))
        {
            let token = std::fs::read_to_string(folder(&**kind).join("token.http"));
            let first = Mutex::new(token.ok().map(|text| answer(&text)));
            let sent = Arc::new(Mutex::new(String::new()));
            let (kept, play) = (Arc::clone(&sent), play.clone());
            let receiver = Receiver::start(move |got| {
                if let Some(token) = first.lock().unwrap().take() {
                    return token;
                }
                let words = format!("you sent {}", quote(&got));
                kept.lock().unwrap().clone_from(&words);
                quoting(&play, &words).unwrap_or_else(|| play.clone())
            });
            let receiver = receiver.await.unwrap();
            let url = format!("http://{}", receiver.address());
            let sink = sink_in_time(&**kind, &url, "", Duration::from_secs(5));
            let said = said(&sink.send(&message(firing())).await);
            shown += usize::from(said.contains("you sent"));
            let sent = sent.lock().unwrap().clone();
            let words = sent.split_whitespace().filter(|word| word.len() >= 16);
            let words = words.filter(|word| !word.starts_with('/'));
            for word in words.chain([TOKEN, CANARY]) {
                assert!(!said.contains(word), "{name}: {word} in {said}");
            }
        }
    }
    assert!(shown > 0, "no receiver was quoted");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_of_a_vendor_has_the_class_that_its_file_is_named_for() {
    for kind in recipes() {
        let kind_name = &kind.about().name;
        let all = answers(&**kind);
        for (name, play) in all.iter().filter(|(name, _)| !repeats(name)) {
            let (_, done) = exchange(&**kind, "", &message(firing()), vec![play.clone()]).await;
            // A quota until midnight or the end of the month depends on the clock.
            let word = word(&done);
            let held = begins(name, &word) || (begins(name, "transient") && begins(&word, "later"));
            assert!(held, "{kind_name}/{name} is {word}: {done:?}");
            assert!(
                !said(&done).contains(CANARY),
                "{kind_name}/{name}: {done:?}"
            );
        }
        for needed in ["success", "operator"] {
            let found = all.keys().any(|name| begins(name, needed));
            assert!(found, "{kind_name} has no answer {needed}");
        }
        let again = all
            .keys()
            .any(|name| begins(name, "transient") || begins(name, "later"));
        assert!(again, "{kind_name} has no answer transient or later");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_the_vendor_refuses_is_sent_once_more_in_the_form_that_it_takes() {
    for kind in recipes() {
        let kind_name = &kind.about().name;
        for (name, refused) in answers(&**kind) {
            let plays = match name.as_str() {
                name if begins(name, "token") => {
                    let token = std::fs::read_to_string(folder(&**kind).join("token.http"));
                    vec![
                        refused,
                        super::stage::answer(&token.unwrap()),
                        success(&**kind),
                    ]
                }
                // What a request before the message gets does not matter.
                name if begins(name, "stale") && is_preceded(&**kind) => {
                    vec![refused.clone(), refused, success(&**kind)]
                }
                name if repeats(name) || begins(name, "too_large") => {
                    vec![refused, success(&**kind)]
                }
                _ => continue,
            };
            let message = if begins(&name, "stale") {
                recovery(Some("C0FFEE-1"))
            } else {
                message(firing())
            };
            let (got, done) = exchange(&**kind, "", &message, plays).await;
            assert!(done.is_ok(), "{kind_name}/{name}: {done:?}");
            let last = got.last().unwrap();
            let remark = done.unwrap().remark.unwrap_or_default();
            // A recipe need not close what is gone.
            if begins(&name, "stale") && remark.starts_with("not sent") {
                continue;
            }
            assert!(got.len() > 1, "{kind_name}/{name}");
            if begins(&name, "stale") {
                let body = String::from_utf8_lossy(&last.body);
                let anywhere = format!("{} {body}", last.target);
                assert!(
                    !anywhere.contains("C0FFEE-1"),
                    "{kind_name}/{name}: {anywhere}"
                );
            } else if !begins(&name, "token") {
                assert!(
                    !remark.is_empty(),
                    "{kind_name}/{name} says nothing about it"
                );
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_too_large_is_cut_in_the_unit_of_the_vendor() {
    for kind in recipes() {
        let mut long = firing();
        long.metric.unit = Some("長🔔".repeat(20_000));
        let (got, done) = exchange(&**kind, "", &message(long), vec![success(&**kind)]).await;
        let name = &kind.about().name;
        assert!(done.is_ok(), "{name}: {done:?}");
        // The largest limit of all sheets for a text is 64 KiB of the whole request; JSON escapes can double it.
        assert!(got[0].body.len() < 160_000, "{name}: {}", got[0].body.len());
        let short = exchange(&**kind, "", &message(firing()), vec![success(&**kind)]).await;
        assert_eq!(fields(&got[0]), fields(&short.0[0]), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_never_answers_ends_the_attempt_at_its_timeout() {
    let limit = Duration::from_millis(300);
    let mut attempts = tokio::task::JoinSet::new();
    for kind in recipes() {
        attempts.spawn(async move {
            let receiver = Receiver::start(|_| Play::Silence).await.unwrap();
            let url = format!("http://{}", receiver.address());
            let sink = sink_in_time(&**kind, &url, "", limit);
            let failure = sink.send(&message(firing())).await.unwrap_err();
            let name = &kind.about().name;
            assert_eq!(failure.class, Class::Transient, "{name}: {failure}");
            assert!(failure.reason.contains("0.3 s"), "{name}: {failure}");
        });
    }
    while let Some(attempt) = attempts.join_next().await {
        attempt.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_is_not_the_answer_of_the_vendor_is_not_a_success() {
    let page = "<!DOCTYPE html><html><title>Sign in</title></html>";
    for kind in recipes() {
        let strict = !answers(&**kind).contains_key("success-any-2xx");
        let (_, done) = exchange(&**kind, "", &message(firing()), vec![Play::body(page)]).await;
        if strict {
            let name = &kind.about().name;
            assert!(done.is_err(), "{name} takes a web page for a success");
        }
    }
}

/// A token is asked for once, and refused credentials are the operator's matter.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_request_for_a_token_is_not_followed_by_a_message() {
    let with_token = recipes().filter(|kind| folder(&***kind).join("token.http").exists());
    for kind in with_token {
        let refused = std::fs::read_to_string(folder(&**kind).join("token-refused.http"));
        let refused = super::stage::answer(&refused.unwrap());
        let (got, done) = whole_exchange(&**kind, "", &message(firing()), vec![refused]).await;
        let (name, failure) = (&kind.about().name, done.unwrap_err());
        assert_eq!(got.len(), 1, "{name}");
        assert_eq!(failure.class, Class::Operator, "{name}: {failure}");
        assert!(!failure.reason.contains(CANARY), "{name}: {failure}");
    }
}

/// Keeps the trait in use where no recipe is narrowed to.
#[test]
fn every_recipe_of_the_catalogue_has_answers() {
    for kind in recipes() {
        let kind: &dyn Kind = &**kind;
        assert!(!answers(kind).is_empty(), "{}", kind.about().name);
    }
}
