//! How many alerts arrived over time, as bars by severity. Each bar leads to the list of its alerts.

use std::fmt::Write;

use campanile_model::{Severity, Status};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::filter::Filter;
use super::span::Span;
use super::view::View;
use crate::api::tallies::TallyItem;
use crate::api::{Failing, tallies};
use crate::http::Gateway;

/// Bars of one chart. There can be one more, because bars begin at round times.
const BARS: i64 = 48;

/// Names on the scale of the time.
const TICKS: i64 = 5;

/// The hours that are shown without a filter by time.
const HOURS: i64 = 24;

/// Filters that counts do not have. `label.NAME` is one too.
const NOT_COUNTED: &[&str] = &["q", "sink", "fingerprint"];

/// Parameters that counts need not have: the page chooses among the counts, or they are of the list alone.
const OF_LISTS: &[&str] = &["status", "severity", "view", "before"];

/// The height of the highest bar, the width of a bar and its distance from the next one. The page stretches them.
const HIGH: u64 = 1_000;
const WIDE: i64 = 86;
const EACH: i64 = 100;

/// The lowest part of a bar, so that one alert next to thousands is seen.
const LOW: u64 = 30;

const SEVERITIES: usize = Severity::ALL.len();

/// The numbers of one bar by severity, the worst first.
type Counts = [u64; SEVERITIES];

/// What the template sees.
#[derive(Serialize)]
pub(super) struct Histogram {
    total: u64,
    /// The numbers by severity, without zeros.
    counts: Vec<(&'static str, u64)>,
    /// The most alerts in one step, and its length.
    most: u64,
    step: String,
    /// From when to when, for the reader.
    range: String,
    /// The width of the chart.
    width: i64,
    /// The shapes of all bars, by severity.
    paths: Vec<(&'static str, String)>,
    bars: Vec<Bar>,
    ticks: Vec<Tick>,
    /// The address of the last 24 hours, if the chart shows another time.
    day: Option<String>,
}

/// A bar that has alerts.
#[derive(Serialize)]
struct Bar {
    x: i64,
    range: String,
    href: String,
    counts: Vec<(&'static str, u64)>,
}

/// A name on the scale of the time, and its place in percent of the width.
#[derive(Serialize)]
struct Tick {
    x: i64,
    place: String,
    text: String,
}

/// The chart of a list, or why there is none.
#[derive(Default, Serialize)]
pub(super) struct Chart {
    /// None if nothing was counted.
    shown: Option<Histogram>,
    /// Nothing is counted by one of these filters.
    not_counted: bool,
}

impl Chart {
    /// The chart of the alerts that a list with this filter has.
    pub(super) async fn of(
        view: &View,
        gateway: &Gateway,
        filter: &Filter,
        status: Option<Status>,
    ) -> Failing<Self> {
        let other = NOT_COUNTED.iter().any(|name| !filter.text(name).is_empty());
        if other || !filter.labels().is_empty() {
            return Ok(Self {
                shown: None,
                not_counted: true,
            });
        }
        let until = filter.at("until").unwrap_or_else(|| view.now());
        let day = SignedDuration::from_hours(HOURS);
        let since = filter.at("since").or_else(|| until.checked_sub(day).ok());
        let span = since.and_then(|since| Span::of(view, since, until, BARS));
        let Some(span) = span else {
            return Ok(Self::default());
        };
        let query = filter.query(
            OF_LISTS,
            &[
                ("since", &span.since.to_string()),
                ("until", &span.until().to_string()),
                ("step", &span.counted().to_string()),
            ],
        );
        let items = tallies::list(gateway, &query).await?.items;
        let steps = counted(&span, &items, filter.text("severity"), status);
        if steps.iter().flatten().all(|count| *count == 0) {
            return Ok(Self::default());
        }
        Ok(Self {
            shown: Some(Histogram::of(view, filter, &span, &steps)),
            not_counted: false,
        })
    }
}

/// The numbers of each step. An empty severity is any.
fn counted(
    span: &Span,
    items: &[TallyItem],
    severity: &str,
    status: Option<Status>,
) -> Vec<Counts> {
    let mut steps = vec![Counts::default(); usize::try_from(span.steps).unwrap_or_default()];
    for item in items {
        let is_wanted = (severity.is_empty() || severity == item.severity)
            && status.is_none_or(|status| status.as_str() == item.status);
        let mut severities = Severity::ALL.iter();
        let place = severities.position(|known| known.as_str() == item.severity);
        let step = span.step(item.at).and_then(|step| steps.get_mut(step));
        let count = step.and_then(|step| step.get_mut(place?));
        if let Some(count) = count.filter(|_| is_wanted) {
            *count += item.count;
        }
    }
    steps
}

impl Histogram {
    fn of(view: &View, filter: &Filter, span: &Span, steps: &[Counts]) -> Self {
        let most = steps.iter().map(sum).max().unwrap_or_default();
        let totals = steps.iter().fold(Counts::default(), |mut totals, step| {
            for (total, count) in totals.iter_mut().zip(step) {
                *total += count;
            }
            totals
        });
        let is_day = filter.text("since").is_empty() && filter.text("until").is_empty();
        let day = || filter.href("/", &[("since", ""), ("until", "")]);
        let full = (0..).zip(steps).filter(|(_, step)| sum(step) > 0);
        Self {
            total: sum(&totals),
            counts: named(&totals),
            most,
            step: view.between(span.begin(0), span.begin(1)),
            range: range(view, span.begin(0), span.until()),
            width: span.steps * EACH,
            paths: paths(steps, most),
            bars: full
                .map(|(at, step)| Bar::of(view, filter, span, at, step))
                .collect(),
            ticks: ticks(view, span),
            day: (!is_day).then(day),
        }
    }
}

impl Bar {
    fn of(view: &View, filter: &Filter, span: &Span, at: i64, step: &Counts) -> Self {
        let (since, until) = (span.begin(at), span.begin(at + 1));
        // The list has `until` too, and times in milliseconds.
        let last = until.checked_sub(SignedDuration::from_millis(1));
        let last = last.unwrap_or(until).to_string();
        let changed = [
            ("since", &*since.to_string()),
            ("until", &last),
            ("view", "each"),
        ];
        Self {
            x: at * EACH,
            range: range(view, since, until),
            href: filter.href("/", &changed),
            counts: named(step),
        }
    }
}

fn sum(counts: &Counts) -> u64 {
    counts.iter().sum()
}

/// The numbers with the names of their severities, without zeros.
fn named(counts: &Counts) -> Vec<(&'static str, u64)> {
    let names = Severity::ALL.iter().map(|severity| severity.as_str());
    names
        .zip(counts.iter().copied())
        .filter(|(_, count)| *count > 0)
        .collect()
}

/// One path for all parts of one severity, the worst at the bottom: five elements draw all bars.
fn paths(steps: &[Counts], most: u64) -> Vec<(&'static str, String)> {
    let mut paths: Vec<(&'static str, String)> = Severity::ALL
        .iter()
        .map(|severity| (severity.as_str(), String::new()))
        .collect();
    for (at, step) in (0..).zip(steps) {
        let mut bottom = HIGH;
        for ((_, path), high) in paths.iter_mut().zip(heights(step, most)) {
            if high > 0 {
                let x = at * EACH + (EACH - WIDE) / 2;
                // Writing to a string cannot fail.
                let _written = write!(path, "M{x} {bottom}v-{high}h{WIDE}v{high}z");
                bottom -= high;
            }
        }
    }
    paths.retain(|(_, path)| !path.is_empty());
    paths
}

/// The heights of the parts of a bar. What low parts need to be seen is taken from the highest part.
fn heights(step: &Counts, most: u64) -> Counts {
    let mut heights = step.map(|count| match count {
        0 => 0,
        count => (count * HIGH / most.max(1)).max(LOW),
    });
    let over = sum(&heights).saturating_sub(HIGH);
    if let Some(highest) = heights.iter_mut().max() {
        *highest = highest.saturating_sub(over);
    }
    heights
}

/// The names of the time. Those at an edge would not fit.
fn ticks(view: &View, span: &Span) -> Vec<Tick> {
    let (all, each) = span.ticks(view, TICKS);
    let tick = |at: Timestamp| {
        let x = at.duration_since(span.since).as_mins() * EACH / span.minutes;
        let place = x * 1_000 / (span.steps * EACH);
        let zoned = view.zoned(at);
        let is_day = each >= 24 * 60 || (zoned.hour(), zoned.minute()) == (0, 0);
        let text = zoned.strftime(if is_day { "%m-%d" } else { "%H:%M" });
        (60..=940).contains(&place).then(|| Tick {
            x,
            place: format!("{}.{}%", place / 10, place % 10),
            text: text.to_string(),
        })
    };
    all.into_iter().filter_map(tick).collect()
}

/// From one time to another, as short as it is clear.
fn range(view: &View, since: Timestamp, until: Timestamp) -> String {
    let last = until.checked_sub(SignedDuration::from_mins(1));
    let [begin, end, last] = [since, until, last.unwrap_or(until)].map(|at| view.zoned(at));
    let are_days = [&begin, &end].map(|at| (at.hour(), at.minute())) == [(0, 0); 2];
    let is_one_day = begin.date() == last.date();
    let (from, to) = match (are_days, is_one_day) {
        (true, true) => return begin.strftime("%F").to_string(),
        (true, false) => (begin.strftime("%F"), last.strftime("%F")),
        (false, true) => (begin.strftime("%F %H:%M"), end.strftime("%H:%M")),
        (false, false) => (begin.strftime("%F %H:%M"), end.strftime("%F %H:%M")),
    };
    format!("{from}–{to}")
}
