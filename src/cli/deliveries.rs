//! `campanile deliveries`: what is on its way and has not arrived.

use clap::{Args, Subcommand};

use super::api::{Api, Gateway};
use super::failure::Failure;
use super::listing::{List, Page};
use super::table::Column;
use super::terminal::Terminal;
use super::wait;

pub(crate) const EXAMPLES: &str = "\
Examples:
  campanile deliveries list --sink webhook/oncall
  campanile deliveries drop 0190a3c5-7e1d-7c3a-9f00-000000000001 --sink webhook/oncall

A delivery that has arrived is no longer here; see `campanile alerts show ID` for its tries.";

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
    /// Pending deliveries, newest first, with the last error of each.
    List {
        /// To this sink, such as webhook/oncall.
        #[arg(long, value_name = "KIND/NAME")]
        sink: Option<String>,
        #[command(flatten)]
        page: Page,
    },
    /// Give up one delivery for good. It does not become a dead letter.
    Drop {
        /// The alert's id.
        alert_id: String,
        /// The sink that it is pending for.
        #[arg(long, value_name = "KIND/NAME")]
        sink: String,
        /// Print the API's JSON.
        #[arg(long)]
        json: bool,
    },
}

const COLUMNS: &[Column] = &[
    Column::new("ALERT", "/alert_id"),
    Column::new("SINK", "/sink"),
    Column::new("TRIES", "/attempts"),
    Column::age("PENDING", "/pending_since").optional(),
    Column::age("NEXT", "/due_at").or("now").optional(),
    Column::new("CODE", "/last_code").optional(),
    Column::new("LAST ERROR", "/last_error").squeeze(),
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
                        none: "no delivery is pending",
                    };
                    list.show(&api, &page, terminal).await
                }
                What::Drop {
                    alert_id,
                    sink,
                    json,
                } => {
                    let query = [("sink", sink.clone())];
                    let answer = api.delete(&["deliveries", &alert_id], &query).await?;
                    if json {
                        return terminal.json(&answer);
                    }
                    terminal.line(format_args!("dropped: {sink} will not get {alert_id}"))
                }
            }
        })
    }
}
