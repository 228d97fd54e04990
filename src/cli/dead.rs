//! `campanile dead`: dead letters, which are deliveries that failed permanently.

use clap::{Args, Subcommand};
use clap_complete::ArgValueCandidates;

use super::api::{Api, Gateway};
use super::complete;
use super::failure::Failure;
use super::kept::{BySink, Chosen, Doing, Kept};
use super::listing::{List, Page};
use super::output::Picked;
use super::setup::count;
use super::table::{Column, or_empty};
use super::terminal::Terminal;
use super::wait;
use crate::api::types::{Counted, DeadLetter};

pub(crate) const EXAMPLES: &str = "\
Examples:
  campanile dead list --sink webhook/oncall
  campanile dead show 17
  campanile dead retry --sink webhook/oncall      (after the receiver is repaired)
  campanile dead retry --all --leave-out-ended --dry-run
  campanile dead drop --sink webhook/oncall --dry-run
  campanile dead drop 17 18

A dead letter stays until you retry or drop it, or until `retention_days` have passed.";

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
    /// List dead letters with their last error.
    List {
        #[command(flatten)]
        of: BySink,
        #[command(flatten)]
        page: Page,
    },
    /// Show one dead letter with its alert.
    Show {
        /// The number of the dead letter, from the list.
        #[arg(add = ArgValueCandidates::new(complete::letters))]
        id: i64,
        #[command(flatten)]
        picked: Picked,
    },
    /// Deliver dead letters again.
    Retry {
        #[command(flatten)]
        chosen: Chosen<BySink>,
        /// Leave out alerts that fire but whose problem was resolved since.
        #[arg(long)]
        leave_out_ended: bool,
        #[command(flatten)]
        how: Doing,
    },
    /// Drop dead letters permanently.
    Drop {
        #[command(flatten)]
        chosen: Chosen<BySink>,
        #[command(flatten)]
        how: Doing,
    },
}

const LETTERS: Kept = Kept {
    path: "dead",
    noun: "dead letter",
};

const COLUMNS: &[Column<DeadLetter>] = &[
    Column::new("ID", |letter: &DeadLetter| letter.id.to_string()),
    Column::age("AGE", |letter: &DeadLetter| Some(letter.at)),
    Column::new("SINK", |letter: &DeadLetter| letter.sink.clone()),
    Column::new("ATTEMPTS", |letter: &DeadLetter| {
        letter.attempts.to_string()
    }),
    Column::new("CLASS", |letter: &DeadLetter| letter.class.clone()).optional(),
    Column::new("CODE", |letter: &DeadLetter| or_empty(letter.code.as_ref())),
    Column::new("ERROR", |letter: &DeadLetter| letter.error.clone()).squeeze(),
    Column::new("ALERT", |letter: &DeadLetter| {
        or_empty(letter.alert_id.as_ref())
    })
    .optional(),
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
                    id: |letter| letter.id.to_string(),
                    none: "no dead letters",
                };
                list.show(api, &page, terminal).await
            }
            Self::Show { id, picked } => LETTERS.show(id, &picked, api, terminal).await,
            Self::Retry {
                chosen,
                leave_out_ended,
                how,
            } => {
                let mut selection = chosen.selection()?;
                selection.leave_out_ended = leave_out_ended;
                let Some(answer) = LETTERS.retry(selection, &how, api, terminal).await? else {
                    return Ok(());
                };
                if how.json {
                    return terminal.json(answer.raw());
                }
                let letters = count(answer.read::<Counted>()?.count, LETTERS.noun);
                terminal.line(format_args!("{letters} will be delivered again"))
            }
            Self::Drop { chosen, how } => {
                let selection = chosen.selection()?;
                LETTERS.drop(selection, &how, api, terminal).await
            }
        }
    }
}
