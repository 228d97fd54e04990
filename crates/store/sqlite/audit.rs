//! Writes what operators did, in the transaction of its effect.

use rusqlite::params;

use super::session::Session;
use crate::{AUDIT_KEPT_LONGER, AUDIT_TEXT_BYTES_MAX, Act, cut};

/// Writes an act that changed these many rows. An act that changed none is not written.
pub(super) fn changed(session: &Session, act: &Act, rows: usize) -> rusqlite::Result<()> {
    if rows == 0 {
        return Ok(());
    }
    record(session, act, rows as u64)
}

/// Writes an act. A later part of the same act adds to its count.
pub(super) fn record(session: &Session, act: &Act, count: u64) -> rusqlite::Result<()> {
    let sql = "INSERT INTO audit (act, at_ms, who, role, via, client, caller, action, target, count, detail)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
               ON CONFLICT (act) DO UPDATE SET count = count + excluded.count";
    session.connection.prepare_cached(sql)?.execute(params![
        act.id.to_be_bytes(),
        act.at.as_millisecond(),
        cut(&act.who, AUDIT_TEXT_BYTES_MAX),
        act.role,
        act.via,
        act.client,
        act.from.map(|from| from.to_string()),
        act.action,
        cut(&act.target, AUDIT_TEXT_BYTES_MAX),
        i64::try_from(count).unwrap_or(i64::MAX),
        cut(&act.detail, AUDIT_TEXT_BYTES_MAX),
    ])?;
    Ok(())
}

/// Removes old rows from the oldest ones. True when it removed some.
pub(super) fn prune(session: &Session, before_ms: i64, rows: i64) -> rusqlite::Result<bool> {
    let sql = "DELETE FROM audit WHERE id IN (
                   SELECT id FROM (SELECT id, at_ms FROM audit ORDER BY id LIMIT ?2) WHERE at_ms < ?1)";
    let before_ms =
        before_ms.saturating_sub(i64::try_from(AUDIT_KEPT_LONGER.as_millis()).unwrap_or(i64::MAX));
    let removed = session
        .connection
        .prepare_cached(sql)?
        .execute([before_ms, rows])?;
    Ok(removed > 0)
}
