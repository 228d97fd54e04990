//! Measures the cost of ten million stored alerts: durable ingest on a full file and on an empty one, in one run.
//!
//! `cargo bench --bench stored` fills a file below `target/` through the gateway's own store. The file is used again
//! until the source of the store changes. The bench copies it, and then loads in turn the gateway on an empty file and
//! on the copy. With enough memory, the file is in the page cache of the system, as the file of a running gateway is.
//!
//! Environment variables: `STORED` (10000000), `ROUNDS` (5), `SECONDS` per measurement (5), `CONNECTIONS` (64).

mod support;

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use support::filled;
use support::load::{Load, Measured};
use support::messages::Form;
use support::print;
use support::rounds::{rounds, setting};
use support::server::{Gateway, Server, Sinks};
use support::spread::{Spread, head, row};

fn main() -> ExitCode {
    let stored = setting("STORED", 10_000_000);
    let connections = usize::try_from(setting("CONNECTIONS", 64)).unwrap_or(64);
    let load = Load::closed(
        Form::Ucloud,
        connections,
        Duration::from_secs(setting("SECONDS", 5)),
    );
    let original = filled::stored(stored);
    let bytes = std::fs::metadata(&original).map_or(0, |file| file.len());
    let copy = filled::copy(&original);
    print(&format!(
        "{stored} stored, {:?}, {connections} connections, {} s; a measurement is one line\n",
        load.form,
        load.duration.as_secs()
    ));
    let measured = rounds(setting("ROUNDS", 5), |round| {
        let empty = Server::gateway(Sinks::TwoDown).measure(&load);
        print(&format!("round {round}  empty  {empty}"));
        let full = Full::measure(&copy, &load);
        print(&format!(
            "round {round}  stored {}  ready after {:.2} s, then {:.0} MB",
            full.measured, full.ready_seconds, full.memory_mb
        ));
        (empty, full)
    });
    filled::remove(&copy);
    let (empty, full): (Vec<Measured>, Vec<Full>) = measured.into_iter().unzip();
    let ready = Spread::of(full.iter().map(|full| full.ready_seconds));
    let memory = Spread::of(full.iter().map(|full| full.memory_mb));
    let pairs: Vec<_> = empty
        .into_iter()
        .zip(full.into_iter().map(|full| full.measured))
        .collect();
    head(&[
        "stored",
        "answers/s over empty",
        "CPU an alert, over empty",
        "KB written an alert: empty, stored",
        "bytes of file an alert",
        "ready after (s)",
        "memory then (MB)",
    ]);
    row([
        &*stored.to_string(),
        &format!("{:.2}", support::ratio(&pairs, Measured::per_second)),
        &format!("{:.2}", support::ratio(&pairs, Measured::cpu_us)),
        &format!(
            "{:.1}, {:.1}",
            Spread::of(pairs.iter().map(|(empty, _)| empty.written_kb())),
            Spread::of(pairs.iter().map(|(_, full)| full.written_kb()))
        ),
        &(bytes / stored.max(1)).to_string(),
        &ready.to_string(),
        &memory.to_string(),
    ]);
    ExitCode::SUCCESS
}

/// The results of the gateway on the full file.
struct Full {
    measured: Measured,
    ready_seconds: f64,
    memory_mb: f64,
}

impl Full {
    fn measure(store: &Path, load: &Load) -> Self {
        let begun = Instant::now();
        let server = Gateway {
            store: Some(store),
            ..Gateway::empty(Sinks::TwoDown)
        }
        .start();
        server.await_ready();
        let ready_seconds = begun.elapsed().as_secs_f64();
        let memory_mb = server.memory_mb();
        let measured = server.measure(load);
        server.stop();
        Self {
            measured,
            ready_seconds,
            memory_mb,
        }
    }
}
