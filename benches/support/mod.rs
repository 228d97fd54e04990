//! The shared parts of the benches: a load generator, the servers that it loads, and the output.

#![expect(dead_code, reason = "each bench uses its part")]
#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "figures for people: three digits are enough"
)]

pub(crate) mod filled;
pub(crate) mod load;
pub(crate) mod messages;
pub(crate) mod peer;
pub(crate) mod process;
pub(crate) mod receiver;
pub(crate) mod rounds;
pub(crate) mod server;
pub(crate) mod spread;
pub(crate) mod wire;
pub(crate) mod words;

pub(crate) use words::print;

use load::Measured;
use spread::Spread;

/// The ratio of one figure of two measurements, over all rounds.
pub(crate) fn ratio(rounds: &[(Measured, Measured)], figure: impl Fn(&Measured) -> f64) -> Spread {
    Spread::of(
        rounds
            .iter()
            .map(|(under, over)| figure(over) / figure(under)),
    )
}

/// A count as a figure.
pub(crate) fn float(count: usize) -> f64 {
    count as f64
}

/// A count in millions.
pub(crate) fn millions(count: u64) -> f64 {
    count as f64 / 1e6
}
