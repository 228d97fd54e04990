//! Removing what is older than the retention, a few rows at a time, so that no callback waits for it.

use rusqlite::params;

use super::session::Session;
use crate::store::Seq;

/// Rows that one step may remove or pass over.
const STEP_ROWS: i64 = 500;

/// One step. True while there is more to do. Alerts that are owed or dead letters stay, with their callbacks.
pub(super) fn step(session: &mut Session, before_ms: i64) -> rusqlite::Result<bool> {
    if letters(session, before_ms)? || alerts(session, before_ms)? || callbacks(session, before_ms)?
    {
        return Ok(true);
    }
    session.prune_after = 0;
    let Session {
        keys, connection, ..
    } = session;
    keys.prune(connection, before_ms, STEP_ROWS)
}

/// Dead letters and quarantine go by their own age, and first: they hold alerts back. Attempts go with their alerts.
fn letters(session: &Session, before_ms: i64) -> rusqlite::Result<bool> {
    let mut removed = 0;
    for sql in [
        "DELETE FROM dead WHERE id IN (SELECT id FROM dead WHERE at_ms < ?1 ORDER BY id LIMIT ?2)",
        "DELETE FROM quarantine WHERE id IN (SELECT id FROM quarantine WHERE received_ms < ?1 ORDER BY id LIMIT ?2)",
    ] {
        removed += session
            .connection
            .prepare_cached(sql)?
            .execute([before_ms, STEP_ROWS])?;
    }
    Ok(removed > 0)
}

fn alerts(session: &mut Session, before_ms: i64) -> rusqlite::Result<bool> {
    let connection = &session.connection;
    let old: Vec<(Seq, bool)> = connection
        .prepare_cached(
            "SELECT seq, EXISTS (SELECT 1 FROM sink s JOIN delivery d ON d.sink = s.id AND d.seq = a.seq)
                      OR EXISTS (SELECT 1 FROM dead WHERE dead.seq = a.seq)
             FROM alert a WHERE seq > ?1 AND received_ms < ?2 ORDER BY seq LIMIT ?3",
        )?
        .query_map(params![session.prune_after, before_ms, STEP_ROWS], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let Some((last, _)) = old.last().copied() else {
        return Ok(false);
    };
    // The highest place is kept aside, so that it is never given again when every alert is gone.
    connection
        .prepare_cached("INSERT OR REPLACE INTO meta SELECT 'last_seq', max(seq) FROM alert")?
        .execute([])?;
    for (seq, _) in old.iter().filter(|(_, wanted)| !wanted) {
        connection
            .prepare_cached("DELETE FROM attempt WHERE seq = ?1")?
            .execute([seq])?;
        connection
            .prepare_cached("DELETE FROM alert WHERE seq = ?1")?
            .execute([seq])?;
    }
    session.prune_after = last;
    Ok(true)
}

fn callbacks(session: &Session, before_ms: i64) -> rusqlite::Result<bool> {
    let removed = session
        .connection
        .prepare_cached(
            "DELETE FROM callback WHERE id IN (
                 SELECT id FROM callback c WHERE received_ms < ?1 AND NOT EXISTS (
                     SELECT 1 FROM alert WHERE seq >= c.first_seq AND seq < c.first_seq + c.alerts)
                 ORDER BY id LIMIT ?2)",
        )?
        .execute([before_ms, STEP_ROWS])?;
    Ok(removed > 0)
}
