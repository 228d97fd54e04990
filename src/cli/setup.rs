//! The config on the command line, and `campanile run`.

use std::path::PathBuf;
use std::sync::Arc;

use campanile_providers::Provider;
use clap::Args;

use super::failure::Failure;
use super::terminal::Terminal;
use crate::app;
use crate::config::{self, Config, Environment, Mistakes};

pub(crate) const RUN_EXAMPLES: &str = "\
Examples:
  campanile run --config campanile.toml
  campanile run --config /etc/campanile/         (all *.toml files in the folder, in name order)
  CAMPANILE__SERVER__LISTEN=0.0.0.0:8080 campanile run --config campanile.toml
  campanile run --config campanile.toml --hold   (after a restore: nothing is sent until `campanile sinks resume`)

See also: `campanile check` checks a config without starting the gateway.";

/// The paths of the config.
#[derive(Debug, Args)]
pub(crate) struct Files {
    /// A TOML file, or a folder of TOML files. Later files override earlier ones.
    #[arg(long, value_name = "PATH", num_args = 1.., required = true, env = "CAMPANILE_CONFIG")]
    pub(crate) config: Vec<PathBuf>,
}

/// The command line of `campanile run`.
#[derive(Debug, Args)]
pub(crate) struct Run {
    #[command(flatten)]
    files: Files,
    /// Start with every sink paused, for a start after a restore. Callbacks are accepted; nothing is sent to a sink until an
    /// operator resumes it.
    #[arg(long)]
    hold: bool,
}

impl Run {
    pub(crate) fn run(self, terminal: &Terminal) -> Result<(), Failure> {
        let paths = &self.files.config;
        let config = load(paths)?;
        let color = terminal.log_color();
        app::run(paths, &environment(), config, color, self.hold)
            .map_err(|error| Failure::failed(error.to_string()))
    }
}

/// The config, or every mistake in it.
pub(crate) fn load(paths: &[PathBuf]) -> Result<Config, Failure> {
    config::load(paths, &environment()).map_err(|mistakes| mistaken(&mistakes))
}

/// The vendors in `[mappings]` of a config.
pub(crate) fn own_providers(paths: &[PathBuf]) -> Result<Vec<Arc<dyn Provider>>, Failure> {
    config::own_providers(paths).map_err(|mistakes| mistaken(&mistakes))
}

fn mistaken(mistakes: &Mistakes) -> Failure {
    of_file("the config", mistakes)
}

/// Every mistake in a file of settings.
pub(crate) fn of_file(file: &str, mistakes: &Mistakes) -> Failure {
    let found = count(mistakes.iter().count(), "mistake");
    Failure::usage(format!("{file} has {found}:\n{mistakes}"))
}

/// The environment variables of this process. A name or value that is not valid Unicode is not a setting.
pub(crate) fn environment() -> Environment {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// The number with the noun in singular or plural: `1 alert`, `2 alerts`.
pub(crate) fn count(number: impl TryInto<u64>, noun: &str) -> String {
    let number = number.try_into().unwrap_or(u64::MAX);
    match noun.strip_suffix('y') {
        _ if number == 1 => format!("1 {noun}"),
        Some(stem) => format!("{number} {stem}ies"),
        None => format!("{number} {noun}s"),
    }
}
