//! Rounds: how often something is measured, and which measurements count.

use super::spread::progress;

/// A round from which the machine's host took more than this is thrown away.
const STEAL_PERCENT_MAX: f64 = 10.0;

/// So many thrown away rounds are made up for; a bench must end on a machine that is never left in peace.
const MADE_UP_MAX: u64 = 3;

/// A number from the environment, by which whoever runs a bench bounds it.
pub(crate) fn setting(name: &str, default: u64) -> u64 {
    let set = std::env::var(name).ok();
    set.map_or(default, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{name}={text} is not a whole number"))
    })
}

/// Runs rounds until `wanted` of them count, and gives those.
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
                "round {number}: thrown away, {stolen:.0} % of the machine was stolen"
            ));
        } else {
            progress(&format!(
                "round {number}: done, {stolen:.1} % of the machine was stolen"
            ));
            counting.push(measured);
        }
    }
    let thrown = number - counting.len() as u64;
    super::print(&format!(
        "{} rounds count, {thrown} thrown away for steal over {STEAL_PERCENT_MAX} %",
        counting.len()
    ));
    counting
}

/// Watches what the machine's host gives to others.
pub(crate) struct Steal {
    ticks: u64,
    all: u64,
}

impl Steal {
    pub(crate) fn watch() -> Self {
        let (ticks, all) = ticks();
        Self { ticks, all }
    }

    /// The share of the whole machine that was taken since.
    pub(crate) fn percent(&self) -> f64 {
        let (ticks, all) = ticks();
        let (stolen, all) = (ticks - self.ticks, all - self.all);
        stolen as f64 * 100.0 / all.max(1) as f64
    }
}

/// Stolen ticks, and all.
fn ticks() -> (u64, u64) {
    let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = stat.lines().next().unwrap_or_default();
    // The ninth and tenth, time of guests, are counted in the first two already.
    let ticks: Vec<u64> = line
        .split_whitespace()
        .skip(1)
        .take(8)
        .filter_map(|ticks| ticks.parse().ok())
        .collect();
    (ticks.get(7).copied().unwrap_or(0), ticks.iter().sum())
}
