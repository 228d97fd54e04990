//! Times for people: how long ago, the local time, or UTC and the local time.

use campanile_model::Clock;
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// How times are shown.
#[derive(Clone, Debug)]
pub(crate) struct Times {
    /// The zone of `TZ`, or of the machine.
    zone: TimeZone,
    /// Whether lists show the local time in place of the age.
    local: bool,
}

impl Times {
    /// In the zone of this process.
    pub(crate) fn of_process(local: bool) -> Self {
        Self {
            zone: TimeZone::system(),
            local,
        }
    }

    /// Whether lists show the local time in place of the age.
    pub(crate) fn are_local(&self) -> bool {
        self.local
    }

    /// A time in a list.
    pub(crate) fn brief(&self, at: Timestamp) -> String {
        if self.local {
            return self.local(at);
        }
        age(Clock::machine().now(), at)
    }

    /// The local time.
    pub(crate) fn local(&self, at: Timestamp) -> String {
        let there = at.to_zoned(self.zone.clone());
        there.strftime("%Y-%m-%d %H:%M:%S").to_string()
    }

    /// A time of an item, as the API writes it, with the local time. None if the text is not a time, or if local is UTC.
    pub(crate) fn with_local(&self, text: &str) -> Option<String> {
        let at: Timestamp = text.strip_suffix('Z').and_then(|_| text.parse().ok())?;
        let there = at.to_zoned(self.zone.clone());
        let is_utc = there.offset().is_zero();
        (!is_utc).then(|| format!("{text} ({})", there.strftime("%Y-%m-%d %H:%M:%S %:z")))
    }
}

/// A duration with one unit: `45s`, `12m`, `3h`, `9d`; `in 5m` for a time in the future.
fn age(now: Timestamp, at: Timestamp) -> String {
    let seconds = now.duration_since(at).as_secs();
    let figure = match seconds.unsigned_abs() {
        s @ 0..=119 => format!("{s}s"),
        s @ 120..=7_199 => format!("{}m", s / 60),
        s @ 7_200..=172_799 => format!("{}h", s / 3_600),
        s => format!("{}d", s / 86_400),
    };
    if seconds < 0 {
        format!("in {figure}")
    } else {
        figure
    }
}
