//! Measures the cost of reading for each vendor, relative to the two adapters that are written in Rust.
//!
//! `cargo bench --bench read` parses, proves and reads every readable fixture of every provider, as the gateway does
//! with a callback, and prints the time for one callback and for a kilobyte of body. The result is the ratio to the
//! adapters in Rust.

#![expect(
    clippy::cast_precision_loss,
    reason = "figures for people: three digits are enough"
)]

#[path = "support/words.rs"]
mod words;

use std::hint::black_box;
use std::time::{Duration, Instant};

use campanile_model::Callback;
use campanile_providers::{Fixture, Provider, Source, fixtures, verify};
use words::{median, print};

/// The measurements of each vendor. The median counts.
const ROUNDS: usize = 7;

/// The duration of each measurement.
const ROUND: Duration = Duration::from_millis(20);

/// The adapters that are written in Rust and only read.
const BY_HAND: &[&str] = &["jiankong", "ucloud"];

fn main() {
    let mut costs: Vec<(&str, f64, f64)> = Vec::new();
    for provider in campanile_providers::all() {
        let fixtures: Vec<&Fixture> = fixtures(provider.name())
            .iter()
            .filter(|fixture| fixture.expected.starts_with('['))
            .collect();
        let bytes: usize = fixtures.iter().map(|fixture| fixture.request.len()).sum();
        let readable: Vec<(Callback, Source)> = fixtures
            .iter()
            .map(|fixture| {
                let call = fixture.callback().expect("a fixture is a request");
                (call, fixture.source())
            })
            .collect();
        if readable.is_empty() {
            continue;
        }
        let rounds = (0..ROUNDS).map(|_| round(&**provider, &readable)).collect();
        let us = median(rounds);
        costs.push((
            provider.name(),
            us,
            us * 1024.0 * readable.len() as f64 / bytes as f64,
        ));
    }
    let by_hand = costs.iter().filter(|(name, ..)| BY_HAND.contains(name));
    let hand = median(by_hand.map(|(_, us, _)| *us).collect());
    costs.sort_by(|(_, one, _), (_, other, _)| one.total_cmp(other));
    print("vendor                    us a callback   us a KB   over by hand");
    for (name, us, per_kb) in &costs {
        print(&format!(
            "{name:<25} {us:>13.1} {per_kb:>9.1} {:>14.1}",
            us / hand
        ));
    }
    let ratios: Vec<f64> = costs.iter().map(|(_, us, _)| us / hand).collect();
    let worst = ratios.iter().copied().fold(0.0, f64::max);
    print(&format!(
        "\n{} vendors; over the hand-written: median {:.1}, worst {worst:.1}",
        costs.len(),
        median(ratios)
    ));
}

/// Microseconds for one callback.
fn round(provider: &dyn Provider, readable: &[(Callback, Source)]) -> f64 {
    let begun = Instant::now();
    let mut calls = 0_u32;
    while begun.elapsed() < ROUND {
        for (call, source) in readable {
            // The head of the request is parsed before the measurement, as in the gateway. A clone parses the body again.
            let call = call.clone();
            let believed = verify(provider, &call, source).is_ok();
            black_box((believed, provider.read(&call, source).is_ok()));
            calls += 1;
        }
    }
    begun.elapsed().as_secs_f64() * 1e6 / f64::from(calls)
}
