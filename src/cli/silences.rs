//! `campanile silences`: which alerts are not sent for a while.

use clap::{Args, Subcommand};
use clap_complete::ArgValueCandidates;
use jiff::Timestamp;
use serde_json::json;

use super::api::{Api, Gateway};
use super::complete;
use super::failure::Failure;
use super::listing::{List, Page};
use super::setup::count;
use super::table::Column;
use super::terminal::Terminal;
use super::wait;
use crate::api::types::{
    Extended, OneOrMore, SilenceHits, SilenceItem, SilenceMade, WantedSilence,
};

pub(crate) const EXAMPLES: &str = "\
Examples:
  campanile silences list
  campanile silences preview --match labels.team=db       (what it would match of what fires now)
  campanile silences add --match labels.team=db --match severity=warning --for 2h --comment \"new disk\"
  campanile silences add --regex 'title=backup .*' --from 2026-12-24T18:00:00Z --for 12h
  campanile silences extend 12 --for 1h
  campanile silences end 12

What fires still when a silence ends is sent then. What begins and ends inside of it is not sent. Who was informed of a firing
before is informed of its end.";

/// The command line of `campanile silences`.
#[derive(Debug, Args)]
pub(crate) struct Silences {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    gateway: Gateway,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List the silences that have not ended.
    List {
        /// Which: open (active or pending) or all.
        #[arg(long, value_name = "STATE", value_parser = ["open", "all"])]
        state: Option<String>,
        #[command(flatten)]
        page: Page,
    },
    /// Make a silence, and show what it matches of what fires now.
    Add {
        #[command(flatten)]
        matching: Matching,
        /// How long it lasts, such as 30m, 2h or "1d 12h". At most 30 days.
        #[arg(
            long = "for",
            value_name = "DURATION",
            required_unless_present = "until"
        )]
        lasts: Option<String>,
        /// When it ends, such as 2026-01-31T08:00:00Z.
        #[arg(long, value_name = "TIME", conflicts_with = "lasts")]
        until: Option<Timestamp>,
        /// When it begins. Default: now.
        #[arg(long, value_name = "TIME")]
        from: Option<Timestamp>,
        /// What happens at its end to what still fires: tell (it is sent then) or forget.
        #[arg(long, value_name = "WHAT", value_parser = ["tell", "forget"])]
        after: Option<String>,
        /// Why.
        #[arg(long, value_name = "TEXT", default_value = "")]
        comment: String,
        /// Print the API's JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show what a silence would match of what fires now. It is not made.
    Preview {
        #[command(flatten)]
        matching: Matching,
        /// Print the API's JSON.
        #[arg(long)]
        json: bool,
    },
    /// Let a silence last longer, or shorter.
    Extend {
        /// The number of the silence.
        #[arg(add = ArgValueCandidates::new(complete::silences))]
        id: i64,
        /// How long it lasts from now on, such as 2h.
        #[arg(
            long = "for",
            value_name = "DURATION",
            required_unless_present = "until"
        )]
        lasts: Option<String>,
        /// When it ends.
        #[arg(long, value_name = "TIME", conflicts_with = "lasts")]
        until: Option<Timestamp>,
        /// Print the API's JSON.
        #[arg(long)]
        json: bool,
    },
    /// End a silence now. What it holds and still fires is sent.
    End {
        /// The number of the silence.
        #[arg(add = ArgValueCandidates::new(complete::silences))]
        id: i64,
        /// Print the API's JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Which alerts: all of what is given must hold.
#[derive(Debug, Args)]
struct Matching {
    /// A field and a value that it must have. Several values of one field: any of them.
    #[arg(long = "match", value_name = "FIELD=VALUE", value_parser = pair)]
    matches: Vec<(String, String)>,
    /// A field and a pattern of its whole value.
    #[arg(long, value_name = "FIELD=PATTERN", value_parser = pair)]
    regex: Vec<(String, String)>,
    /// A Jinja expression over the alert's fields.
    #[arg(long, value_name = "EXPRESSION")]
    when: Option<String>,
    /// It may match every alert.
    #[arg(long)]
    everything: bool,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (field, value) = text
        .split_once('=')
        .ok_or("write the field, `=` and the value: labels.team=db")?;
    Ok((field.to_owned(), value.to_owned()))
}

impl Matching {
    fn wanted(self) -> WantedSilence {
        let mut wanted = WantedSilence {
            regex: self.regex.into_iter().collect(),
            when: self.when,
            everything: self.everything,
            ..WantedSilence::default()
        };
        for (field, value) in self.matches {
            let values = wanted.matches.entry(field);
            if let OneOrMore::Many(values) = values.or_insert(OneOrMore::Many(Vec::new())) {
                values.push(value);
            }
        }
        wanted
    }
}

const COLUMNS: &[Column<SilenceItem>] = &[
    Column::new("ID", |silence: &SilenceItem| silence.id.to_string()),
    Column::new("STATE", |silence: &SilenceItem| silence.state.clone()),
    Column::new("UNTIL", |silence: &SilenceItem| silence.until.to_string()),
    Column::new("WHO", |silence: &SilenceItem| silence.who.clone()).optional(),
    Column::new("MATCHES", matches).squeeze(),
    Column::new("COMMENT", |silence: &SilenceItem| silence.comment.clone()).squeeze(),
];

/// What it matches, in one line.
fn matches(silence: &SilenceItem) -> String {
    let equal = silence.matches.iter();
    let equal = equal.map(|(field, values)| format!("{field}={}", values.join("|")));
    let regex = silence.regex.iter();
    let regex = regex.map(|(field, pattern)| format!("{field}~{pattern}"));
    let parts = equal.chain(regex).chain(silence.when.clone());
    parts.collect::<Vec<_>>().join(", ")
}

impl Silences {
    pub(crate) fn run(self, terminal: &mut Terminal) -> Result<(), Failure> {
        let api = Api::of(&self.gateway)?;
        wait(self.what.run(&api, terminal))
    }
}

impl What {
    async fn run(self, api: &Api, terminal: &mut Terminal) -> Result<(), Failure> {
        match self {
            Self::List { state, page } => {
                let list = List {
                    command: "silences list",
                    path: &["silences"],
                    filters: vec![("state", state)],
                    columns: COLUMNS,
                    id: |silence| silence.id.to_string(),
                    none: "no silences",
                };
                list.show(api, &page, terminal).await
            }
            Self::Add {
                matching,
                lasts,
                until,
                from,
                after,
                comment,
                json,
            } => {
                let wanted = WantedSilence {
                    from,
                    until,
                    lasts,
                    after,
                    comment,
                    ..matching.wanted()
                };
                let answer = api.post(&["silences"], &wanted).await?;
                if json {
                    return terminal.json(answer.raw());
                }
                let made: SilenceMade = answer.read()?;
                let (id, until) = (made.silence.id, made.silence.until);
                terminal.line(format_args!("silence {id} lasts until {until}"))?;
                show(&made.hits, terminal)
            }
            Self::Preview { matching, json } => {
                let path = ["silences", "preview"];
                let answer = api.post(&path, &matching.wanted()).await?;
                if json {
                    return terminal.json(answer.raw());
                }
                show(&answer.read()?, terminal)
            }
            Self::Extend {
                id,
                lasts,
                until,
                json,
            } => {
                let path = ["silences", &id.to_string(), "extend"];
                let answer = api.post(&path, &Extended { until, lasts }).await?;
                if json {
                    return terminal.json(answer.raw());
                }
                let silence: SilenceItem = answer.read()?;
                terminal.line(format_args!("silence {id} lasts until {}", silence.until))
            }
            Self::End { id, json } => {
                let path = ["silences", &id.to_string(), "end"];
                let answer = api.post(&path, &json!({})).await?;
                if json {
                    return terminal.json(answer.raw());
                }
                terminal.line(format_args!(
                    "silence {id} has ended; what it held and still fires is sent"
                ))
            }
        }
    }
}

fn show(hits: &SilenceHits, terminal: &mut Terminal) -> Result<(), Failure> {
    let problems = count(hits.firing, "problem");
    let of = if hits.more {
        format!(" of the {} newest that fire", hits.looked_at)
    } else {
        format!(" of {} that fire", hits.looked_at)
    };
    terminal.line(format_args!("matches {problems}{of}"))?;
    for hit in &hits.items {
        let (severity, source, title) = (&hit.severity, &hit.source, &hit.title);
        terminal.line(format_args!("  {severity:<8} {source}  {title}"))?;
    }
    let rest = hits.firing.saturating_sub(hits.items.len() as u64);
    if rest > 0 {
        terminal.line(format_args!("  and {rest} more"))?;
    }
    Ok(())
}
