//! `campanile providers` and the offline half of `campanile sinks`: what is built in.

use campanile_providers::Provider;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::failure::Failure;
use super::table::{self, Column};
use super::terminal::Terminal;
use campanile_model::Clock;

pub(crate) const PROVIDER_EXAMPLES: &str = "\
Examples:
  campanile providers list
  campanile providers show ucloud --page (what it sends, where to paste the URL in its console, how it is read)
  campanile providers show zabbix > zabbix.toml
                                         (its mapping, to be changed; `[mappings.zabbix] file = \"zabbix.toml\"` uses it)";

/// The command line of `campanile providers`.
#[derive(Debug, Args)]
pub(crate) struct Providers {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Every vendor, with how it calls, how it proves itself and how sure we are of its protocol.
    List {
        /// Print JSON: a list of objects with name, title, method, proof, `message_id` and confidence.
        #[arg(long)]
        json: bool,
    },
    /// The mapping of one vendor: a TOML file that can be copied, changed and used. For a vendor that is read by code,
    /// its page.
    Show {
        /// Its word in the config, such as zabbix.
        name: String,
        /// Print the page for people instead: what it sends, where to point it, how it is read.
        #[arg(long)]
        page: bool,
    },
}

const PROVIDERS: &[Column] = &[
    Column::new("NAME", "/name"),
    Column::new("TITLE", "/title").squeeze(),
    Column::new("METHOD", "/method"),
    Column::new("PROOF", "/proof").squeeze(),
    Column::new("MESSAGE ID", "/message_id").squeeze(),
    Column::new("CONFIDENCE", "/confidence").optional(),
];

const KINDS: &[Column] = &[
    Column::new("KIND", "/name"),
    Column::new("WHAT IT IS", "/summary").squeeze(),
];

impl Providers {
    pub(crate) fn run(self, terminal: &mut Terminal) -> Result<(), Failure> {
        match self.what {
            What::List { json } => {
                let all = campanile_providers::all().iter();
                let items: Vec<Value> = all.map(|p| facts(&**p)).collect();
                list(json, PROVIDERS, &items, terminal)
            }
            What::Show { name, page } => {
                let provider = provider(&name)?;
                let about = provider.about();
                let mapping = about.toml.as_ref().filter(|_| !page);
                terminal.line(mapping.unwrap_or(&about.doc).trim())
            }
        }
    }
}

/// The provider of this name, or the nearest names.
pub(crate) fn provider(name: &str) -> Result<&'static dyn Provider, Failure> {
    let names = || campanile_providers::all().iter().map(|known| known.name());
    let unknown = || unknown("vendor", name, names(), "campanile providers list");
    let found = campanile_providers::by_name(name);
    found.map(|found| &**found).ok_or_else(unknown)
}

fn facts(provider: &dyn Provider) -> Value {
    let about = provider.about();
    json!({
        "name": about.name,
        "title": about.title,
        "method": about.methods.join(", "),
        "proof": about.proof,
        "message_id": about.message_id,
        "confidence": about.confidence,
    })
}

pub(crate) fn list_sinks(json: bool, terminal: &mut Terminal) -> Result<(), Failure> {
    let kinds = campanile_sinks::kinds();
    let items = kinds
        .iter()
        .map(|kind| json!({"name": kind.name, "summary": kind.summary}));
    let items: Vec<Value> = items.collect();
    list(json, KINDS, &items, terminal)
}

pub(crate) fn show_sink(name: &str, terminal: &mut Terminal) -> Result<(), Failure> {
    let kinds = campanile_sinks::kinds();
    let names = || kinds.iter().map(|kind| kind.name);
    let found = kinds.iter().find(|kind| kind.name == name);
    let kind =
        found.ok_or_else(|| unknown("kind of sink", name, names(), "campanile sinks list"))?;
    terminal.line(kind.page.trim())
}

fn list(
    json: bool,
    columns: &[Column],
    items: &[Value],
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    if json {
        return terminal.json(&items);
    }
    table::show(terminal, columns, items, Clock::machine().now())
}

/// Says what there is none of, and what was perhaps meant.
pub(crate) fn unknown<'a>(
    noun: &str,
    word: &str,
    known: impl Iterator<Item = &'a str>,
    lister: &str,
) -> Failure {
    let near = campanile_language::nearest(word, known);
    let failure = Failure::usage(format!("there is no {noun} `{word}`"));
    match near {
        Some(name) => failure.hint(format!("did you mean `{name}`?")),
        None => failure.hint(format!("`{lister}` shows what there is")),
    }
}
