//! The silences of operators.

use jiff::Timestamp;
use rusqlite::{Connection, Row, params};

use super::audit;
use super::read::time;
use super::session::Session;
use crate::{Act, Silence, SilenceFilter, SilenceRow};

const COLUMNS: &str = "id, made_ms, from_ms, until_ms, matching, after, who, comment, ended_ms";

/// Makes a silence. Gives its number.
pub(super) fn make(session: &mut Session, silence: &Silence, act: &Act) -> rusqlite::Result<i64> {
    let sql = "INSERT INTO silence (made_ms, from_ms, until_ms, matching, after, who, comment)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    session.connection.prepare_cached(sql)?.execute(params![
        act.at.as_millisecond(),
        silence.from.as_millisecond(),
        silence.until.as_millisecond(),
        silence.matching,
        silence.after,
        silence.who,
        silence.comment
    ])?;
    let id = session.connection.last_insert_rowid();
    audit::changed(session, act, 1)?;
    Ok(id)
}

/// Lets a silence that has not ended last until another time. False: it is over, or there is none.
pub(super) fn extend(
    session: &mut Session,
    id: i64,
    until: Timestamp,
    act: &Act,
) -> rusqlite::Result<bool> {
    let sql =
        "UPDATE silence SET until_ms = ?2 WHERE id = ?1 AND ended_ms IS NULL AND until_ms > ?3";
    let rows = session.connection.prepare_cached(sql)?.execute(params![
        id,
        until.as_millisecond(),
        act.at.as_millisecond()
    ])?;
    audit::changed(session, act, rows)?;
    Ok(rows > 0)
}

/// Ends a silence now. False: it is over, or there is none.
pub(super) fn end(session: &mut Session, id: i64, act: &Act) -> rusqlite::Result<bool> {
    let sql =
        "UPDATE silence SET ended_ms = ?2 WHERE id = ?1 AND ended_ms IS NULL AND until_ms > ?2";
    let rows = session
        .connection
        .prepare_cached(sql)?
        .execute([id, act.at.as_millisecond()])?;
    audit::changed(session, act, rows)?;
    Ok(rows > 0)
}

pub(super) fn list(
    connection: &Connection,
    filter: &SilenceFilter,
) -> rusqlite::Result<Vec<SilenceRow>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM silence WHERE id < ?1
         AND (?2 IS NULL OR min(until_ms, coalesce(ended_ms, until_ms)) > ?2) ORDER BY id DESC LIMIT ?3"
    );
    let after = filter.not_ended_at.map(Timestamp::as_millisecond);
    connection
        .prepare_cached(&sql)?
        .query_map(
            params![filter.before.unwrap_or(i64::MAX), after, filter.limit],
            row,
        )?
        .collect()
}

fn row(row: &Row<'_>) -> rusqlite::Result<SilenceRow> {
    Ok(SilenceRow {
        id: row.get(0)?,
        made_at: time(row.get(1)?),
        ended_at: row.get::<_, Option<i64>>(8)?.map(time),
        silence: Silence {
            from: time(row.get(2)?),
            until: time(row.get(3)?),
            matching: row.get(4)?,
            after: row.get(5)?,
            who: row.get(6)?,
            comment: row.get(7)?,
        },
    })
}

/// Removes silences that ended long ago. True when it removed some.
pub(super) fn prune(session: &Session, before_ms: i64, rows: i64) -> rusqlite::Result<bool> {
    let sql = "DELETE FROM silence WHERE id IN (
                   SELECT id FROM silence WHERE min(until_ms, coalesce(ended_ms, until_ms)) < ?1 LIMIT ?2)";
    let removed = session
        .connection
        .prepare_cached(sql)?
        .execute([before_ms, rows])?;
    Ok(removed > 0)
}
