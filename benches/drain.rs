//! Measures how fast a backlog is delivered: 100,000 deliveries to one fast local sink, and to ten, relative to ingest
//! in the same run.
//!
//! `cargo bench --bench drain` fills a database with pending alerts through the gateway's own store, starts the gateway
//! on it, and measures from the first arrival at a sink to the last. One sink: `BACKLOG` alerts are pending for it.
//! Ten: a tenth as many alerts, each pending for all ten. The sinks run on the same cores.
//!
//! Environment variables: `BACKLOG` (100000), `ROUNDS` (5), `SECONDS` of ingest (5).

mod support;

use std::collections::HashSet;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use support::filled;
use support::load::{Load, wait};
use support::messages::Form;
use support::print;
use support::receiver::Receiver;
use support::rounds::{rounds, setting};
use support::server::{Gateway, Server, Sinks};
use support::spread::{Spread, head, progress, row};

/// A drain without progress for this long has failed.
const PATIENCE: Duration = Duration::from_mins(1);

fn main() -> ExitCode {
    let backlog = setting("BACKLOG", 100_000);
    let load = Load::closed(Form::Ucloud, 64, Duration::from_secs(setting("SECONDS", 5)));
    let measured = rounds(setting("ROUNDS", 5), |round| {
        let ingest = Server::gateway(Sinks::TwoDown).measure(&load).per_second();
        let one = drain(backlog, 1);
        let ten = drain(backlog / 10, 10);
        print(&format!(
            "round {round}  ingest {ingest:.0}/s  one sink {one:.0}/s  ten sinks {ten:.0}/s"
        ));
        (ingest, one, ten)
    });
    head(&["backlog", "deliveries/s", "over ingest (64 connections)"]);
    let line = |name: &str, rate: fn(&(f64, f64, f64)) -> f64| {
        row([
            name,
            &Spread::of(measured.iter().map(rate)).to_string(),
            &format!("{:.2}", Spread::of(measured.iter().map(|m| rate(m) / m.0))),
        ]);
    };
    line(&format!("{backlog} to one sink"), |measured| measured.1);
    line(
        &format!("{} to each of ten sinks", backlog / 10),
        |measured| measured.2,
    );
    ExitCode::SUCCESS
}

/// Deliveries per second, from the first to the last.
fn drain(alerts: u64, sinks: usize) -> f64 {
    let receivers: Vec<Receiver> = (0..sinks).map(|_| Receiver::start()).collect();
    let at = Sinks::At(receivers.iter().map(|receiver| receiver.address).collect());
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let store = folder.path().join("pending.db");
    filled::fill(&store, alerts, &at.names());
    let server = Gateway {
        store: Some(&store),
        ..Gateway::empty(at)
    }
    .start();
    let pending = usize::try_from(alerts).unwrap_or(usize::MAX) * sinks;
    let got = || receivers.iter().map(Receiver::count).sum::<usize>();
    let (mut seen, mut moved) = (0, Instant::now());
    while seen < pending {
        wait(Duration::from_millis(20));
        if got() > seen {
            (seen, moved) = (got(), Instant::now());
        }
        assert!(
            moved.elapsed() < PATIENCE,
            "the drain makes no progress at {seen} of {pending}"
        );
    }
    drop(server);
    let arrivals: Vec<_> = receivers.iter().map(Receiver::take).collect();
    let distinct: usize = arrivals
        .iter()
        .map(|all| all.iter().map(|(id, _)| id).collect::<HashSet<_>>().len())
        .sum();
    assert_eq!(distinct, pending, "every sink has every alert");
    let times = || arrivals.iter().flatten().map(|(_, at)| *at);
    let (first, last) = (times().min(), times().max());
    let took = first
        .zip(last)
        .map_or(0.0, |(first, last)| (last - first).as_secs_f64());
    progress(&format!("{pending} to {sinks} sinks in {took:.2} s"));
    support::float(pending) / took
}
