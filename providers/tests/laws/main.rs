//! What holds for every provider, asked of all of them over all of their fixtures.
//!
//! A new provider needs no line here: its entry in `all()` and its files in `fixtures/` bring it under each law.
//! `UPDATE_FIXTURES=1 cargo test -p campanile-providers --test laws` writes the expected JSON of each case.

mod absent;
mod bytes;
mod files;
mod reports;
mod routes;
mod senders;
mod unknown_forms;
mod variants;

use std::path::{Path, PathBuf};

use campanile_model::Callback;
use campanile_providers::{Fixture, Provider, Reading, all, fixtures, verify};
use jiff::Timestamp;

const RECEIVED_AT: &str = "2026-01-01T00:00:00Z";

fn cases() -> impl Iterator<Item = (&'static dyn Provider, &'static Fixture)> {
    let of = |provider: &'static dyn Provider| fixtures(provider.name()).iter();
    // `PROVIDER=zabbix` looks at one of them alone.
    let only = std::env::var("PROVIDER").ok();
    let asked = move |provider: &&'static dyn Provider| {
        only.as_deref().is_none_or(|only| only == provider.name())
    };
    all()
        .iter()
        .map(|provider| &**provider)
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
