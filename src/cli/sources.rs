//! `campanile sources`: the sources of a running gateway.

use clap::{Args, Subcommand};
use clap_complete::ArgValueCandidates;

use super::api::{Api, Gateway};
use super::complete;
use super::failure::Failure;
use super::listing::List;
use super::output::{Form, Picked};
use super::table::{self, Column};
use super::terminal::Terminal;
use super::wait;
use crate::api::types::Source;

pub(crate) const EXAMPLES: &str = "\
Examples:
  campanile sources list
  campanile sources show ucloud/prod              (callback address, other paths, proof, counters)

The address is complete if `[server] public_url` is set. Replace `<key>` with the key of the source.";

/// The command line of `campanile sources`.
#[derive(Debug, Args)]
pub(crate) struct Sources {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    gateway: Gateway,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List the sources: address, other paths, proof, last callback, counters since the start of the gateway.
    List {
        #[command(flatten)]
        form: Form,
    },
    /// Show one source.
    Show {
        /// The source, such as ucloud/prod.
        #[arg(value_name = "PROVIDER/NAME", value_parser = full_name)]
        #[arg(add = ArgValueCandidates::new(complete::sources))]
        name: (String, String),
        #[command(flatten)]
        picked: Picked,
    },
}

const COLUMNS: &[Column<Source>] = &[
    Column::new("SOURCE", |source: &Source| source.name.clone()),
    Column::new("CALLBACK", |source: &Source| source.callback.clone()),
    Column::new("OTHER PATHS", |source: &Source| {
        source.paths.get(1..).unwrap_or_default().join(", ")
    })
    .optional(),
    Column::new("PROOF", |source: &Source| source.proof.clone()).squeeze(),
    Column::age("LAST CALLBACK", |source: &Source| source.last_callback_at).or("never"),
    Column::new("ACCEPTED", |source: &Source| source.accepted.to_string()),
    Column::new("IGNORED", |source: &Source| source.ignored.to_string()).optional(),
    Column::new("DUPLICATE", |source: &Source| source.duplicates.to_string()).optional(),
    Column::new("QUARANTINED", |source: &Source| {
        source.quarantined.to_string()
    })
    .optional(),
    Column::new("REJECTED", |source: &Source| source.rejected.to_string()).optional(),
];

impl Sources {
    pub(crate) fn run(self, terminal: &mut Terminal) -> Result<(), Failure> {
        let api = Api::of(&self.gateway)?;
        match self.what {
            What::List { form } => {
                let list = List {
                    command: "sources list",
                    path: &["sources"],
                    filters: Vec::new(),
                    columns: COLUMNS,
                    id: |source: &Source| source.name.clone(),
                    none: "no sources are configured",
                };
                wait(list.show_whole(&api, &form, terminal))
            }
            What::Show { name, picked } => {
                let answer = wait(api.get(&["sources", &name.0, &name.1], &[]))?;
                if picked.print(answer.raw(), terminal)? {
                    return Ok(());
                }
                table::detail(terminal, &answer.read::<Source>()?)
            }
        }
    }
}

fn full_name(text: &str) -> Result<(String, String), String> {
    match text.split_once('/') {
        Some((provider, name)) if !provider.is_empty() && !name.is_empty() => {
            Ok((provider.to_owned(), name.to_owned()))
        }
        _ => Err("write the full name, such as ucloud/prod".to_owned()),
    }
}
