//! `campanile renormalize`: shows how stored alerts would differ with the current mapping.

use std::collections::BTreeMap;

use clap::Args;
use clap_complete::ArgValueCandidates;
use jiff::Timestamp;
use serde::Serialize;

use super::api::{Api, Gateway};
use super::complete;
use super::failure::Failure;
use super::listing;
use super::progress::Progress;
use super::setup::count;
use super::table::{self, Column};
use super::terminal::{Terminal, harmless};
use super::wait;
use crate::api::types::{self, Difference, Differing, Renormalized};

pub(crate) const EXAMPLES: &str = "\
Examples:
  campanile renormalize --source zabbix/prod --since 7d
  campanile renormalize --source acme/prod --since 2026-01-31T08:00:00Z --limit 5000 --json

The gateway reads the stored callbacks of a source again with the current mapping and lists the fields that would differ.
It changes nothing: stored alerts are never rewritten.";

/// Alerts per request.
const PAGE: u64 = 200;

/// The command line of `campanile renormalize`.
#[derive(Debug, Args)]
pub(crate) struct Renormalize {
    /// The source, such as zabbix/prod.
    #[arg(long, value_name = "PROVIDER/NAME", add = ArgValueCandidates::new(complete::sources))]
    source: String,
    /// Only alerts since this time: a duration before now (90s, 15m, 2h, 7d) or a time (2026-01-31T08:00:00Z).
    #[arg(long, value_name = "TIME", value_parser = listing::since)]
    since: Option<Timestamp>,
    /// Compare at most this many alerts, newest first.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    limit: u64,
    /// Has no effect. Accepted for older scripts; the command never changes anything.
    #[arg(long, hide = true)]
    dry_run: bool,
    /// Print JSON: the number of compared alerts, and each alert that would differ with its fields.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    gateway: Gateway,
}

const FIELDS: &[Column<Difference>] = &[
    Column::new("FIELD", |field: &Difference| field.field.clone()),
    Column::new("STORED", |field: &Difference| table::plain(&field.old))
        .or("(nothing)")
        .squeeze(),
    Column::new("WOULD BE", |field: &Difference| table::plain(&field.new))
        .or("(nothing)")
        .squeeze(),
];

/// The result of all pages together.
#[derive(Debug, Default, Serialize)]
struct Found {
    items: Vec<Differing>,
    looked_at: u64,
    without_callback: u64,
    more: bool,
}

impl Renormalize {
    pub(crate) fn run(self, terminal: &mut Terminal) -> Result<(), Failure> {
        let api = Api::of(&self.gateway)?;
        let progress = Progress::new(terminal, "compared", Some(self.limit));
        let found = wait(self.ask(&api, progress))?;
        if self.json {
            return terminal.json(&found);
        }
        found.show(terminal)
    }

    async fn ask(&self, api: &Api, mut progress: Progress) -> Result<Found, Failure> {
        let mut found = Found::default();
        let mut before = None;
        while found.looked_at < self.limit {
            let limit = PAGE.min(self.limit - found.looked_at);
            let body = types::Renormalize {
                source: self.source.clone(),
                since: self.since,
                limit: u32::try_from(limit).ok(),
                before,
            };
            let page: Renormalized = api.post(&["renormalize"], &body).await?.read()?;
            found.looked_at += page.looked_at;
            progress.at(found.looked_at);
            found.without_callback += page.without_callback;
            found.items.extend(page.items);
            before = page.next;
            found.more = before.is_some();
            if !found.more {
                break;
            }
        }
        Ok(found)
    }
}

impl Found {
    fn show(&self, terminal: &mut Terminal) -> Result<(), Failure> {
        for item in &self.items {
            show(item, terminal)?;
        }
        let of = count(self.looked_at, "alert");
        terminal.line(format_args!("{} of {of} would differ", self.items.len()))?;
        for (field, times) in self.fields() {
            terminal.line(format_args!("  {times:>6}  {}", harmless(field)))?;
        }
        if self.without_callback > 0 {
            let gone = count(self.without_callback, "callback");
            terminal.say(format!("not compared: {gone} no longer stored"))?;
        }
        if self.more {
            terminal.say("older alerts were not compared: give a larger --limit")?;
        }
        Ok(())
    }

    /// How many alerts would differ in each field.
    fn fields(&self) -> BTreeMap<&str, usize> {
        let mut fields = BTreeMap::new();
        for item in &self.items {
            let differing = item.fields.iter().map(|field| field.field.as_str());
            for field in differing.chain(item.fault.as_ref().map(|_| "(cannot be read)")) {
                *fields.entry(field).or_default() += 1;
            }
        }
        fields
    }
}

fn show(item: &Differing, terminal: &mut Terminal) -> Result<(), Failure> {
    let (alert, title) = (harmless(&item.alert), harmless(&item.title));
    terminal.title(&format!("{alert}  {title}"))?;
    if let Some(fault) = &item.fault {
        let fault = harmless(&fault.to_string());
        terminal.line(format_args!("cannot be read: {fault}"))?;
    }
    if !item.fields.is_empty() {
        table::show(terminal, FIELDS, &item.fields)?;
    }
    terminal.line("")
}
