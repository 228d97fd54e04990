//! Times in the forms of vendors.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::fields;
use campanile_language::time::{Moment, parse};
use campanile_model::{Callback, Fault, Report, Status};

/// Unix seconds: a whole number from 0 to the end of the year 9999. A fraction of zero is allowed.
///
/// Milliseconds are out of this range, so they are refused and not read as the year 50000.
pub fn seconds(text: &str) -> Option<i64> {
    let text = text.trim();
    let whole = text
        .split_once('.')
        .filter(|(_, fraction)| fraction.bytes().all(|b| b == b'0'))
        .map_or(text, |(whole, _)| whole);
    let seconds = whole.parse().ok()?;
    (seconds >= 0 && Timestamp::from_second(seconds).is_ok()).then_some(seconds)
}

/// The time of unix seconds; none for 0.
pub fn at(seconds: i64) -> Option<Timestamp> {
    Timestamp::from_second(seconds)
        .ok()
        .filter(|_| seconds != 0)
}

/// The time in a field, in any usual form. It is none if it is absent, null, empty, zero or in the year 1. A time without
/// a zone is UTC.
pub(crate) fn moment(value: Option<&Value>, place: &str) -> Result<Option<Timestamp>, Fault> {
    let Some(text) = value.and_then(fields::scalar) else {
        return Ok(None);
    };
    match parse(&text, &TimeZone::UTC) {
        Moment::At(at) => Ok(Some(at)),
        Moment::Never => Ok(None),
        Moment::Fault => Err(Fault::new(place, format!("`{text:.40}` is not a time"))),
    }
}

/// Sets the start of a firing report, or the end of a resolved one, to the time in a field. Any other value is left out.
pub(crate) fn set(report: &mut Report, value: Option<&Value>, place: &str) {
    match report.status {
        Status::Firing => report.starts_at = or_left_out(report, "starts_at", value, place),
        Status::Resolved => report.ends_at = or_left_out(report, "ends_at", value, place),
    }
}

/// The time in a field, for the field `name` of `report`. Any other value is left out.
pub(crate) fn or_left_out(
    report: &mut Report,
    name: &str,
    value: Option<&Value>,
    place: &str,
) -> Option<Timestamp> {
    moment(value, place).unwrap_or_else(|fault| {
        let words = value.and_then(fields::scalar).unwrap_or_default();
        report.leave_out(name, &words, fault);
        None
    })
}

/// The span of this many seconds in which the call arrived. Message ids contain it if the vendor gives no time. Then a
/// retry is a duplicate and a later episode is not.
pub(crate) fn span(call: &Callback, seconds: i64) -> String {
    let received = call.received_at.map_or(0, Timestamp::as_second);
    format!("span{}", received.div_euclid(seconds))
}
