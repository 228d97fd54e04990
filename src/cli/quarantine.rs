//! `campanile quarantine`: callbacks of verified senders that could not be read.

use clap::{Args, Subcommand};
use clap_complete::ArgValueCandidates;

use super::api::{Answer, Api, Gateway};
use super::complete;
use super::failure::Failure;
use super::kept::{BySource, Chosen, Doing, Kept};
use super::listing::{List, Page};
use super::output::Picked;
use super::setup::count;
use super::table::{self, Column};
use super::terminal::Terminal;
use super::wait;
use crate::api::types::{Quarantined, Released, StillUnreadable};
use campanile_model::Fault;

pub(crate) const EXAMPLES: &str = "\
Examples:
  campanile quarantine list --source ucloud/prod
  campanile quarantine show 3                     (the request, and what could not be read)
  campanile quarantine retry --source ucloud/prod (after the mapping is fixed)
  campanile quarantine drop 3

The gateway answered these callbacks with success, so the vendor does not send them again. A callback
stays in quarantine until you retry or drop it, or until `retention_days` have passed.";

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
    /// List callbacks that could not be read, with the first fault of each.
    List {
        #[command(flatten)]
        of: BySource,
        #[command(flatten)]
        page: Page,
    },
    /// Show one callback with its faults and the request without secrets.
    Show {
        /// The number of the callback, from the list.
        #[arg(add = ArgValueCandidates::new(complete::callbacks))]
        id: i64,
        #[command(flatten)]
        picked: Picked,
    },
    /// Read callbacks again, for example after a fix. Those that can be read become alerts. Exit code 1 if any still cannot
    /// be read.
    Retry {
        #[command(flatten)]
        chosen: Chosen<BySource>,
        #[command(flatten)]
        how: Doing,
    },
    /// Drop callbacks permanently.
    Drop {
        #[command(flatten)]
        chosen: Chosen<BySource>,
        #[command(flatten)]
        how: Doing,
    },
}

const CALLBACKS: Kept = Kept {
    path: "quarantine",
    noun: "quarantined callback",
};

const COLUMNS: &[Column<Quarantined>] = &[
    Column::new("ID", |callback: &Quarantined| callback.id.to_string()),
    Column::age("AGE", |callback: &Quarantined| Some(callback.received_at)),
    Column::new("SOURCE", |callback: &Quarantined| callback.source.clone()),
    Column::new("WHERE", |callback: &Quarantined| place(&callback.faults)),
    Column::new("FAULT", |callback: &Quarantined| problem(&callback.faults)).squeeze(),
];

const STILL: &[Column<StillUnreadable>] = &[
    Column::new("STILL UNREADABLE", |callback: &StillUnreadable| {
        callback.id.to_string()
    }),
    Column::new("WHERE", |callback: &StillUnreadable| {
        place(&callback.faults)
    }),
    Column::new("FAULT", |callback: &StillUnreadable| {
        problem(&callback.faults)
    })
    .squeeze(),
];

fn place(faults: &[Fault]) -> String {
    faults.first().map(|f| f.place.clone()).unwrap_or_default()
}

fn problem(faults: &[Fault]) -> String {
    let first = faults.first().map(|fault| fault.problem.clone());
    first.unwrap_or_default()
}

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
                    id: |callback| callback.id.to_string(),
                    none: "the quarantine is empty",
                };
                list.show(api, &page, terminal).await
            }
            Self::Show { id, picked } => CALLBACKS.show(id, &picked, api, terminal).await,
            Self::Retry { chosen, how } => {
                let selection = chosen.selection()?;
                match CALLBACKS.retry(selection, &how, api, terminal).await? {
                    Some(answer) => released(&answer, how.json, terminal),
                    None => Ok(()),
                }
            }
            Self::Drop { chosen, how } => {
                let selection = chosen.selection()?;
                CALLBACKS.drop(selection, &how, api, terminal).await
            }
        }
    }
}

fn released(answer: &Answer, json: bool, terminal: &mut Terminal) -> Result<(), Failure> {
    let released: Released = answer.read()?;
    if json {
        terminal.json(answer.raw())?;
    } else {
        let callbacks = count(released.released, "callback");
        terminal.line(format_args!("{callbacks} read and accepted"))?;
        table::section(terminal, STILL, &released.still_unreadable)?;
    }
    match released.still_unreadable.as_slice() {
        [] => Ok(()),
        _ => Err(Failure::Said(1)),
    }
}
