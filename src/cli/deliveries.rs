//! `campanile deliveries`: pending deliveries.

use clap::{Args, Subcommand};
use clap_complete::ArgValueCandidates;

use super::api::{Api, Gateway};
use super::complete;
use super::failure::Failure;
use super::kept::{Doing, Kept};
use super::listing::{List, Page};
use super::setup::count;
use super::table::{Column, or_empty};
use super::terminal::Terminal;
use super::wait;
use crate::api::types::{Counted, Delivery, Selection};

pub(crate) const EXAMPLES: &str = "\
Examples:
  campanile deliveries list --sink webhook/oncall
  campanile deliveries retry --sink webhook/oncall              (do not wait for the next attempt)
  campanile deliveries drop 0190a3c5-7e1d-7c3a-9f00-000000000001 --sink webhook/oncall
  campanile deliveries drop --sink webhook/oncall --dry-run     (only print how many)

The list has only pending deliveries. `campanile alerts show ID` also shows past attempts.";

/// The command line of `campanile deliveries`.
#[derive(Debug, Args)]
pub(crate) struct Deliveries {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    gateway: Gateway,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List pending deliveries with their last error, newest first.
    List {
        /// Only of this sink, such as webhook/oncall.
        #[arg(long, value_name = "KIND/NAME", add = ArgValueCandidates::new(complete::sinks))]
        sink: Option<String>,
        #[command(flatten)]
        page: Page,
    },
    /// Attempt pending deliveries now, for example after the receiver is repaired.
    Retry {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        how: Doing,
    },
    /// Drop pending deliveries permanently. They do not become dead letters.
    Drop(Drop),
}

/// Selects deliveries by sink, or all. Deliveries have no numbers.
#[derive(Debug, Args)]
struct Which {
    /// Only of this sink, such as webhook/oncall.
    #[arg(long, value_name = "KIND/NAME", conflicts_with = "all")]
    #[arg(add = ArgValueCandidates::new(complete::sinks))]
    sink: Option<String>,
    /// All pending deliveries.
    #[arg(long)]
    all: bool,
    /// Only print how many there are.
    #[arg(long)]
    dry_run: bool,
}

impl Which {
    fn selection(self) -> Result<Selection, Failure> {
        if self.sink.is_none() && !self.all {
            return Err(Failure::usage("nothing is selected").hint("give --sink or --all"));
        }
        Ok(Selection {
            sink: self.sink,
            all: self.all,
            dry_run: self.dry_run,
            ..Selection::default()
        })
    }
}

#[derive(Debug, Args)]
struct Drop {
    /// Only the delivery of the alert with this id.
    #[arg(requires = "sink", conflicts_with_all = ["all", "dry_run"])]
    #[arg(add = ArgValueCandidates::new(complete::alerts))]
    alert_id: Option<String>,
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    how: Doing,
}

const DELIVERIES: Kept = Kept {
    path: "deliveries",
    noun: "pending delivery",
};

const COLUMNS: &[Column<Delivery>] = &[
    Column::new("ALERT", |delivery: &Delivery| {
        or_empty(delivery.alert_id.as_ref())
    }),
    Column::new("SINK", |delivery: &Delivery| delivery.sink.clone()),
    Column::new("ATTEMPTS", |delivery: &Delivery| {
        delivery.attempts.to_string()
    }),
    Column::age("PENDING", |delivery: &Delivery| {
        Some(delivery.pending_since)
    })
    .optional(),
    Column::age("NEXT", |delivery: &Delivery| delivery.due_at)
        .or("now")
        .optional(),
    Column::new("CODE", |delivery: &Delivery| {
        or_empty(delivery.last_code.as_ref())
    })
    .optional(),
    Column::new("LAST ERROR", |delivery: &Delivery| {
        or_empty(delivery.last_error.as_ref())
    })
    .squeeze(),
];

impl Deliveries {
    pub(crate) fn run(self, terminal: &mut Terminal) -> Result<(), Failure> {
        let api = Api::of(&self.gateway)?;
        wait(async {
            match self.what {
                What::List { sink, page } => {
                    let list = List {
                        command: "deliveries list",
                        path: &["deliveries"],
                        filters: vec![("sink", sink)],
                        columns: COLUMNS,
                        id: |delivery| or_empty(delivery.alert_id.as_ref()),
                        none: "no delivery is pending",
                    };
                    list.show(&api, &page, terminal).await
                }
                What::Retry { which, how } => retry(which, &how, &api, terminal).await,
                What::Drop(drop) => drop.run(&api, terminal).await,
            }
        })
    }
}

async fn retry(
    which: Which,
    how: &Doing,
    api: &Api,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let answer = DELIVERIES.retry(which.selection()?, how, api, terminal);
    let Some(answer) = answer.await? else {
        return Ok(());
    };
    if how.json {
        return terminal.json(answer.raw());
    }
    let deliveries = count(answer.read::<Counted>()?.count, DELIVERIES.noun);
    terminal.line(format_args!("{deliveries} will be attempted now"))
}

impl Drop {
    async fn run(self, api: &Api, terminal: &mut Terminal) -> Result<(), Failure> {
        if let (Some(id), Some(sink)) = (&self.alert_id, &self.which.sink) {
            let query = [("sink", sink.clone())];
            let answer = api.delete(&["deliveries", id], &query).await?;
            if self.how.json {
                return terminal.json(answer.raw());
            }
            return terminal.line(format_args!(
                "dropped: the gateway will not deliver {id} to {sink}"
            ));
        }
        let selection = self.which.selection()?;
        DELIVERIES.drop(selection, &self.how, api, terminal).await
    }
}
