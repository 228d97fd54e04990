//! Rounds: the number of measurements, and which of them count.

use super::spread::progress;

/// A round is discarded if the host of the virtual machine took more CPU time (steal) than this percentage.
const STEAL_PERCENT_MAX: f64 = 10.0;

/// At most this many discarded rounds are repeated: the bench must end on a machine with constant steal too.
const MADE_UP_MAX: u64 = 3;

/// A setting of a bench: a number from an environment variable.
pub(crate) fn setting(name: &str, default: u64) -> u64 {
    let set = std::env::var(name).ok();
    set.map_or(default, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{name}={text} is not a whole number"))
    })
}

/// Runs rounds until `wanted` of them count, and returns these.
pub(crate) fn rounds<T>(wanted: u64, mut round: impl FnMut(u64) -> T) -> Vec<T> {
    let mut counting = Vec::new();
    let mut number = 0;
    while (counting.len() as u64) < wanted && number < wanted + MADE_UP_MAX {
        number += 1;
        let steal = Steal::watch();
        let measured = round(number);
        let stolen = steal.percent();
        if stolen > STEAL_PERCENT_MAX {
            progress(&format!(
                "round {number}: discarded, {stolen:.0} % of the CPU time was stolen by the host"
            ));
        } else {
            progress(&format!(
                "round {number}: done, {stolen:.1} % of the CPU time was stolen by the host"
            ));
            counting.push(measured);
        }
    }
    let thrown = number - counting.len() as u64;
    super::print(&format!(
        "{} rounds count, {thrown} discarded for steal over {STEAL_PERCENT_MAX} %",
        counting.len()
    ));
    counting
}

/// Measures the CPU time that the host gives to other machines (steal).
pub(crate) struct Steal {
    ticks: u64,
    all: u64,
}

impl Steal {
    pub(crate) fn watch() -> Self {
        let (ticks, all) = ticks();
        Self { ticks, all }
    }

    /// The percentage of CPU time that was stolen since the start.
    pub(crate) fn percent(&self) -> f64 {
        let (ticks, all) = ticks();
        let (stolen, all) = (ticks - self.ticks, all - self.all);
        stolen as f64 * 100.0 / all.max(1) as f64
    }
}

/// Stolen ticks, and all ticks.
fn ticks() -> (u64, u64) {
    let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = stat.lines().next().unwrap_or_default();
    // The ninth and tenth value (guest time) are already included in the first two.
    let ticks: Vec<u64> = line
        .split_whitespace()
        .skip(1)
        .take(8)
        .filter_map(|ticks| ticks.parse().ok())
        .collect();
    (ticks.get(7).copied().unwrap_or(0), ticks.iter().sum())
}
