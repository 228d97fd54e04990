//! `campanile send`: plays the vendor.

use std::time::Duration;

use campanile_model::Secret;
use campanile_providers::fixtures;
use clap::Args;
use futures_util::StreamExt;
use futures_util::stream;
use reqwest::{Client, Request};
use serde::Serialize;
use tokio::time::Instant;
use url::Url;

use super::api::{base, client, root_cause};
use super::catalog;
use super::failure::Failure;
use super::play::{self, Play};
use super::table::{self, Column};
use super::tally::{Heard, Tally, milliseconds};
use super::terminal::{Terminal, harmless, style_of};
use super::wait;
use campanile_model::Clock;

pub(crate) const EXAMPLES: &str = "\
Examples:
  campanile send ucloud --to http://127.0.0.1:8080/callback/ucloud/prod --key \"$UCLOUD_KEY\"
  campanile send ucloud --to http://127.0.0.1:8080/callback/ucloud/prod/KEY --case resolved
  campanile send jiankong --to http://127.0.0.1:8080/callback/jiankong/web --token \"$TOKEN\" --get
  campanile send ucloud --to URL --count 1000 --rate 200 --connections 16
  campanile send ucloud --case list              (the cases there are)

Each message is new: its own id, the present time, a right signature. So none is a duplicate.
Exit code 1 if any answer is not a success (2xx).";

/// How long one answer may take: longer than any vendor waits.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What is read of an answer; vendors read less.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// Up to so many messages each get a line of their own.
const LINES_MAX: u64 = 20;

/// How often the progress is shown.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

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
    /// The vendor to play, such as ucloud; `campanile providers list` names them all.
    provider: String,
    /// The callback URL, as it would be given to the vendor.
    #[arg(long, value_name = "URL", required_unless_present = "case")]
    to: Option<String>,
    /// The token that the vendor signs with.
    #[arg(long, env = "CAMPANILE_SEND_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// The source's key: put behind the URL as its last segment.
    #[arg(long, env = "CAMPANILE_SEND_KEY", hide_env_values = true)]
    key: Option<String>,
    /// Which of the vendor's messages; `list` lists them [default: firing]
    #[arg(long)]
    case: Option<String>,
    /// Send as the vendor sends by GET.
    #[arg(long)]
    get: bool,
    /// How many messages.
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    count: u64,
    /// At most so many a second [default: as fast as they are answered]
    #[arg(long, value_name = "PER_SECOND", value_parser = rate)]
    rate: Option<f64>,
    /// How many are on their way at the same time.
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=64))]
    connections: u64,
    /// Print JSON: counts, times, and the first hundred answers.
    #[arg(long)]
    json: bool,
}

impl Send {
    pub(crate) fn run(self, terminal: &mut Terminal) -> Result<(), Failure> {
        let provider = catalog::provider(&self.provider)?;
        if self.case.as_deref() == Some("list") {
            return self.list_cases(terminal);
        }
        let missing = || Failure::usage("--to URL is missing: where the vendor would call");
        let to = self.to.as_ref().ok_or_else(missing)?;
        let fixture = play::choose(provider, self.case.as_deref(), self.get)?;
        let to = target(to, self.key.as_deref())?;
        let http = client(&to, TIMEOUT)?;
        let token = self.token.clone().map(Secret::from);
        let play = Play::new(provider, fixture, to, token, Clock::machine().now())?;
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
        play: &Play,
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
        let mut shown = began;
        while let Some(heard) = answers.next().await {
            let heard = heard?;
            if !self.json && self.count <= LINES_MAX {
                show(&heard, terminal)?;
            }
            tally.add(heard);
            if self.count > 1 && shown.elapsed() >= PROGRESS_EVERY {
                shown = Instant::now();
                terminal.progress(format_args!("{} of {} …", tally.sent(), self.count))?;
            }
        }
        terminal.progress("")?;
        self.sum_up(&mut tally, began.elapsed(), terminal)
    }

    /// Waits until message number `index` may go.
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
            (Ok((status, _)), 1) => format!("the answer was {status}, not a success"),
            _ => format!(
                "{} of {} were no success; the first: {} {}",
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
            format!("nothing within {} s", TIMEOUT.as_secs())
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
    terminal.progress("")?;
    terminal.line(format_args!("{status}  {text}  ({took} ms)"))?;
    terminal.flush()
}

/// What to look at after such an answer.
fn advice(heard: &Heard) -> &'static str {
    match &heard.answer {
        Err(_) => {
            "is the gateway running, and is this its public address ([server] listen, usually port 8080)?"
        }
        Ok((401 | 403, _)) => {
            "the sender is not believed: compare --token with the source's token, --key (or the end of the URL) \
            with its key, and your address with its allow_from"
        }
        Ok((404 | 405, _)) => {
            "the URL is /callback/PROVIDER/NAME, with /KEY where the source has one; `campanile check` lists them"
        }
        Ok((413, _)) => "the body is over [server] body_bytes_max",
        Ok((503, _)) => "the gateway cannot store anything now; its log and /readyz say why",
        Ok(_) => "the gateway's log says why, on the line of this callback",
    }
}

/// The address with the key as its last segment.
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
        _ => Err("write a number over 0, such as 50 or 0.5".to_owned()),
    }
}
