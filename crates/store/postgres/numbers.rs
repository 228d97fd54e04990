//! The stored forms of numbers, of a status and of a severity.

use campanile_model::{Severity, Status};

/// A number or a length as it is stored.
pub(super) fn int(number: impl TryInto<i32>) -> i32 {
    number.try_into().unwrap_or(i32::MAX)
}

/// The same in 16 bits.
pub(super) fn small(number: impl TryInto<i16>) -> i16 {
    number.try_into().unwrap_or(i16::MAX)
}

/// The stored form of a sink's number.
pub(super) fn sink_number(sink: i64) -> i32 {
    i32::try_from(sink).unwrap_or(-1)
}

/// A number of parts, from its stored form.
pub(super) fn part_number(number: i32) -> u16 {
    number.try_into().unwrap_or(u16::MAX)
}

/// The stored form of a status.
pub(super) fn status_number(status: Status) -> i16 {
    match status {
        Status::Firing => 0,
        Status::Resolved => 1,
    }
}

/// The stored form of a severity: its place in [`Severity::ALL`].
pub(super) fn severity_number(severity: Severity) -> i16 {
    let at = Severity::ALL.iter().position(|one| *one == severity);
    i16::try_from(at.unwrap_or(Severity::ALL.len() - 1)).unwrap_or(0)
}

/// The status with this stored form.
pub(super) fn status_of(number: i16) -> Status {
    match number {
        0 => Status::Firing,
        _ => Status::Resolved,
    }
}

/// The severity with this stored form.
pub(super) fn severity_of(number: i16) -> Severity {
    let at = usize::try_from(number).unwrap_or(usize::MAX);
    Severity::ALL.get(at).copied().unwrap_or(Severity::Unknown)
}
