//! What other parts offer and this branch does not have yet. Each function is to be re-pointed, then the file goes.

use std::path::PathBuf;
use std::sync::Arc;

use campanile_providers::Alert;
use serde_json::{Value, json};

use super::failure::Failure;
use crate::config::{Config, Environment, SinkSpec};
use crate::sinks::Sink;

/// `config::Mistakes`
#[derive(Debug)]
pub(crate) struct Mistakes(pub(crate) Vec<String>);

impl Mistakes {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn to_json(&self) -> Value {
        json!(self.0)
    }
}

impl std::fmt::Display for Mistakes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

/// `config::load`
pub(crate) fn load(paths: &[PathBuf], _environment: &Environment) -> Result<Config, Mistakes> {
    let missing = |path: &PathBuf| format!("{}: cannot be read", path.display());
    Err(Mistakes(paths.iter().map(missing).collect()))
}

/// `campanile_providers::Fixture`
#[derive(Debug)]
pub(crate) struct Fixture {
    pub(crate) case: &'static str,
    pub(crate) request: &'static [u8],
}

/// `campanile_providers::fixtures`
pub(crate) fn fixtures(_provider: &str) -> &'static [Fixture] {
    &[]
}

/// What `sinks::kinds` gives for each kind.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) page: &'static str,
}

/// `sinks::kinds`
pub(crate) fn sink_kinds() -> Vec<Kind> {
    Vec::new()
}

/// `sinks::build`
pub(crate) fn build(spec: &SinkSpec) -> Result<Arc<dyn Sink>, String> {
    Err(format!("{} cannot be built here", spec.name))
}

/// `pipeline::route::Router::compile(..).sinks(..)`: indices into the config's sinks.
pub(crate) fn route(config: &Config, _alert: &Alert) -> Result<Vec<usize>, String> {
    Ok((0..config.sinks.len()).collect())
}

/// `app::run`
pub(crate) fn run(paths: &[PathBuf], _config: Config) -> Result<(), Failure> {
    Err(Failure::failed(format!("cannot run {paths:?} here")))
}
