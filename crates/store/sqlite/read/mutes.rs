//! Reads what is held, what became of alerts that were not sent, and deliveries that are in no place.

use std::collections::HashMap;

use campanile_model::Fingerprint;
use rusqlite::{Connection, Row, params};

use super::{known_sinks, time};
use crate::sqlite::pending;
use crate::{End, Held, HeldPlace, OutcomeRow, Seq, SinkId};

const HELD: &str = "SELECT sink, source, fingerprint, seq, since_ms, reason FROM held";

fn held_row(row: &Row<'_>) -> rusqlite::Result<Held> {
    let fingerprint: i64 = row.get(2)?;
    Ok(Held {
        sink: row.get(0)?,
        seq: row.get(3)?,
        fingerprint: Fingerprint(fingerprint.cast_unsigned()),
        since: time(row.get(4)?),
        reason: row.get(5)?,
        place: HeldPlace(row.get(1)?, fingerprint),
    })
}

/// What is held for a sink after this place.
pub(crate) fn held_of(
    connection: &Connection,
    sink: SinkId,
    after: HeldPlace,
    limit: usize,
) -> rusqlite::Result<Vec<Held>> {
    let sql = format!(
        "{HELD} WHERE sink = ?1 AND (source, fingerprint) > (?2, ?3) ORDER BY source, fingerprint LIMIT ?4"
    );
    let HeldPlace(source, fingerprint) = after;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    connection
        .prepare_cached(&sql)?
        .query_map(params![sink, source, fingerprint, limit], held_row)?
        .collect()
}

pub(crate) fn held_alert(connection: &Connection, seq: Seq) -> rusqlite::Result<Vec<Held>> {
    let sql = format!("{HELD} WHERE seq = ?1 ORDER BY sink");
    connection
        .prepare_cached(&sql)?
        .query_map([seq], held_row)?
        .collect()
}

pub(crate) fn held(
    connection: &Connection,
    sink: Option<SinkId>,
    limit: u32,
) -> rusqlite::Result<Vec<Held>> {
    let sql =
        format!("{HELD} WHERE ?1 IS NULL OR sink = ?1 ORDER BY sink, source, fingerprint LIMIT ?2");
    connection
        .prepare_cached(&sql)?
        .query_map(params![sink, limit], held_row)?
        .collect()
}

pub(crate) fn outcomes_of(connection: &Connection, seq: Seq) -> rusqlite::Result<Vec<OutcomeRow>> {
    let sql = "SELECT sink, at_ms, ending, reason FROM outcome WHERE seq = ?1 ORDER BY sink";
    let row = |row: &Row<'_>| {
        Ok(OutcomeRow {
            sink: row.get(0)?,
            at: time(row.get(1)?),
            end: End::of(row.get(2)?),
            reason: row.get(3)?,
        })
    };
    connection
        .prepare_cached(sql)?
        .query_map([seq], row)?
        .collect()
}

/// Alerts held, by sink.
pub(crate) fn held_counts(connection: &Connection) -> rusqlite::Result<Vec<(SinkId, u64)>> {
    connection
        .prepare_cached("SELECT sink, count(*) FROM held GROUP BY sink ORDER BY sink")?
        .query_map([], |row| {
            Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned()))
        })?
        .collect()
}

/// Deliveries that are in no place, or in more than one.
pub(crate) fn misplaced(
    connection: &Connection,
    limit: u32,
) -> rusqlite::Result<Vec<(Seq, SinkId)>> {
    let sinks = known_sinks(connection)?;
    let pending: HashMap<SinkId, String> = sinks
        .into_iter()
        .map(|(sink, _)| (sink, pending::table(sink)))
        .collect();
    let pending: Vec<String> = pending
        .iter()
        .map(|(sink, table)| format!("SELECT seq, {sink} AS sink FROM {table}"))
        .collect();
    if pending.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!(
        "WITH place AS (SELECT seq, sink FROM held UNION ALL {}),
         planned AS (SELECT a.seq, j.value AS sink FROM alert a, json_each('[' || a.plan || ']') j),
         counted AS (SELECT p.seq, p.sink,
             (SELECT count(*) FROM place o WHERE o.seq = p.seq AND o.sink = p.sink) AS places,
             EXISTS (SELECT 1 FROM dead d WHERE d.seq = p.seq AND d.sink = p.sink) AS dead,
             EXISTS (SELECT 1 FROM outcome o WHERE o.seq = p.seq AND o.sink = p.sink) AS ended,
             EXISTS (SELECT 1 FROM attempt t WHERE t.seq = p.seq AND t.sink = p.sink AND t.verdict IN (0, 2)) AS sent
             FROM planned p)
         SELECT seq, sink FROM counted
         WHERE places > 1 OR places = 1 AND ended OR places = 0 AND NOT (dead OR ended OR sent)
         ORDER BY seq, sink LIMIT ?1",
        pending.join(" UNION ALL ")
    );
    connection
        .prepare(&sql)?
        .query_map([limit], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}
