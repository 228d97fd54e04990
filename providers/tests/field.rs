//! Requests as vendors really sent them, each at its own path: believed, read, and with what an operator wants to see.
//!
//! `tests/field/README.md` says what a case expects. The end-to-end test of the gateway reads the same files and also
//! sends them to the shared path.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use campanile_model::{Alert, Callback, Secret};
use campanile_providers::{Provider, Source, all, verify};
use serde_json::{Value, json};

const KEY: &str = "field-own-key-00000001";
const TOKEN: &str = "field-own-token-000001";
const RECEIVED_AT: &str = "2026-02-03T16:00:00Z";

/// What comes of one request.
struct Seen {
    verdict: &'static str,
    why: String,
    alerts: Vec<Alert>,
}

impl Seen {
    fn without_alerts(verdict: &'static str, why: impl Into<String>) -> Self {
        Self {
            verdict,
            why: why.into(),
            alerts: Vec::new(),
        }
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/field")
}

/// Every case, by its file name without the ending, in the order of their numbers.
fn cases() -> BTreeMap<String, Value> {
    let files = fs::read_dir(folder()).expect("tests/field");
    let names = files.filter_map(|file| {
        let name = file
            .expect("a file")
            .file_name()
            .into_string()
            .expect("a name");
        name.strip_suffix(".expect.json").map(str::to_owned)
    });
    let expected =
        |name: &String| fs::read(folder().join(format!("{name}.expect.json"))).expect("a file");
    names
        .map(|name| {
            let read = serde_json::from_slice(&expected(&name)).expect("JSON");
            (name, read)
        })
        .collect()
}

fn vendor(expected: &Value) -> &'static dyn Provider {
    let name = expected["vendor"].as_str().expect("a vendor");
    all()
        .iter()
        .find(|provider| provider.name() == name)
        .expect("a built-in provider")
        .as_ref()
}

/// The source `own`: with the key where the request carries it, else with the token.
fn source(call: &Callback, provider: &dyn Provider) -> Source {
    let token = call.key.is_none().then_some(TOKEN);
    Source {
        name: format!("{}/own", provider.name()),
        keys: call.key.iter().map(|_| Secret::from(KEY)).collect(),
        tokens: token.into_iter().map(Secret::from).collect(),
        ..Source::default()
    }
    .with("user", "field")
}

fn callback(name: &str) -> Callback {
    let raw = fs::read(folder().join(format!("{name}.http"))).expect("a request");
    let mut call = Callback::from_http(&raw).expect("a request");
    call.key = call.path.ends_with(KEY).then(|| KEY.to_owned());
    call.received_at = RECEIVED_AT.parse().ok();
    call
}

fn seen(name: &str, expected: &Value) -> Seen {
    let provider = vendor(expected);
    let call = callback(name);
    let source = source(&call, provider);
    if !provider.about().methods.contains(&call.method.as_str()) {
        return Seen::without_alerts("rejected", "the method");
    }
    if expected["by"] != "try"
        && let Err(refusal) = verify(provider, &call, &source)
    {
        return Seen::without_alerts("rejected", format!("{refusal:?}"));
    }
    match provider.read(&call, &source) {
        Ok(reading) if reading.reports.is_empty() && !reading.unreadable.is_empty() => {
            Seen::without_alerts("quarantined", format!("{:?}", reading.unreadable))
        }
        Ok(reading) => Seen {
            verdict: "accepted",
            why: format!("{:?} {:?}", reading.ignored, reading.unreadable),
            alerts: reading
                .reports
                .into_iter()
                .map(|report| report.into_alert(&source.name, RECEIVED_AT.parse().expect("a time")))
                .collect(),
        },
        Err(fault) => {
            Seen::without_alerts("quarantined", format!("{}: {}", fault.place, fault.problem))
        }
    }
}

/// `wanted` as a list: one value is a list of one.
fn several(wanted: &Value) -> Vec<&Value> {
    match wanted {
        Value::Null => Vec::new(),
        Value::Array(values) => values.iter().collect(),
        one => vec![one],
    }
}

fn is_one_of(wanted: &Value, is: &Value) -> bool {
    wanted.is_null() || several(wanted).contains(&is)
}

fn appears(wanted: &Value, texts: &[&str]) -> bool {
    let mut words = several(wanted).into_iter().filter_map(Value::as_str);
    wanted.is_null() || words.any(|word| texts.iter().any(|text| text.contains(word)))
}

fn counted(wanted: &Value, is: usize) -> bool {
    let bounds: Vec<u64> = several(wanted)
        .into_iter()
        .filter_map(Value::as_u64)
        .collect();
    let is = is as u64;
    match bounds.as_slice() {
        [] => true,
        [one] => *one == is,
        [least, .., most] => (*least..=*most).contains(&is),
    }
}

/// What of `wanted` the alert does not have.
fn wrong(wanted: &Value, alert: &Value) -> Vec<&'static str> {
    let text = |place: &str| {
        alert
            .pointer(place)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let (title, description) = (text("/title"), text("/description"));
    let begins = |key: &str| {
        let begin = wanted[key].as_str().unwrap_or_default();
        alert[key].as_str().unwrap_or_default().starts_with(begin)
    };
    let checks = [
        ("status", is_one_of(&wanted["status"], &alert["status"])),
        (
            "severity",
            is_one_of(&wanted["severity"], &alert["severity"]),
        ),
        ("title", appears(&wanted["title"], &[title])),
        ("says", appears(&wanted["says"], &[title, description])),
        (
            "description",
            appears(&wanted["description"], &[description]),
        ),
        (
            "resource",
            appears(
                &wanted["resource"],
                &[text("/resource/id"), text("/resource/name")],
            ),
        ),
        ("starts_at", begins("starts_at")),
        ("ends_at", begins("ends_at")),
    ];
    checks
        .into_iter()
        .filter(|(_, right)| !right)
        .map(|(field, _)| field)
        .collect()
}

fn fingerprints(alerts: &[Alert]) -> Vec<String> {
    alerts
        .iter()
        .map(|alert| alert.fingerprint.to_string())
        .collect()
}

#[test]
fn every_request_from_the_field_gives_what_an_operator_wants() {
    let cases = cases();
    assert!(cases.len() >= 51, "only {} cases", cases.len());
    let all: BTreeMap<&String, Seen> = cases
        .iter()
        .map(|(name, expected)| (name, seen(name, expected)))
        .collect();
    let mut faults = Vec::new();
    for (name, expected) in &cases {
        let Some(seen) = all.get(name) else { continue };
        if !is_one_of(&expected["verdict"], &json!(seen.verdict))
            || !counted(&expected["count"], seen.alerts.len())
        {
            let count = seen.alerts.len();
            faults.push(format!(
                "{name}: {} with {count} alerts: {}",
                seen.verdict, seen.why
            ));
            continue;
        }
        for (wanted, alert) in expected["alerts"]
            .as_array()
            .into_iter()
            .flatten()
            .zip(&seen.alerts)
        {
            let wrong = wrong(wanted, &json!(alert));
            if !wrong.is_empty() {
                faults.push(format!("{name}: {wrong:?} of {}", json!(alert)));
            }
            let Some(same) = wanted["same_as"].as_str() else {
                continue;
            };
            let other = all
                .iter()
                .find(|(other, _)| other.starts_with(&format!("{same}-")));
            let prints = other
                .map(|(_, seen)| fingerprints(&seen.alerts))
                .unwrap_or_default();
            if !prints.contains(&alert.fingerprint.to_string()) {
                faults.push(format!("{name}: not the problem of {same}"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_request_from_the_field_is_recognized_as_its_vendors() {
    let mut faults = Vec::new();
    for (name, expected) in &cases() {
        let read = seen(name, expected).verdict == "accepted" && expected["verdict"] == "accepted";
        if !read || expected["shared"] == "skip" {
            continue;
        }
        let call = callback(name);
        let takers = all().iter().filter(|provider| provider.recognizes(&call));
        let takers: Vec<&str> = takers.map(|provider| provider.name()).collect();
        if takers != [vendor(expected).name()] {
            faults.push(format!("{name}: {takers:?}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
