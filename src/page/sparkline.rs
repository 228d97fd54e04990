//! How many alerts a source sent in each hour of the last day, as a small chart and as a sentence.

use std::collections::HashMap;

use serde::Serialize;

use super::span::Span;
use super::view::View;
use crate::api::{Failing, tallies};
use crate::http::Gateway;

const HOURS: i64 = 24;

/// The size of a bar and of its distance from the next one, and the height of the chart. The page stretches them.
const WIDE: usize = 8;
const EACH: usize = 10;
const HIGH: u64 = 100;

/// The lowest bar, so that one alert next to thousands is seen.
const LOW: u64 = 8;

/// The chart of one source.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Sparkline {
    /// The number of alerts.
    total: u64,
    /// The number in the hour that has the most, and its begin for the reader.
    most: u64,
    at: String,
    /// The path of the bars in SVG.
    path: String,
}

/// The charts by source. A source without an alert has none.
pub(super) async fn all(view: &View, gateway: &Gateway) -> Failing<HashMap<String, Sparkline>> {
    let span = Span::hours(view, HOURS);
    let counted = tallies::by_source(gateway, span.since, span.until(), span.counted()).await?;
    let mut hours: HashMap<String, Vec<u64>> = HashMap::new();
    for tally in counted {
        let of = hours.entry(tally.source).or_default();
        of.resize(usize::try_from(span.steps).unwrap_or_default(), 0);
        if let Some(hour) = span.step(tally.at).and_then(|step| of.get_mut(step)) {
            *hour += tally.count;
        }
    }
    let charts = hours.into_iter();
    Ok(charts
        .map(|(source, hours)| (source, Sparkline::of(view, &span, &hours)))
        .collect())
}

impl Sparkline {
    fn of(view: &View, span: &Span, hours: &[u64]) -> Self {
        let most = hours.iter().copied().max().unwrap_or_default();
        // The newest of those hours.
        let at = hours.iter().rposition(|count| *count == most);
        let begin = span.begin(at.and_then(|at| i64::try_from(at).ok()).unwrap_or_default());
        let bar = |(hour, count): (usize, &u64)| {
            let high = (count * HIGH / most.max(1)).max(LOW);
            format!("M{} {HIGH}v-{high}h{WIDE}v{high}z", hour * EACH + 1)
        };
        let bars = hours.iter().enumerate().filter(|(_, count)| **count > 0);
        Self {
            total: hours.iter().sum(),
            most,
            at: view.zoned(begin).strftime("%H:%M").to_string(),
            path: bars.map(bar).collect(),
        }
    }
}
