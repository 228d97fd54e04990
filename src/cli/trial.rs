//! `campanile try`: shows what the gateway would do with a request. Nothing is stored or sent.

use std::fs::File;
use std::io::{self, Read};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use campanile_model::{Callback, SinkId, Status};
use clap::Args;
use jiff::Timestamp;

use super::catalog;
use super::failure::Failure;
use super::setup::{self, count};
use super::table::{self, Column};
use super::terminal::{Terminal, harmless, style_of};
use crate::config::Config;
use crate::forecast::{self, Fate, FieldOrigin, Forecast, Origin, Question, RewriteApplied};
use crate::snapshot::Snapshot;
use campanile_model::Clock;

pub(crate) const EXAMPLES: &str = "\
Examples:
  campanile try --config campanile.toml request.http
  campanile try --config campanile.toml --source ucloud/prod --believe request.http
  campanile try --config campanile.toml --explain request.http
  campanile quarantine show 3 --json | jq -r .callback | campanile try --config campanile.toml --believe -

A request file contains the raw HTTP request:
  POST /callback/ucloud/prod/KEY HTTP/1.1
  Content-Type: application/json

  {\"SessionID\":\"s-1\",\"AlarmTime\":1700000000,\"RecoveryTime\":0}

Exit code 1 if the request would be rejected or quarantined.";

/// The largest request file that is read, in bytes. The limit of a gateway is usually much smaller.
const REQUEST_BYTES_MAX: u64 = 64 << 20;

/// The command line of `campanile try`.
#[derive(Debug, Args)]
pub(crate) struct Trial {
    /// The config: a TOML file, or a folder of TOML files. Can be given more than once.
    #[arg(long, value_name = "PATH", required = true, env = "CAMPANILE_CONFIG")]
    config: Vec<PathBuf>,
    /// The file with the raw request; - reads stdin.
    #[arg(value_name = "FILE.http")]
    file: PathBuf,
    /// The source that receives the request, such as ucloud/prod [default: by the path]
    #[arg(long, value_name = "PROVIDER/NAME")]
    source: Option<String>,
    /// The IP address of the sender, for sources with `allow_from`.
    #[arg(long, value_name = "IP")]
    from: Option<IpAddr>,
    /// The name that your proxy reads from the client certificate, for sources with `client_certificate`: a common name or
    /// the full subject.
    #[arg(long, value_name = "NAME")]
    client_certificate: Option<String>,
    /// Continue as if the sender were verified.
    #[arg(long)]
    believe: bool,
    /// Show the origin of each field of the alerts: place in the request, expression, value.
    #[arg(long)]
    explain: bool,
    /// Print JSON: source, verdict, reason, answer, alerts with their sinks, faults.
    #[arg(long)]
    json: bool,
}

impl Trial {
    pub(crate) fn run(self, terminal: &mut Terminal) -> Result<(), Failure> {
        let config = setup::load(&self.config)?;
        let mut call = request(&self.file)?;
        call.peer = self.from;
        call.client_certificate = self.client_certificate;
        let wish = Wish {
            source: self.source,
            believe: self.believe,
            explain: self.explain,
        };
        let forecast = ask(&config, call, &wish, Clock::machine().now())?;
        if self.json {
            terminal.json(&forecast)?;
        } else {
            show(terminal, &forecast)?;
        }
        match &*forecast.verdict {
            "accepted" | "ignored" => Ok(()),
            _ => Err(Failure::Said(1)),
        }
    }
}

/// What `campanile try` is asked for in addition to the request.
#[derive(Default)]
pub(crate) struct Wish {
    source: Option<String>,
    believe: bool,
    explain: bool,
}

/// What a gateway with this config would do with `call`.
pub(crate) fn ask(
    config: &Config,
    call: Callback,
    wish: &Wish,
    now: Timestamp,
) -> Result<Forecast, Failure> {
    let places = 0..config.sinks.len();
    let sinks: Vec<SinkId> = places.filter_map(|at| SinkId::try_from(at).ok()).collect();
    let snapshot = Snapshot::new(config, &sinks).map_err(|mistakes| {
        let wrong: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        Failure::usage(wrong.join("\n"))
    })?;
    let question = Question {
        snapshot: &snapshot,
        sink: &|name| {
            let spec = config.sinks.iter().find(|spec| spec.name == name);
            let spec = spec.ok_or_else(|| format!("the sink {name} is not configured"))?;
            campanile_sinks::build(spec).map_err(|error| error.to_string())
        },
        source: wish.source.as_deref(),
        believe: wish.believe,
        explain: wish.explain,
        alerts_max: usize::MAX,
        now,
    };
    question.ask(call).map_err(|error| match &error {
        forecast::Error::NoPath(_) => Failure::usage(error.to_string())
            .hint("give the source, for example --source ucloud/prod"),
        forecast::Error::NoSource(name) => {
            let names = snapshot.sources.iter().map(|source| &*source.name);
            catalog::unknown("source", name, names, "campanile check")
        }
    })
}

/// The raw request in a file; `-` reads stdin.
pub(crate) fn request(file: &Path) -> Result<Callback, Failure> {
    let raw = read(file)?;
    Callback::from_http(&raw).map_err(|error| {
        Failure::usage(format!("{}: {error}", file.display()))
            .hint("`campanile try --help` shows an example of a request file")
    })
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let cannot = |error: io::Error| {
        Failure::usage(format!("cannot read {}: {error}", path.display()))
            .hint("give a file with a raw HTTP request, or `-` for stdin")
    };
    let from: Box<dyn Read> = if path == Path::new("-") {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(path).map_err(cannot)?)
    };
    let mut raw = Vec::new();
    from.take(REQUEST_BYTES_MAX)
        .read_to_end(&mut raw)
        .map_err(cannot)?;
    Ok(raw)
}

fn show(terminal: &mut Terminal, forecast: &Forecast) -> Result<(), Failure> {
    let verdict = terminal.paint(style_of(&forecast.verdict), &forecast.verdict);
    let reason = forecast.reason.as_ref().map(|reason| format!(": {reason}"));
    let source = forecast.source.as_deref().unwrap_or("none");
    terminal.line(format_args!("source   {source}"))?;
    let reason = harmless(&reason.unwrap_or_default());
    terminal.line(format_args!("verdict  {verdict}{reason}"))?;
    let answer = &forecast.answer;
    terminal.line(format_args!(
        "answer   {} {}",
        answer.status,
        harmless(&answer.body)
    ))?;
    for fault in &forecast.faults {
        let (place, problem) = (harmless(&fault.place), harmless(&fault.problem));
        terminal.line(format_args!("fault    {place}: {problem}"))?;
    }
    for remark in &forecast.remarks {
        terminal.line(format_args!("remark   {}", harmless(remark)))?;
    }
    if let Some(url) = &forecast.confirms {
        terminal.line(format_args!("fetches  {}", harmless(url)))?;
    }
    for (index, fate) in forecast.alerts.iter().enumerate() {
        terminal.line("")?;
        terminal.title(&format!("alert {} of {}", index + 1, forecast.alerts.len()))?;
        show_fate(terminal, fate)?;
    }
    if let Some(origin) = &forecast.explained {
        show_origin(terminal, forecast, origin)?;
    }
    terminal.say(match &*forecast.verdict {
        "rejected" => {
            "nothing was stored or sent; use --believe to continue as if the sender were verified"
        }
        _ => "nothing was stored or sent",
    })
}

const ORIGIN: &[Column<FieldOrigin>] = &[
    Column::new("FIELD", |field: &FieldOrigin| field.field.clone()),
    Column::new("VALUE", |field: &FieldOrigin| field.value.clone())
        .or("(none: the default is used)")
        .squeeze(),
    Column::new("FROM", |field: &FieldOrigin| field.place.clone()).squeeze(),
    Column::new("EXPRESSION", |field: &FieldOrigin| field.expression.clone()).squeeze(),
];

fn show_origin(
    terminal: &mut Terminal,
    forecast: &Forecast,
    origin: &Origin,
) -> Result<(), Failure> {
    terminal.line("")?;
    terminal.title("origin of each field")?;
    let fields = match origin {
        Origin::Mapping { fields } => fields,
        Origin::Code => {
            let source = forecast.source.as_deref().unwrap_or_default();
            let vendor = source.split('/').next().unwrap_or_default();
            let words = format_args!(
                "{vendor} is read by code; `campanile providers show {vendor}` describes it"
            );
            return terminal.line(words);
        }
    };
    table::show(terminal, ORIGIN, fields)
}

fn show_rewrite(terminal: &mut Terminal, rewrite: &RewriteApplied) -> Result<(), Failure> {
    let name = harmless(&rewrite.name);
    for change in &rewrite.changes {
        let (field, new) = (harmless(&change.field), harmless(&change.new));
        let old = Some(harmless(&change.old)).filter(|old| !old.is_empty() && *old != new);
        let old = old.map_or_else(String::new, |old| format!(", before: {old}"));
        terminal.line(format_args!("rewrite {name} set {field} = {new}{old}"))?;
    }
    for problem in &rewrite.failed {
        terminal.line(format_args!("rewrite {name} failed: {}", harmless(problem)))?;
    }
    Ok(())
}

fn show_fate(terminal: &mut Terminal, fate: &Fate) -> Result<(), Failure> {
    terminal.json(&fate.alert)?;
    terminal.line("")?;
    for rewrite in &fate.rewrites {
        show_rewrite(terminal, rewrite)?;
    }
    if fate.alert.status == Status::Resolved {
        terminal.line("a recovery goes where its firing went; if its firing is not known, it")?;
    }
    if fate.sinks.is_empty() {
        terminal.line("goes to no sink")?;
        for route in &fate.routes {
            let (name, condition) = (harmless(&route.name), route.condition());
            let when = Some(harmless(&condition)).filter(|when| !when.is_empty());
            let when = when.as_deref().unwrap_or("always");
            terminal.line(format_args!("  {} {name}: {when}", route.matches))?;
        }
        return Ok(());
    }
    terminal.line(format_args!("goes to {}", count(fate.sinks.len(), "sink")))?;
    for sink in &fate.sinks {
        terminal.line("")?;
        terminal.title(&sink.name)?;
        let failed = sink
            .error
            .as_ref()
            .map(|error| format!("would fail: {error}"));
        let text = sink.request.clone().or(failed).unwrap_or_default();
        for line in text.lines() {
            terminal.line(format_args!("  {}", harmless(line)))?;
        }
    }
    Ok(())
}
