//! Fixtures, pages and the list of providers: each is there, and says what the provider does.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use campanile_providers::{Fixture, Provider, all, fixture, fixtures, verify};
use serde_json::{Value, json};

use super::{callback, cases, folder, name, received_at};

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
        let provider = provider.expect("an entry").path();
        // The fixtures of sinks have laws of their own.
        if provider.ends_with("sinks") {
            continue;
        }
        for file in fs::read_dir(provider).expect("a folder") {
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
    let known: BTreeSet<&str> = all().iter().map(|provider| provider.name()).collect();
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
    let names: Vec<&str> = all().iter().map(|provider| provider.name()).collect();
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
            .about()
            .doc
            .lines()
            .filter(|line| line.starts_with("# "))
            .collect();
        assert_eq!(headings, wanted, "{}", provider.name());
    }
}
