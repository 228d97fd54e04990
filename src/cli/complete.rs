//! Completions of names and ids, from the running gateway. They wait at most 300 ms and are silent if it does not answer.

use std::time::Duration;

use clap::builder::StyledStr;
use clap_complete::CompletionCandidate;
use serde_json::Value;

use super::api::Api;
use super::gateways;
use super::table::plain;
use super::target::Gateway;
use super::terminal::harmless;

/// An operator who types does not wait longer.
const PATIENCE: Duration = Duration::from_millis(300);

/// How many newest items are offered.
const OFFERED: u32 = 50;

type Candidates = Vec<CompletionCandidate>;

/// Names of sources.
pub(crate) fn sources() -> Candidates {
    offer(&["sources"], &[], |item| (&item["name"], &Value::Null))
}

/// Names of sinks.
pub(crate) fn sinks() -> Candidates {
    offer(&["sinks"], &[], |item| (&item["name"], &item["state"]))
}

/// Ids of the newest alerts, with their titles.
pub(crate) fn alerts() -> Candidates {
    newest("alerts", |item| (&item["id"], &item["title"]))
}

/// Fingerprints of the newest alerts, with their titles.
pub(crate) fn problems() -> Candidates {
    newest("alerts", |item| (&item["fingerprint"], &item["title"]))
}

/// Numbers of dead letters, with their errors.
pub(crate) fn letters() -> Candidates {
    newest("dead", |item| (&item["id"], &item["error"]))
}

/// Numbers of quarantined callbacks, with their first faults.
pub(crate) fn callbacks() -> Candidates {
    newest("quarantine", |item| {
        (&item["id"], &item["faults"][0]["problem"])
    })
}

/// Numbers of silences, with their comments.
pub(crate) fn silences() -> Candidates {
    newest("silences", |item| (&item["id"], &item["comment"]))
}

/// Names in the file of gateways.
pub(crate) fn gateways() -> Candidates {
    let names = gateways::known();
    names.into_iter().map(CompletionCandidate::new).collect()
}

/// Names of vendors, with their titles.
pub(crate) fn providers() -> Candidates {
    let all = campanile_providers::all().iter();
    let all = all.map(|provider| candidate(provider.name(), &provider.about().title));
    all.collect()
}

/// The newest items of a list of the API.
fn newest(list: &str, pick: fn(&Value) -> (&Value, &Value)) -> Candidates {
    offer(&[list], &[("limit", OFFERED.to_string())], pick)
}

/// The value and the help of each item.
fn offer(
    path: &[&str],
    query: &[(&str, String)],
    pick: fn(&Value) -> (&Value, &Value),
) -> Candidates {
    let Some(page) = ask(path, query) else {
        return Candidates::new();
    };
    let items = page["items"].as_array().map_or(&[][..], Vec::as_slice);
    let picked = items.iter().map(pick);
    let picked = picked.map(|(value, help)| candidate(&plain(value), &plain(help)));
    picked.collect()
}

fn candidate(value: &str, help: &str) -> CompletionCandidate {
    let help = harmless(help).replace(['\n', '\t'], " ");
    let help = (!help.is_empty()).then(|| StyledStr::from(help));
    CompletionCandidate::new(harmless(value)).help(help)
}

/// The response of the gateway that the command line names so far.
fn ask(path: &[&str], query: &[(&str, String)]) -> Option<Value> {
    let words: Vec<_> = std::env::args_os().collect();
    let api = Api::within(&Gateway::among(&words), PATIENCE).ok()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .ok()?;
    let asked = async { tokio::time::timeout(PATIENCE, api.get(path, query)).await };
    let answer = runtime.block_on(asked).ok().and_then(Result::ok);
    // A name server that does not answer must not delay the end.
    runtime.shutdown_background();
    answer.map(|answer| answer.raw().clone())
}
