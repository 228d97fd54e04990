//! `campanile check`: every mistake in the config, or what it means.

use std::fmt::Display;

use clap::Args;
use serde_json::{Value, json};

use super::failure::Failure;
use super::setup::{self, Files, count};
use super::table::{self, Column};
use super::terminal::Terminal;
use crate::config::{self, Config, Feed, Route};
use campanile_model::Clock;
use campanile_sinks::{self, BuildError};

pub(crate) const EXAMPLES: &str = "\
Examples:
  campanile check --config campanile.toml
  campanile check --config /etc/campanile/ --json

Prints `ok` and what the config means, or every mistake at once and exit code 2. Starts nothing.";

/// The command line of `campanile check`.
#[derive(Debug, Args)]
pub(crate) struct Check {
    #[command(flatten)]
    files: Files,
    /// Print JSON: {"ok":true, "warnings", "sources", "sinks", "routes"} or {"ok":false, "mistakes"}.
    #[arg(long)]
    json: bool,
}

impl Check {
    pub(crate) fn run(self, terminal: &mut Terminal) -> Result<(), Failure> {
        let config = match config::load(&self.files.config, &setup::environment()) {
            Ok(config) => config,
            Err(mistakes) => {
                let items = mistakes.to_json();
                return self.refuse(terminal, &items, mistakes.iter().count(), &mistakes);
            }
        };
        let unfit = unfit(&config);
        if !unfit.is_empty() {
            let words: Vec<String> = unfit
                .iter()
                .map(|(sink, error)| format!("the sink {sink}: {error}"))
                .collect();
            let items = unfit.iter().zip(&words).map(|((sink, error), message)| {
                json!({"message": message, "sink": sink, "setting": error.setting})
            });
            let lines = format!("error: {}\n", words.join("\n\nerror: "));
            return self.refuse(terminal, &items.collect(), unfit.len(), &lines);
        }
        if self.json {
            terminal.json(&summary(&config))
        } else {
            for warning in warnings(&config) {
                terminal.line(format_args!("warning: {warning}\n"))?;
            }
            show(terminal, &config)
        }
    }

    fn refuse(
        &self,
        terminal: &mut Terminal,
        items: &Value,
        mistakes: usize,
        lines: &dyn Display,
    ) -> Result<(), Failure> {
        if self.json {
            terminal.json(&json!({"ok": false, "mistakes": items}))?;
        } else {
            terminal.line(lines)?;
            terminal.say(count(mistakes, "mistake"))?;
        }
        Err(Failure::Said(2))
    }
}

/// The sinks that cannot be made of what is written: a folder or file that is not there, a template that breaks its JSON. A
/// start would refuse them as well.
fn unfit(config: &Config) -> Vec<(&str, BuildError)> {
    let errors = config.sinks.iter().filter_map(|spec| {
        let error = campanile_sinks::build(spec).err()?;
        Some((spec.name.as_str(), error))
    });
    errors.collect()
}

/// What keeps nothing from starting, but needs the operator.
fn warnings(config: &Config) -> Vec<String> {
    let now = Clock::machine().now();
    let sections = ["server.tls", "admin.tls"].into_iter().zip(config.tls());
    let expired = sections.filter_map(|(section, tls)| {
        let (at, file) = (tls?.expired(now)?, tls?.files.certificate.display());
        Some(format!(
            "[{section}]: the certificate {file} expired at {at}. Clients refuse to connect: replace the file"
        ))
    });
    expired.collect()
}

fn show(terminal: &mut Terminal, config: &Config) -> Result<(), Failure> {
    let [sources, sinks, routes] = [config.feeds.len(), config.sinks.len(), config.routes.len()];
    terminal.line(format_args!(
        "ok: {}, {}, {}",
        count(sources, "source"),
        count(sinks, "sink"),
        count(routes, "route")
    ))?;
    let summary = summary(config);
    let now = Clock::machine().now();
    for (part, columns) in [("sources", SOURCES), ("sinks", SINKS), ("routes", ROUTES)] {
        let items = summary.get(part).and_then(Value::as_array);
        if let Some(items) = items.filter(|items| !items.is_empty()) {
            terminal.line("")?;
            table::show(terminal, columns, items, now)?;
        }
    }
    Ok(())
}

const SOURCES: &[Column] = &[
    Column::new("SOURCE", "/name"),
    Column::new("METHODS", "/methods"),
    Column::new("VENDOR CALLS", "/callback"),
    Column::new("PROOF", "/proof").squeeze(),
];

const SINKS: &[Column] = &[Column::new("SINK", "/name")];

const ROUTES: &[Column] = &[
    Column::new("ROUTE", "/when").or("always").squeeze(),
    Column::new("GOES TO", "/sinks").squeeze(),
];

fn summary(config: &Config) -> Value {
    let sinks: Vec<Value> = config
        .sinks
        .iter()
        .map(|s| json!({"name": s.name}))
        .collect();
    let sources = config.feeds.iter().map(|feed| source(config, feed));
    let routes: Vec<Value> = config.routes.iter().map(|r| route(config, r)).collect();
    json!({
        "ok": true,
        "warnings": warnings(config),
        "sources": sources.collect::<Vec<_>>(),
        "sinks": sinks,
        "routes": routes,
    })
}

fn source(config: &Config, feed: &Feed) -> Value {
    json!({
        "name": feed.source.name,
        "methods": feed.provider.about().methods,
        "callback": config.server.address(&feed.source),
        "proof": proofs(feed),
    })
}

/// All that has to hold for a caller of this source to be believed.
fn proofs(feed: &Feed) -> String {
    let source = &feed.source;
    if source.open && source.allow_from.is_empty() && source.client_certificates.is_empty() {
        return "none (open)".to_owned();
    }
    let mut proofs = Vec::new();
    if !source.keys.is_empty() {
        proofs.push("path key");
    }
    if source.asks_for_vendors_proof() {
        proofs.push(feed.provider.about().proof.as_str());
    }
    if !source.allow_from.is_empty() {
        proofs.push("address");
    }
    if !source.client_certificates.is_empty() {
        proofs.push("client certificate");
    }
    proofs.join(" and ")
}

fn route(config: &Config, route: &Route) -> Value {
    let names = route.sinks.iter().filter_map(|at| config.sinks.get(*at));
    let names: Vec<&str> = names.map(|sink| sink.name.as_str()).collect();
    json!({"when": route.when, "sinks": names})
}
