//! `campanile check`: prints all mistakes in the config, or a summary of the config.

use std::fmt::Display;

use clap::Args;
use serde::Serialize;
use serde_json::{Value, json};

use super::failure::Failure;
use super::receivers::{self, Probed};
use super::setup::{self, Files, count};
use super::table::{self, Column, or_empty};
use super::terminal::Terminal;
use crate::config::{self, Config, rewriting, routing};
use crate::snapshot::written::{self, Written};
use campanile_model::Clock;
use campanile_sinks::{self, BuildError};

pub(crate) const EXAMPLES: &str = "\
Examples:
  campanile check --config campanile.toml
  campanile check --config /etc/campanile/ --json
  campanile check --config campanile.toml --probe    (also ask the receivers, without sending a message)

Prints `ok` and a summary, or all mistakes at once with exit code 2. Does not start the gateway.";

/// The command line of `campanile check`.
#[derive(Debug, Args)]
pub(crate) struct Check {
    #[command(flatten)]
    files: Files,
    /// Print JSON: {"ok":true, "warnings", "sources", "sinks", "routes"} or {"ok":false, "mistakes"}.
    #[arg(long)]
    json: bool,
    /// Also ask each receiver whether the settings are right, where that is possible without sending a message.
    #[arg(long)]
    probe: bool,
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
        let mut summary = Summary::of(&config);
        if self.probe {
            summary.probes = receivers::probe(&config)?;
        }
        if self.json {
            terminal.json(&summary)?;
        } else {
            for warning in &summary.warnings {
                terminal.line(format_args!("warning: {warning}\n"))?;
            }
            show(terminal, &summary)?;
        }
        let mut probes = summary.probes.iter();
        if probes.any(|probed| probed.result == "failed") {
            return Err(Failure::Said(1));
        }
        Ok(())
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

/// The sinks that cannot be built: a folder or file is missing, or a template produces invalid JSON. The gateway would not
/// start with them.
fn unfit(config: &Config) -> Vec<(&str, BuildError)> {
    let errors = config.sinks.iter().filter_map(|spec| {
        let error = campanile_sinks::build(spec).err()?;
        Some((spec.name.as_str(), error))
    });
    errors.collect()
}

/// Problems that do not prevent a start, but need the operator.
fn warnings(config: &Config) -> Vec<String> {
    let now = Clock::machine().now();
    let sections = ["server.tls", "admin.tls"].into_iter().zip(config.tls());
    let expired = sections.filter_map(|(section, tls)| {
        let (at, file) = (tls?.expired(now)?, tls?.files.certificate.display());
        Some(format!(
            "[{section}]: the certificate {file} expired at {at}, so clients refuse to connect. Replace the file"
        ))
    });
    let routes = routing::warnings(&config.routes, &config.routing);
    let rewrites = rewriting::warnings(config);
    expired.chain(routes).chain(rewrites).collect()
}

fn show(terminal: &mut Terminal, summary: &Summary) -> Result<(), Failure> {
    let [sources, sinks, routes] = [
        summary.sources.len(),
        summary.sinks.len(),
        summary
            .routes
            .iter()
            .filter(|route| !route.is_otherwise())
            .count(),
    ];
    terminal.line(format_args!(
        "ok: {}, {}, {}",
        count(sources, "source"),
        count(sinks, "sink"),
        count(routes, "route")
    ))?;
    if summary.routes.is_empty() && sinks > 0 {
        terminal.line("without `[[routes]]`, every alert goes to every sink")?;
    }
    table::section(terminal, SOURCES, &summary.sources)?;
    table::section(terminal, SINKS, &summary.sinks)?;
    table::section(terminal, ROUTES, &summary.routes)?;
    table::section(terminal, receivers::PROBED, &summary.probes)
}

/// The summary of a valid config.
#[derive(Debug, Serialize)]
struct Summary {
    ok: bool,
    warnings: Vec<String>,
    sources: Vec<Source>,
    sinks: Vec<Sink>,
    /// Each before those that are nested in it, and `otherwise` last.
    routes: Vec<Written>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    probes: Vec<Probed>,
}

#[derive(Debug, Serialize)]
struct Source {
    name: String,
    methods: Vec<&'static str>,
    callback: String,
    proof: String,
}

#[derive(Debug, Serialize)]
struct Sink {
    name: String,
}

const SOURCES: &[Column<Source>] = &[
    Column::new("SOURCE", |source: &Source| source.name.clone()),
    Column::new("METHODS", |source: &Source| source.methods.join(", ")),
    Column::new("VENDOR CALLS", |source: &Source| source.callback.clone()),
    Column::new("PROOF", |source: &Source| source.proof.clone()).squeeze(),
];

const SINKS: &[Column<Sink>] = &[Column::new("SINK", |sink: &Sink| sink.name.clone())];

const ROUTES: &[Column<Written>] = &[
    Column::new("ROUTE", |route: &Written| or_empty(route.name.as_ref())),
    Column::new("WHEN", Written::condition)
        .or("always")
        .squeeze(),
    Column::new("GOES TO", |route: &Written| route.sinks.join(", ")).squeeze(),
];

impl Summary {
    fn of(config: &Config) -> Self {
        let sources = config.sources.iter().map(|spec| Source {
            name: spec.source.name.clone(),
            methods: spec.provider.about().methods.clone(),
            callback: config.server.address(&spec.source),
            proof: spec.source.proof_in_words(&*spec.provider),
        });
        let sinks = config.sinks.iter().map(|sink| Sink {
            name: sink.name.clone(),
        });
        Self {
            ok: true,
            warnings: warnings(config),
            sources: sources.collect(),
            sinks: sinks.collect(),
            routes: routes(config),
            probes: Vec::new(),
        }
    }
}

/// All routes, each with its name or its number.
fn routes(config: &Config) -> Vec<Written> {
    let sinks: Vec<&str> = config.sinks.iter().map(|sink| &*sink.name).collect();
    let mut all = written::list(&config.routes, &config.routing, &sinks);
    let titles = written::titles(&all);
    for (route, title) in all.iter_mut().zip(titles) {
        route.name = Some(title);
    }
    all
}
