//! Errors of PostgreSQL as errors of the store: with the server, and with what to do.

use tokio_postgres::error::SqlState;

use super::session::reason;
use crate::Error;

/// What went wrong with a statement, with the advice that fits.
pub(super) fn trouble(shown: &str, error: &tokio_postgres::Error) -> String {
    let reason = reason(error);
    let advice = match error.code() {
        Some(code) => advice(code),
        // tokio-postgres has no code for it.
        None if reason.contains("does not allow writes") => READ_ONLY,
        None => "Check that the server runs and that this machine can reach it.",
    };
    format!("{shown}: {reason}. {advice}").trim_end().to_owned()
}

const READ_ONLY: &str = "This server takes no writes. Name the primary in [store] url, or all servers: postgres://user@one,two/database.";

fn advice(code: &SqlState) -> &'static str {
    match *code {
        SqlState::INVALID_PASSWORD | SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
            "Check the user and the password in [store] url, and pg_hba.conf of the server."
        }
        SqlState::INVALID_CATALOG_NAME => {
            "Create the database: CREATE DATABASE name OWNER user. Or correct its name in [store] url."
        }
        SqlState::INSUFFICIENT_PRIVILEGE | SqlState::INVALID_SCHEMA_NAME => {
            "The user of [store] url must own the database, or have the right to create tables in its schema."
        }
        SqlState::READ_ONLY_SQL_TRANSACTION => READ_ONLY,
        SqlState::DISK_FULL => "The disk of the database is full: free some space.",
        SqlState::TOO_MANY_CONNECTIONS => {
            "Raise max_connections of the server. One gateway uses up to 16 connections."
        }
        SqlState::INVALID_SQL_STATEMENT_NAME | SqlState::DUPLICATE_PSTATEMENT => {
            "A pool gives this connection to others between two statements. Set pool_mode = session in PgBouncer."
        }
        SqlState::LOCK_NOT_AVAILABLE => {
            "Another transaction holds a lock for too long, such as that of pg_dump or of an open tool. End it, or wait for its end."
        }
        SqlState::CANNOT_CONNECT_NOW => "The server starts or stops. Wait, or look at its log.",
        _ => "",
    }
}

/// Whether the connection cannot be used any more, so that the statement must be sent again on another one.
pub(super) fn is_lost(error: &tokio_postgres::Error) -> bool {
    let Some(code) = error.code() else {
        return true;
    };
    // 08: connection exceptions. 57P: the server ends connections. A server that became read-only is no longer the primary:
    // another one of the URL can be.
    code.code().starts_with("08") || code.code().starts_with("57P") || is_read_only(error)
}

/// Whether the server takes no writes: nothing was committed.
pub(super) fn is_read_only(error: &tokio_postgres::Error) -> bool {
    error.code() == Some(&SqlState::READ_ONLY_SQL_TRANSACTION)
}

/// Whether the server refused the data itself (22: data exceptions, 23: constraints), and not for its own state.
pub(super) fn is_of_data(error: &tokio_postgres::Error) -> bool {
    let code = error.code().map(SqlState::code);
    code.is_some_and(|code| code.starts_with("22") || code.starts_with("23"))
}

/// Whether the same statement can succeed when it is sent again at once: two batches waited for each other.
pub(super) fn is_conflict(error: &tokio_postgres::Error) -> bool {
    let conflicts = [
        SqlState::T_R_DEADLOCK_DETECTED,
        SqlState::T_R_SERIALIZATION_FAILURE,
    ];
    error.code().is_some_and(|code| conflicts.contains(code))
}

/// A row cannot be decompressed.
pub(super) fn damage() -> Error {
    Error::Read("a stored callback cannot be decompressed".to_owned())
}
