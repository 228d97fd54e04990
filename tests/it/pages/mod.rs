//! The generated pages of `docs/`: what they say of vendors, metrics, commands and settings is what the program says.

mod commands;
mod dashboard;
mod glossary;
mod helped;
mod links;
mod metrics;
mod openapi;
mod operations;
mod pictures;
mod rules;
mod sink;
mod translations;
mod vendor;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use campanile::config::{Vocabulary, page};

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs")
}

/// Makes these the files on disk, and fails if they were not.
fn hold(pages: &BTreeMap<String, String>, stale: &[String]) {
    let differs = |page: &(&String, &String)| {
        fs::read_to_string(docs().join(page.0)).unwrap_or_default() != *page.1
    };
    let differing: Vec<_> = pages.iter().filter(differs).collect();
    for (name, text) in &differing {
        fs::write(docs().join(name), text).unwrap();
    }
    for name in stale {
        fs::remove_file(docs().join(name)).unwrap();
    }
    let written: Vec<_> = differing.iter().map(|(name, _)| name).collect();
    assert!(
        written.is_empty() && stale.is_empty(),
        "in docs/, {written:?} were not what the program says and are now, {stale:?} were of nothing and are gone: \
         run again and commit"
    );
}

fn hold_one(name: &str, text: String) {
    hold(&BTreeMap::from([(name.to_owned(), text)]), &[]);
}

/// Text for the cell of a table: a bar would end it.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

#[test]
fn every_vendor_has_a_page_and_every_page_a_vendor() {
    let mut pages = BTreeMap::from([("providers/README.md".to_owned(), vendor::list())]);
    for provider in campanile_providers::all() {
        let name = format!("providers/{}.md", provider.name());
        pages.insert(name, vendor::page(&**provider));
    }
    fs::create_dir_all(docs().join("providers")).unwrap();
    let there = fs::read_dir(docs().join("providers")).unwrap();
    let there = there.map(|file| file.unwrap().file_name().into_string().unwrap());
    let stale: Vec<_> = there
        .map(|name| format!("providers/{name}"))
        .filter(|name| !pages.contains_key(name))
        .collect();
    hold(&pages, &stale);
}

#[test]
fn every_kind_of_sink_has_a_page_and_every_page_a_kind() {
    let kinds = campanile_sinks::kinds().iter();
    let pages = kinds.map(|kind| {
        (
            format!("sinks/{}.md", kind.about().name),
            sink::page(&**kind),
        )
    });
    let mut pages: BTreeMap<_, _> = pages.collect();
    pages.insert("sinks/README.md".to_owned(), sink::list());
    fs::create_dir_all(docs().join("sinks")).unwrap();
    let there = fs::read_dir(docs().join("sinks")).unwrap();
    let there = there.map(|file| file.unwrap().file_name().into_string().unwrap());
    let stale: Vec<_> = there
        .map(|name| format!("sinks/{name}"))
        .filter(|name| !pages.contains_key(name))
        .collect();
    hold(&pages, &stale);
}

#[test]
fn each_readme_names_every_kind_of_sink() {
    for readme in ["README.md", "README.zh-TW.md", "README.zh-CN.md"] {
        let text = fs::read_to_string(docs().join("..").join(readme)).unwrap();
        let names = campanile_sinks::kinds()
            .iter()
            .map(|kind| &kind.about().name);
        let missing: Vec<_> = names
            .filter(|name| !text.contains(&format!("`{name}`")))
            .collect();
        assert!(missing.is_empty(), "{readme} does not name {missing:?}");
    }
}

#[test]
fn the_page_of_metrics_is_the_table_of_metrics() {
    hold_one("metrics.md", metrics::page());
}

#[test]
fn the_page_of_commands_is_their_help() {
    hold_one("commands.md", commands::page());
}

#[test]
fn the_page_of_settings_is_the_table_of_settings() {
    hold_one("config.md", page::page(&Vocabulary::built_in()));
}
