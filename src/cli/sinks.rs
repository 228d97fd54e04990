//! `campanile sinks`: the kinds that are built in, and how those of a running gateway are.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::api::{Api, Gateway};
use super::catalog;
use super::failure::Failure;
use super::table::{self, Column};
use super::terminal::Terminal;
use super::wait;
use campanile_model::Clock;

pub(crate) const EXAMPLES: &str = "\
Examples:
  campanile sinks list                       (the kinds that a config can name)
  campanile sinks show webhook               (its settings)
  campanile sinks status                     (of a running gateway: who is behind, and why)
  campanile sinks pause webhook/oncall       (keep its deliveries, send nothing)
  campanile sinks resume webhook/oncall";

/// The command line of `campanile sinks`.
#[derive(Debug, Args)]
pub(crate) struct Sinks {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// The kinds of sinks.
    List {
        /// Print JSON: a list of objects with `name` and `summary`.
        #[arg(long)]
        json: bool,
    },
    /// How one kind is configured.
    Show {
        /// The kind, such as webhook.
        name: String,
    },
    /// The sinks of a running gateway: state, what is pending for each, its last error.
    Status {
        /// Print the API's JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        gateway: Gateway,
    },
    /// Stop sending to a sink. Its pending deliveries are kept.
    Pause(One),
    /// Send to a sink again, at once.
    Resume(One),
}

#[derive(Debug, Args)]
struct One {
    /// The sink, such as webhook/oncall.
    #[arg(value_name = "KIND/NAME", value_parser = full_name)]
    name: (String, String),
    /// Print the API's JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    gateway: Gateway,
}

const STATUS: &[Column] = &[
    Column::new("SINK", "/name"),
    Column::new("STATE", "/state"),
    Column::new("PENDING", "/pending"),
    Column::new("DEAD", "/dead"),
    Column::new("SENDING", "/in_flight").optional(),
    Column::age("LAST SUCCESS", "/last_success_at")
        .or("never")
        .optional(),
    Column::age("NEXT TRY", "/retry_at").optional(),
    Column::new("LAST ERROR", "/last_error").squeeze(),
];

impl Sinks {
    pub(crate) fn run(self, terminal: &mut Terminal) -> Result<(), Failure> {
        match self.what {
            What::List { json } => catalog::list_sinks(json, terminal),
            What::Show { name } => catalog::show_sink(&name, terminal),
            What::Status { json, gateway } => {
                let api = Api::of(&gateway)?;
                let answer = wait(api.get(&["sinks"], &[]))?;
                if json {
                    return terminal.json(&answer);
                }
                let items = answer.get("items").and_then(Value::as_array);
                match items.filter(|items| !items.is_empty()) {
                    Some(items) => table::show(terminal, STATUS, items, Clock::machine().now()),
                    None => terminal.say("no sinks are configured"),
                }
            }
            What::Pause(one) => {
                one.turn("pause", "paused; its pending deliveries are kept", terminal)
            }
            What::Resume(one) => one.turn("resume", "resumed", terminal),
        }
    }
}

impl One {
    fn turn(self, verb: &str, done: &str, terminal: &mut Terminal) -> Result<(), Failure> {
        let api = Api::of(&self.gateway)?;
        let (kind, name) = &self.name;
        let answer = wait(api.post(&["sinks", kind, name, verb], &json!({})))?;
        if self.json {
            return terminal.json(&answer);
        }
        terminal.line(format_args!("{kind}/{name} {done}"))
    }
}

fn full_name(text: &str) -> Result<(String, String), String> {
    match text.split_once('/') {
        Some((kind, name)) if !kind.is_empty() && !name.is_empty() => {
            Ok((kind.to_owned(), name.to_owned()))
        }
        _ => Err("write the full name, such as webhook/oncall".to_owned()),
    }
}
