//! `campanile quarantine`: callbacks of believed senders that could not be read.

use clap::{Args, Subcommand};
use serde_json::Value;

use super::api::{Api, Gateway};
use super::failure::Failure;
use super::kept::{Chosen, Dropping, Kept};
use super::listing::{List, Page, number};
use super::setup::count;
use super::table::{self, Column};
use super::terminal::Terminal;
use super::wait;

pub(crate) const EXAMPLES: &str = "\
Examples:
  campanile quarantine list --source ucloud/prod
  campanile quarantine show 3                     (the request, and the place of the fault)
  campanile quarantine retry --source ucloud/prod (after the mapping is fixed)
  campanile quarantine drop 3

What is here was answered with success, so the vendor will not send it again. It stays until you
have it read again or drop it, at most for `retention_days`.";

/// The command line of `campanile quarantine`.
#[derive(Debug, Args)]
pub(crate) struct Quarantine {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    gateway: Gateway,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Callbacks that could not be read, with the fault of each.
    List {
        #[command(flatten)]
        of: BySource,
        #[command(flatten)]
        page: Page,
    },
    /// One callback with its faults and the request as it came, secrets taken out.
    Show {
        /// Its number in the list.
        id: i64,
        /// Print the API's JSON.
        #[arg(long)]
        json: bool,
    },
    /// Read them again; what is readable now becomes alerts. Exit code 1 if any is still unreadable.
    Retry {
        #[command(flatten)]
        chosen: Chosen<BySource>,
        /// Print the API's JSON.
        #[arg(long)]
        json: bool,
    },
    /// Drop them for good.
    Drop {
        #[command(flatten)]
        chosen: Chosen<BySource>,
        #[command(flatten)]
        how: Dropping,
    },
}

#[derive(Debug, Args)]
struct BySource {
    /// Those of this source, such as ucloud/prod.
    #[arg(id = "by", long = "source", value_name = "PROVIDER/NAME")]
    source: Option<String>,
}

const CALLBACKS: Kept = Kept {
    path: "quarantine",
    noun: "quarantined callback",
    by: "source",
};

const COLUMNS: &[Column] = &[
    Column::new("ID", "/id"),
    Column::age("AGE", "/received_at"),
    Column::new("SOURCE", "/source"),
    Column::new("WHERE", "/faults/0/place"),
    Column::new("FAULT", "/faults/0/problem").squeeze(),
];

const STILL: &[Column] = &[
    Column::new("STILL UNREADABLE", "/id"),
    Column::new("WHERE", "/faults/0/place"),
    Column::new("FAULT", "/faults/0/problem").squeeze(),
];

impl Quarantine {
    pub(crate) fn run(self, terminal: &mut Terminal) -> Result<(), Failure> {
        let api = Api::of(&self.gateway)?;
        wait(self.what.run(&api, terminal))
    }
}

impl What {
    async fn run(self, api: &Api, terminal: &mut Terminal) -> Result<(), Failure> {
        match self {
            Self::List { of, page } => {
                let list = List {
                    command: "quarantine list",
                    path: &["quarantine"],
                    filters: vec![("source", of.source)],
                    columns: COLUMNS,
                    none: "nothing in quarantine: every callback could be read",
                };
                list.show(api, &page, terminal).await
            }
            Self::Show { id, json } => CALLBACKS.show(id, json, api, terminal).await,
            Self::Retry { chosen, json } => {
                let by = chosen.by().source.as_deref();
                let answer = CALLBACKS.retry(&chosen, by, api).await?;
                released(&answer, json, terminal)
            }
            Self::Drop { chosen, how } => {
                let by = chosen.by().source.as_deref();
                CALLBACKS.drop(&chosen, by, how, api, terminal).await
            }
        }
    }
}

fn released(answer: &Value, json: bool, terminal: &mut Terminal) -> Result<(), Failure> {
    let still = answer.get("still_unreadable").cloned().unwrap_or_default();
    if json {
        terminal.json(answer)?;
    } else {
        let callbacks = count(number(answer, "released"), "callback");
        terminal.line(format_args!("{callbacks} read and accepted"))?;
        table::section(terminal, STILL, &still)?;
    }
    match still.as_array() {
        Some(list) if !list.is_empty() => Err(Failure::Said(1)),
        _ => Ok(()),
    }
}
