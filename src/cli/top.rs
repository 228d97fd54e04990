//! `campanile top`: sinks and sources of a running gateway, once a second.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::api::{Api, Gateway};
use super::failure::{Ending, Failure};
use super::sinks::STATUS;
use super::table::{self, Column};
use super::terminal::Terminal;
use super::wait;
use crate::api::types::{Page, Sink, Source};

pub(crate) const EXAMPLES: &str = "\
Examples:
  campanile top
  campanile top --every 5 --gateway prod
  campanile top --times 1                (print once and end)

End it with Ctrl-C. When the gateway cannot be reached, it waits until the gateway is back.";

/// The command line of `campanile top`.
#[derive(Debug, Args)]
pub(crate) struct Top {
    /// Seconds between two requests.
    #[arg(long, value_name = "SECONDS", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=3600))]
    every: u64,
    /// Print this many times and end [default: until Ctrl-C]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    times: Option<u64>,
    #[command(flatten)]
    gateway: Gateway,
}

/// A source, and how many callbacks it accepts.
struct Row {
    source: Source,
    /// Since the previous request. None for the first one.
    per_second: Option<f64>,
}

const SOURCES: &[Column<Row>] = &[
    Column::new("SOURCE", |row: &Row| row.source.name.clone()),
    Column::new("ACCEPTED/S", |row: &Row| {
        row.per_second
            .map(|rate| format!("{rate:.1}"))
            .unwrap_or_default()
    })
    .or("-"),
    Column::new("ACCEPTED", |row: &Row| row.source.accepted.to_string()),
    Column::new("DUPLICATE", |row: &Row| row.source.duplicates.to_string()).optional(),
    Column::new("QUARANTINED", |row: &Row| {
        row.source.quarantined.to_string()
    }),
    Column::new("REJECTED", |row: &Row| row.source.rejected.to_string()),
    Column::age("LAST CALLBACK", |row: &Row| row.source.last_callback_at).or("never"),
];

/// What the gateway said last.
struct Seen {
    at: Instant,
    accepted: BTreeMap<String, u64>,
}

impl Top {
    pub(crate) fn run(self, terminal: &mut Terminal) -> Result<(), Failure> {
        let api = Api::of(&self.gateway)?;
        wait(self.follow(&api, terminal))
    }

    async fn follow(&self, api: &Api, terminal: &mut Terminal) -> Result<(), Failure> {
        let mut ticks = interval(Duration::from_secs(self.every));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut seen = None;
        let mut printed = 0;
        while self.times.is_none_or(|times| printed < times) {
            ticks.tick().await;
            match look(api, seen.as_ref(), terminal).await {
                Ok(now) => seen = Some(now),
                // A gateway that restarts is back soon. A first request that fails is a wrong address.
                Err(lost) if seen.is_some() && lost.code() == Ending::Unreachable as u8 => {
                    terminal.say(format_args!("{lost}; trying again"))?;
                }
                Err(failure) => return Err(failure),
            }
            printed += 1;
        }
        Ok(())
    }
}

/// Asks once, and shows the answer.
async fn look(api: &Api, before: Option<&Seen>, terminal: &mut Terminal) -> Result<Seen, Failure> {
    let sinks: Page<Sink> = api.get(&["sinks"], &[]).await?.read()?;
    let sources: Page<Source> = api.get(&["sources"], &[]).await?.read()?;
    let now = Seen::of(&sources.items);
    let rows = sources.items.into_iter().map(|source| Row {
        per_second: before.and_then(|before| before.rate(&now, &source.name)),
        source,
    });
    let rows: Vec<Row> = rows.collect();
    terminal.screen()?;
    table::show(terminal, STATUS, &sinks.items)?;
    table::section(terminal, SOURCES, &rows)?;
    terminal.flush()?;
    Ok(now)
}

impl Seen {
    fn of(sources: &[Source]) -> Self {
        let accepted = sources.iter().map(|one| (one.name.clone(), one.accepted));
        Self {
            at: Instant::now(),
            accepted: accepted.collect(),
        }
    }

    /// Accepted callbacks per second from then to `now`. None if the gateway has started again, because it counts from zero.
    fn rate(&self, now: &Self, source: &str) -> Option<f64> {
        let (then, now_accepted) = (self.accepted.get(source)?, now.accepted.get(source)?);
        let more = u32::try_from(now_accepted.checked_sub(*then)?).unwrap_or(u32::MAX);
        Some(f64::from(more) / (now.at - self.at).as_secs_f64().max(0.001))
    }
}
