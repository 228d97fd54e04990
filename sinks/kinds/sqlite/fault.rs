//! What an error of SQLite means. Values of an alert are never shown.

use rusqlite::{Error, ErrorCode, ffi};

use crate::{Class, Failure};

/// A message is cut to so many characters.
const SHOWN_MAX: usize = 200;

/// Another connection has the file.
pub(super) fn is_locked(error: &Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
    )
}

/// A row with this key is there already.
pub(super) fn is_known_key(error: &Error) -> bool {
    let code = error.sqlite_error().map(|error| error.extended_code);
    matches!(
        code,
        Some(
            ffi::SQLITE_CONSTRAINT_PRIMARYKEY
                | ffi::SQLITE_CONSTRAINT_UNIQUE
                | ffi::SQLITE_CONSTRAINT_ROWID
        )
    )
}

/// The failure of an attempt.
pub(super) fn failure(error: &Error) -> Failure {
    let class = error.sqlite_error_code().map_or(Class::Operator, class);
    // SQLite's own words name tables, columns and files. They hold no value.
    let words: String = error.to_string().chars().take(SHOWN_MAX).collect();
    let reason = match class {
        Class::Poison => format!("SQLite refuses a value of this alert: {words}"),
        _ => format!("SQLite answers: {words}"),
    };
    Failure::new(class, reason)
}

fn class(code: ErrorCode) -> Class {
    match code {
        ErrorCode::DatabaseBusy
        | ErrorCode::DatabaseLocked
        | ErrorCode::SystemIoFailure
        | ErrorCode::DiskFull
        | ErrorCode::OutOfMemory
        | ErrorCode::FileLockingProtocolFailed
        | ErrorCode::OperationInterrupted => Class::Transient,
        ErrorCode::ConstraintViolation
        | ErrorCode::TypeMismatch
        | ErrorCode::TooBig
        | ErrorCode::ParameterOutOfRange => Class::Poison,
        _ => Class::Operator,
    }
}
