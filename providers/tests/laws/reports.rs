//! What a provider reads: one problem, one fingerprint; every word kept.

use std::collections::BTreeSet;

use campanile_model::{Callback, Severity};
use campanile_providers::{Fixture, Provider, Reading, fixtures};

use super::{alerting, callback, cases, name};

#[test]
fn a_problem_keeps_its_fingerprint_from_firing_to_resolved() {
    let prints = |reading: &Reading| -> BTreeSet<String> {
        reading
            .reports
            .iter()
            .map(|r| r.fingerprint.to_string())
            .collect()
    };
    let read: Vec<_> = alerting().collect();
    for (provider, fixture, firing) in &read {
        let Some(stem) = fixture.case.strip_suffix("firing") else {
            continue;
        };
        let resolved = format!("{stem}resolved");
        let mut others = read
            .iter()
            .filter(|(p, f, _)| p.name() == provider.name() && f.case == resolved);
        if let Some((_, other, resolved)) = others.next() {
            assert_eq!(
                prints(firing),
                prints(resolved),
                "{} and {}",
                name(fixture),
                name(other)
            );
        }
    }
}

/// The `firing` request about another resource: the case `other`, or `firing` with another id of the resource in it.
fn about_another(provider: &dyn Provider, fixture: &Fixture, reading: &Reading) -> Callback {
    if let Some(other) = fixtures(provider.name()).iter().find(|f| f.case == "other") {
        return callback(other);
    }
    let resource = &reading.reports.first().expect("a report").resource;
    let raw = fixture.request.to_vec();
    let named = [&resource.id, &resource.name].into_iter().flatten();
    let changed = named
        .map(|word| replaced(&raw, word, &another(word)))
        .find(|new| *new != raw);
    let needed = format!(
        "{}: write a case `other`, about another resource",
        name(fixture)
    );
    Callback::from_http(&changed.expect(&needed)).expect("a request")
}

/// A word of the same shape with another last sign.
fn another(word: &str) -> String {
    let mut signs: Vec<char> = word.chars().collect();
    if let Some(last) = signs.last_mut() {
        *last = match *last {
            '1' => '2',
            '0'..='9' => '1',
            'x' => 'y',
            _ => 'x',
        };
    }
    signs.into_iter().collect()
}

fn replaced(raw: &[u8], old: &str, new: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = raw;
    while let Some(first) = rest.first() {
        if !old.is_empty() && rest.starts_with(old.as_bytes()) {
            out.extend_from_slice(new.as_bytes());
            rest = rest.split_at(old.len()).1;
        } else {
            out.push(*first);
            rest = rest.split_at(1).1;
        }
    }
    out
}

#[test]
fn two_resources_are_two_problems() {
    for (provider, fixture, reading) in alerting().filter(|(_, f, _)| f.case == "firing") {
        let other = about_another(provider, fixture, &reading);
        let other = provider.read(&other, &fixture.source());
        let other = other.unwrap_or_else(|e| panic!("{} about another: {e}", name(fixture)));
        let print = |reading: &Reading| reading.reports.first().map(|r| r.fingerprint);
        assert_ne!(print(&reading), print(&other), "{}", name(fixture));
    }
}

#[test]
fn a_word_that_nobody_mapped_is_unknown_and_kept() {
    const WORD: &str = "zzqx";
    for (provider, fixture, reading) in alerting() {
        let words = reading.reports.iter().filter_map(|r| r.raw.get("severity"));
        for word in words {
            let quoted = replaced(
                fixture.request,
                &format!("\"{word}\""),
                &format!("\"{WORD}\""),
            );
            let call = Callback::from_http(&quoted).expect("a request");
            let read = provider.read(&call, &fixture.source()).unwrap_or_default();
            for report in read.reports {
                let strange = report.raw.get("severity").is_some_and(|kept| kept == WORD);
                let unknown = report.severity == Severity::Unknown;
                assert!(
                    unknown || !strange,
                    "{}: {:?}",
                    name(fixture),
                    report.severity
                );
            }
        }
    }
}

#[test]
fn reading_twice_gives_the_same() {
    for (provider, fixture) in cases() {
        let (call, source) = (callback(fixture), fixture.source());
        let first = provider.read(&call, &source);
        assert_eq!(first, provider.read(&call, &source), "{}", name(fixture));
        assert_eq!(
            first,
            provider.read(&call.clone(), &source),
            "{}",
            name(fixture)
        );
    }
}
