//! `campanile alerts`: accepted alerts and their deliveries.

use campanile_model::{Fingerprint, Severity, Status};
use clap::{Args, Subcommand};
use clap_complete::ArgValueCandidates;
use jiff::Timestamp;

use super::api::{Api, Gateway};
use super::complete;
use super::failure::Failure;
use super::listing::{self, List, Page};
use super::output::Picked;
use super::table::{self, Column, or_empty};
use super::terminal::Terminal;
use super::wait;
use crate::api::types::{
    AlertDetail, AlertItem, Arrival, Attempt, Delivery, HeldDelivery, Outcome, Retried, Retry,
    RouteSaid,
};

pub(crate) const EXAMPLES: &str = "\
Examples:
  campanile alerts list --since 2h --severity critical
  campanile alerts list --follow
  campanile alerts list --query 'disk web-a1' --label team=db
  campanile alerts show 0190a3c5-7e1d-7c3a-9f00-000000000001
  campanile alerts retry 0190a3c5-7e1d-7c3a-9f00-000000000001 --sink webhook/oncall

All alerts of one problem: campanile alerts list --fingerprint 00d1c0de00d1c0de";

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
    /// List alerts, newest first.
    List(Box<Filter>),
    /// Show one alert with its pending deliveries, attempts and the request of the vendor.
    Show {
        /// The id of the alert.
        #[arg(add = ArgValueCandidates::new(complete::alerts))]
        id: String,
        #[command(flatten)]
        picked: Picked,
    },
    /// Deliver an alert again, even if it was already delivered.
    Retry {
        /// The id of the alert.
        #[arg(add = ArgValueCandidates::new(complete::alerts))]
        id: String,
        /// Deliver to this sink. Can be given more than once [default: all configured sinks]
        #[arg(long, value_name = "KIND/NAME", add = ArgValueCandidates::new(complete::sinks))]
        sink: Vec<String>,
        /// Print the API's JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
struct Filter {
    /// Only of this source, such as ucloud/prod.
    #[arg(long, add = ArgValueCandidates::new(complete::sources))]
    source: Option<String>,
    /// Only with this status: firing or resolved.
    #[arg(long)]
    status: Option<Status>,
    /// Only with this severity: critical, error, warning, info or unknown.
    #[arg(long)]
    severity: Option<Severity>,
    /// Only of the problem with this fingerprint.
    #[arg(long, add = ArgValueCandidates::new(complete::problems))]
    fingerprint: Option<Fingerprint>,
    /// Only accepted since this time: a duration before now (90s, 15m, 2h, 7d) or a time (2026-01-31T08:00:00Z).
    #[arg(long, value_name = "TIME", value_parser = listing::since)]
    since: Option<Timestamp>,
    /// Print the newest alerts (10, or --limit), oldest first, and then each new one when it is accepted, until Ctrl-C.
    #[arg(long, conflicts_with_all = ["since", "until", "query", "label", "sink", "before", "all_pages", "json", "exit_code"])]
    follow: bool,
    /// Only accepted until this time, in the same forms.
    #[arg(long, value_name = "TIME", value_parser = listing::since)]
    until: Option<Timestamp>,
    /// Only with each of these words in the title, the resource or the description, in any case of the letters.
    #[arg(long, value_name = "WORDS")]
    query: Option<String>,
    /// Only with this value of a label. Can be given more than once.
    #[arg(long, value_name = "NAME=VALUE", value_parser = listing::label)]
    label: Vec<String>,
    /// Only pending for this sink, or attempted.
    #[arg(long, value_name = "KIND/NAME", add = ArgValueCandidates::new(complete::sinks))]
    sink: Option<String>,
    #[command(flatten)]
    page: Page,
}

const COLUMNS: &[Column<AlertItem>] = &[
    Column::age("AGE", |item: &AlertItem| Some(item.alert.received_at)),
    STATUS,
    SEVERITY,
    SOURCE,
    TITLE,
    ID,
];

/// A line that stays on the screen has its time: its age would be that of the moment at which it was printed.
const FOLLOWED: &[Column<AlertItem>] = &[
    Column::time("TIME", |item: &AlertItem| item.alert.received_at),
    STATUS,
    SEVERITY,
    SOURCE,
    TITLE,
    ID,
];

const STATUS: Column<AlertItem> = Column::new("STATUS", |item| item.alert.status.to_string());
const SEVERITY: Column<AlertItem> = Column::new("SEVERITY", |item| item.alert.severity.to_string());
const SOURCE: Column<AlertItem> =
    Column::new("SOURCE", |item: &AlertItem| item.alert.source.clone()).optional();
const TITLE: Column<AlertItem> =
    Column::new("TITLE", |item: &AlertItem| item.alert.title.clone()).squeeze();
const ID: Column<AlertItem> = Column::new("ID", |item| item.alert.id.clone());

const DELIVERIES: &[Column<Delivery>] = &[
    Column::new("PENDING FOR", |delivery: &Delivery| delivery.sink.clone()),
    Column::new("ATTEMPTS", |delivery: &Delivery| {
        delivery.attempts.to_string()
    }),
    Column::age("NEXT", |delivery: &Delivery| delivery.due_at).or("now"),
    Column::new("LAST ERROR", |delivery: &Delivery| {
        or_empty(delivery.last_error.as_ref())
    })
    .squeeze(),
];

const HELD: &[Column<HeldDelivery>] = &[
    Column::new("HELD FOR", |held: &HeldDelivery| held.sink.clone()),
    Column::age("SINCE", |held: &HeldDelivery| Some(held.since)),
    Column::new("BY", |held: &HeldDelivery| held.reason.clone()).squeeze(),
];

const OUTCOMES: &[Column<Outcome>] = &[
    Column::new("NOT SENT TO", |outcome: &Outcome| outcome.sink.clone()),
    Column::age("DECIDED", |outcome: &Outcome| Some(outcome.at)),
    Column::new("OUTCOME", |outcome: &Outcome| outcome.outcome.clone()),
    Column::new("WHY", |outcome: &Outcome| {
        let into = outcome.into.map(|id| format!("alert {id}"));
        into.unwrap_or_else(|| outcome.reason.clone())
    })
    .squeeze(),
];

const ROUTES: &[Column<RouteSaid>] = &[
    Column::new("ROUTE APPLIES", |route: &RouteSaid| route.matches.clone()),
    Column::new("ROUTE", |route: &RouteSaid| route.name.clone()),
    Column::new("SINKS", |route: &RouteSaid| route.sinks.join(", ")),
    Column::new("WHEN", RouteSaid::condition)
        .or("always")
        .squeeze(),
];

const ATTEMPTS: &[Column<Attempt>] = &[
    Column::age("ATTEMPTED", |attempt: &Attempt| Some(attempt.at)),
    Column::new("SINK", |attempt: &Attempt| attempt.sink.clone()),
    Column::new("ATTEMPT", |attempt: &Attempt| attempt.attempt.to_string()),
    Column::new("CODE", |attempt: &Attempt| or_empty(attempt.code.as_ref())),
    Column::new("MS", |attempt: &Attempt| attempt.took_ms.to_string()),
    Column::new("VERDICT", |attempt: &Attempt| attempt.verdict.clone()),
    Column::new("REMARK", |attempt: &Attempt| {
        or_empty(attempt.note.as_ref().or(attempt.remark.as_ref()))
    })
    .squeeze(),
];

impl Alerts {
    pub(crate) fn run(self, terminal: &mut Terminal) -> Result<(), Failure> {
        let follows = matches!(&self.what, What::List(filter) if filter.follow);
        let api = if follows {
            Api::endless(&self.gateway)?
        } else {
            Api::of(&self.gateway)?
        };
        wait(async {
            match self.what {
                What::List(filter) => list(&api, *filter, terminal).await,
                What::Show { id, picked } => show(&api, &id, &picked, terminal).await,
                What::Retry { id, sink, json } => retry(&api, &id, sink, json, terminal).await,
            }
        })
    }
}

async fn list(api: &Api, filter: Filter, terminal: &mut Terminal) -> Result<(), Failure> {
    let labels = filter.label.into_iter();
    let labels = labels.map(|label| (listing::LABEL, Some(label)));
    let filters = [
        ("source", filter.source),
        ("status", filter.status.map(|s| s.to_string())),
        ("severity", filter.severity.map(|s| s.to_string())),
        ("fingerprint", filter.fingerprint.map(|f| f.to_string())),
        ("since", filter.since.map(|t| t.to_string())),
        ("until", filter.until.map(|t| t.to_string())),
        (listing::WORDS, filter.query),
        ("sink", filter.sink),
    ];
    let list = List {
        command: "alerts list",
        path: &["alerts"],
        filters: filters.into_iter().chain(labels).collect(),
        columns: if filter.follow { FOLLOWED } else { COLUMNS },
        id: |item| item.alert.id.clone(),
        none: "no alerts",
    };
    if filter.follow {
        return list.follow(api, &filter.page, terminal).await;
    }
    list.show(api, &filter.page, terminal).await
}

async fn show(
    api: &Api,
    id: &str,
    picked: &Picked,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let answer = api.get(&["alerts", id], &[]).await?;
    if picked.print(answer.raw(), terminal)? {
        return Ok(());
    }
    let shown: AlertDetail = answer.read()?;
    let item = AlertItem {
        alert: shown.alert,
        episode: shown.episode,
    };
    table::detail(terminal, &item)?;
    arrival(terminal, &shown.arrival)?;
    table::section(terminal, ROUTES, &shown.routes)?;
    if !shown.also.is_empty() {
        terminal.line("")?;
        terminal.line(format_args!(
            "also to {}: an earlier alert of the episode went there, or an operator sent it there",
            shown.also.join(", ")
        ))?;
    }
    table::section(terminal, DELIVERIES, &shown.deliveries)?;
    table::section(terminal, HELD, &shown.held)?;
    table::section(terminal, OUTCOMES, &shown.outcomes)?;
    table::section(terminal, ATTEMPTS, &shown.attempts)?;
    if let Some(callback) = &shown.callback {
        terminal.line("")?;
        table::text(terminal, "request of the vendor", callback)?;
    }
    Ok(())
}

/// Who called, and what the vendor was answered.
fn arrival(terminal: &mut Terminal, arrival: &Arrival) -> Result<(), Failure> {
    if *arrival == Arrival::default() {
        return Ok(());
    }
    terminal.line("")?;
    terminal.title("arrival")?;
    table::detail(terminal, arrival)
}

async fn retry(
    api: &Api,
    id: &str,
    sinks: Vec<String>,
    json: bool,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let sinks = (!sinks.is_empty()).then_some(sinks);
    let answer = api.post(&["alerts", id, "retry"], &Retry { sinks }).await?;
    if json {
        return terminal.json(answer.raw());
    }
    let pending = answer.read::<Retried>()?.pending;
    if pending.is_empty() {
        return terminal.line("nothing was changed: the alert is already pending for these sinks");
    }
    terminal.line(format_args!("pending again for {}", pending.join(", ")))
}
