//! `campanile renormalize`: what a changed mapping would have said of stored callbacks.

use std::collections::BTreeMap;

use clap::Args;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::api::{Api, Gateway};
use super::failure::Failure;
use super::listing::{self, number};
use super::setup::count;
use super::table::{self, Column};
use super::terminal::{Terminal, harmless};
use super::wait;
use campanile_model::Clock;

pub(crate) const EXAMPLES: &str = "\
Examples:
  campanile renormalize --source zabbix/prod --since 7d --dry-run
  campanile renormalize --source acme/prod --since 2026-01-31T08:00:00Z --limit 5000 --dry-run --json

The gateway reads the stored callbacks of a source again, with the mapping that it uses now, and tells field by field
what would differ. It changes nothing: alerts are what was said when they came.";

/// So many alerts are asked for at once.
const PAGE: usize = 200;

/// The command line of `campanile renormalize`.
#[derive(Debug, Args)]
pub(crate) struct Renormalize {
    /// The source, such as zabbix/prod.
    #[arg(long, value_name = "PROVIDER/NAME")]
    source: String,
    /// Alerts since: how long ago (90s, 15m, 2h, 7d), or a time (2026-01-31T08:00:00Z).
    #[arg(long, value_name = "TIME", value_parser = listing::since)]
    since: Option<Timestamp>,
    /// At most so many alerts, the newest.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    limit: usize,
    /// Only tell what would differ. There is no other way yet.
    #[arg(long)]
    dry_run: bool,
    /// Print JSON: what was looked at, and each alert that differs with its fields.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    gateway: Gateway,
}

const FIELDS: &[Column] = &[
    Column::new("FIELD", "/field"),
    Column::new("SAID", "/old").or("(nothing)").squeeze(),
    Column::new("WOULD SAY", "/new").or("(nothing)").squeeze(),
];

/// What all pages came to.
#[derive(Default)]
struct Found {
    items: Vec<Value>,
    looked_at: usize,
    without_callback: usize,
    more: bool,
}

impl Renormalize {
    pub(crate) fn run(self, terminal: &mut Terminal) -> Result<(), Failure> {
        if !self.dry_run {
            return Err(Failure::usage(
                "alerts that were accepted are never rewritten: only --dry-run exists",
            )
            .hint("with --dry-run it tells what the present mapping would say"));
        }
        let api = Api::of(&self.gateway)?;
        let found = wait(self.ask(&api))?;
        if self.json {
            return terminal.json(&json!({
                "items": found.items,
                "looked_at": found.looked_at,
                "without_callback": found.without_callback,
                "more": found.more,
            }));
        }
        found.show(terminal)
    }

    async fn ask(&self, api: &Api) -> Result<Found, Failure> {
        let mut found = Found::default();
        let mut before = Value::Null;
        while found.looked_at < self.limit {
            let limit = PAGE.min(self.limit - found.looked_at);
            let body = json!({
                "source": self.source,
                "since": self.since,
                "limit": limit,
                "before": before,
            });
            let answer = api.post(&["renormalize"], &body).await?;
            found.looked_at += number(&answer, "looked_at");
            found.without_callback += number(&answer, "without_callback");
            let items = answer.get("items").and_then(Value::as_array);
            found.items.extend(items.into_iter().flatten().cloned());
            before = answer.get("next").cloned().unwrap_or_default();
            found.more = !before.is_null();
            if !found.more {
                break;
            }
        }
        Ok(found)
    }
}

impl Found {
    fn show(&self, terminal: &mut Terminal) -> Result<(), Failure> {
        let mut fields: BTreeMap<String, usize> = BTreeMap::new();
        for item in &self.items {
            let at = |name: &str| harmless(&item.get(name).map(table::plain).unwrap_or_default());
            terminal.title(&format!("{}  {}", at("alert"), at("title")))?;
            let fault = |name: &str| item.pointer(name).map(table::plain).unwrap_or_default();
            if item.get("fault").is_some_and(Value::is_object) {
                let (place, problem) = (fault("/fault/place"), fault("/fault/problem"));
                terminal.line(format_args!(
                    "would not be read: {}: {}",
                    harmless(&place),
                    harmless(&problem)
                ))?;
                *fields.entry("not read".to_owned()).or_default() += 1;
            }
            let differing = item.get("fields").and_then(Value::as_array);
            let differing = differing.map_or(&[][..], Vec::as_slice);
            if !differing.is_empty() {
                table::show(terminal, FIELDS, differing, Clock::machine().now())?;
            }
            for field in differing {
                let name = field.get("field").map(table::plain).unwrap_or_default();
                *fields.entry(name).or_default() += 1;
            }
            terminal.line("")?;
        }
        let of = count(self.looked_at, "alert");
        terminal.line(format_args!("{} of {of} would differ", self.items.len()))?;
        for (field, times) in fields {
            terminal.line(format_args!("  {times:>6}  {}", harmless(&field)))?;
        }
        if self.without_callback > 0 {
            let gone = self.without_callback;
            terminal.say(format!("the callbacks of {gone} are not kept any more"))?;
        }
        if self.more {
            terminal.say("there are older ones: a larger --limit looks at more")?;
        }
        Ok(())
    }
}
