//! Reads times in the forms that vendors write.

use jiff::Timestamp;
use jiff::civil::{DateTime, date};
use jiff::tz::{Offset, TimeZone};

/// The meaning of a vendor's text for a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Moment {
    /// A point in time.
    At(Timestamp),
    /// The vendor's sign for no time: empty, zero, Go's year 1.
    Never,
    /// The text cannot be read.
    Fault,
}

/// Words for an absent time.
const NO_TIME: &[&str] = &["", "-", "--", "n/a", "na", "null", "none", "nil"];

fn is_no_time(text: &str) -> bool {
    NO_TIME.iter().any(|word| word.eq_ignore_ascii_case(text))
}

/// Reads `text`: Unix time in any unit, or a date with or without a zone. A time without a zone is read in `zone`.
#[must_use]
pub fn parse(text: &str, zone: &TimeZone) -> Moment {
    let text = text.trim();
    if is_no_time(text) {
        return Moment::Never;
    }
    if text.bytes().all(|b| b.is_ascii_digit() || b == b'.') && !text.contains("..") {
        // `2025.04.02` is a date; `1743581730.677` and `1743581730` are Unix time.
        if text.matches('.').count() <= 1 && !is_compact_date(text) {
            return unix_text(text);
        }
    }
    textual(text, zone)
        .or_else(|| rfc2822(text))
        .or_else(|| ctime(text, zone))
        .unwrap_or(Moment::Fault)
}

/// Reads `text` by the `strptime` pattern `format`. Without an offset in `text`, the time is in `zone`.
#[must_use]
pub fn parse_as(text: &str, format: &str, zone: &TimeZone) -> Moment {
    let text = text.trim();
    if is_no_time(text) {
        return Moment::Never;
    }
    let Ok(parts) = jiff::fmt::strtime::parse(format, text) else {
        return Moment::Fault;
    };
    let zoned = match parts.offset() {
        Some(_) => parts.to_timestamp().ok(),
        None => parts
            .to_datetime()
            .ok()
            .and_then(|local| instant(local, zone)),
    };
    zoned.map_or(Moment::Fault, at)
}

/// Unix time. The size of the number shows the unit: seconds, milliseconds, microseconds or nanoseconds.
#[must_use]
pub fn unix(number: i128) -> Moment {
    const PER_SECOND: [(u128, i128); 4] = [
        (100_000_000_000, 1),
        (100_000_000_000_000, 1_000),
        (100_000_000_000_000_000, 1_000_000),
        (u128::MAX, 1_000_000_000),
    ];
    if number == 0 {
        return Moment::Never;
    }
    let unit = PER_SECOND
        .iter()
        .find(|(below, _)| number.unsigned_abs() < *below)
        .map_or(1, |(_, per_second)| *per_second);
    let nanos = number.checked_mul(1_000_000_000 / unit);
    nanos
        .and_then(|nanos| Timestamp::from_nanosecond(nanos).ok())
        .map_or(Moment::Fault, at)
}

/// Unix time with a fraction of a second.
#[must_use]
pub fn unix_float(number: f64) -> Moment {
    if number == 0.0 {
        return Moment::Never;
    }
    unix_text(&format!("{number:.6}"))
}

fn unix_text(text: &str) -> Moment {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let Ok(whole) = whole.parse::<i128>() else {
        return Moment::Fault;
    };
    match (unix(whole), fraction_nanos(fraction)) {
        (Moment::At(at), Some(nanos)) if whole.unsigned_abs() < 100_000_000_000 => {
            let nanos = at.as_nanosecond() + i128::from(nanos);
            Timestamp::from_nanosecond(nanos).map_or(Moment::Fault, Moment::At)
        }
        (moment, _) => moment,
    }
}

/// `20260101` and `20260101120000`. As Unix times they would be in 1970 or 2612, so they are dates.
fn is_compact_date(digits: &str) -> bool {
    (digits.len() == 8 || digits.len() == 14) && digits.starts_with("20")
}

/// The point in time. A zero value of a programming language means no time.
fn at(timestamp: Timestamp) -> Moment {
    let zero = date(1, 12, 31).at(0, 0, 0, 0);
    let zero = TimeZone::UTC.to_timestamp(zero).unwrap_or(Timestamp::MIN);
    if timestamp <= zero || timestamp == Timestamp::UNIX_EPOCH {
        return Moment::Never;
    }
    Moment::At(timestamp)
}

fn instant(local: DateTime, zone: &TimeZone) -> Option<Timestamp> {
    zone.to_ambiguous_zoned(local)
        .compatible()
        .ok()
        .map(|zoned| zoned.timestamp())
}

fn rfc2822(text: &str) -> Option<Moment> {
    let parser = jiff::fmt::rfc2822::DateTimeParser::new();
    parser.parse_timestamp(text).ok().map(at)
}

/// `Thu Nov 26 06:14:48 2026` as C's `ctime` writes it, and `Thu Nov 26 06:14:48 UTC 2026` as `date` does.
fn ctime(text: &str, zone: &TimeZone) -> Option<Moment> {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let words: Vec<&str> = text.split_whitespace().take(7).collect();
    let (weekday, month, day, clock, said, year) = match words.as_slice() {
        [weekday, month, day, clock, year] => (weekday, month, day, clock, &"", year),
        [weekday, month, day, clock, said, year] => (weekday, month, day, clock, said, year),
        _ => return None,
    };
    let is_name = |word: &str| word.len() == 3 && word.bytes().all(|b| b.is_ascii_alphabetic());
    if !is_name(weekday) || !is_name(month) || year.len() != 4 {
        return None;
    }
    let month = MONTHS.find(*month).filter(|at| at % 3 == 0)? / 3 + 1;
    textual(&format!("{year}-{month:02}-{day} {clock} {said}"), zone)
}

/// `2026-01-01`, `2026/01/01 08:00`, `2026.01.01 08:00:00.1234567`, `20260101T080000Z`, each with `T` or a blank, and
/// with any zone that [`offset`] knows, or none.
fn textual(text: &str, zone: &TimeZone) -> Option<Moment> {
    let mut rest = Cursor(text);
    let year = rest.number(4)?;
    rest.skip(['-', '/', '.', '年']);
    let month = rest.number(2)?;
    rest.skip(['-', '/', '.', '月']);
    let day = rest.number(2)?;
    rest.skip(['日']);
    rest.blank();
    let (hour, minute, second, nanos) = clock(&mut rest)?;
    let local = DateTime::new(
        i16::try_from(year).ok()?,
        i8::try_from(month).ok()?,
        i8::try_from(day).ok()?,
        hour,
        minute,
        // A leap second is read as the last second before it.
        second.min(59),
        nanos,
    )
    .ok()?;
    if year <= 1 {
        return Some(Moment::Never);
    }
    let timestamp = match offset(rest.0.trim())? {
        Zone::Said(offset) => offset.to_timestamp(local).ok()?,
        Zone::Unsaid => instant(local, zone)?,
    };
    Some(at(timestamp))
}

fn clock(rest: &mut Cursor<'_>) -> Option<(i8, i8, i8, i32)> {
    if rest.0.is_empty() {
        return Some((0, 0, 0, 0));
    }
    let hour = rest.number(2)?;
    rest.skip([':', '时']);
    let minute = rest.number(2)?;
    rest.skip([':', '分']);
    let second = rest.number(2).unwrap_or(0);
    rest.skip(['秒']);
    let nanos = if rest.skip(['.', ',']) {
        i32::try_from(fraction_nanos(rest.digits())?).ok()?
    } else {
        0
    };
    let small = |number: u32| i8::try_from(number).ok();
    Some((small(hour)?, small(minute)?, small(second)?, nanos))
}

/// Nanoseconds of the digits after the point; more than nine digits are cut.
fn fraction_nanos(digits: &str) -> Option<u32> {
    let nine: String = digits
        .chars()
        .chain(std::iter::repeat('0'))
        .take(9)
        .collect();
    nine.parse().ok()
}

/// The zone after a time.
enum Zone {
    Unsaid,
    Said(Offset),
}

/// The zone in `text`. None when `text` is not a zone.
fn offset(text: &str) -> Option<Zone> {
    let bare = text.trim_start_matches('(').trim_end_matches(')');
    if bare.is_empty() {
        return Some(Zone::Unsaid);
    }
    // Go writes `+0000 UTC`; the offset is enough.
    let first = bare.split(' ').next().unwrap_or_default();
    let signed = first
        .strip_prefix("UTC")
        .or_else(|| first.strip_prefix("GMT"))
        .unwrap_or(first);
    if signed.is_empty() || signed.eq_ignore_ascii_case("z") {
        return Some(Zone::Said(Offset::UTC));
    }
    if first == "CST" {
        // China Standard Time, UTC+8. No known vendor payload uses the American CST.
        return Offset::from_hours(8).ok().map(Zone::Said);
    }
    let sign = match signed.chars().next()? {
        '+' => 1,
        '-' => -1,
        _ => return None,
    };
    let digits: String = signed.chars().skip(1).filter(|c| *c != ':').collect();
    let seconds = match digits.len() {
        1 | 2 => digits.parse::<i32>().ok()? * 3600,
        4 => {
            let number = digits.parse::<i32>().ok()?;
            number / 100 * 3600 + number % 100 * 60
        }
        _ => return None,
    };
    Offset::from_seconds(sign * seconds).ok().map(Zone::Said)
}

/// The rest of a text.
struct Cursor<'a>(&'a str);

impl<'a> Cursor<'a> {
    /// A number of at most `digits` digits.
    fn number(&mut self, digits: usize) -> Option<u32> {
        let length = self
            .0
            .bytes()
            .take(digits)
            .take_while(u8::is_ascii_digit)
            .count();
        let (number, rest) = self.0.split_at_checked(length)?;
        let number = number.parse().ok()?;
        self.0 = rest;
        Some(number)
    }

    /// All digits from here.
    fn digits(&mut self) -> &'a str {
        let length = self.0.bytes().take_while(u8::is_ascii_digit).count();
        let (digits, rest) = self.0.split_at_checked(length).unwrap_or((self.0, ""));
        self.0 = rest;
        digits
    }

    /// Skips one of these characters, if it is next.
    fn skip<const N: usize>(&mut self, any: [char; N]) -> bool {
        let rest = self.0.strip_prefix(any);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    /// Skips whitespace, and then one `T`.
    fn blank(&mut self) {
        let rest = self.0.trim_start();
        self.0 = rest.strip_prefix('T').unwrap_or(rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        let shanghai = TimeZone::get("Asia/Shanghai").expect("bundled");
        match parse(text, &shanghai) {
            Moment::At(at) => at.to_string(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn a_time_is_read_in_every_form_that_vendors_write() {
        for (text, wanted) in [
            ("1767232800", "2026-01-01T02:00:00Z"),
            ("1767232800000", "2026-01-01T02:00:00Z"),
            ("1767232800000000", "2026-01-01T02:00:00Z"),
            ("1767232800000000001", "2026-01-01T02:00:00.000000001Z"),
            ("1767232800.25", "2026-01-01T02:00:00.25Z"),
            ("2026-01-01T02:00:00Z", "2026-01-01T02:00:00Z"),
            (
                "2026-01-01T10:00:00.1234567+08:00",
                "2026-01-01T02:00:00.1234567Z",
            ),
            ("2026-01-01T02:00:00.093+0000", "2026-01-01T02:00:00.093Z"),
            ("2026-01-01 10:00:00", "2026-01-01T02:00:00Z"),
            ("2026.01.01 10:00:00", "2026-01-01T02:00:00Z"),
            ("2026/1/1 10:00", "2026-01-01T02:00:00Z"),
            ("2026-01-01 10:00:00(UTC+08:00)", "2026-01-01T02:00:00Z"),
            ("2026-01-01 02:00:00 +0000 UTC", "2026-01-01T02:00:00Z"),
            ("2026-01-01 02:00:00 UTC", "2026-01-01T02:00:00Z"),
            ("20260101T020000Z", "2026-01-01T02:00:00Z"),
            ("20260101100000", "2026-01-01T02:00:00Z"),
            ("Thu, 01 Jan 2026 02:00:00 GMT", "2026-01-01T02:00:00Z"),
            ("2026年01月01日 10:00:00", "2026-01-01T02:00:00Z"),
            ("Thu Nov 26 06:14:48 2026", "2026-11-25T22:14:48Z"),
            ("Sun Feb  1 06:14:48 2026", "2026-01-31T22:14:48Z"),
            ("Thu Nov 26 06:14:48 UTC 2026", "2026-11-26T06:14:48Z"),
            ("Thu Nov 26 06:14:48 CST 2026", "2026-11-25T22:14:48Z"),
            ("2026-01-01 10:00:00+08", "2026-01-01T02:00:00Z"),
            ("2026-01-01T02:00:00.5-00", "2026-01-01T02:00:00.5Z"),
            ("2026-01-01 10:00:00 +08", "2026-01-01T02:00:00Z"),
            ("N/A", "Never"),
            ("-", "Never"),
            ("null", "Never"),
            ("Thu anF 26 06:14:48 2026", "Fault"),
            ("0001-01-01T00:00:00Z", "Never"),
            ("0", "Never"),
            ("", "Never"),
            ("yesterday", "Fault"),
            ("2026-13-01 10:00:00", "Fault"),
            ("2026-01-01 10:00:00 nowhere", "Fault"),
        ] {
            assert_eq!(read(text), wanted, "{text}");
        }
    }
}
