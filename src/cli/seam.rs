//! What other parts offer and this branch does not have yet. Each function is to be re-pointed, then the file goes.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::failure::Failure;
use crate::config::{Config, Environment};

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

/// `app::run`
pub(crate) fn run(paths: &[PathBuf], _config: Config) -> Result<(), Failure> {
    Err(Failure::failed(format!("cannot run {paths:?} here")))
}
