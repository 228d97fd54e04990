//! `campanile dead`: deliveries that were given up on.

use clap::{Args, Subcommand};

use super::api::{Api, Gateway};
use super::failure::Failure;
use super::kept::{Chosen, Dropping, Kept};
use super::listing::{List, Page, number};
use super::setup::count;
use super::table::Column;
use super::terminal::Terminal;
use super::wait;

pub(crate) const EXAMPLES: &str = "\
Examples:
  campanile dead list --sink webhook/oncall
  campanile dead show 17
  campanile dead retry --sink webhook/oncall      (the receiver is well again)
  campanile dead drop 17 18

A dead letter stays until you send it again or drop it, at most for `retention_days`.";

/// The command line of `campanile dead`.
#[derive(Debug, Args)]
pub(crate) struct Dead {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    gateway: Gateway,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Dead letters, with why each was given up.
    List {
        #[command(flatten)]
        of: BySink,
        #[command(flatten)]
        page: Page,
    },
    /// One dead letter with its alert.
    Show {
        /// Its number in the list.
        id: i64,
        /// Print the API's JSON.
        #[arg(long)]
        json: bool,
    },
    /// Send them again.
    Retry {
        #[command(flatten)]
        chosen: Chosen<BySink>,
        /// Print the API's JSON.
        #[arg(long)]
        json: bool,
    },
    /// Drop them for good.
    Drop {
        #[command(flatten)]
        chosen: Chosen<BySink>,
        #[command(flatten)]
        how: Dropping,
    },
}

#[derive(Debug, Args)]
struct BySink {
    /// Those of this sink, such as webhook/oncall.
    #[arg(id = "by", long = "sink", value_name = "KIND/NAME")]
    sink: Option<String>,
}

const LETTERS: Kept = Kept {
    path: "dead",
    noun: "dead letter",
    by: "sink",
};

const COLUMNS: &[Column] = &[
    Column::new("ID", "/id"),
    Column::age("AGE", "/at"),
    Column::new("SINK", "/sink"),
    Column::new("TRIES", "/attempts"),
    Column::new("CLASS", "/class").optional(),
    Column::new("CODE", "/code"),
    Column::new("ERROR", "/error").squeeze(),
    Column::new("ALERT", "/alert_id").optional(),
];

impl Dead {
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
                    command: "dead list",
                    path: &["dead"],
                    filters: vec![("sink", of.sink)],
                    columns: COLUMNS,
                    none: "no dead letters: every delivery arrived or is still being tried",
                };
                list.show(api, &page, terminal).await
            }
            Self::Show { id, json } => LETTERS.show(id, json, api, terminal).await,
            Self::Retry { chosen, json } => {
                let by = chosen.by().sink.as_deref();
                let answer = LETTERS.retry(&chosen, by, api).await?;
                if json {
                    return terminal.json(&answer);
                }
                let letters = count(number(&answer, "count"), LETTERS.noun);
                terminal.line(format_args!("{letters} will be sent again"))
            }
            Self::Drop { chosen, how } => {
                let by = chosen.by().sink.as_deref();
                LETTERS.drop(&chosen, by, how, api, terminal).await
            }
        }
    }
}
