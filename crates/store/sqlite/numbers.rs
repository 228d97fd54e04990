//! The stored forms of a status and a severity.

use campanile_model::{Severity, Status};

/// The stored form of a status.
pub(super) fn status_number(status: Status) -> i64 {
    match status {
        Status::Firing => 0,
        Status::Resolved => 1,
    }
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
