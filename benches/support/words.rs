//! Prints the results of a bench.

use std::io::Write;

/// Prints one line. Ignores a closed output.
pub(crate) fn print(line: &str) {
    let _unread = writeln!(std::io::stdout(), "{line}");
}

/// The median of some figures.
pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
