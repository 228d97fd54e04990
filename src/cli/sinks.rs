//! `campanile sinks`: the kinds of sinks, and the sinks of a running gateway.

use clap::{Args, Subcommand};
use clap_complete::ArgValueCandidates;
use serde_json::json;

use super::api::{Api, Gateway};
use super::catalog;
use super::complete;
use super::failure::Failure;
use super::listing::List;
use super::output::Form;
use super::receivers::Test;
use super::table::{Column, or_empty};
use super::terminal::Terminal;
use super::wait;
use crate::api::types::Sink;

pub(crate) const EXAMPLES: &str = "\
Examples:
  campanile sinks list                       (the kinds that a config can use)
  campanile sinks show webhook --page        (how to set up one kind, what it sends)
  campanile sinks show ntfy > ntfy.toml      (a copy of the recipe; use it with `[recipes.ntfy] file = \"ntfy.toml\"`)
  campanile sinks test ntfy/phone --config campanile.toml
                                             (send one marked message now)
  campanile sinks status                     (running gateway: state, pending deliveries, last error)
  campanile sinks pause webhook/oncall       (send nothing; deliveries stay pending)
  campanile sinks resume webhook/oncall";

/// The command line of `campanile sinks`.
#[derive(Debug, Args)]
pub(crate) struct Sinks {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List the kinds of sinks.
    List {
        #[command(flatten)]
        form: Form,
    },
    /// Print the recipe of one kind: a TOML file that you can copy, change and use. A kind that is code has no recipe; then its
    /// page is printed.
    Show {
        /// The kind, such as ntfy.
        name: String,
        /// Print the documentation instead: how to set it up, what is sent, what follows from a failure.
        #[arg(long)]
        page: bool,
    },
    /// Send one marked message to a sink of the config, and print the receiver's answer. Does not use the gateway.
    Test(Test),
    /// Show the sinks of a running gateway: state, pending deliveries, last error.
    Status {
        #[command(flatten)]
        form: Form,
        #[command(flatten)]
        gateway: Gateway,
    },
    /// Stop sending to a sink. Its deliveries stay pending.
    Pause(One),
    /// Send to a paused sink again, immediately.
    Resume(One),
}

#[derive(Debug, Args)]
struct One {
    /// The sink, such as webhook/oncall.
    #[arg(value_name = "KIND/NAME", value_parser = full_name)]
    #[arg(add = ArgValueCandidates::new(complete::sinks))]
    name: (String, String),
    /// Print the API's JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    gateway: Gateway,
}

pub(super) const STATUS: &[Column<Sink>] = &[
    Column::new("SINK", |sink: &Sink| sink.name.clone()),
    Column::new("STATE", state),
    Column::new("PENDING", |sink: &Sink| sink.pending.to_string()),
    Column::new("HELD", |sink: &Sink| sink.held.to_string()).optional(),
    Column::new("DEAD", |sink: &Sink| sink.dead.to_string()),
    Column::new("SENDING", |sink: &Sink| sink.in_flight.to_string()).optional(),
    Column::age("LAST SUCCESS", |sink: &Sink| sink.last_success_at)
        .or("never")
        .optional(),
    Column::age("NEXT ATTEMPT", |sink: &Sink| sink.retry_at).optional(),
    Column::new("LAST ERROR", |sink: &Sink| {
        or_empty(sink.last_error.as_ref())
    })
    .squeeze(),
];

/// The state, with who paused the sink: `paused (hold)`.
fn state(sink: &Sink) -> String {
    match &sink.paused_by {
        Some(by) => format!("{} ({by})", sink.state),
        None => sink.state.clone(),
    }
}

impl Sinks {
    pub(crate) fn run(self, terminal: &mut Terminal) -> Result<(), Failure> {
        match self.what {
            What::List { form } => catalog::list_sinks(&form, terminal),
            What::Show { name, page } => catalog::show_sink(&name, page, terminal),
            What::Test(test) => test.run(terminal),
            What::Status { form, gateway } => {
                let api = Api::of(&gateway)?;
                let list = List {
                    command: "sinks status",
                    path: &["sinks"],
                    filters: Vec::new(),
                    columns: STATUS,
                    id: |sink: &Sink| sink.name.clone(),
                    none: "no sinks are configured",
                };
                wait(list.show_whole(&api, &form, terminal))
            }
            What::Pause(one) => {
                one.turn("pause", "is paused; its deliveries stay pending", terminal)
            }
            What::Resume(one) => one.turn("resume", "is resumed", terminal),
        }
    }
}

impl One {
    fn turn(self, verb: &str, done: &str, terminal: &mut Terminal) -> Result<(), Failure> {
        let api = Api::of(&self.gateway)?;
        let (kind, name) = &self.name;
        let answer = wait(api.post(&["sinks", kind, name, verb], &json!({})))?;
        if self.json {
            return terminal.json(answer.raw());
        }
        terminal.line(format_args!("{kind}/{name} {done}"))
    }
}

/// Splits a full name into kind and name.
pub(crate) fn full_name(text: &str) -> Result<(String, String), String> {
    match text.split_once('/') {
        Some((kind, name)) if !kind.is_empty() && !name.is_empty() => {
            Ok((kind.to_owned(), name.to_owned()))
        }
        _ => Err("write the full name, such as webhook/oncall".to_owned()),
    }
}
