//! Page, API and command line say the same about random alerts: what they are, and who has them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use campanile::config::{Config, SourceSpec};
use campanile_providers::{Fixture, all, fixtures};
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};
use serde_json::Value;

use crate::cli::Run;
use crate::gateway::{Gateway, raw};
use crate::laws::{Case, calls_out};
use crate::receiver::{Play, Receiver};
use crate::same_id::seed;
use crate::standing::{Wire, request};

/// How many alerts are compared.
const ALERTS: usize = 20;

/// One random fixture of each vendor, in a random order.
fn random_cases(random: &mut StdRng) -> Vec<Case> {
    let mut cases = Vec::new();
    for provider in all() {
        let case = fixtures(provider.name()).choose(random);
        cases.extend(case.map(|fixture| (provider, fixture)));
    }
    cases.retain(|case| !calls_out(case));
    cases.shuffle(random);
    cases
}

/// A receiver that fails at random, in the ways that have different consequences.
async fn random_receiver(random: &mut StdRng) -> Receiver {
    let answer = |status, body: &str| Play::Answer(status, vec![], body.to_owned());
    let kinds = [
        Play::status(200),
        Play::status(204),
        answer(503, "overloaded: \"try\" <later> & again"),
        answer(500, "佇列已滿"),
        answer(400, "no such field"),
        answer(422, "title: too long"),
        Play::with(429, "retry-after", "40"),
        Play::Reset,
    ];
    let plays = (0..100).map(|_| kinds.choose(random).unwrap().clone());
    Receiver::start(plays.collect::<Vec<_>>()).await
}

/// A gateway with a source for each case and three sinks, which get different alerts.
async fn gateway(cases: &[Case], receivers: &[Receiver]) -> Gateway {
    let mut settings = String::new();
    for (name, receiver) in ["all", "firing", "severe"].iter().zip(receivers) {
        let url = receiver.url("/hook");
        writeln!(settings, "[sinks.webhook.{name}]\nurl = \"{url}\"").unwrap();
    }
    settings.push_str(
        "[[routes]]\nsinks = [\"webhook/all\"]\n\
         [[routes]]\nwhen = \"status == 'firing'\"\nsinks = [\"webhook/firing\"]\n\
         [[routes]]\nwhen = \"severity in ['critical', 'error']\"\nsinks = [\"webhook/severe\"]\n",
    );
    let spec = |(provider, fixture): &Case| SourceSpec {
        provider: Arc::clone(provider),
        source: Arc::new(Fixture::source(fixture)),
    };
    let change = |config: &mut Config| config.sources = cases.iter().map(spec).collect();
    Gateway::start_with(&settings, change).await
}

/// Sends the cases until there are enough alerts. The clock moves in between, so some deliveries are retried before others come.
async fn send(gateway: &Gateway, cases: &[Case], random: &mut StdRng) {
    for (_, fixture) in cases {
        let call = fixture.callback().unwrap();
        gateway.send(raw(&call, &call.path)).await;
        let wait = Duration::from_secs(random.random_range(0..30));
        gateway.advance(wait).await;
        if gateway.list("/api/v1/alerts?limit=500").await.len() >= ALERTS {
            break;
        }
    }
}

/// A page of the admin listener in English.
async fn page(gateway: &Gateway, path: &str) -> String {
    let head = "accept: text/html\r\naccept-language: en\r\nconnection: close\r\n";
    let asked = request("GET", path, head, b"");
    let reply = Wire::to(gateway.admin()).await.send(asked).await;
    assert_eq!(reply.status, 200, "{path}");
    reply.body
}

/// The text between two parts of a page.
fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let (_, rest) = text
        .split_once(start)
        .unwrap_or_else(|| panic!("{start} in {text}"));
    rest.split(end).next().unwrap()
}

/// What a reader sees of HTML, with one blank between words.
fn seen(html: &str) -> String {
    let mut parts = html.split('<');
    let first = parts.next().unwrap().to_owned();
    let text = parts.fold(first, |text, part| {
        text + " " + part.split_once('>').map_or("", |part| part.1)
    });
    let characters = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#x27;", "'"),
        ("&#x2f;", "/"),
        ("&amp;", "&"),
    ];
    let text = characters
        .iter()
        .fold(text, |text, (coded, plain)| text.replace(coded, plain));
    words(&text)
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

/// What the page must say about an attempt or a delivery of the API, from its sink on.
fn steps(detail: &Value) -> Vec<String> {
    let attempt = |attempt: &Value| {
        let verdict = match text(attempt, "verdict") {
            "again" => "failed, will be retried",
            "dead" => "given up",
            verdict => verdict,
        };
        let (sink, n, ms) = (
            text(attempt, "sink"),
            &attempt["attempt"],
            &attempt["took_ms"],
        );
        let code = attempt["code"]
            .as_u64()
            .map_or_else(String::new, |code| code.to_string());
        let (note, remark) = (text(attempt, "note"), text(attempt, "remark"));
        words(
            &format!("{sink} {verdict} , attempt {n}, {ms} ms {code} {note} {remark}")
                .replace(" ,", ","),
        )
    };
    let waiting = |delivery: &Value| {
        words(&format!(
            "{} pending {}",
            text(delivery, "sink"),
            text(delivery, "last_error")
        ))
    };
    let attempts = detail["attempts"].as_array().unwrap().iter().map(attempt);
    let pending = detail["deliveries"].as_array().unwrap().iter().map(waiting);
    attempts.chain(pending).collect()
}

/// The same steps from the page of the alert. When a delivery is due depends on the moment, so only that it waits is kept.
fn steps_of(page: &str) -> Vec<String> {
    let list = between(page, "<ol class=\"steps\">", "</ol>");
    let items = list
        .split("<li ")
        .skip(1)
        .map(|item| seen(item.split_once('>').unwrap().1));
    let of_sink = items.filter(|item| item.contains("webhook/") && !item.contains('→'));
    of_sink
        .map(|item| {
            let item = format!("webhook/{}", item.split_once("webhook/").unwrap().1);
            if item.contains(", attempt ") {
                return item;
            }
            let (sink, rest) = item.split_once(' ').unwrap();
            let stopped = rest.strip_prefix("waits until the sink works again");
            let now = || rest.strip_prefix("pending, next attempt now");
            let error = stopped
                .or_else(now)
                .or_else(|| Some(rest.split_once(')')?.1));
            words(&format!("{sink} pending {}", error.unwrap()))
        })
        .collect()
}

/// How far the deliveries of an alert are, in the words of a row of the page.
fn progress(detail: &Value) -> String {
    let mut last = BTreeMap::new();
    for attempt in detail["attempts"].as_array().unwrap() {
        last.insert(text(attempt, "sink"), text(attempt, "verdict"));
    }
    let count = |verdict| last.values().filter(|last| **last == verdict).count();
    let (delivered, dead) = (count("delivered"), count("dead"));
    let pending = detail["deliveries"].as_array().unwrap().len();
    let all = delivered + dead + pending;
    let mut parts = Vec::new();
    if dead > 0 {
        parts.push(format!("{dead} dead"));
    }
    if pending > 0 {
        parts.push(format!("{pending} pending"));
    }
    if delivered > 0 {
        parts.push(format!("{delivered}/{all}"));
    }
    parts.join(" ")
}

/// The differences between the three about one alert.
async fn differences(gateway: &Gateway, item: &Value, live: &str) -> Vec<String> {
    let (id, title) = (text(item, "id"), words(text(item, "title")));
    let state = format!("{} {}", text(item, "severity"), text(item, "status"));
    let source = text(item, "source");
    let mut faults = Vec::new();
    let mut same = |what: &str, is: &str, wanted: &str| {
        if is != wanted {
            faults.push(format!("{id} {what}\n  is:     {is}\n  wanted: {wanted}"));
        }
    };

    let detail = gateway.ask(&format!("/api/v1/alerts/{id}")).await;
    let shown = Run::of(&["alerts", "show", id, "--json", "--url", &base(gateway)]).json();
    same("alerts show", &shown.to_string(), &detail.to_string());
    same(
        "in the list and alone",
        &item["title"].to_string(),
        &detail["alert"]["title"].to_string(),
    );

    let page = page(gateway, &format!("/alerts/{id}")).await;
    let main = between(&page, "<main", "</main>");
    same(
        "title",
        &seen(between(main, "<h1 lang=\"\">", "</h1>")),
        &title,
    );
    let head = seen(between(main, "<p class=\"state\">", "</p>"));
    same("state", head.get(..state.len()).unwrap_or(&head), &state);
    let of = seen(between(
        between(main, "<div class=\"head\">", "</div>"),
        "</h1>",
        " · ",
    ));
    same("source", of.rsplit(' ').next().unwrap(), source);
    same(
        "steps",
        &steps_of(main).join("\n"),
        &steps(&detail).join("\n"),
    );

    let row = seen(between(live, &format!("<tr id=\"a-{id}\">"), "</tr>"));
    let start = format!("{state} {title}");
    same("row", row.get(..start.len()).unwrap_or(&row), &start);
    // Between source and progress is the age, such as `3 min`.
    let (_, rest) = row.rsplit_once(source).unwrap();
    let last = rest.trim().splitn(3, ' ').nth(2).unwrap_or_default();
    same("progress", last, &progress(&detail));
    faults
}

fn base(gateway: &Gateway) -> String {
    format!("http://{}", gateway.admin())
}

#[tokio::test(flavor = "multi_thread")]
async fn page_api_and_command_line_agree_on_twenty_random_alerts() {
    let seed = seed();
    println!("CAMPANILE_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let cases = random_cases(&mut random);
    let mut receivers = Vec::new();
    for _ in 0..3 {
        receivers.push(random_receiver(&mut random).await);
    }
    let gateway = gateway(&cases, &receivers).await;
    send(&gateway, &cases, &mut random).await;

    let mut items = gateway.list("/api/v1/alerts?limit=50").await;
    items.reverse();
    let listed = [
        "alerts",
        "list",
        "--limit",
        "50",
        "--json",
        "--url",
        &base(&gateway),
    ];
    assert_eq!(
        Run::of(&listed).json()["items"],
        Value::Array(items.clone())
    );
    let live = page(&gateway, "/?status=any&view=each").await;
    let rows: Vec<_> = live
        .split("<tr id=\"a-")
        .skip(1)
        .map(|row| row.split('"').next().unwrap())
        .collect();
    let ids: Vec<_> = items.iter().map(|item| text(item, "id")).collect();
    assert_eq!(rows, ids, "the rows of the live page");

    let mut faults = Vec::new();
    let (chosen, _) = items.partial_shuffle(&mut random, ALERTS);
    assert_eq!(chosen.len(), ALERTS);
    for item in chosen {
        faults.extend(differences(&gateway, item, &live).await);
    }
    gateway.stop().await;
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
