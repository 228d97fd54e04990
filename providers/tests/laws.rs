//! What holds for every provider, asked of all of them over all of their fixtures.
//!
//! A new provider needs no line here: its entry in `all()` and its files in `fixtures/` bring it under each law.
//! `UPDATE_FIXTURES=1 cargo test -p campanile-providers --test laws` writes the expected JSON of each case.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use campanile_providers::fixture::{self, TOKEN};
use campanile_providers::{
    Callback, Fixture, Outcome, Provider, Reading, Secret, Severity, Source, Stamp, all, fixtures,
    verify,
};
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

const RECEIVED_AT: &str = "2026-01-01T00:00:00Z";

const OUTCOMES: &[Outcome<'_>] = &[
    Outcome::Accepted { id: "" },
    Outcome::Accepted {
        id: "0198c5a8-7b1e-7c3e-8f00-000000000001",
    },
    Outcome::Duplicate,
    Outcome::Quarantined,
    Outcome::Refused { status: 401 },
    Outcome::Refused { status: 403 },
    Outcome::Rejected {
        status: 413,
        reason: "the body is larger than this gateway takes",
    },
    Outcome::Unavailable,
];

fn cases() -> impl Iterator<Item = (&'static dyn Provider, &'static Fixture)> {
    let of = |provider: &'static dyn Provider| fixtures(provider.name()).iter();
    // `PROVIDER=zabbix` looks at one of them alone.
    let only = std::env::var("PROVIDER").ok();
    let asked = move |provider: &&'static dyn Provider| {
        only.as_deref().is_none_or(|only| only == provider.name())
    };
    all()
        .iter()
        .copied()
        .filter(move |provider| asked(provider))
        .flat_map(move |provider| of(provider).map(move |fixture| (provider, fixture)))
}

/// The cases that a source believes and that hold alerts.
fn alerting() -> impl Iterator<Item = (&'static dyn Provider, &'static Fixture, Reading)> {
    cases().filter_map(|(provider, fixture)| {
        let (call, source) = (callback(fixture), fixture.source());
        verify(provider, &call, &source).ok()?;
        let reading = provider.read(&call, &source).ok()?;
        (!reading.reports.is_empty()).then_some((provider, fixture, reading))
    })
}

fn callback(fixture: &Fixture) -> Callback {
    fixture
        .callback()
        .unwrap_or_else(|e| panic!("{}: {e}", name(fixture)))
}

fn name(fixture: &Fixture) -> String {
    format!("fixtures/{}/{}", fixture.provider, fixture.case)
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures")
}

fn received_at() -> Timestamp {
    RECEIVED_AT.parse().expect("a time")
}

/// What comes of a case, in the form of its expected JSON.
fn observed(provider: &dyn Provider, fixture: &Fixture) -> Value {
    let (call, source) = (callback(fixture), fixture.source());
    if let Err(refusal) = verify(provider, &call, &source) {
        return json!({ "refused": refusal.status() });
    }
    let reading = match provider.read(&call, &source) {
        Ok(reading) => reading,
        Err(fault) => return json!({ "unreadable": { "place": fault.place } }),
    };
    if let Some(why) = reading.ignored {
        return json!({ "ignored": why });
    }
    if let Some(effect) = reading.effect {
        return json!({ "effect": format!("{effect:?}") });
    }
    let alerts: Value = reading
        .reports
        .into_iter()
        .map(|report| json!(report.into_alert(&source.name, received_at())))
        .collect();
    if reading.unreadable.is_empty() {
        return alerts;
    }
    let places = reading
        .unreadable
        .iter()
        .map(|fault| json!({ "place": fault.place }));
    json!({ "alerts": alerts, "unreadable": places.collect::<Value>() })
}

#[test]
fn every_fixture_gives_exactly_the_json_beside_it() {
    let update = std::env::var_os("UPDATE_FIXTURES").is_some();
    let mut wrong = Vec::new();
    for (provider, fixture) in cases() {
        let observed = observed(provider, fixture);
        let expected: Value = serde_json::from_str(fixture.expected).unwrap_or_default();
        if update {
            let text = serde_json::to_string_pretty(&observed).expect("JSON");
            let file = format!("{}/{}.json", fixture.provider, fixture.case);
            fs::write(folder().join(file), text + "\n").expect("a writable fixture");
        } else if observed != expected {
            wrong.push(format!(
                "{}.json\n  is: {observed}\n  expected: {expected}",
                name(fixture)
            ));
        }
    }
    let hint =
        "if this is what it should be, run again with UPDATE_FIXTURES=1 and look at the diff";
    assert!(wrong.is_empty(), "{}\n{hint}", wrong.join("\n"));
}

#[test]
fn the_compiled_fixtures_are_the_files_on_disk() {
    let mut on_disk = BTreeSet::new();
    for provider in fs::read_dir(folder()).expect("fixtures/") {
        for file in fs::read_dir(provider.expect("an entry").path()).expect("a folder") {
            on_disk.insert(file.expect("an entry").path());
        }
    }
    let file = |fixture: &Fixture, kind: &str| {
        folder()
            .join(fixture.provider)
            .join(format!("{}.{kind}", fixture.case))
    };
    let compiled: BTreeSet<PathBuf> = fixture::providers_with_fixtures()
        .flat_map(fixtures)
        .flat_map(|fixture| [file(fixture, "http"), file(fixture, "json")])
        .collect();
    let odd: Vec<_> = on_disk.symmetric_difference(&compiled).collect();
    assert!(
        odd.is_empty(),
        "each case is one .http and one .json; without its other half: {odd:?}"
    );
}

#[test]
fn every_folder_of_fixtures_belongs_to_a_provider() {
    let known: BTreeSet<&str> = all().iter().map(Provider::name).collect();
    let folders: BTreeSet<&str> = fixture::providers_with_fixtures().collect();
    assert_eq!(folders, known);
}

#[test]
fn every_provider_has_a_firing_and_a_refused_fixture() {
    for provider in all() {
        let cases: Vec<&str> = fixtures(provider.name()).iter().map(|f| f.case).collect();
        for needed in ["firing", "refused"] {
            assert!(
                cases.contains(&needed),
                "{} has no `{needed}`",
                provider.name()
            );
        }
    }
}

#[test]
fn the_list_of_providers_is_alphabetical() {
    let names: Vec<&str> = all().iter().map(Provider::name).collect();
    assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
}

#[test]
fn every_page_has_its_four_headings_in_order() {
    let wanted = [
        "# What it sends",
        "# Point it here",
        "# How it is read",
        "# What is not kept",
    ];
    for provider in all() {
        let headings: Vec<&str> = provider
            .doc()
            .lines()
            .filter(|line| line.starts_with("# "))
            .collect();
        assert_eq!(headings, wanted, "{}", provider.name());
    }
}

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
fn the_wrong_secret_is_refused() {
    let wrong = || vec![Secret::from("campanile-another-secret")];
    for (provider, fixture, _) in alerting() {
        let right = fixture.source();
        let keys = if right.keys.is_empty() {
            Vec::new()
        } else {
            wrong()
        };
        // Who issues a token for another audience has not issued it for us.
        let audiences = right.audiences.iter();
        let source = Source {
            keys,
            tokens: wrong(),
            audiences: audiences.map(|is| format!("{is}-another")).collect(),
            ..right
        };
        assert!(
            verify(provider, &callback(fixture), &source).is_err(),
            "{}",
            name(fixture)
        );
    }
}

#[test]
fn a_source_without_any_proof_believes_nobody() {
    for (provider, fixture) in cases() {
        let source = Source::default();
        assert!(
            verify(provider, &callback(fixture), &source).is_err(),
            "{}",
            name(fixture)
        );
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

#[test]
fn each_request_is_recognized_by_its_own_provider_and_by_no_other() {
    for (provider, fixture, _) in alerting() {
        let call = callback(fixture);
        let takers: Vec<&str> = all()
            .iter()
            .filter(|p| p.recognizes(&call))
            .map(Provider::name)
            .collect();
        assert_eq!(takers, [provider.name()], "{}", name(fixture));
    }
}

#[test]
fn a_refreshed_fixture_is_believed_and_is_a_new_message_about_the_same() {
    let token = Secret::from(TOKEN);
    let at = "2026-11-21T08:09:10Z".parse().expect("a time");
    for (provider, fixture, old) in alerting() {
        let source = fixture.source();
        let fresh = |serial| {
            let stamp = Stamp {
                serial,
                at,
                token: Some(&token),
            };
            let sent = provider.refresh(callback(fixture), &stamp).to_http();
            let mut call = Callback::from_http(&sent).expect("a request");
            call.key = callback(fixture).key;
            call.received_at = Some(at);
            call.fetched = callback(fixture).fetched;
            let believed = verify(provider, &call, &source);
            believed.unwrap_or_else(|e| panic!("{} refreshed: {e}", name(fixture)));
            let read = provider.read(&call, &source);
            read.unwrap_or_else(|e| panic!("{} refreshed: {e}", name(fixture)))
        };
        let ids = |reading: &Reading| -> BTreeSet<String> {
            reading
                .reports
                .iter()
                .map(|r| r.message_id.clone())
                .collect()
        };
        let said = |reading: &Reading| -> Vec<_> {
            reading
                .reports
                .iter()
                .map(|r| (r.fingerprint, r.status))
                .collect()
        };
        let (one, two) = (fresh(7_000_001), fresh(7_000_002));
        assert!(
            ids(&one).is_disjoint(&ids(&two)),
            "{}: {:?}",
            name(fixture),
            ids(&one)
        );
        assert!(
            ids(&one).is_disjoint(&ids(&old)),
            "{}: {:?}",
            name(fixture),
            ids(&one)
        );
        assert_eq!(said(&one), said(&old), "{}", name(fixture));
    }
}

/// Drives everything that the server would, with bytes that mean nothing.
fn survives(provider: &dyn Provider, raw: &[u8], source: &Source) {
    let Ok(mut call) = Callback::from_http(raw) else {
        return;
    };
    call.key = Some(fixture::KEY.to_owned());
    let _known = provider.recognizes(&call);
    let _believed = verify(provider, &call, source);
    let _reading = provider.read(&call, source);
    for outcome in OUTCOMES {
        let answer = provider.answer(&call, outcome);
        // A vendor may want a 202 for success; a failure is told as what it is.
        let success = (200..300).contains(&outcome.status());
        let told = (200..300).contains(&answer.status);
        assert!(told == success, "{outcome:?}: {}", answer.status);
        assert!(success || answer.status == outcome.status(), "{outcome:?}");
    }
    let _kept = call.to_http_without(&source.tokens);
}

#[test]
fn a_request_cut_off_at_any_byte_never_panics() {
    for (provider, fixture) in cases() {
        let source = fixture.source();
        for length in 0..=fixture.request.len() {
            let (raw, _) = fixture.request.split_at(length);
            survives(provider, raw, &source);
        }
    }
}

proptest! {
    #[test]
    fn a_request_with_any_bytes_changed_never_panics(
        pick in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let cases: Vec<_> = cases().collect();
        let (provider, fixture) = pick.get(&cases);
        let mut raw = fixture.request.to_vec();
        for (at, byte) in changes {
            *at.get_mut(&mut raw) = byte;
        }
        survives(*provider, &raw, &fixture.source());
    }
}
