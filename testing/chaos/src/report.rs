//! What is shown: one line a cycle and a total, for people or for machines.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

/// What came of one cycle.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Cycle {
    /// Where its run began from.
    pub seed: u64,
    /// The fault.
    pub kind: &'static str,
    /// Which cycle of the run, from 1.
    pub cycle: usize,
    /// When it began, in milliseconds since the run began.
    pub began_ms: u64,
    /// What was injected.
    pub injected: String,
    /// When, in milliseconds since the cycle began.
    pub injected_ms: u64,
    /// Alerts for which a 2xx came.
    pub promised: usize,
    /// Promised and never delivered.
    pub losses: usize,
    /// Delivered again although the receiver had taken them.
    pub duplicates: usize,
    /// Delivered after something that was said later in their lane.
    pub order_breaks: usize,
    /// From the start of the process until a fresh alert was at its receiver; the longest, where there were several.
    pub recovered_ms: Option<u64>,
    /// The gateway's memory when all was calm.
    pub rss_mib: u64,
    /// Its open files.
    pub files: usize,
    /// Every broken promise, in words.
    pub breaches: Vec<String>,
}

/// What came of a run.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Where it began from; the last one, where there were several.
    pub seed: u64,
    /// What came of each cycle.
    pub cycles: Vec<Cycle>,
    /// How often the process died at each point.
    pub died_at: BTreeMap<String, usize>,
    /// How long it took.
    pub took_ms: u64,
}

/// The figures of a whole run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Total {
    /// Cycles that ended.
    pub cycles: usize,
    /// Alerts for which a 2xx came.
    pub obligations: usize,
    /// Promised and never delivered.
    pub losses: usize,
    /// Delivered again although the receiver had taken them.
    pub duplicates: usize,
    /// Delivered after something that was said later in their lane.
    pub order_breaks: usize,
    /// Other broken promises.
    pub breaches: usize,
    /// Of all times to recover.
    pub recovered_median_ms: u64,
    /// Of all times to recover.
    pub recovered_max_ms: u64,
    /// The largest that the gateway was when all was calm.
    pub rss_max_mib: u64,
    /// What it grew by, from the first calm to the last.
    pub rss_growth_mib: i64,
}

impl Report {
    /// Every broken promise.
    pub fn breaches(&self) -> impl Iterator<Item = &str> {
        self.cycles
            .iter()
            .flat_map(|cycle| cycle.breaches.iter().map(String::as_str))
    }

    /// Adds another run, which came after this one.
    pub fn absorb(&mut self, other: Self) {
        self.seed = other.seed;
        self.took_ms += other.took_ms;
        self.cycles.extend(other.cycles);
        for (point, times) in other.died_at {
            *self.died_at.entry(point).or_default() += times;
        }
    }

    /// The figures of the whole run.
    pub fn total(&self) -> Total {
        let sum = |of: fn(&Cycle) -> usize| self.cycles.iter().map(of).sum::<usize>();
        let mut recovered: Vec<u64> = self.cycles.iter().filter_map(|c| c.recovered_ms).collect();
        recovered.sort_unstable();
        let sizes = || {
            self.cycles
                .iter()
                .map(|cycle| cycle.rss_mib)
                .filter(|rss| *rss > 0)
        };
        let signed = |rss: Option<u64>| i64::try_from(rss.unwrap_or(0)).unwrap_or(i64::MAX);
        Total {
            cycles: self.cycles.len(),
            obligations: sum(|c| c.promised),
            losses: sum(|c| c.losses),
            duplicates: sum(|c| c.duplicates),
            order_breaks: sum(|c| c.order_breaks),
            breaches: sum(|c| c.breaches.len()),
            recovered_median_ms: recovered.get(recovered.len() / 2).copied().unwrap_or(0),
            recovered_max_ms: recovered.last().copied().unwrap_or(0),
            rss_max_mib: sizes().max().unwrap_or(0),
            rss_growth_mib: signed(sizes().next_back()) - signed(sizes().next()),
        }
    }

    /// The total for people.
    pub fn shown(&self) -> String {
        let total = self.total();
        let mut text = format!(
            "\n{:<17}{}\n{:<17}{}\n{:<17}{}   (answered with a 2xx, pending for every receiver)\n\
             {:<17}{}\n{:<17}{}   (at least once: a crash may send again, under the same id)\n{:<17}{}\n\
             {:<17}median {}, longest {}\n{:<17}{} MiB at most, {:+} MiB from the first calm to the last\n",
            "seed",
            self.seed,
            "cycles",
            format_args!("{} in {}", total.cycles, seconds(self.took_ms)),
            "obligations",
            total.obligations,
            "losses",
            total.losses,
            "duplicates",
            total.duplicates,
            "order breaks",
            total.order_breaks,
            "time to recover",
            seconds(total.recovered_median_ms),
            seconds(total.recovered_max_ms),
            "memory",
            total.rss_max_mib,
            total.rss_growth_mib,
        );
        if !self.died_at.is_empty() {
            let died: Vec<_> = self
                .died_at
                .iter()
                .map(|(at, times)| format!("{at} {times}"))
                .collect();
            let _infallible = writeln!(text, "{:<17}{}", "died at", died.join(", "));
        }
        text
    }
}

impl Cycle {
    /// The names of the columns of [`Self::shown`].
    pub fn header() -> String {
        let columns = [
            "cycle",
            "promised",
            "losses",
            "duplicates",
            "order breaks",
            "back in",
            "memory",
        ];
        let [cycle, promised, losses, duplicates, order, back, memory] = columns;
        format!(
            "{cycle:>5}  {promised:>8}  {losses:>6}  {duplicates:>10}  {order:>12}  {back:>8}  {memory:>8}  injected"
        )
    }

    /// One line for people.
    pub fn shown(&self) -> String {
        let back = self.recovered_ms.map_or_else(|| "-".to_owned(), seconds);
        let mut text = format!(
            "{:>5}  {:>8}  {:>6}  {:>10}  {:>12}  {back:>8}  {:>4} MiB  {}: {} (at {})",
            self.cycle,
            self.promised,
            self.losses,
            self.duplicates,
            self.order_breaks,
            self.rss_mib,
            self.kind,
            self.injected,
            seconds(self.injected_ms),
        );
        for breach in &self.breaches {
            let _infallible = write!(text, "\n       BROKEN  {breach}");
        }
        text
    }
}

fn seconds(ms: u64) -> String {
    format!("{:.2} s", Duration::from_millis(ms).as_secs_f64())
}
