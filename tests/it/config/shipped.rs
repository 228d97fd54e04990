//! The files in `config/`.

use std::path::{Path, PathBuf};

use campanile::config::{self, Environment, Vocabulary, schema};

use super::vocabulary::shipped_vocabulary;
use super::{CANARY, environment};

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("config")
        .join(name)
}

/// The variables, and a value for each other one that the file names.
fn named(file: &Path, variables: Environment) -> Environment {
    let text = std::fs::read_to_string(file).unwrap();
    let names = text.split("{ env = \"").skip(1);
    let names = names.filter_map(|rest| rest.split('"').next());
    let all = names.map(|name| (name.to_owned(), CANARY.to_owned()));
    all.chain(variables).collect()
}

#[test]
fn the_shipped_configurations_pass() {
    let variables = environment(&[
        ("UCLOUD_KEY", CANARY),
        ("JIANKONG_TOKEN", CANARY),
        ("ONCALL_URL", "https://oncall.example.com/hook"),
        ("SOURCE_KEY", CANARY),
        ("SOURCE_TOKEN", CANARY),
        ("GOTIFY_TOKEN", CANARY),
        ("UMON_DB_PASSWORD", CANARY),
        ("TOOL_URL", "https://tool.example.com/hook"),
        (
            "CAMPANILE_STORE_URL",
            "postgres://campanile@db.example.com/campanile",
        ),
    ]);
    for (name, sources) in [
        ("minimal.toml", 2),
        ("demo.toml", 2),
        ("examples/ucloud-demo.toml", 1),
    ] {
        let loaded = config::load_with(&[shipped(name)], &variables, &shipped_vocabulary());
        let config = loaded.unwrap_or_else(|mistakes| panic!("{mistakes}"));
        assert_eq!(
            (config.sources.len(), config.sinks.len()),
            (sources, 1),
            "{name}"
        );
    }
    for example in std::fs::read_dir(shipped("examples")).unwrap() {
        let mut path = example.unwrap().path();
        if path.is_dir() {
            path.push("campanile.toml");
        }
        let loaded = config::load(
            std::slice::from_ref(&path),
            &named(&path, variables.clone()),
        );
        let config = loaded.unwrap_or_else(|mistakes| panic!("{mistakes}"));
        for sink in &config.sinks {
            let built = campanile_sinks::build(sink);
            assert!(built.is_ok(), "{}: {:?}", path.display(), built.err());
        }
    }
    let full = config::load(
        &[shipped("full.toml")],
        &named(&shipped("full.toml"), variables),
    );
    full.unwrap_or_else(|mistakes| panic!("{mistakes}"));
}

#[test]
fn generated_files_are_those_of_the_table_of_settings() {
    let known = Vocabulary::built_in();
    let schema = serde_json::to_string_pretty(&schema::json_schema(&known)).unwrap();
    let mut written = Vec::new();
    for (name, wanted) in [
        ("schema.json", schema + "\n"),
        ("full.toml", schema::full_toml(&known)),
    ] {
        let path = shipped(name);
        if std::fs::read_to_string(&path).unwrap_or_default() != wanted {
            std::fs::write(&path, wanted).unwrap();
            written.push(name);
        }
    }
    assert!(
        written.is_empty(),
        "{written:?} in config/ were not what the settings say, and are now: run again and commit"
    );
}
