//! Figures of several rounds, and the rows of a table that show them.

use std::fmt;
use std::io::Write;

use super::words::median;

/// The median of some rounds, with the minimum and the maximum.
pub(crate) struct Spread {
    pub(crate) median: f64,
    low: f64,
    high: f64,
}

impl Spread {
    pub(crate) fn of(figures: impl IntoIterator<Item = f64>) -> Self {
        let figures: Vec<f64> = figures.into_iter().collect();
        Self {
            low: figures.iter().copied().fold(f64::INFINITY, f64::min),
            high: figures.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            median: median(figures),
        }
    }
}

impl fmt::Display for Spread {
    /// `0.37 [0.34-0.43]`, each with as many digits as its size needs, or as `{:.1}` requests.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(match self.high.abs() {
            size if size >= 100.0 => 0,
            size if size >= 10.0 => 1,
            _ => 2,
        });
        let (median, low, high) = (self.median, self.low, self.high);
        write!(f, "{median:.digits$} [{low:.digits$}-{high:.digits$}]")
    }
}

/// Prints a row of a Markdown table.
pub(crate) fn row<'a>(cells: impl IntoIterator<Item = &'a str>) {
    let cells: Vec<&str> = cells.into_iter().collect();
    super::print(&format!("| {} |", cells.join(" | ")));
}

/// Prints the head of a Markdown table.
pub(crate) fn head(cells: &[&str]) {
    super::print("");
    row(cells.iter().copied());
    row(cells.iter().map(|_| "---"));
}

/// Prints the progress on the standard error, to keep it separate from the tables.
pub(crate) fn progress(line: &str) {
    let _unread = writeln!(std::io::stderr(), "{line}");
}

/// The quantile of sorted figures.
pub(crate) fn percentile(sorted: &[f64], part: f64) -> f64 {
    let at = (sorted.len() as f64 * part) as usize;
    sorted.get(at).copied().unwrap_or(f64::NAN)
}
