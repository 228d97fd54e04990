//! Measures the cost of sending for each recipe, relative to the sink `webhook`, which is code.
//!
//! `cargo bench --bench sinks` sends one firing again and again to a receiver on loopback that gives the vendor's success,
//! and prints the CPU time of the sending thread for one message: rendering, the HTTP client, judging the response. The result is
//! the ratio to `webhook`.

#![expect(
    clippy::cast_precision_loss,
    reason = "figures for people: three digits are enough"
)]

#[path = "support/words.rs"]
mod words;

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use campanile_language::sample_alerts;
use campanile_receiver::{Play, Receiver, google};
use campanile_settings::{Environment, Setting, Values};
use campanile_sinks::{Kind, Message, Sink, Tools, kinds};
use jiff::Timestamp;
use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::{Builder, Runtime};
use words::{median, print};

/// The measurements of each kind. The median counts.
const ROUNDS: usize = 7;
/// The messages of each measurement.
const MESSAGES: usize = 200;
const CODED: &str = "webhook";

fn main() {
    let receiving = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    let receiving = receiving.expect("a runtime");
    let sending = Builder::new_current_thread().enable_all().build();
    let sending = sending.expect("a runtime");
    let bench = Bench { receiving, sending };
    let coded = bench.subject(coded()).expect("the coded sink sends");
    let mut costs: Vec<(&str, f64, f64)> = kinds()
        .iter()
        .filter(|kind| kind.toml().is_some())
        .filter_map(|kind| {
            let (us, ratio) = bench.cost(&bench.subject(&**kind)?, &coded);
            Some((&*kind.about().name, us, ratio))
        })
        .collect();
    costs.sort_by(|(_, _, one), (_, _, other)| one.total_cmp(other));
    print("kind                  us of CPU a message   over webhook");
    for (name, us, ratio) in &costs {
        print(&format!("{name:<21} {us:>19.0} {ratio:>14.1}"));
    }
    let ratios: Vec<f64> = costs.iter().map(|(_, _, ratio)| *ratio).collect();
    let worst = ratios.iter().copied().fold(0.0, f64::max);
    print(&format!(
        "\n{} recipes; over webhook: median {:.1}, worst {worst:.1}",
        ratios.len(),
        median(ratios)
    ));
}

struct Bench {
    receiving: Runtime,
    sending: Runtime,
}

/// A sink with its receiver.
struct Subject {
    sink: Arc<dyn Sink>,
    message: Message,
    _receiver: Receiver,
}

impl Bench {
    /// None for a recipe that does not send this alert, or asks for a token first.
    fn subject(&self, kind: &dyn Kind) -> Option<Subject> {
        let (status, body) = success(&kind.about().name)?;
        let play = move |_| Play::Answer(status, Vec::new(), body.clone());
        let receiver = self.receiving.block_on(Receiver::start(play)).ok()?;
        let [alert, _] = sample_alerts();
        let subject = Subject {
            sink: sink(kind, &format!("http://{}", receiver.address()))?,
            message: Message::of(
                alert,
                "dlv_0123456789abcdef0123456789abcdef",
                Timestamp::UNIX_EPOCH,
            ),
            _receiver: receiver,
        };
        // The first one connects.
        let first = self.sending.block_on(subject.sink.send(&subject.message));
        first.ok().filter(|delivered| delivered.code.is_some())?;
        Some(subject)
    }

    /// Microseconds of CPU for one message, and the ratio to the sink in code, which is measured in turn.
    fn cost(&self, subject: &Subject, coded: &Subject) -> (f64, f64) {
        let rounds = (0..ROUNDS).map(|_| (self.measure(subject), self.measure(coded)));
        let rounds: Vec<(f64, f64)> = rounds.collect();
        let ratios = rounds.iter().map(|(us, coded)| us / coded).collect();
        (
            median(rounds.iter().map(|(us, _)| *us).collect()),
            median(ratios),
        )
    }

    fn measure(&self, subject: &Subject) -> f64 {
        let begun = cpu();
        for _ in 0..MESSAGES {
            self.sending
                .block_on(subject.sink.send(&subject.message))
                .expect("the receiver takes it");
        }
        cpu().saturating_sub(begun).as_secs_f64() * 1e6 / MESSAGES as f64
    }
}

/// The vendor's success, from the fixtures of the recipe.
fn success(name: &str) -> Option<(u16, String)> {
    if name == CODED {
        return Some((204, String::new()));
    }
    let file = format!(
        "{}/fixtures/sinks/{name}/answers/success.http",
        env!("CARGO_MANIFEST_DIR")
    );
    let text = std::fs::read_to_string(file).ok()?;
    let (head, body) = text.split_once("\n\n").unwrap_or((text.trim_end(), ""));
    let status = head.split_whitespace().nth(1)?.parse().ok()?;
    Some((status, body.trim().to_owned()))
}

/// The CPU time of this thread: the receiver runs on another.
fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        time.tv_sec.unsigned_abs(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}

fn coded() -> &'static dyn Kind {
    let kind = kinds().iter().find(|kind| kind.about().name == CODED);
    &**kind.expect("a kind with this name")
}

/// A sink of this kind at this address, with the examples of its settings.
fn sink(kind: &dyn Kind, url: &str) -> Option<Arc<dyn Sink>> {
    let example = |setting: &&Setting| setting.name == "url";
    let path = kind
        .settings()
        .iter()
        .find(example)?
        .example
        .trim_matches('"')
        .to_owned();
    let path = path.splitn(4, '/').nth(3).unwrap_or_default().to_owned();
    let wanted = kind.settings().iter().filter(|setting| {
        (setting.required || setting.takes.is_secret())
            && !["url", "proxy", "signing_secret", "headers"].contains(&&*setting.name)
    });
    let mut text = format!("url = \"{url}/{path}\"\n");
    for setting in wanted {
        let value = match &*setting.name {
            "service_account" => format!("{:?}", google::service_account("a-long-random-secret")),
            _ if setting.example.starts_with('{') => "\"a-long-random-secret\"".to_owned(),
            _ => setting.example.to_string(),
        };
        let _infallible = writeln!(text, "{} = {value}", setting.name);
    }
    let values = Values::parse(&text, kind.settings(), &Environment::new()).ok()?;
    let tools = Tools {
        name: "bench/sink",
        timeout: Duration::from_secs(5),
    };
    let built = kind.build(&values, &tools);
    if let Err(error) = &built {
        print(&format!("{}: left out: {error}", kind.about().name));
    }
    built.ok()
}
