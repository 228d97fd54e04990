//! Lists: pages from the API, and the command for the next page. [`super::output`] prints them.

use clap::Args;
use jiff::{SpanRelativeTo, Timestamp};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::api::{Answer, Api};
use super::failure::Failure;
use super::follow::Follower;
use super::output::{Form, Output};
use super::table::Column;
use super::terminal::Terminal;
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
    /// All items: request page after page until the end of the list.
    #[arg(long, id = "all_pages", conflicts_with = "limit")]
    all: bool,
    #[command(flatten)]
    form: Form,
}

/// The parameters of a request.
type Query = Vec<(&'static str, String)>;

/// The filters of a list, some of them not given.
pub(crate) type Filters = Vec<(&'static str, Option<String>)>;

/// A filter whose name in the API is `label.` and the name of a label; its value is `NAME=VALUE`.
pub(crate) const LABEL: &str = "label";

/// The words to search for.
pub(crate) const WORDS: &str = "q";

/// The largest page that the API gives.
const LIMIT_MAX: u32 = 500;

/// The items that a list that is followed begins with, and the most.
const LATEST: u32 = 10;
const LATEST_MAX: u32 = 50;

/// One list of the API.
pub(crate) struct List<'a, T: 'static> {
    /// The command that shows it, such as `alerts list`.
    pub(crate) command: &'a str,
    /// The path in the API.
    pub(crate) path: &'a [&'a str],
    /// The filters. A filter has the same name in the API and on the command line, except [`LABEL`] and [`WORDS`].
    pub(crate) filters: Filters,
    /// The columns of the table.
    pub(crate) columns: &'a [Column<T>],
    /// What `-q` prints of an item.
    pub(crate) id: fn(&T) -> String,
    /// What is printed when there are no items.
    pub(crate) none: &'a str,
}

impl<T: DeserializeOwned> List<'_, T> {
    /// Requests one page, or all pages, and prints them.
    pub(crate) async fn show(
        self,
        api: &Api,
        page: &Page,
        terminal: &mut Terminal,
    ) -> Result<(), Failure> {
        let mut query = self.query();
        let mut output = Output::new(&page.form, self.columns, self.id);
        if page.all {
            query.push(("limit", LIMIT_MAX.to_string()));
            let (before, output) = (page.before.clone(), &mut output);
            self.pages(api, &query, before, output, terminal).await?;
        } else {
            query.extend(page.limit.map(|limit| ("limit", limit.to_string())));
            let before = page.before.as_deref();
            let next = self
                .page(api, &query, before, &mut output, terminal)
                .await?;
            if let Some(next) = next.filter(|_| !page.form.has_next()) {
                terminal.say(self.next_page(&query, &next))?;
            }
        }
        output.verdict(self.none, terminal)
    }

    /// Requests a list that has only one page, and prints it.
    pub(crate) async fn show_whole(
        self,
        api: &Api,
        form: &Form,
        terminal: &mut Terminal,
    ) -> Result<(), Failure> {
        let mut output = Output::new(form, self.columns, self.id);
        let query = self.query();
        self.page(api, &query, None, &mut output, terminal).await?;
        output.verdict(self.none, terminal)
    }

    /// Prints the newest items, oldest first, and then each new one, until Ctrl-C.
    pub(crate) async fn follow(
        self,
        api: &Api,
        page: &Page,
        terminal: &mut Terminal,
    ) -> Result<(), Failure> {
        let latest = page.limit.unwrap_or(LATEST);
        if latest > LATEST_MAX {
            let what = format!("--limit is at most {LATEST_MAX} with --follow");
            return Err(Failure::usage(what));
        }
        let mut query = self.query();
        query.push(("latest", latest.to_string()));
        let mut output = Output::new(&page.form, self.columns, self.id);
        let follower = Follower::new(api, query);
        follower
            .run(terminal, |items, terminal| output.part(items, terminal))
            .await
    }

    /// The filters that are given.
    fn query(&self) -> Query {
        let filters = self.filters.iter();
        let given = filters.filter_map(|(name, value)| Some((*name, value.clone()?)));
        given.collect()
    }

    async fn ask(&self, api: &Api, query: &Query) -> Result<Answer, Failure> {
        let query = in_api(query);
        let query = query.iter();
        let query: Vec<_> = query
            .map(|(name, value)| (name.as_str(), value.clone()))
            .collect();
        api.get(self.path, &query).await
    }

    /// Prints one page, and returns the cursor of the next page.
    async fn page(
        &self,
        api: &Api,
        query: &Query,
        before: Option<&str>,
        output: &mut Output<'_, T>,
        terminal: &mut Terminal,
    ) -> Result<Option<String>, Failure> {
        let answer = self.ask(api, &from(query, before)).await?;
        output.whole(answer.raw().clone(), terminal)?;
        Ok(answer.read::<types::Page<Value>>()?.next)
    }

    /// Prints all pages, from this cursor on.
    async fn pages(
        &self,
        api: &Api,
        query: &Query,
        mut before: Option<String>,
        output: &mut Output<'_, T>,
        terminal: &mut Terminal,
    ) -> Result<(), Failure> {
        loop {
            let query = from(query, before.as_deref());
            let answer = self.ask(api, &query).await?;
            let page: types::Page<Value> = answer.read()?;
            output.part(page.items, terminal)?;
            // A cursor that stays the same would never end.
            if page.next.is_none() || page.next == before {
                return output.end(terminal);
            }
            before = page.next;
        }
    }

    /// The command that prints the next page.
    fn next_page(&self, same: &[(&str, String)], next: &str) -> String {
        let flags = same.iter().map(|(name, value)| match *name {
            WORDS => format!(" --query {}", quoted(value)),
            LABEL => format!(" --label {}", quoted(value)),
            name => format!(" --{name} {value}"),
        });
        let flags: String = flags.collect();
        format!(
            "more items: campanile {}{flags} --before {next}",
            self.command
        )
    }
}

/// The parameters for the page at this cursor.
fn from(query: &Query, before: Option<&str>) -> Query {
    let mut query = query.clone();
    query.extend(before.map(|before| ("before", before.to_owned())));
    query
}

/// The parameters with their names in the API.
fn in_api(query: &Query) -> Vec<(String, String)> {
    let named = |(name, value): &(&'static str, String)| match value.split_once('=') {
        Some((label, value)) if *name == LABEL => (format!("label.{label}"), value.to_owned()),
        _ => ((*name).to_owned(), value.clone()),
    };
    query.iter().map(named).collect()
}

/// The text as one word of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Parses `NAME=VALUE` of a label.
pub(crate) fn label(text: &str) -> Result<String, String> {
    match text.split_once('=') {
        Some((name, _)) if !name.is_empty() => Ok(text.to_owned()),
        _ => Err("write NAME=VALUE, such as team=db".to_owned()),
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
