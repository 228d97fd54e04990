//! Measures the PostgreSQL store without gateways: `cargo bench -p campanile-store --bench postgres`.
//!
//! It starts PostgreSQL with data in the temporary folder (3 GB at most) and removes it at the end. Environment variables: `PART`
//! (`append`, `keys`, `pending` or `partitions`; all of them), `ROUNDS` (3), `SECONDS` of a measurement (4), `KEYS` (14000000),
//! `PENDING` (1000000).

#![expect(
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "a measurement prints, and three digits are enough"
)]

mod append;
mod entries;
mod keys;
mod partitions;
mod pending;
mod place;
mod raw;

use place::Place;

/// A number from an environment variable.
fn setting(name: &str, default: u64) -> u64 {
    let set = std::env::var(name).ok();
    set.map_or(default, |text| text.parse().expect("a whole number"))
}

fn seconds() -> std::time::Duration {
    std::time::Duration::from_secs(setting("SECONDS", 4))
}

/// The median, with the lowest and the highest.
fn spread(mut figures: Vec<f64>) -> String {
    figures.sort_by(f64::total_cmp);
    let at = |index: usize| figures.get(index).copied().unwrap_or(f64::NAN);
    let (low, high) = (at(0), at(figures.len().saturating_sub(1)));
    let digits = if high >= 100.0 { 0 } else { 2 };
    format!(
        "{:.digits$} [{low:.digits$}-{high:.digits$}]",
        at(figures.len() / 2)
    )
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let wanted = std::env::var("PART").ok();
    let wants = |part: &str| wanted.as_deref().is_none_or(|wanted| wanted == part);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut place = Place::start(folder.path()).await;
    if wants("append") {
        append::measure(&place).await;
    }
    if wants("pending") {
        pending::measure(&place).await;
    }
    if wants("partitions") {
        partitions::measure(&place).await;
    }
    if wants("keys") {
        keys::measure(&mut place).await;
    }
}
