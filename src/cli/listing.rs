//! Lists: pages from the API, the form of the output, and the command for the next page.

use clap::Args;
use jiff::{SpanRelativeTo, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::api::Api;
use super::failure::Failure;
use super::table::{self, Column};
use super::terminal::{Terminal, harmless};
use crate::api::types;
use campanile_model::Clock;

/// Which page of a list, and the form of the output.
#[derive(Debug, Args)]
pub(crate) struct Page {
    /// At most this many items.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=500))]
    limit: Option<u32>,
    /// Start of the page: the value that the previous page printed.
    #[arg(long, value_name = "CURSOR")]
    before: Option<String>,
    #[command(flatten)]
    form: Form,
}

/// The form of the output.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(crate) struct Form {
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Print one JSON object per line.
    #[arg(long)]
    ndjson: bool,
    /// Print only the ids or names, one per line.
    #[arg(long, short)]
    quiet: bool,
}

impl Form {
    /// Prints a list that needs no gateway.
    pub(crate) fn print<T: Serialize>(
        &self,
        columns: &[Column<T>],
        items: &[T],
        id: fn(&T) -> String,
        terminal: &mut Terminal,
    ) -> Result<(), Failure> {
        if self.json {
            return terminal.json(&items);
        }
        if self.ndjson {
            return items.iter().try_for_each(|item| terminal.json_line(item));
        }
        if self.quiet {
            let mut ids = items.iter().map(|item| harmless(&id(item)));
            return ids.try_for_each(|id| terminal.line(id));
        }
        table::show(terminal, columns, items)
    }
}

/// One list of the API.
pub(crate) struct List<'a, T: 'static> {
    /// The command that shows it, such as `alerts list`.
    pub(crate) command: &'a str,
    /// The path in the API.
    pub(crate) path: &'a [&'a str],
    /// The filters. A filter has the same name in the API and on the command line.
    pub(crate) filters: Vec<(&'static str, Option<String>)>,
    /// The columns of the table.
    pub(crate) columns: &'a [Column<T>],
    /// What `-q` prints of an item.
    pub(crate) id: fn(&T) -> String,
    /// What is printed when there are no items.
    pub(crate) none: &'a str,
}

impl<T: DeserializeOwned> List<'_, T> {
    /// Requests one page and prints it.
    pub(crate) async fn show(
        self,
        api: &Api,
        page: &Page,
        terminal: &mut Terminal,
    ) -> Result<(), Failure> {
        let given = self
            .filters
            .iter()
            .filter_map(|(n, v)| Some((*n, v.clone()?)));
        let mut query: Vec<(&str, String)> = given.collect();
        query.extend(page.limit.map(|limit| ("limit", limit.to_string())));
        let same = query.clone();
        query.extend(page.before.clone().map(|before| ("before", before)));
        match self.print(api, &query, &page.form, terminal).await? {
            Some(next) => terminal.say(self.next_page(&same, &next)),
            None => Ok(()),
        }
    }

    /// Prints one page, and returns the cursor of the next page.
    pub(crate) async fn print(
        &self,
        api: &Api,
        query: &[(&str, String)],
        form: &Form,
        terminal: &mut Terminal,
    ) -> Result<Option<String>, Failure> {
        let answer = api.get(self.path, query).await?;
        if form.json {
            terminal.json(answer.raw())?;
            return Ok(None);
        }
        if form.ndjson {
            let page: types::Page<Value> = answer.read()?;
            for item in &page.items {
                terminal.json_line(item)?;
            }
            return Ok(page.next);
        }
        let page: types::Page<T> = answer.read()?;
        if form.quiet {
            for item in &page.items {
                terminal.line(harmless(&(self.id)(item)))?;
            }
        } else if page.items.is_empty() {
            terminal.say(self.none)?;
        } else {
            table::show(terminal, self.columns, &page.items)?;
        }
        Ok(page.next)
    }

    /// The command that prints the next page.
    fn next_page(&self, same: &[(&str, String)], next: &str) -> String {
        let flags = same
            .iter()
            .map(|(name, value)| format!(" --{name} {value}"));
        let flags: String = flags.collect();
        format!(
            "more items: campanile {}{flags} --before {next}",
            self.command
        )
    }
}

/// Parses a time: a duration before now (`2h`, `3 days`), or RFC 3339.
pub(crate) fn since(text: &str) -> Result<Timestamp, String> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    let wrong =
        || "write how long ago (90s, 15m, 2h, 7d) or a time (2026-01-31T08:00:00Z)".to_owned();
    let span: jiff::Span = text.parse().map_err(|_| wrong())?;
    let days = SpanRelativeTo::days_are_24_hours();
    let ago = span.to_duration(days).map_err(|_| wrong())?;
    Clock::machine()
        .now()
        .checked_sub(ago.abs())
        .map_err(|_| wrong())
}
