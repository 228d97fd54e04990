//! `campanile send`: sends callbacks like a vendor.

use std::path::PathBuf;
use std::time::Duration;

use campanile_model::Secret;
use campanile_providers::fixtures;
use clap::Args;
use clap_complete::ArgValueCandidates;
use futures_util::StreamExt;
use futures_util::stream;
use reqwest::{Client, Request};
use serde::Serialize;
use tokio::time::Instant;
use url::Url;

use super::api::{base, client, root_cause};
use super::catalog;
use super::complete;
use super::failure::Failure;
use super::play::{self, Play};
use super::progress::Progress;
use super::table::{self, Column};
use super::tally::{Heard, Tally, milliseconds};
use super::terminal::{Terminal, harmless, style_of};
use super::{trial, wait};
use campanile_model::Clock;

pub(crate) const EXAMPLES: &str = "\
Examples:
  campanile send ucloud --to http://127.0.0.1:8080/callback/ucloud/prod --key \"$UCLOUD_KEY\"
  campanile send ucloud --to http://127.0.0.1:8080/callback/ucloud/prod/KEY --case resolved
  campanile send jiankong --to http://127.0.0.1:8080/callback/jiankong/web --token \"$TOKEN\" --get
  campanile send ucloud --to URL --count 1000 --rate 200 --connections 16
  campanile send ucloud --case list              (list the cases)
  campanile send lighthouse --config campanile.toml --file lighthouse.http --to URL
                                                 (a vendor of your [mappings], with your own request)

Each message has a new id, the current time and a valid signature, so none is a duplicate.
Exit code 1 if any answer is not a success (2xx).";

/// The timeout of one request. It is longer than the timeout of any vendor.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How many bytes of an answer are read. Vendors read less.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// With at most this many messages, each answer is printed on a line.
const LINES_MAX: u64 = 20;

/// One case that can be sent.
#[derive(Serialize)]
struct Case {
    case: String,
    method: String,
}

const CASES: &[Column<Case>] = &[
    Column::new("CASE", |case: &Case| case.case.clone()),
    Column::new("METHOD", |case: &Case| case.method.clone()),
];

/// The command line of `campanile send`.
#[derive(Debug, Args)]
pub(crate) struct Send {
    /// The vendor, such as ucloud. `campanile providers list` lists all vendors.
    #[arg(add = ArgValueCandidates::new(complete::providers))]
    provider: String,
    /// The callback URL, as you would give it to the vendor.
    #[arg(long, value_name = "URL", required_unless_present = "case")]
    to: Option<String>,
    /// The token with which the vendor signs.
    #[arg(long, env = "CAMPANILE_SEND_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// The key of the source. It is appended to the URL as the last segment of the path.
    #[arg(long, env = "CAMPANILE_SEND_KEY", hide_env_values = true)]
    key: Option<String>,
    /// Which message of the vendor to send; `list` lists the cases [default: firing]
    #[arg(long)]
    case: Option<String>,
    /// Send this raw request of the vendor instead of a built-in message; - reads stdin. A vendor of your `[mappings]` needs it;
    /// its `[fresh]` table makes each message new.
    #[arg(long, value_name = "REQUEST.http", conflicts_with_all = ["case", "get"])]
    file: Option<PathBuf>,
    /// Also the vendors of this config's `[mappings]` [default: `CAMPANILE_CONFIG`, if it can be read]
    #[arg(long, value_name = "PATH")]
    config: Vec<PathBuf>,
    /// Send the GET form of the message.
    #[arg(long)]
    get: bool,
    /// How many messages to send.
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    count: u64,
    /// At most this many messages per second [default: no limit]
    #[arg(long, value_name = "PER_SECOND", value_parser = rate)]
    rate: Option<f64>,
    /// How many messages are sent at the same time.
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=64))]
    connections: u64,
    /// Print JSON: counts, response times, and the first 100 answers.
    #[arg(long)]
    json: bool,
}

impl Send {
    pub(crate) fn run(self, terminal: &mut Terminal) -> Result<(), Failure> {
        let own = catalog::own_vendors(&self.config, terminal)?;
        let provider = catalog::provider(&own, &self.provider)?;
        if self.case.as_deref() == Some("list") {
            return self.list_cases(terminal);
        }
        let missing = || Failure::usage("--to URL is missing: give the callback URL of a source");
        let to = self.to.as_ref().ok_or_else(missing)?;
        let call = match &self.file {
            Some(file) => trial::request(file)?,
            None => play::message_of(provider, self.case.as_deref(), self.get)?,
        };
        let to = target(to, self.key.as_deref())?;
        let http = client(&to, TIMEOUT)?;
        let token = self.token.clone().map(Secret::from);
        let play = Play::new(provider, call, to, token, Clock::machine().now());
        wait(self.play(&play, &http, terminal))
    }

    fn list_cases(&self, terminal: &mut Terminal) -> Result<(), Failure> {
        let cases = fixtures(&self.provider).iter().map(|fixture| {
            let method = fixture.request.split(|b| *b == b' ').next();
            Case {
                case: fixture.case.to_string(),
                method: String::from_utf8_lossy(method.unwrap_or_default()).into_owned(),
            }
        });
        let cases: Vec<_> = cases.collect();
        if self.json {
            return terminal.json(&cases);
        }
        table::show(terminal, CASES, &cases)
    }

    async fn play(
        &self,
        play: &Play<'_>,
        http: &Client,
        terminal: &mut Terminal,
    ) -> Result<(), Failure> {
        let began = Instant::now();
        let clock = Clock::machine();
        let message = |index: u64| {
            let clock = &clock;
            async move {
                self.turn_of(index, began).await;
                let request = play.message(index, clock.now())?;
                Ok::<Heard, Failure>(exchange(http, request).await)
            }
        };
        let at_once = usize::try_from(self.connections).unwrap_or(1);
        let mut answers = stream::iter(0..self.count)
            .map(message)
            .buffer_unordered(at_once);
        let mut tally = Tally::default();
        // The lines of a few messages show the progress themselves.
        let lines = !self.json && self.count <= LINES_MAX;
        let bar = || Progress::new(terminal, "sent", Some(self.count));
        let mut progress = (!lines).then(bar);
        while let Some(heard) = answers.next().await {
            let heard = heard?;
            if lines {
                show(&heard, terminal)?;
            }
            tally.add(heard);
            if let Some(progress) = &mut progress {
                progress.at(u64::try_from(tally.sent()).unwrap_or(u64::MAX));
            }
        }
        drop(progress);
        self.sum_up(&mut tally, began.elapsed(), terminal)
    }

    /// Waits until message number `index` may be sent.
    async fn turn_of(&self, index: u64, began: Instant) {
        if let Some(rate) = self.rate {
            let index = u32::try_from(index).map_or(f64::MAX, f64::from);
            let due = Duration::try_from_secs_f64(index / rate).unwrap_or(Duration::MAX);
            if let Some(due) = began.checked_add(due) {
                tokio::time::sleep_until(due).await;
            }
        }
    }

    fn sum_up(
        &self,
        tally: &mut Tally,
        elapsed: Duration,
        terminal: &mut Terminal,
    ) -> Result<(), Failure> {
        if self.json {
            terminal.json(&tally.as_json(elapsed))?;
        } else if self.count > 1 {
            terminal.line(tally.summary(elapsed))?;
        }
        let Some(first) = tally.first_failure() else {
            return Ok(());
        };
        let what = match (&first.answer, self.count) {
            (Err(_), 1) => format!("no answer: {}", first.text()),
            (Ok((status, _)), 1) => {
                format!("the gateway answered {status}, which is not a success (2xx)")
            }
            _ => format!(
                "{} of {} messages had no success answer; the first: {} {}",
                tally.failed(),
                self.count,
                first.status(),
                harmless(first.text())
            ),
        };
        Err(Failure::failed(what).hint(advice(first)))
    }
}

/// Sends one message and reads the answer.
async fn exchange(http: &Client, request: Request) -> Heard {
    let began = Instant::now();
    let answer = async {
        let mut answer = http.execute(request).await?;
        let status = answer.status().as_u16();
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            let room = ANSWER_BYTES_MAX - body.len();
            body.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
            if body.len() == ANSWER_BYTES_MAX {
                break;
            }
        }
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    };
    let answer: Result<_, reqwest::Error> = answer.await;
    let answer = answer.map_err(|error| {
        if error.is_timeout() {
            format!("no answer within {} s", TIMEOUT.as_secs())
        } else {
            root_cause(&error)
        }
    });
    Heard {
        answer,
        took: began.elapsed(),
    }
}

fn show(heard: &Heard, terminal: &mut Terminal) -> Result<(), Failure> {
    let word = if heard.is_success() { "ok" } else { "error" };
    let status = terminal.paint(style_of(word), &heard.status());
    let text = harmless(heard.text()).replace(['\n', '\r'], " ");
    let took = milliseconds(heard.took);
    terminal.line(format_args!("{status}  {text}  ({took} ms)"))?;
    terminal.flush()
}

/// A hint for the operator after a failed answer.
fn advice(heard: &Heard) -> &'static str {
    match &heard.answer {
        Err(_) => {
            "check that the gateway is running, and that this is its public address ([server] listen, usually port 8080)"
        }
        Ok((401 | 403, _)) => {
            "the gateway could not verify the sender: compare --token with the source's token, --key (or the end of the \
            URL) with its key, and your IP address with its allow_from"
        }
        Ok((404 | 405, _)) => {
            "the path must be /callback/PROVIDER/NAME, with /KEY if the source has a key; `campanile check` lists the paths"
        }
        Ok((413, _)) => "the body is larger than [server] body_bytes_max",
        Ok((503, _)) => {
            "the gateway cannot store callbacks now; its log and /readyz give the reason"
        }
        Ok(_) => "the log of the gateway gives the reason, on the line for this callback",
    }
}

/// The URL with the key as the last segment of the path.
fn target(to: &str, key: Option<&str>) -> Result<Url, Failure> {
    let mut url = base(to)?;
    if let (Some(key), Ok(mut segments)) = (key, url.path_segments_mut()) {
        segments.pop_if_empty().push(key);
    }
    Ok(url)
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate.is_finite() && rate > 0.0 => Ok(rate),
        _ => Err("write a number greater than 0, such as 50 or 0.5".to_owned()),
    }
}
