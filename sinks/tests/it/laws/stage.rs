//! What the laws share: a recipe's sink, a receiver that answers as the vendor does, and the fixtures of the recipe.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use campanile_language::sample_alerts;
use campanile_model::{Alert, Severity, Status};
use campanile_receiver::{Got, Play, Receiver, google};
use campanile_settings::{Environment, Setting, Values};
use campanile_sinks::{Delivered, Failure, Kind, Message, Sink, Tools, kinds};
use jiff::Timestamp;

/// The secret of every sink here: must never be seen.
pub(super) const CANARY: &str = "c4nary-9f2b7d10";
/// The variable that narrows the laws to one recipe, while it is written.
const ONLY: &str = "CAMPANILE_LAW_KIND";
/// Set by Campanile, by HTTP or by the connection: not part of a fixture.
const UNSHOWN: &[&str] = &["host", "user-agent", "accept", "content-length"];

pub(super) fn recipes() -> impl Iterator<Item = &'static Arc<dyn Kind>> {
    let only = std::env::var(ONLY).ok();
    kinds().iter().filter(move |kind| {
        let wanted = only.as_ref().is_none_or(|only| kind.about().name == *only);
        wanted && kind.toml().is_some()
    })
}

pub(super) fn folder(kind: &dyn Kind) -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fixtures/sinks");
    root.join(&*kind.about().name)
}

/// The example of a setting. A secret is the canary, and never read from a variable.
fn example(setting: &Setting) -> String {
    let secret = setting.takes.secret().is_some() && setting.example.starts_with('{');
    let value = if setting.name == "service_account" {
        format!("{:?}", google::service_account(CANARY))
    } else if secret {
        format!("{CANARY:?}")
    } else {
        setting.example.to_string()
    };
    format!("{} = {value}\n", setting.name)
}

/// The sink of a recipe that calls this address, with the examples of its page and a secret.
pub(super) fn sink(kind: &dyn Kind, url: &str, more: &str) -> Arc<dyn Sink> {
    sink_in_time(kind, url, more, Duration::from_secs(5))
}

pub(super) fn sink_in_time(
    kind: &dyn Kind,
    url: &str,
    more: &str,
    timeout: Duration,
) -> Arc<dyn Sink> {
    let set = |name: &str| {
        let name = format!("{name} =");
        more.lines().any(|line| line.starts_with(&name))
    };
    let needed = kind.settings().iter().filter(|setting| {
        let wanted = setting.required || setting.takes.is_secret();
        wanted && !["url", "proxy"].contains(&&*setting.name) && !set(&setting.name)
    });
    let lines: String = needed.map(example).collect();
    let path = own_path(kind);
    let text = format!("url = \"{url}{path}\"\n{lines}{more}");
    let values = Values::parse(&text, kind.settings(), &Environment::new());
    let tools = Tools {
        name: "recipe/law",
        timeout,
    };
    let values = values.unwrap_or_else(|mistakes| panic!("{mistakes}\n{text}"));
    let built = kind.build(&values, &tools);
    built.unwrap_or_else(|error| panic!("{}: {error}", kind.about().name))
}

/// The path of the example of `url`: the whole address can be a secret, such as that of a chat's webhook.
fn own_path(kind: &dyn Kind) -> String {
    let mut settings = kind.settings().iter();
    let url = settings.find(|setting| setting.name == "url");
    let url = url.unwrap_or_else(|| panic!("{}: every recipe has `url`", kind.about().name));
    let example = url.example.trim_matches('"');
    let path = example.splitn(4, '/').nth(3).unwrap_or_default();
    format!("/{path}").replace("EXAMPLE", CANARY)
}

pub(super) fn message(alert: Alert) -> Message {
    let at = Timestamp::from_second(1_767_225_600).unwrap();
    Message::of(alert, "dlv_0123456789abcdef0123456789abcdef", at)
}

pub(super) fn firing() -> Alert {
    let [mut alert, _] = sample_alerts();
    alert.title = "CPU of db-1 is at 97 %".into();
    alert
}

/// A firing without optional fields.
pub(super) fn bare() -> Alert {
    let [_, mut alert] = sample_alerts();
    alert.status = Status::Firing;
    alert
}

pub(super) fn resolved() -> Alert {
    let mut alert = firing();
    alert.status = Status::Resolved;
    alert.ends_at = Some("1970-01-01T00:12:31Z".parse().unwrap());
    alert
}

pub(super) fn warning() -> Alert {
    let mut alert = firing();
    alert.severity = Severity::Warning;
    alert
}

/// The recovery of a firing that was sent, with what the sink returned for it.
pub(super) fn recovery(handle: Option<&str>) -> Message {
    let mut opened = firing();
    opened.id = "0197a1b2-0000-7000-8000-000000000001".into();
    let mut alert = resolved();
    alert.id = "0197a1b2-0000-7000-8000-000000000002".into();
    Message {
        opened: Some(Arc::new(opened)),
        handle: handle.map(str::to_owned),
        ..message(alert)
    }
}

pub(super) fn many(count: usize) -> Message {
    let alerts = (0..count).map(|number| {
        let mut alert = if number % 3 == 2 {
            resolved()
        } else {
            firing()
        };
        alert.title = format!("CPU of db-{number} is at 97 %");
        alert.id = format!("0197a1b2-0000-7000-8000-{number:012}");
        Arc::new(alert)
    });
    Message {
        alerts: alerts.collect(),
        ..message(firing())
    }
}

/// Sends one message; what the receiver got, and what the sink said. The request for an access token is left out.
pub(super) async fn exchange(
    kind: &dyn Kind,
    more: &str,
    message: &Message,
    answers: Vec<Play>,
) -> (Vec<Got>, Result<Delivered, Failure>) {
    let token = fs::read_to_string(folder(kind).join("token.http")).ok();
    let token = token.map(|text| answer(&text));
    let before = usize::from(token.is_some());
    let answers: Vec<_> = token.into_iter().chain(answers).collect();
    let (mut got, done) = whole_exchange(kind, more, message, answers).await;
    got.drain(..before.min(got.len()));
    (got, done)
}

/// The same with the request for a token.
pub(super) async fn whole_exchange(
    kind: &dyn Kind,
    more: &str,
    message: &Message,
    answers: Vec<Play>,
) -> (Vec<Got>, Result<Delivered, Failure>) {
    let (receiver, got) = receiver(answers).await;
    let sink = sink(kind, &format!("http://{}", receiver.address()), more);
    let done = sink.send(message).await;
    let got = got.lock().unwrap().clone();
    (got, done)
}

/// A receiver that gives these answers, the last one again and again, and what it got.
pub(super) async fn receiver(answers: Vec<Play>) -> (Receiver, Arc<Mutex<Vec<Got>>>) {
    let got = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&got);
    let receiver = Receiver::start(move |request| {
        let mut kept = kept.lock().unwrap();
        kept.push(request);
        answers[(kept.len() - 1).min(answers.len() - 1)].clone()
    });
    (receiver.await.unwrap(), got)
}

/// A success of this vendor: its fixture `success`.
pub(super) fn success(kind: &dyn Kind) -> Play {
    let path = folder(kind).join("answers/success.http");
    let text = fs::read_to_string(&path);
    answer(&text.unwrap_or_else(|_| panic!("{} is missing", path.display())))
}

pub(super) fn shown(got: &Got) -> String {
    let headers = got.headers.iter();
    let headers = headers.filter(|(name, _)| !UNSHOWN.contains(&name.as_str()));
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
pub(super) fn hold(path: &Path, text: &str) -> bool {
    let same = fs::read_to_string(path).unwrap_or_default() == text;
    if !same {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    same
}

/// An answer as a vendor gives it: the status in the first line, headers, then the body after an empty line.
pub(super) fn answer(text: &str) -> Play {
    let (head, body) = text.split_once("\n\n").unwrap_or((text.trim_end(), ""));
    let mut lines = head.lines();
    let status = lines.next().unwrap().split_whitespace().nth(1).unwrap();
    let headers = lines.map(|line| {
        let (name, value) = line.split_once(": ").unwrap();
        (name.to_owned(), value.to_owned())
    });
    let body = body.trim().replace("CANARY", CANARY);
    Play::Answer(status.parse().unwrap(), headers.collect(), body)
}

/// The answers of a vendor by the names of their files, such as `operator-unauthorized`.
pub(super) fn answers(kind: &dyn Kind) -> BTreeMap<String, Play> {
    let files = fs::read_dir(folder(kind).join("answers"));
    let files = files.unwrap_or_else(|_| panic!("{} has no answers", kind.about().name));
    let named = files.map(|file| {
        let path = file.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        (name, answer(&fs::read_to_string(&path).unwrap()))
    });
    named.collect()
}

/// The names of the fields of a JSON object or of a form; none for another body.
pub(super) fn fields(got: &Got) -> Option<Vec<String>> {
    let form = got.header("content-type") == Some("application/x-www-form-urlencoded");
    if form {
        let pairs = url::form_urlencoded::parse(&got.body);
        return Some(pairs.map(|(name, _)| name.into_owned()).collect());
    }
    let json: serde_json::Value = serde_json::from_slice(&got.body).ok()?;
    Some(json.as_object()?.keys().cloned().collect())
}
