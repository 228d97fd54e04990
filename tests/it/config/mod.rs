//! Configuration: what is accepted, and what is said of what is not.

mod digests;
mod drawing;
mod layers;
mod mistakes;
mod recipes;
mod reload;
mod secrets;
mod settings;
mod shipped;
mod vocabulary;

use campanile::config::{self, Config, Environment, Mistakes};
use tempfile::TempDir;

use vocabulary::vocabulary;

/// Stands in every place for a secret: must never be seen.
const CANARY: &str = "canary-7f3a91d05c";

fn environment(pairs: &[(&str, &str)]) -> Environment {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// Loads files of these names and texts, all in one folder.
fn load_files(
    files: &[(&str, &str)],
    variables: &[(&str, &str)],
) -> (TempDir, Result<Config, Mistakes>) {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).expect("a file");
    }
    let loaded = config::load_with(
        &[folder.path().to_owned()],
        &environment(variables),
        &vocabulary(),
    );
    (folder, loaded)
}

fn load(text: &str) -> Result<Config, Mistakes> {
    load_files(&[("campanile.toml", text)], &[]).1
}
