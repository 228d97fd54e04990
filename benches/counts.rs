//! Counts instructions and allocations for each accepted alert. Other load on the machine changes these counts only a
//! little.
//!
//! `cargo bench --bench counts` runs the gateway under Valgrind's callgrind, and then with an allocator that counts,
//! with two sinks that are down. Each count is the difference of two runs, the second with more callbacks than the
//! first: the cost of start and stop is in both and cancels out. It measures one connection, where each alert has its
//! own commit, and 64 connections, where alerts share commits as in a storm. Callgrind runs one thread at a time, so
//! the number of alerts per commit differs from normal operation.
//!
//! Environment variables: `ALERTS` in the difference (2000), `ROUNDS` (3), `CONNECTIONS` of the storm (64), `KEEP` (1:
//! callgrind's file stays in `target/bench-callgrind/`, for `callgrind_annotate`).

mod support;

use std::alloc::System;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use support::filled::target;
use support::load::{Load, Pace};
use support::messages::Form;
use support::rounds::setting;
use support::server::{self, Gateway, Server, Sinks};
use support::spread::{Spread, head, progress, row};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The argument that makes this program run as the gateway with the counting allocator.
const COUNTING: &str = "--serve-counting";

/// The alerts before the count starts: they open connections, prepare statements and fill pools.
const WARM: u64 = 500;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip_while(|argument| argument != COUNTING);
    if arguments.next().is_some() {
        return serve_counting(&arguments.last().unwrap_or_default());
    }
    let alerts = setting("ALERTS", 2000);
    let storm = usize::try_from(setting("CONNECTIONS", 64)).unwrap_or(64);
    let callgrind = Command::new("valgrind").arg("--version").output().is_ok();
    if !callgrind {
        support::print("valgrind is not installed: instructions are left out");
    }
    head(&[
        "for each accepted alert",
        "instructions",
        "allocations",
        "bytes allocated",
    ]);
    for connections in [1, storm] {
        let counted: Vec<_> = (1..=setting("ROUNDS", 3))
            .map(|round| {
                progress(&format!("{connections} connections, round {round}"));
                let instructions = if callgrind {
                    let few = instructions(WARM, connections);
                    per_alert(instructions(WARM + alerts, connections) - few, alerts)
                } else {
                    f64::NAN
                };
                (instructions, allocated(connections, alerts))
            })
            .collect();
        row([
            &*format!("{connections} connections"),
            &format!("{:.0}", Spread::of(counted.iter().map(|count| count.0))),
            &format!("{:.1}", Spread::of(counted.iter().map(|count| count.1.0))),
            &format!("{:.0}", Spread::of(counted.iter().map(|count| count.1.1))),
        ]);
    }
    ExitCode::SUCCESS
}

fn load(alerts: u64, connections: usize) -> Load {
    Load {
        pace: Pace::Count(alerts),
        ..Load::closed(Form::Ucloud, connections, std::time::Duration::MAX)
    }
}

fn per_alert(counted: u64, alerts: u64) -> f64 {
    support::millions(counted) / support::millions(alerts)
}

/// The instructions of a whole run, from start to stop, with this many accepted alerts.
fn instructions(alerts: u64, connections: usize) -> u64 {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let kept = (setting("KEEP", 0) > 0).then(|| target().join("bench-callgrind"));
    let into = kept.as_deref().unwrap_or(folder.path());
    std::fs::create_dir_all(into).expect("a folder can be made");
    let out = into.join(format!(
        "callgrind.{connections}-connections.{alerts}-alerts"
    ));
    let gateway = Gateway {
        sinks: Sinks::TwoDown,
        store: None,
        url: None,
        under: [
            "valgrind",
            "--quiet",
            "--tool=callgrind",
            &format!("--callgrind-out-file={}", out.display()),
            &server::program(),
        ]
        .map(str::to_owned)
        .to_vec(),
    };
    let server = gateway.start();
    server.await_ready();
    let measured = load(alerts, connections).run(server.address);
    assert_eq!(measured.answers, alerts, "every alert is accepted");
    server.stop();
    total(&out)
}

/// The total in a file of callgrind.
fn total(out: &Path) -> u64 {
    let text =
        std::fs::read_to_string(out).expect("callgrind wrote its file when the gateway ended");
    let line = text.lines().find_map(|line| {
        line.strip_prefix("totals: ")
            .or(line.strip_prefix("summary: "))
    });
    line.and_then(|sum| sum.split_whitespace().next()?.parse().ok())
        .expect("a sum")
}

/// Allocations and bytes for each alert.
fn allocated(connections: usize, alerts: u64) -> (f64, f64) {
    let program = std::env::current_exe().expect("this program has a path");
    let mut server = Gateway {
        under: vec![program.display().to_string(), COUNTING.to_owned()],
        ..Gateway::empty(Sinks::TwoDown)
    }
    .start();
    server.await_ready();
    load(WARM, connections).run(server.address);
    let before = counts(&mut server);
    let measured = load(alerts, connections).run(server.address);
    assert_eq!(measured.answers, alerts, "every alert is accepted");
    let after = counts(&mut server);
    (
        per_alert(after.0 - before.0, alerts),
        per_alert(after.1 - before.1, alerts),
    )
}

/// Allocations and bytes so far.
fn counts(server: &mut Server) -> (u64, u64) {
    let counted = server.ask("counted");
    let (allocations, bytes) = counted.split_once(' ').expect("two numbers");
    let number = |text: &str| text.parse().expect("a number");
    (number(allocations), number(bytes))
}

/// Runs the gateway. Prints its allocations so far for each line on the standard input.
fn serve_counting(config: &str) -> ExitCode {
    std::thread::spawn(|| {
        for _question in std::io::stdin().lines() {
            let stats = INSTRUMENTED_SYSTEM.stats();
            let count = stats.allocations + stats.reallocations;
            support::print(&format!("counted {count} {}", stats.bytes_allocated));
        }
    });
    let environment = campanile::config::Environment::default();
    let paths = [PathBuf::from(config)];
    let config =
        campanile::config::load(&paths, &environment).expect("the bench's config is right");
    match campanile::app::run(&paths, &environment, config, false, false) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
