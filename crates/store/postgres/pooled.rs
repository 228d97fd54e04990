//! A pool between the gateway and the server, such as PgBouncer. It must keep a connection of the server for each session: statements are
//! prepared, settings are made and notifications are heard in a session.

use std::time::Duration;

use tokio_postgres::SimpleQueryMessage::Row;
use tokio_postgres::error::SqlState;

use super::session::Session;
use crate::Error;

/// A pool with one connection lets the second session wait for the first.
const WAIT: Duration = Duration::from_secs(2);

/// Refuses a pool that gives a connection away between two statements. The `other` session begins a transaction, so it holds the
/// connection that was used last; if that was the one of the first session, this one continues on another.
pub(super) async fn check(first: &Session, other: &Session, shown: &str) -> Result<(), Error> {
    let before = backend(first).await;
    let began = tokio::time::timeout(WAIT, other.client.batch_execute("BEGIN")).await;
    let after = tokio::time::timeout(WAIT, backend(first)).await;
    // A connection that is gone takes its transaction along.
    let _ended = other.client.batch_execute("ROLLBACK").await;
    let is_kept = match (before, began, after) {
        (Ok(before), Ok(Ok(())), Ok(Ok(after))) => before == after,
        // No transactions: a pool in statement mode.
        (_, Ok(Err(error)), _) => error.code() != Some(&SqlState::PROTOCOL_VIOLATION),
        (_, Err(_), _) | (_, _, Err(_)) => false,
        // What is wrong is seen by the next statement.
        _ => true,
    };
    if is_kept {
        return Ok(());
    }
    Err(Error::Open(format!(
        "{shown} is a pool that gives a connection to others between two statements. Set pool_mode = session in PgBouncer, or name \
         the server itself in [store] url."
    )))
}

/// The process of the server that answers this session.
async fn backend(session: &Session) -> Result<Option<String>, tokio_postgres::Error> {
    // Not prepared: that would fail on another connection.
    let rows = session
        .client
        .simple_query("SELECT pg_backend_pid()")
        .await?;
    Ok(rows.iter().find_map(|row| match row {
        Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    }))
}
