//! `campanile store copy`: moves a store from SQLite to PostgreSQL, or back.

use std::time::{Duration, Instant};

use campanile_model::{Secret, StoreUrl};
use campanile_store::copy::{self, Copied, Progress, Report, Row, Step, Wish};
use clap::Args;
use clap::builder::{StringValueParser, TypedValueParser};
use secrecy::ExposeSecret;
use serde_json::json;

use super::failure::{Ending, Failure};
use super::progress;
use super::setup::count;
use super::table::{self, Column};
use super::terminal::{Terminal, harmless};
use super::wait;

pub(super) const EXAMPLES: &str = "\
Examples:
  export CAMPANILE_STORE_URL=postgres://campanile:PASSWORD@db.example.com:5432/campanile
  campanile store copy campanile.db env:CAMPANILE_STORE_URL            (next to the gateway)
  systemctl stop campanile
  campanile store copy campanile.db env:CAMPANILE_STORE_URL --finish   (what came since)
  campanile store copy campanile.db env:CAMPANILE_STORE_URL --verify   (only compare)
  campanile store copy env:CAMPANILE_STORE_URL back.db --finish        (the way back)

FROM is only read. Ends with exit code 1 if the stores differ. A gateway does not start on a copy that is not finished.";

/// How often progress is printed when no terminal shows a bar.
const LINES: Duration = Duration::from_secs(10);

/// The command line of `campanile store copy`.
#[derive(Debug, Args)]
pub(super) struct Copy {
    /// The store to read: the path of a SQLite file, a URL `postgres://USER:PASSWORD@HOST/DATABASE`, or `env:NAME`, the variable that
    /// holds it. A password on the command line is visible to other users of the machine; `env:NAME` is not.
    #[arg(value_parser = hidden())]
    from: Secret,
    /// The store to write, in the same forms. It must be empty: a new file, or a database that no gateway has used.
    #[arg(value_parser = hidden())]
    to: Secret,
    /// Finish the copy: the gateways of FROM have stopped. Takes what came since, compares both stores, and lets gateways use TO if they
    /// are the same.
    #[arg(long, conflicts_with = "verify")]
    finish: bool,
    /// Only compare two stores whose gateways have stopped.
    #[arg(long)]
    verify: bool,
    /// Print JSON: the rows of each table on both sides, what differs.
    #[arg(long)]
    json: bool,
}

/// An argument that can contain a password: no error of its form shows it.
fn hidden() -> impl TypedValueParser<Value = Secret> {
    StringValueParser::new().map(Secret::from)
}

/// The store that an argument names.
fn store(argument: &str, text: &Secret) -> Result<StoreUrl, Failure> {
    let text = text.expose_secret();
    let value = match text.strip_prefix("env:") {
        Some(name) => std::env::var(name).map_err(|_| {
            Failure::usage(format!(
                "{argument}: the variable {} is not set",
                harmless(name)
            ))
        })?,
        None => text.to_owned(),
    };
    let is_url = value.starts_with("sqlite:") || value.contains("://");
    let url = if is_url {
        value.parse()
    } else {
        format!("sqlite:{value}").parse()
    };
    url.map_err(|problem: &str| {
        Failure::usage(format!("{argument} {problem}")).hint(
            "write the path of a SQLite file, postgres://USER:PASSWORD@HOST:5432/DATABASE, or env:NAME",
        )
    })
}

impl Copy {
    pub(super) fn run(self, terminal: &mut Terminal) -> Result<(), Failure> {
        let (from, to) = (&store("FROM", &self.from)?, &store("TO", &self.to)?);
        if from == to {
            return Err(Failure::usage("FROM and TO are the same store"));
        }
        let mut shown = Shown::new(terminal);
        let mut watch = |progress: Progress| shown.at(progress);
        if self.verify {
            let report = wait(async { Ok(copy::compare(from, to, &mut watch).await?) })?;
            return self.report(&report, terminal);
        }
        let wish = Wish {
            finish: self.finish,
            ..Wish::default()
        };
        let copied = wait(async { Ok(copy::copy(from, to, wish, &mut watch).await?) })?;
        self.copied(&copied, terminal)
    }

    fn copied(&self, copied: &Copied, terminal: &mut Terminal) -> Result<(), Failure> {
        if !copied.paused.is_empty() {
            terminal.say(format_args!(
                "note: a pause is not copied. Paused at the source: {}. `campanile run --hold` starts with every sink paused.",
                harmless(&copied.paused.join(", "))
            ))?;
        }
        if let Some(report) = &copied.report {
            return self.report(report, terminal);
        }
        if self.json {
            let done = json!({ "rows": copied.rows, "seq": copied.seq, "finished": false });
            return terminal.json(&done);
        }
        let rows = count(copied.rows, "row");
        terminal.line(format_args!(
            "{rows} copied, up to place {}. The copy is not finished: stop the gateways of the source, and run the same command with --finish.",
            copied.seq
        ))
    }

    fn report(&self, report: &Report, terminal: &mut Terminal) -> Result<(), Failure> {
        if self.json {
            terminal
                .json(&json!({ "finished": self.finish && report.is_same(), "report": report }))?;
        } else {
            self.print(report, terminal)?;
        }
        if report.is_same() {
            return Ok(());
        }
        Err(Failure::Said(Ending::Failed as u8))
    }

    fn print(&self, report: &Report, terminal: &mut Terminal) -> Result<(), Failure> {
        table::show(terminal, TABLES, &report.tables)?;
        for one in &report.found {
            terminal.line(format_args!("different: {}", harmless(one)))?;
        }
        if report.is_same() {
            let bodies = count(report.bodies, "alert");
            let next = if self.finish {
                " The copy is finished: start the gateway on it."
            } else {
                ""
            };
            return terminal.line(format_args!(
                "both stores are the same; {bodies} compared byte by byte.{next}"
            ));
        }
        let found = count(report.differences, "difference");
        terminal.line(format_args!("the stores differ: {found}"))?;
        terminal.say(
            " hint: no gateway may run on either store meanwhile. If the stores still differ, empty the target and copy again. The source \
             was not changed",
        )
    }
}

const TABLES: &[Column<Row>] = &[
    Column::new("TABLE", |row: &Row| row.table.to_owned()),
    Column::new("SOURCE", |row: &Row| table::or_empty(row.source.as_ref())),
    Column::new("FROM", |row: &Row| row.from.to_string()),
    Column::new("TO", |row: &Row| row.to.to_string()),
    Column::new("RESULT", |row: &Row| {
        if row.same { "same" } else { "different" }.to_owned()
    }),
];

/// Shows progress: a bar on a terminal, else a line from time to time.
struct Shown<'t> {
    terminal: &'t mut Terminal,
    bar: progress::Progress,
    printed: Instant,
    step: Option<Step>,
    began: Instant,
    first: i64,
}

impl<'t> Shown<'t> {
    fn new(terminal: &'t mut Terminal) -> Self {
        Self {
            bar: progress::Progress::new(terminal, "", Some(0)),
            terminal,
            printed: Instant::now(),
            step: None,
            began: Instant::now(),
            first: 0,
        }
    }

    fn at(&mut self, progress: Progress) {
        if self.step != Some(progress.step) {
            self.step = Some(progress.step);
            (self.began, self.first) = (Instant::now(), progress.seq);
        }
        let place = |seq: i64| u64::try_from(seq).unwrap_or(0);
        let words = self.words(progress);
        if !self.terminal.is_live() && self.printed.elapsed() >= LINES {
            self.printed = Instant::now();
            let left = self.left(progress);
            // A closed output does not stop the copy.
            let _closed = self.terminal.say(format_args!("{words}{left}"));
        }
        self.bar
            .at_of(place(progress.seq), place(progress.last), words);
    }

    fn words(&self, progress: Progress) -> String {
        let millis = self.began.elapsed().as_millis().max(1);
        let per_second = u128::from(progress.rows) * 1_000 / millis;
        let word = match progress.step {
            Step::Copying => "copying",
            Step::Comparing => "comparing",
            Step::Finishing => "copying the other tables",
        };
        format!("{word}: {} rows, {per_second} a second", progress.rows)
    }

    fn left(&self, progress: Progress) -> String {
        let (done, left) = (progress.seq - self.first, progress.last - progress.seq);
        if done <= 0 || left <= 0 {
            return String::new();
        }
        let seconds = self.began.elapsed().as_secs().cast_signed() * left / done;
        format!(", about {seconds} s left")
    }
}
