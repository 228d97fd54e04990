//! What is missing in a message: it breaks no expression, withholds no alert that can do without it, and does not hide
//! whose message it is.

use std::collections::BTreeSet;

use campanile_model::{Callback, Fault};
use campanile_providers::{Fixture, Provider, Reading, all};
use serde_json::Value;

use super::variants::{self, Change};
use super::{alerting, callback, cases, name};

const MISSING: &[Change] = &[Change::Removed, Change::Null, Change::Empty];

fn faults(provider: &dyn Provider, call: &Callback, fixture: &Fixture) -> Vec<Fault> {
    match provider.read(call, &fixture.source()) {
        Ok(reading) => reading.unreadable,
        Err(fault) => vec![fault],
    }
}

#[test]
fn no_missing_key_breaks_an_expression() {
    let mut broken = BTreeSet::new();
    for (provider, fixture, _) in alerting() {
        for variant in variants::of(&callback(fixture), MISSING) {
            for fault in faults(provider, &variant.call, fixture) {
                if fault.problem.contains("cannot be read") {
                    broken.insert(format!("{} {}: {fault}", name(fixture), variant.name));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{}", lines(&broken));
}

/// Times that decide the status.
const DECISIVE: &[(&str, &str)] = &[
    ("alertmanager-api", "endsat"),
    ("ucloud", "alarmtime"),
    ("ucloud", "recoverytime"),
];

#[test]
fn a_time_that_cannot_be_read_withholds_no_alert() {
    let garbled = &[Change::Text("yesterday, perhaps"), Change::Text("N/A")];
    let mut withheld = BTreeSet::new();
    for (provider, fixture, reading) in alerting() {
        let variants = variants::of(&callback(fixture), garbled);
        for variant in variants.iter().filter(|variant| is_time(&variant.old)) {
            let changed = variant.name.to_lowercase();
            let is_decisive =
                |(vendor, key): &(&str, &str)| *vendor == provider.name() && changed.contains(key);
            if DECISIVE.iter().any(is_decisive) {
                continue;
            }
            for fault in faults(provider, &variant.call, fixture) {
                let is_old = reading.unreadable.contains(&fault);
                if !is_old && !fault.problem.contains("identifies the alert") {
                    withheld.insert(format!("{} {}: {fault}", name(fixture), variant.name));
                }
            }
        }
    }
    assert!(withheld.is_empty(), "{}", lines(&withheld));
}

/// Whether a value looks like a time of these years.
fn is_time(value: &Value) -> bool {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let is_unix = text.len() >= 10 && text.starts_with("17") && text.parse::<f64>().is_ok();
    is_unix || text.starts_with("202") && text.len() >= 10 || text.contains(" 2026")
}

/// Keys without which a message has exactly the form of another vendor's.
const AMBIGUOUS: &[(&str, &str)] = &[
    // EventBridge adds this one key to the callback of Tencent's own monitor.
    ("tencent-eventbridge", "additionalMsg"),
];

#[test]
fn a_message_that_is_read_is_recognized_as_its_own_vendors() {
    let mut hidden = BTreeSet::new();
    for (provider, fixture, _) in alerting() {
        for variant in variants::of(&callback(fixture), MISSING) {
            let reading = provider.read(&variant.call, &fixture.source());
            let is_read = reading.is_ok_and(|read| !read.reports.is_empty());
            if !is_read || provider.recognizes(&variant.call) {
                continue;
            }
            let is_known = AMBIGUOUS
                .iter()
                .any(|(vendor, key)| *vendor == provider.name() && variant.name.contains(key));
            let is_taken = || all().iter().any(|other| other.recognizes(&variant.call));
            if !(is_known && is_taken()) {
                hidden.insert(format!("{} {}", name(fixture), variant.name));
            }
        }
    }
    assert!(hidden.is_empty(), "{}", lines(&hidden));
}

/// Bodies that no vendor sends.
const STRANGE: &[&str] = &[
    r#"{"hello":1}"#,
    r#"[{"hello":1}]"#,
    r#"{"hello":{"world":[1,"2",null]}}"#,
    r#"{"hello":"world","list":[{"a":1}]}"#,
    r#""hello""#,
    "hello=1&world=2",
    "hello",
];

/// Vendors of which no body is strange: this one posts whatever document its rule has matched.
const FREE: &[&str] = &["elastalert2"];

#[test]
fn a_body_of_unknown_shape_is_never_accepted_or_ignored() {
    let mut swallowed = BTreeSet::new();
    let firing = cases().filter(|(_, fixture)| fixture.case == "firing");
    for (provider, fixture) in firing.filter(|(p, _)| !FREE.contains(&p.name())) {
        for body in STRANGE {
            let mut call = callback(fixture).with_body(*body);
            call.query.clear();
            let reading = provider.read(&call, &fixture.source());
            if let Ok(Reading { unreadable, .. }) = reading
                && unreadable.is_empty()
            {
                swallowed.insert(format!("{} {body}", provider.name()));
            }
        }
    }
    assert!(swallowed.is_empty(), "{}", lines(&swallowed));
}

fn lines(found: &BTreeSet<String>) -> String {
    let all: Vec<&str> = found.iter().map(String::as_str).collect();
    format!("{} of them:\n{}", all.len(), all.join("\n"))
}
