//! The stored forms of a status and a severity.

use campanile_model::{Severity, Status};

/// The stored form of a status.
pub(super) fn status_number(status: Status) -> i64 {
    match status {
        Status::Firing => 0,
        Status::Resolved => 1,
    }
}

/// The status with this stored form.
pub(super) fn status_of(number: i64) -> Status {
    match number {
        0 => Status::Firing,
        _ => Status::Resolved,
    }
}

/// The severity with this stored form.
pub(super) fn severity_of(number: i64) -> Severity {
    let known = Severity::ALL.iter().copied();
    let mut known = known.filter(|severity| severity_number(*severity) == number);
    known.next().unwrap_or(Severity::Unknown)
}

/// The stored form of a severity.
pub(super) fn severity_number(severity: Severity) -> i64 {
    match severity {
        Severity::Critical => 0,
        Severity::Error => 1,
        Severity::Warning => 2,
        Severity::Info => 3,
        Severity::Unknown => 4,
    }
}
