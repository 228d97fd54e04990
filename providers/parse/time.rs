//! Times as vendors write them.

use jiff::Timestamp;

/// Unix seconds: a whole number from 0 to the end of the year 9999, perhaps written with a fraction of zero.
///
/// Milliseconds are refused by the range, not taken for the year 50000.
pub fn seconds(text: &str) -> Option<i64> {
    let text = text.trim();
    let whole = text
        .split_once('.')
        .filter(|(_, fraction)| fraction.bytes().all(|b| b == b'0'))
        .map_or(text, |(whole, _)| whole);
    let seconds = whole.parse().ok()?;
    (seconds >= 0 && Timestamp::from_second(seconds).is_ok()).then_some(seconds)
}

/// The time that unix seconds name; 0 names none.
pub fn at(seconds: i64) -> Option<Timestamp> {
    Timestamp::from_second(seconds)
        .ok()
        .filter(|_| seconds != 0)
}
