//! `campanile alerts`: what came in, and what became of it.

use campanile_model::{Fingerprint, Severity, Status};
use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::api::{Api, Gateway};
use super::failure::Failure;
use super::listing::{self, List, Page};
use super::table::{self, Column};
use super::terminal::Terminal;
use super::wait;

pub(crate) const EXAMPLES: &str = "\
Examples:
  campanile alerts list --since 2h --severity critical
  campanile alerts show 0190a3c5-7e1d-7c3a-9f00-000000000001
  campanile alerts retry 0190a3c5-7e1d-7c3a-9f00-000000000001 --sink webhook/oncall

One problem over time: campanile alerts list --fingerprint 00d1c0de00d1c0de";

/// The command line of `campanile alerts`.
#[derive(Debug, Args)]
pub(crate) struct Alerts {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    gateway: Gateway,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Alerts, newest first.
    List(Filter),
    /// One alert with all that is known of it: deliveries, tries, the vendor's request.
    Show {
        /// Its id.
        id: String,
        /// Print the API's JSON.
        #[arg(long)]
        json: bool,
    },
    /// Deliver an alert again, also where it has arrived already.
    Retry {
        /// Its id.
        id: String,
        /// To this sink; may be given more than once [default: those that the alert was pending for]
        #[arg(long, value_name = "KIND/NAME")]
        sink: Vec<String>,
        /// Print the API's JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
struct Filter {
    /// Of this source, such as ucloud/prod.
    #[arg(long)]
    source: Option<String>,
    /// firing or resolved.
    #[arg(long)]
    status: Option<Status>,
    /// critical, error, warning, info or unknown.
    #[arg(long)]
    severity: Option<Severity>,
    /// Of this problem.
    #[arg(long)]
    fingerprint: Option<Fingerprint>,
    /// Accepted since: how long ago (90s, 15m, 2h, 7d), or a time (2026-01-31T08:00:00Z).
    #[arg(long, value_name = "TIME", value_parser = listing::since)]
    since: Option<Timestamp>,
    #[command(flatten)]
    page: Page,
}

const COLUMNS: &[Column] = &[
    Column::age("AGE", "/received_at"),
    Column::new("STATUS", "/status"),
    Column::new("SEVERITY", "/severity"),
    Column::new("SOURCE", "/source").optional(),
    Column::new("TITLE", "/title").squeeze(),
    Column::new("ID", "/id"),
];

const DELIVERIES: &[Column] = &[
    Column::new("PENDING TO", "/sink"),
    Column::new("TRIES", "/attempts"),
    Column::age("NEXT", "/due_at").or("now"),
    Column::new("LAST ERROR", "/last_error").squeeze(),
];

const ATTEMPTS: &[Column] = &[
    Column::age("TRIED", "/at"),
    Column::new("SINK", "/sink"),
    Column::new("TRY", "/attempt"),
    Column::new("CODE", "/code"),
    Column::new("MS", "/took_ms"),
    Column::new("VERDICT", "/verdict"),
];

impl Alerts {
    pub(crate) fn run(self, terminal: &mut Terminal) -> Result<(), Failure> {
        let api = Api::of(&self.gateway)?;
        wait(async {
            match self.what {
                What::List(filter) => list(&api, filter, terminal).await,
                What::Show { id, json } => show(&api, &id, json, terminal).await,
                What::Retry { id, sink, json } => retry(&api, &id, &sink, json, terminal).await,
            }
        })
    }
}

async fn list(api: &Api, filter: Filter, terminal: &mut Terminal) -> Result<(), Failure> {
    let list = List {
        command: "alerts list",
        path: &["alerts"],
        filters: vec![
            ("source", filter.source),
            ("status", filter.status.map(|s| s.to_string())),
            ("severity", filter.severity.map(|s| s.to_string())),
            ("fingerprint", filter.fingerprint.map(|f| f.to_string())),
            ("since", filter.since.map(|t| t.to_string())),
        ],
        columns: COLUMNS,
        none: "no alerts",
    };
    list.show(api, &filter.page, terminal).await
}

async fn show(api: &Api, id: &str, json: bool, terminal: &mut Terminal) -> Result<(), Failure> {
    let answer = api.get(&["alerts", id], &[]).await?;
    if json {
        return terminal.json(&answer);
    }
    let part = |name: &str| answer.get(name).cloned().unwrap_or_default();
    table::detail(terminal, &part("alert"))?;
    table::detail(terminal, &json!({"episode": part("episode")}))?;
    table::section(terminal, DELIVERIES, &part("deliveries"))?;
    table::section(terminal, ATTEMPTS, &part("attempts"))?;
    match part("callback") {
        Value::Null => Ok(()),
        callback => {
            terminal.line("")?;
            table::detail(terminal, &json!({"the vendor's request": callback}))
        }
    }
}

async fn retry(
    api: &Api,
    id: &str,
    sinks: &[String],
    json: bool,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let body = if sinks.is_empty() {
        json!({})
    } else {
        json!({"sinks": sinks})
    };
    let answer = api.post(&["alerts", id, "retry"], &body).await?;
    if json {
        return terminal.json(&answer);
    }
    let pending = answer.get("pending").map(table::plain).unwrap_or_default();
    match pending.as_str() {
        "" => terminal.line("not pending: no sink takes it"),
        sinks => terminal.line(format_args!("pending again for {sinks}")),
    }
}
