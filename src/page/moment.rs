//! A time as a page shows it: the age, and the time in the zone of the reader.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::language::Language;

/// A time as a page shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Moment {
    /// For programs, in UTC: `2026-01-31T08:00:00Z`.
    pub(super) iso: String,
    /// In the zone of the reader: `2026-01-31 16:00:00`.
    pub(super) local: String,
    /// The time of day in the zone of the reader, with milliseconds: `16:00:00.123`.
    pub(super) clock: String,
    /// The distance from now: `2 min`.
    pub(super) age: String,
}

impl Moment {
    /// The time `at` as a reader sees it at `now`.
    pub(super) fn of(at: Timestamp, now: Timestamp, zone: &TimeZone, language: Language) -> Self {
        let local = at.to_zoned(zone.clone());
        Self {
            iso: at.strftime("%FT%T%.3fZ").to_string(),
            local: local.strftime("%F %T").to_string(),
            clock: local.strftime("%T%.3f").to_string(),
            age: length(now.as_second() - at.as_second(), language),
        }
    }
}

/// A number of seconds in its largest unit.
pub(super) fn length(seconds: i64, language: Language) -> String {
    let seconds = seconds.abs();
    match seconds {
        0..60 => language.counted("age.seconds", seconds),
        60..3_600 => language.counted("age.minutes", seconds / 60),
        3_600..86_400 => language.counted("age.hours", seconds / 3_600),
        _ => language.counted("age.days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_is_shown_in_its_largest_unit() {
        for (seconds, english, chinese) in [
            (0, "0 s", "0 秒"),
            (-59, "59 s", "59 秒"),
            (60, "1 min", "1 分鐘"),
            (7_199, "1 h", "1 小時"),
            (86_400, "1 d", "1 天"),
            (864_000, "10 d", "10 天"),
        ] {
            assert_eq!(length(seconds, Language::En), english);
            assert_eq!(length(seconds, Language::ZhHant), chinese);
        }
    }
}
