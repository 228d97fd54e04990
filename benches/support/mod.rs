//! What the benches share: a load generator, the servers that it loads, and the words for what came out.

pub(crate) mod load;
pub(crate) mod server;
pub(crate) mod words;

use load::Measured;
pub(crate) use words::{median, print};

/// Prints the median of each ratio within a round, with its spread.
pub(crate) fn summary(rounds: &[(Measured, Measured)]) {
    print("");
    let line = |name: &str, of: &dyn Fn(&Measured) -> f64| {
        let ratios: Vec<f64> = rounds
            .iter()
            .map(|(bare, gateway)| of(gateway) / of(bare))
            .collect();
        let low = ratios.iter().copied().fold(f64::INFINITY, f64::min);
        let high = ratios.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        print(&format!(
            "{name:<34} {:.2} [{low:.2}-{high:.2}]",
            median(ratios)
        ));
    };
    line("requests a second, over bare", &|m| m.per_second());
    line("server CPU an answer, over bare", &|m| m.cpu_us());
    line("p99 of the answer, over bare", &|m| m.p99_ms());
    let written = rounds
        .iter()
        .map(|(_, gateway)| gateway.written_kb())
        .collect();
    print(&format!(
        "{:<34} {:.2}",
        "KB written an alert",
        median(written)
    ));
}
