//! Measures the resources of the gateway: memory, time to start, size of the program.
//!
//! `cargo bench --bench footprint` measures the memory of the gateway (PSS: shared memory is divided among its users).
//! It does this when the gateway is idle, in a storm of callbacks, with deliveries pending for a sink that is down, and
//! with ten million stored alerts (the file that `stored` fills). It also measures the growth per million accepted
//! alerts, the time from the start to the first success of `/readyz`, and the size of the program.
//!
//! Environment variables: `ROUNDS` of starts (5), `PENDING` (100000), `STORED` (10000000), `MILLIONS` accepted for the
//! growth (2), `SECONDS` of the storm (5).

mod support;

use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use support::filled;
use support::load::{Load, wait};
use support::messages::Form;
use support::print;
use support::process::memory_mb;
use support::rounds::{Steal, rounds, setting};
use support::server::{self, Gateway, Server, Sinks};
use support::spread::{Spread, head, progress, row};

fn main() -> ExitCode {
    let (pending, stored) = (setting("PENDING", 100_000), setting("STORED", 10_000_000));
    let storm_seconds = setting("SECONDS", 5);
    let file = filled::stored(stored);
    let steal = Steal::watch();
    let starts = rounds(setting("ROUNDS", 5), |_| (start(None), start(Some(&file))));
    let empty: Vec<Start> = starts.iter().map(|(empty, _)| *empty).collect();
    let full: Vec<Start> = starts.iter().map(|(_, full)| *full).collect();
    progress("a storm on 256 connections");
    let storm = storm(Duration::from_secs(storm_seconds));
    progress("deliveries pending");
    let with_pending = with_pending(pending);
    progress("growth");
    let growth = growth(setting("MILLIONS", 2));
    head(&["memory", "MB (PSS)"]);
    row(["idle, just started", &memory(&empty)]);
    row([
        &*format!("the most in a storm: 256 connections, {storm_seconds} s"),
        &format!("{storm:.0}"),
    ]);
    row([
        &*format!("{pending} alerts pending for each of two sinks that are down"),
        &format!("{with_pending:.0}"),
    ]);
    row([
        &*format!("{stored} alerts stored, just started"),
        &memory(&full),
    ]);
    for (millions, mb) in &growth {
        row([
            &*format!("after {millions:.2} million accepted"),
            &format!("{mb:.0}"),
        ]);
    }
    print(&format!(
        "\nGrowth: {} MB a million accepted.",
        slope(&growth)
    ));
    head(&["start to first ready answer", "ms"]);
    row(["an empty file", &ready(&empty)]);
    row([&*format!("{stored} stored"), &ready(&full)]);
    head(&["program", "MB"]);
    let program = server::program();
    row(["as built", &size_mb(Path::new(&program))]);
    row(["stripped", &stripped_mb(&program)]);
    print(&format!(
        "\n{:.1} % of the machine was stolen",
        steal.percent()
    ));
    ExitCode::SUCCESS
}

/// One start.
#[derive(Clone, Copy)]
struct Start {
    ready_ms: f64,
    memory_mb: f64,
}

fn start(store: Option<&Path>) -> Start {
    let begun = Instant::now();
    let server = Gateway {
        store,
        ..Gateway::empty(Sinks::TwoDown)
    }
    .start();
    server.await_ready();
    let ready_ms = begun.elapsed().as_secs_f64() * 1000.0;
    let memory_mb = server.memory_mb();
    server.stop();
    Start {
        ready_ms,
        memory_mb,
    }
}

fn memory(starts: &[Start]) -> String {
    Spread::of(starts.iter().map(|start| start.memory_mb)).to_string()
}

fn ready(starts: &[Start]) -> String {
    Spread::of(starts.iter().map(|start| start.ready_ms)).to_string()
}

/// The most memory during a storm.
fn storm(duration: Duration) -> f64 {
    let server = Server::gateway(Sinks::TwoDown);
    let (pid, over) = (server.pid(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut most = 0.0_f64;
            while !over.load(Ordering::Relaxed) {
                most = most.max(memory_mb(&[pid]));
                wait(Duration::from_millis(100));
            }
            most
        });
        let measured = Load::closed(Form::Ucloud, 256, duration).run(server.address);
        over.store(true, Ordering::Relaxed);
        progress(&format!("storm: {measured}"));
        watch.join().expect("the watch ends")
    })
}

/// The memory some seconds after a start with pending deliveries. By then, both sinks were tried and are down.
fn with_pending(pending: u64) -> f64 {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let store = folder.path().join("pending.db");
    filled::fill(&store, pending, &Sinks::TwoDown.names());
    let server = Gateway {
        store: Some(&store),
        ..Gateway::empty(Sinks::TwoDown)
    }
    .start();
    server.await_ready();
    wait(Duration::from_secs(5));
    server.memory_mb()
}

/// The memory after each quarter of a million accepted alerts, which are delivered to a file at the same time.
fn growth(millions: u64) -> Vec<(f64, f64)> {
    let server = Server::gateway(Sinks::File);
    let mut sizes = Vec::new();
    let (mut accepted, mut next) = (0, 250_000);
    while accepted < millions * 1_000_000 {
        let measured = Load::closed(Form::Ucloud, 64, Duration::from_secs(1)).run(server.address);
        assert!(
            measured.answers > 0,
            "the gateway accepts no more callbacks"
        );
        accepted += measured.answers;
        if accepted >= next {
            let mb = memory_mb(&[server.pid()]);
            progress(&format!("{accepted} accepted: {mb:.0} MB"));
            sizes.push((support::millions(accepted), mb));
            next += 250_000;
        }
    }
    sizes
}

/// Megabytes per million, over the second half: growth without a limit, not the first filling of caches.
fn slope(sizes: &[(f64, f64)]) -> String {
    let half = sizes.get(sizes.len() / 2);
    let slope = half.zip(sizes.last()).and_then(|(a, b)| {
        let millions = b.0 - a.0;
        (millions > 0.0).then(|| (b.1 - a.1) / millions)
    });
    slope.map_or_else(
        || "the run is too short to say:".to_owned(),
        |mb| format!("{mb:+.1}"),
    )
}

fn size_mb(path: &Path) -> String {
    let bytes = std::fs::metadata(path).map_or(0, |file| file.len());
    format!("{:.1}", support::millions(bytes))
}

fn stripped_mb(program: &str) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let path = folder.path().join("stripped");
    let done = Command::new("strip")
        .arg("-o")
        .arg(&path)
        .arg(program)
        .status();
    match done {
        Ok(status) if status.success() => size_mb(&path),
        _ => "`strip` is not installed".to_owned(),
    }
}
