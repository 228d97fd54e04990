//! Rounds: the number of measurements, and which of them count.

use std::time::{Duration, Instant};

use super::process::{Usage, tree};
use super::spread::progress;

/// A round is discarded if the host of the virtual machine took more CPU time (steal) than this percentage,
const STEAL_PERCENT_MAX: f64 = 10.0;

/// or if other programs used more than this.
const OTHERS_PERCENT_MAX: f64 = 10.0;

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
        let (steal, others) = (Steal::watch(), Others::watch());
        let measured = round(number);
        let (stolen, used) = (steal.percent(), others.percent());
        let counts = stolen <= STEAL_PERCENT_MAX && used <= OTHERS_PERCENT_MAX;
        progress(&format!(
            "round {number}: {}, the host took {stolen:.1} % of the CPU time, other programs {used:.1} %",
            if counts { "done" } else { "discarded" }
        ));
        if counts {
            counting.push(measured);
        }
    }
    let thrown = number - counting.len() as u64;
    super::print(&format!(
        "{} rounds count, {thrown} discarded for work of the host or of other programs over {STEAL_PERCENT_MAX} %",
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

/// Measures the CPU time that programs use that this one has not started.
struct Others {
    begun: Instant,
    used: Duration,
}

impl Others {
    fn watch() -> Self {
        Self {
            begun: Instant::now(),
            used: used_by_others(),
        }
    }

    /// The percentage of all cores since the start.
    fn percent(&self) -> f64 {
        let used = used_by_others().saturating_sub(self.used);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        used.as_secs_f64() * 100.0 / (self.begun.elapsed().as_secs_f64() * cores as f64)
    }
}

/// In user and system time, less that of this program and of those that it has started.
fn used_by_others() -> Duration {
    let own = Usage::of(&tree(std::process::id())).cpu;
    let busy: u64 = all_ticks().iter().take(3).sum();
    Duration::from_millis(10 * busy).saturating_sub(own)
}

/// Stolen ticks, and all ticks.
fn ticks() -> (u64, u64) {
    let ticks = all_ticks();
    (ticks.get(7).copied().unwrap_or(0), ticks.iter().sum())
}

/// The ticks of 10 ms of all cores: user, nice, system, idle, waiting, two kinds of interrupts, stolen.
fn all_ticks() -> Vec<u64> {
    let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = stat.lines().next().unwrap_or_default();
    // The ninth and tenth value (guest time) are already included in the first two.
    line.split_whitespace()
        .skip(1)
        .take(8)
        .filter_map(|ticks| ticks.parse().ok())
        .collect()
}
