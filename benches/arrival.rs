//! Measures the latency of answers at a fixed arrival rate: a quarter and a half of the capacity in the same run.
//!
//! `cargo bench --bench arrival` first measures the capacity of the gateway (64 connections, each sends its next
//! request after the answer). Then it sends at fixed times that do not depend on the server (an open model). The
//! latency of a request counts from its planned time, so a stall is charged to every request that it delayed. For
//! comparison, it measures a bare server at the same rates, and the lag of the generator itself.
//!
//! Environment variables: `ROUNDS` (5), `SECONDS` per measurement (6, the first is not counted), `CONNECTIONS` at the
//! fixed rate (128).

mod support;

use std::process::ExitCode;
use std::time::Duration;

use support::load::{Load, Measured};
use support::messages::Form;
use support::print;
use support::rounds::{rounds, setting};
use support::server::{self, Server, Sinks};
use support::spread::{Spread, head, row};

/// The shares of the capacity that are measured.
const PARTS: [(&str, f64); 2] = [("a quarter", 0.25), ("half", 0.5)];

/// A server answers slowly directly after its start: its memory is not mapped yet, and its files grow.
const WARM: Duration = Duration::from_secs(1);

/// One rate, with the results of the bare server and of the gateway.
type Pair = (Measured, Measured);

fn main() -> ExitCode {
    if let Some(code) = server::play_bare() {
        return code;
    }
    let duration = Duration::from_secs(setting("SECONDS", 6));
    let connections = usize::try_from(setting("CONNECTIONS", 128)).unwrap_or(128);
    print(&format!(
        "UCloud JSON, two sinks that are down, {connections} connections, {} s; a measurement is one line\n",
        duration.as_secs()
    ));
    let measured = rounds(setting("ROUNDS", 5), |round| {
        let capacity = Server::gateway(Sinks::TwoDown)
            .measure(&Load::closed(Form::Ucloud, 64, duration))
            .per_second();
        print(&format!("round {round}  capacity {capacity:.0}/s"));
        PARTS.map(|(name, part)| {
            let load = Load {
                warm: WARM,
                ..Load::open(Form::Ucloud, connections, duration, capacity * part)
            };
            let bare = Server::bare().measure(&load);
            let gateway = Server::gateway(Sinks::TwoDown).measure(&load);
            for (who, m) in [("bare", &bare), ("campanile", &gateway)] {
                print(&format!(
                    "round {round}  {name:<9} {who:<9} {m}  p99.9 {:.2} ms  generator's lag p99 {:.2} ms",
                    m.p999_ms(),
                    m.lag_p99_ms()
                ));
            }
            (bare, gateway)
        })
    });
    head(&[
        "arrival rate",
        "a second",
        "p50 (ms)",
        "p99 (ms)",
        "p99.9 (ms)",
        "of the bare server: p50, p99, p99.9 (ms)",
        "generator's lag p99 (ms)",
    ]);
    for (at, (name, _)) in PARTS.iter().enumerate() {
        let pairs: Vec<&Pair> = measured.iter().filter_map(|round| round.get(at)).collect();
        let gateway = |figure: fn(&Measured) -> f64| {
            Spread::of(pairs.iter().map(|(_, gateway)| figure(gateway))).to_string()
        };
        let bare = |figure: fn(&Measured) -> f64| {
            Spread::of(pairs.iter().map(|(bare, _)| figure(bare))).to_string()
        };
        row([
            &*format!("{name} of capacity"),
            &gateway(Measured::per_second),
            &gateway(Measured::p50_ms),
            &gateway(Measured::p99_ms),
            &gateway(Measured::p999_ms),
            &format!(
                "{}, {}, {}",
                bare(Measured::p50_ms),
                bare(Measured::p99_ms),
                bare(Measured::p999_ms)
            ),
            &gateway(Measured::lag_p99_ms),
        ]);
    }
    ExitCode::SUCCESS
}
