//! The report: one line per cycle and a total, as text or as JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

/// The result of one cycle.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Cycle {
    /// The seed of its run.
    pub seed: u64,
    /// The fault.
    pub kind: &'static str,
    /// The number of the cycle in its run, from 1.
    pub cycle: usize,
    /// The start of the cycle, in milliseconds since the start of the run.
    pub began_ms: u64,
    /// The fault that was injected.
    pub injected: String,
    /// The time of the fault, in milliseconds since the start of the cycle.
    pub injected_ms: u64,
    /// Alerts that got a 2xx.
    pub promised: usize,
    /// Alerts that were promised but never delivered.
    pub losses: usize,
    /// Alerts that were delivered again although the receiver had accepted them.
    pub duplicates: usize,
    /// Alerts that were delivered after an alert that was sent later in their lane.
    pub order_breaks: usize,
    /// The time from the start of the process until a new alert arrived at its receiver. The longest, if there were
    /// several starts. With several gateways it is the time from the fault until the alert was at all receivers.
    pub recovered_ms: Option<u64>,
    /// The longest time in which no callback was answered 2xx. Only with several gateways.
    pub silent_ms: Option<u64>,
    /// The memory of the gateway when nothing was pending.
    pub rss_mib: u64,
    /// The open files of the gateway.
    pub files: usize,
    /// Every broken promise, in words.
    pub breaches: Vec<String>,
}

/// The result of a run.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// The seed of the run; the last one, if there were several.
    pub seed: u64,
    /// The result of each cycle.
    pub cycles: Vec<Cycle>,
    /// The number of aborts at each point.
    pub died_at: BTreeMap<String, usize>,
    /// The duration of the run.
    pub took_ms: u64,
}

/// The figures of a whole run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Total {
    /// The number of finished cycles.
    pub cycles: usize,
    /// Alerts that got a 2xx.
    pub obligations: usize,
    /// Alerts that were promised but never delivered.
    pub losses: usize,
    /// Alerts that were delivered again although the receiver had accepted them.
    pub duplicates: usize,
    /// Alerts that were delivered after an alert that was sent later in their lane.
    pub order_breaks: usize,
    /// Other broken promises.
    pub breaches: usize,
    /// Of all times to recover.
    pub recovered_median_ms: u64,
    /// Of all times to recover.
    pub recovered_max_ms: u64,
    /// The longest time in which no callback was answered 2xx.
    pub silent_max_ms: Option<u64>,
    /// The most memory of the gateway when nothing was pending.
    pub rss_max_mib: u64,
    /// The growth of its memory, from the first to the last time that nothing was pending.
    pub rss_growth_mib: i64,
}

impl Report {
    /// Every broken promise.
    pub fn breaches(&self) -> impl Iterator<Item = &str> {
        self.cycles
            .iter()
            .flat_map(|cycle| cycle.breaches.iter().map(String::as_str))
    }

    /// Adds the result of a later run.
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
            silent_max_ms: self.cycles.iter().filter_map(|c| c.silent_ms).max(),
            rss_max_mib: sizes().max().unwrap_or(0),
            rss_growth_mib: signed(sizes().next_back()) - signed(sizes().next()),
        }
    }

    /// The kinds of faults, in the order of their first cycle.
    fn kinds(&self) -> Vec<&'static str> {
        let mut kinds = Vec::new();
        for cycle in &self.cycles {
            if !kinds.contains(&cycle.kind) {
                kinds.push(cycle.kind);
            }
        }
        kinds
    }

    /// The figures of each kind of fault.
    fn table(&self) -> String {
        let mut text = format!(
            "\n{:<9}  {:>6}  {:>8}  {:>6}  {:>10}  {:>12}  {:>9}  {:>9}\n",
            "fault",
            "cycles",
            "promised",
            "losses",
            "duplicates",
            "order breaks",
            "median",
            "longest"
        );
        for kind in self.kinds() {
            let cycles = self.cycles.iter().filter(|cycle| cycle.kind == kind);
            let part = Self {
                cycles: cycles.cloned().collect(),
                ..Self::default()
            };
            let of = part.total();
            let _infallible = writeln!(
                text,
                "{kind:<9}  {:>6}  {:>8}  {:>6}  {:>10}  {:>12}  {:>9}  {:>9}",
                of.cycles,
                of.obligations,
                of.losses,
                of.duplicates,
                of.order_breaks,
                seconds(of.recovered_median_ms),
                seconds(of.recovered_max_ms),
            );
        }
        text
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
        if let Some(silent) = total.silent_max_ms {
            let silent = seconds(silent);
            let _infallible = writeln!(text, "{:<17}{silent} at most", "no callback 2xx");
        }
        if self.kinds().len() > 1 {
            text += &self.table();
        }
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
            "no 2xx",
            "memory",
        ];
        let [
            cycle,
            promised,
            losses,
            duplicates,
            order,
            back,
            silent,
            memory,
        ] = columns;
        format!(
            "{cycle:>5}  {promised:>8}  {losses:>6}  {duplicates:>10}  {order:>12}  {back:>8}  {silent:>8}  {memory:>8}  injected"
        )
    }

    /// The cycle as one line of text.
    pub fn shown(&self) -> String {
        let [back, silent] = [self.recovered_ms, self.silent_ms]
            .map(|time| time.map_or_else(|| "-".to_owned(), seconds));
        let mut text = format!(
            "{:>5}  {:>8}  {:>6}  {:>10}  {:>12}  {back:>8}  {silent:>8}  {:>4} MiB  {}: {} (at {})",
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
