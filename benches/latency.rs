//! Measures the time of an alert from the vendor's callback to the sink.
//!
//! `cargo bench --bench latency` starts the gateway with one webhook sink on 127.0.0.1, which records when each alert
//! has arrived completely. Idle: one alert per second, and between two of them one direct request to the same sink, to
//! compare with the time of one local HTTP round trip after the same pause. Busy: 1,000 alerts per second at fixed
//! times. It prints two times: from the answer to the sink (negative when the alert was at the sink before the answer),
//! and from the first byte of the callback to the sink.
//!
//! Environment variables: `SAMPLES` idle (30, one per second), `ROUNDS` busy (5), `SECONDS` each (5), `RATE` (1000).

mod support;

use std::collections::{HashMap, HashSet};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use support::load::{Exchange, Load, wait};
use support::messages::{Form, Ids};
use support::print;
use support::receiver::{IdText, Receiver};
use support::rounds::{Steal, rounds, setting};
use support::server::{Server, Sinks};
use support::spread::{Spread, head, percentile, progress, row};
use support::wire::Wire;

/// An alert that is not at the sink within this time counts as lost.
const PATIENCE: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    let samples = setting("SAMPLES", 30);
    let rate = setting("RATE", 1000);
    let duration = Duration::from_secs(setting("SECONDS", 5));
    let sink = Receiver::start();
    let server = Server::gateway(Sinks::At(vec![sink.address]));
    server.await_ready();
    let (idle, trips) = idle(&server, &sink, samples);
    let busy = rounds(setting("ROUNDS", 5), |round| {
        sink.take();
        let mut load = Load::closed(Form::Ucloud, 32, duration);
        load.pace = support::load::Pace::open(rate);
        load.keep = true;
        let measured = load.run(server.address);
        let ways = Ways::of(&measured.exchanges, &sink);
        progress(&format!("round {round}: {measured}"));
        ways
    });
    let trip = percentile(&trips, 0.5);
    head(&[
        "alerts a second",
        "answer to sink p50 (ms)",
        "answer to sink p99 (ms)",
        "callback to sink p50 (ms)",
        "callback to sink p99 (ms)",
    ]);
    let line = |name: &str, all: &[Ways]| {
        let figure = |of: fn(&Ways) -> &[f64], part| {
            Spread::of(all.iter().map(|ways| percentile(of(ways), part))).to_string()
        };
        row([
            name,
            &figure(|w| &w.from_answer, 0.5),
            &figure(|w| &w.from_answer, 0.99),
            &figure(|w| &w.from_callback, 0.5),
            &figure(|w| &w.from_callback, 0.99),
        ]);
    };
    line(&rate.to_string(), &busy);
    let above = percentile(&idle.from_answer, 0.5) - trip;
    line(&format!("1 ({samples} of them)"), &[idle]);
    print(&format!(
        "\nOne local HTTP round trip after the same rest: p50 {trip:.2} ms, p99 {:.2} ms. Idle, answer to sink over it: \
         {above:+.2} ms in the median.",
        percentile(&trips, 0.99)
    ));
    ExitCode::SUCCESS
}

/// Times in milliseconds, in order.
struct Ways {
    from_answer: Vec<f64>,
    from_callback: Vec<f64>,
}

impl Ways {
    /// Waits until the sink has all of these alerts.
    fn of(exchanges: &[Exchange], sink: &Receiver) -> Self {
        let arrivals = arrivals(exchanges, sink);
        let times = |from: fn(&Exchange) -> Instant| {
            let mut times: Vec<f64> = exchanges
                .iter()
                .map(|exchange| {
                    let arrived = arrivals.get(exchange.id.to_string().as_bytes());
                    let arrived =
                        arrived.expect("an alert that was accepted is at the sink within 30 s");
                    milliseconds(from(exchange), *arrived)
                })
                .collect();
            times.sort_by(f64::total_cmp);
            times
        };
        Self {
            from_answer: times(|exchange| exchange.answered),
            from_callback: times(|exchange| exchange.sent),
        }
    }
}

/// The time when each of these alerts, and possibly others, first arrived at the sink.
fn arrivals(exchanges: &[Exchange], sink: &Receiver) -> HashMap<IdText, Instant> {
    let begun = Instant::now();
    let mut arrivals = HashMap::new();
    let mut missing: HashSet<String> = exchanges.iter().map(|e| e.id.to_string()).collect();
    while !missing.is_empty() && begun.elapsed() < PATIENCE {
        wait(Duration::from_millis(10));
        for (id, at) in sink.take() {
            arrivals.entry(id).or_insert(at);
            missing.remove(&*String::from_utf8_lossy(&id));
        }
    }
    arrivals
}

fn milliseconds(from: Instant, to: Instant) -> f64 {
    let ahead = from.saturating_duration_since(to).as_secs_f64();
    (to.saturating_duration_since(from).as_secs_f64() - ahead) * 1000.0
}

/// Sends one alert per second, and half a second after each a direct request to the sink.
fn idle(server: &Server, sink: &Receiver, samples: u64) -> (Ways, Vec<f64>) {
    let (mut vendor, mut direct) = (Wire::new(server.address), Wire::new(sink.address));
    let (mut ids, mut request) = (Ids::new(), Vec::new());
    let (mut exchanges, mut trips) = (Vec::new(), Vec::new());
    let half = Duration::from_millis(500);
    let steal = Steal::watch();
    for sample in 0..=samples {
        let id = ids.next();
        Form::Ucloud.request(id, &mut request);
        wait(half);
        let sent = Instant::now();
        let status = vendor.exchange(&request).expect("the gateway answers");
        let answered = Instant::now();
        assert_eq!(status, 200, "the gateway takes the alert");
        wait(half);
        let begun = Instant::now();
        direct.exchange(&request).expect("the sink answers");
        // The first request of each kind opened the connections, so it is not counted.
        if sample > 0 {
            trips.push(milliseconds(begun, Instant::now()));
            exchanges.push(Exchange { id, sent, answered });
        }
        if sample % 10 == 0 {
            progress(&format!("idle: {sample} of {samples}"));
        }
    }
    print(&format!(
        "idle: {:.1} % of the machine was stolen",
        steal.percent()
    ));
    trips.sort_by(f64::total_cmp);
    (Ways::of(&exchanges, sink), trips)
}
