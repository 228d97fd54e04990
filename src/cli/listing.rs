//! Lists from the API: which page, which items, how they are shown, and how to get the next ones.

use clap::Args;
use jiff::{SpanRelativeTo, Timestamp};
use serde_json::Value;

use super::api::Api;
use super::failure::Failure;
use super::table::{self, Column};
use super::terminal::Terminal;
use campanile_model::Clock;

/// Which page of a list, and in which form.
#[derive(Debug, Args)]
pub(crate) struct Page {
    /// At most so many.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: Option<u32>,
    /// Those that come after this place; the page before names it.
    #[arg(long, value_name = "CURSOR")]
    before: Option<String>,
    /// Print the API's JSON.
    #[arg(long)]
    json: bool,
}

/// One list of the API.
pub(crate) struct List<'a> {
    /// The command that shows it, such as `alerts list`.
    pub(crate) command: &'a str,
    /// Its path.
    pub(crate) path: &'a [&'a str],
    /// The filters that were given, by their names in the API, which are those of the flags.
    pub(crate) filters: Vec<(&'static str, Option<String>)>,
    /// What is shown of each item.
    pub(crate) columns: &'a [Column],
    /// What is said when there are no items.
    pub(crate) none: &'a str,
}

impl List<'_> {
    /// Asks for one page and shows it.
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
        let answer = api.get(self.path, &query).await?;
        if page.json {
            return terminal.json(&answer);
        }
        let items = answer.get("items").and_then(Value::as_array);
        let items = items.map_or(&[][..], Vec::as_slice);
        if items.is_empty() {
            return terminal.say(self.none);
        }
        table::show(terminal, self.columns, items, Clock::machine().now())?;
        match answer.get("next").map(table::plain) {
            Some(next) if !next.is_empty() => terminal.say(self.next_page(&same, &next)),
            _ => Ok(()),
        }
    }

    /// The words that get the next page, ready to be copied.
    fn next_page(&self, same: &[(&str, String)], next: &str) -> String {
        let flags = same
            .iter()
            .map(|(name, value)| format!(" --{name} {value}"));
        let flags: String = flags.collect();
        format!(
            "there are more: campanile {}{flags} --before {next}",
            self.command
        )
    }
}

/// The number under this name of an answer.
pub(crate) fn number(answer: &Value, name: &str) -> usize {
    let number = answer.get(name).and_then(Value::as_u64).unwrap_or(0);
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// A time as operators give it: `2h`, `3 days`, or RFC 3339.
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
