//! Compares durable ingest with a bare actix-web server, in one run.
//!
//! `cargo bench --bench ingest` starts two servers in turn, on free ports of 127.0.0.1: a bare server that parses the
//! same body and stores nothing, and the gateway with an empty SQLite file and two sinks that are down. Both get unique
//! messages over the same number of kept-alive connections. Rounds are interleaved. The result is the ratio within a
//! round, because absolute figures vary with other load on the machine.
//!
//! Environment variables: `ROUNDS` (5), `SECONDS` per measurement (5), `CONNECTIONS` (64), `VENDOR` (`ucloud` or
//! `jiankong`), `SINK` (`down`, `file` for one that accepts everything at the same time, or `50` for the two that are down and
//! 48 more that no route names).

mod support;

use std::process::ExitCode;
use std::time::Duration;

use support::load::{Load, Measured};
use support::messages::Form;
use support::print;
use support::rounds::{rounds, setting};
use support::server::{self, Server, Sinks};
use support::spread::{Spread, head, row};

fn main() -> ExitCode {
    if let Some(code) = server::play_bare() {
        return code;
    }
    let seconds = setting("SECONDS", 5);
    let connections = usize::try_from(setting("CONNECTIONS", 64)).unwrap_or(64);
    let form = match std::env::var("VENDOR").as_deref() {
        Ok("jiankong") => Form::Jiankong,
        _ => Form::Ucloud,
    };
    let sinks = match std::env::var("SINK").as_deref() {
        Ok("file") => Sinks::File,
        Ok("50") => Sinks::Fifty,
        _ => Sinks::TwoDown,
    };
    let load = Load::closed(form, connections, Duration::from_secs(seconds));
    print(&format!(
        "{form:?}, sinks: {sinks:?}, {connections} connections, {seconds} s; a measurement is one line\n"
    ));
    let measured = rounds(setting("ROUNDS", 5), |round| {
        let bare = Server::bare().measure(&load);
        print(&format!("round {round}  bare      {bare}"));
        let server = Server::gateway(sinks.clone());
        let gateway = server.measure(&load);
        print(&format!("round {round}  campanile {gateway}"));
        // A commit that was too late for its answer is still stored.
        assert!(
            server.stored() >= gateway.answers,
            "the gateway answered success, but the alert is not stored"
        );
        (bare, gateway)
    });
    let written = Spread::of(measured.iter().map(|(_, gateway)| gateway.written_kb()));
    head(&[
        "vendor, connections, sinks",
        "answers/s over bare",
        "server CPU an answer, over bare",
        "p99 over bare",
        "KB written an alert",
    ]);
    row([
        &*format!("{form:?}, {connections}, {sinks:?}"),
        &format!("{:.2}", support::ratio(&measured, Measured::per_second)),
        &format!("{:.1}", support::ratio(&measured, Measured::cpu_us)),
        &format!("{:.1}", support::ratio(&measured, Measured::p99_ms)),
        &format!("{written:.1}"),
    ]);
    ExitCode::SUCCESS
}
