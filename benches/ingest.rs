//! Durable ingest side by side with a bare actix-web server, in one run.
//!
//! `cargo bench --bench ingest` starts, in turn and on free ports of 127.0.0.1, a bare server that parses the same body
//! and stores nothing, and the gateway itself with an empty SQLite file and two sinks that are down; each
//! is loaded over the same kept-alive connections with unique messages. Rounds are interleaved, and what counts is the
//! ratio within a round: this machine's absolute figures move with its neighbours.
//!
//! Settings, by environment: `ROUNDS` (5), `SECONDS` per measurement (5), `CONNECTIONS` (64), `VENDOR` (`ucloud` or
//! `jiankong`), `SINK` (`down`, or `file` for one that takes everything meanwhile).

#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "figures for people: three digits are enough"
)]

mod support;

use std::process::ExitCode;
use std::time::Duration;

use support::load::{self, Load};
use support::server::{self, Server, Sinks};

fn main() -> ExitCode {
    if let Some(code) = server::play_bare() {
        return code;
    }
    let setting = |name: &str, default: u64| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(default)
    };
    let rounds = setting("ROUNDS", 5);
    let duration = Duration::from_secs(setting("SECONDS", 5));
    let connections = usize::try_from(setting("CONNECTIONS", 64)).unwrap_or(64);
    let vendor = match std::env::var("VENDOR").as_deref() {
        Ok("jiankong") => load::Vendor::Jiankong,
        _ => load::Vendor::Ucloud,
    };
    let sinks = match std::env::var("SINK").as_deref() {
        Ok("file") => Sinks::File,
        _ => Sinks::TwoDown,
    };
    let load = Load {
        vendor,
        connections,
        duration,
    };
    support::print(&format!(
        "{vendor:?}, sinks: {sinks:?}, {connections} connections, {rounds} rounds of {} s; a measurement is one line\n",
        duration.as_secs()
    ));
    let mut measured = Vec::new();
    for round in 1..=rounds {
        let bare = measure(&Server::bare(), &load);
        let gateway = measure(&Server::gateway(sinks), &load);
        let steal = bare.steal_percent.max(gateway.steal_percent);
        support::print(&format!("round {round}  bare     {bare}"));
        support::print(&format!("round {round}  campanile {gateway}"));
        if steal > 10.0 {
            support::print(&format!(
                "round {round}  thrown away: {steal:.0} % of the machine was stolen"
            ));
            continue;
        }
        measured.push((bare, gateway));
    }
    support::summary(&measured);
    ExitCode::SUCCESS
}

fn measure(server: &Server, load: &Load) -> load::Measured {
    let before = server.usage();
    let mut measured = load.run(server.address());
    measured.charge(&before, &server.usage());
    measured
}
