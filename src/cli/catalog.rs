//! `campanile providers`, and the commands of `campanile sinks` that need no gateway: what a config can use.

use std::path::PathBuf;
use std::sync::Arc;

use campanile_providers::Provider;
use campanile_sinks::page_of;
use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};

use super::failure::Failure;
use super::output::Form;
use super::setup;
use super::table::Column;
use super::terminal::Terminal;

pub(crate) const PROVIDER_EXAMPLES: &str = "\
Examples:
  campanile providers list
  campanile providers list --config campanile.toml
                                         (also the vendors of its `[mappings]`)
  campanile providers show ucloud --page (what the vendor sends, where to enter the URL, how fields are read)
  campanile providers show zabbix > zabbix.toml
                                         (a copy of the mapping; use it with `[mappings.zabbix] file = \"zabbix.toml\"`)";

/// The command line of `campanile providers`.
#[derive(Debug, Args)]
pub(crate) struct Providers {
    #[command(subcommand)]
    what: What,
    /// Also the vendors of this config's `[mappings]` [default: `CAMPANILE_CONFIG`, if it can be read]
    #[arg(long, value_name = "PATH", global = true)]
    config: Vec<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List all vendors: HTTP method, proof of the sender, message id, and how well the protocol is known.
    List {
        #[command(flatten)]
        form: Form,
    },
    /// Print the mapping of one vendor: a TOML file that you can copy, change and use. A vendor that is read by code has no
    /// mapping; then its page is printed.
    Show {
        /// The name of the vendor in the config, such as zabbix.
        name: String,
        /// Print the documentation instead: what the vendor sends, how to set it up, how fields are read.
        #[arg(long)]
        page: bool,
    },
}

/// One vendor in the list.
#[derive(Debug, Deserialize, Serialize)]
struct Facts {
    name: String,
    title: String,
    method: String,
    proof: String,
    message_id: String,
    confidence: String,
}

/// One kind of sink in the list.
#[derive(Debug, Deserialize, Serialize)]
struct Kind {
    name: String,
    title: String,
    group: String,
    confidence: String,
    /// `recipe` or `code`.
    form: String,
    /// Why this build cannot use it.
    missing: Option<String>,
}

const PROVIDERS: &[Column<Facts>] = &[
    Column::new("NAME", |facts: &Facts| facts.name.clone()),
    Column::new("TITLE", |facts: &Facts| facts.title.clone()).squeeze(),
    Column::new("METHOD", |facts: &Facts| facts.method.clone()),
    Column::new("PROOF", |facts: &Facts| facts.proof.clone()).squeeze(),
    Column::new("MESSAGE ID", |facts: &Facts| facts.message_id.clone()).squeeze(),
    Column::new("CONFIDENCE", |facts: &Facts| facts.confidence.clone()).optional(),
];

/// The last column is only for a build that lacks a kind.
const KINDS: &[Column<Kind>] = &[
    Column::new("KIND", |kind: &Kind| kind.name.clone()),
    Column::new("GROUP", |kind: &Kind| kind.group.clone()),
    Column::new("TITLE", |kind: &Kind| kind.title.clone()).squeeze(),
    Column::new("CONFIDENCE", |kind: &Kind| kind.confidence.clone()).optional(),
    Column::new("BUILD", |kind: &Kind| {
        kind.missing.clone().unwrap_or_default()
    })
    .optional(),
];

impl Providers {
    pub(crate) fn run(self, terminal: &mut Terminal) -> Result<(), Failure> {
        let own = own_vendors(&self.config, terminal)?;
        match self.what {
            What::List { form } => {
                let built_in = campanile_providers::all().iter();
                let built_in = built_in.filter(|provider| named(&own, provider.name()).is_none());
                let all = own.iter().chain(built_in);
                let items: Vec<Facts> = all.map(|provider| facts(&**provider)).collect();
                form.print(PROVIDERS, &items, |facts| facts.name.clone(), terminal)
            }
            What::Show { name, page } => {
                let provider = provider(&own, &name)?;
                let about = provider.about();
                let mapping = about.toml.as_ref().filter(|_| !page);
                terminal.line(mapping.unwrap_or(&about.doc).trim())
            }
        }
    }
}

/// The operator's own vendors. `CAMPANILE_CONFIG` is set for all commands, so an unreadable file there must not stop
/// this one: built-in vendors need no config.
pub(crate) fn own_vendors(
    config: &[PathBuf],
    terminal: &mut Terminal,
) -> Result<Vec<Arc<dyn Provider>>, Failure> {
    if !config.is_empty() {
        return setup::own_providers(config);
    }
    let Some(path) = std::env::var_os("CAMPANILE_CONFIG").filter(|path| !path.is_empty()) else {
        return Ok(Vec::new());
    };
    match setup::own_providers(&[path.into()]) {
        Ok(own) => Ok(own),
        Err(failure) => {
            terminal.say(format_args!(
                "warning: only built-in vendors are known; CAMPANILE_CONFIG cannot be used: {failure}"
            ))?;
            Ok(Vec::new())
        }
    }
}

/// The operator's own vendor with this name. It replaces a built-in vendor.
fn named<'a>(own: &'a [Arc<dyn Provider>], name: &str) -> Option<&'a dyn Provider> {
    let found = own.iter().find(|provider| provider.name() == name);
    found.map(|provider| &**provider)
}

/// The provider with this name, the operator's own first, or an error with the nearest name.
pub(crate) fn provider<'a>(
    own: &'a [Arc<dyn Provider>],
    name: &str,
) -> Result<&'a dyn Provider, Failure> {
    let all = || own.iter().chain(campanile_providers::all());
    let names = || all().map(|known| known.name());
    let unknown = || unknown("vendor", name, names(), "campanile providers list");
    let found = all().find(|known| known.name() == name);
    found.map(|found| &**found).ok_or_else(unknown)
}

fn facts(provider: &dyn Provider) -> Facts {
    let about = provider.about();
    Facts {
        name: about.name.clone(),
        title: about.title.clone(),
        method: about.methods.join(", "),
        proof: about.proof.clone(),
        message_id: about.message_id.clone(),
        confidence: about.confidence.clone(),
    }
}

pub(crate) fn list_sinks(form: &Form, terminal: &mut Terminal) -> Result<(), Failure> {
    let kinds = campanile_sinks::kinds();
    let items: Vec<Kind> = kinds.iter().map(|kind| listed(&**kind)).collect();
    let is_whole = items.iter().all(|kind| kind.missing.is_none());
    let columns = match KINDS {
        [columns @ .., _] if is_whole => columns,
        columns => columns,
    };
    form.print(columns, &items, |kind| kind.name.clone(), terminal)
}

fn listed(kind: &dyn campanile_sinks::Kind) -> Kind {
    let about = kind.about();
    let missing = about.feature.filter(|feature| !feature.built);
    Kind {
        name: about.name.to_string(),
        title: about.title.to_string(),
        group: about.group.as_str().to_owned(),
        confidence: about.confidence.as_str().to_owned(),
        form: if kind.toml().is_some() {
            "recipe"
        } else {
            "code"
        }
        .to_owned(),
        missing: missing.map(|feature| format!("not in this build (feature {})", feature.name)),
    }
}

/// The recipe of a kind; the page of a kind that is code, or if it is asked for.
pub(crate) fn show_sink(name: &str, page: bool, terminal: &mut Terminal) -> Result<(), Failure> {
    let kinds = campanile_sinks::kinds();
    let names = || kinds.iter().map(|kind| &*kind.about().name);
    let found = kinds.iter().find(|kind| kind.about().name == name);
    let kind =
        found.ok_or_else(|| unknown("kind of sink", name, names(), "campanile sinks list"))?;
    match kind.toml().filter(|_| !page) {
        Some(recipe) => terminal.line(recipe.trim()),
        None => terminal.line(page_of(&**kind).trim()),
    }
}

/// The error for an unknown word, with the nearest known word.
pub(crate) fn unknown<'a>(
    noun: &str,
    word: &str,
    known: impl Iterator<Item = &'a str>,
    lister: &str,
) -> Failure {
    let near = campanile_language::nearest(word, known);
    let failure = Failure::usage(format!("`{word}` is not a known {noun}"));
    match near {
        Some(name) => failure.hint(format!("did you mean `{name}`?")),
        None => failure.hint(format!("`{lister}` lists the valid names")),
    }
}
