//! Reads pending deliveries, attempts and dead letters.

use std::collections::HashMap;

use campanile_model::{Fingerprint, Worth};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{known_sinks, time};
use crate::sqlite::pending;
use crate::{
    AttemptRow, DeadFilter, DeadRow, DeliveryFilter, DeliveryRow, Pending, Progress, Seq, SinkId,
};

fn pending_row(row: &Row<'_>) -> rusqlite::Result<Pending> {
    Ok(Pending {
        seq: row.get(0)?,
        fingerprint: Fingerprint(row.get::<_, i64>(1)?.cast_unsigned()),
        attempts: row.get(2)?,
        due_at: row.get::<_, Option<i64>>(3)?.map(time),
        pending_since: time(row.get(4)?),
        retried: row.get(5)?,
    })
}

fn delivery_row(sink: SinkId, row: &Row<'_>) -> rusqlite::Result<DeliveryRow> {
    Ok(DeliveryRow {
        sink,
        pending: pending_row(row)?,
        last_error: row.get(7)?,
        last_code: row.get(6)?,
    })
}

fn limit(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

pub(crate) fn pending(
    connection: &Connection,
    sink: SinkId,
    after: Seq,
    count: usize,
) -> rusqlite::Result<Vec<Pending>> {
    pending::select(connection, sink, "WHERE seq > ?1 ORDER BY seq LIMIT ?2")?
        .query_map(params![after, limit(count)], pending_row)?
        .collect()
}

pub(crate) fn pending_in_lane(
    connection: &Connection,
    sink: SinkId,
    lane: Fingerprint,
    after: Seq,
    count: usize,
) -> rusqlite::Result<Vec<Pending>> {
    let which = "WHERE seq > ?1 AND fingerprint = ?2 ORDER BY seq LIMIT ?3";
    pending::select(connection, sink, which)?
        .query_map(
            params![after, lane.0.cast_signed(), limit(count)],
            pending_row,
        )?
        .collect()
}

pub(crate) fn deliveries(
    connection: &Connection,
    filter: &DeliveryFilter,
) -> rusqlite::Result<Vec<DeliveryRow>> {
    // There are few sinks, and each returns at most `limit` rows.
    let sinks = match filter.sink {
        Some(sink) => vec![sink],
        None => known_sinks(connection)?
            .into_iter()
            .map(|(id, _)| id)
            .collect(),
    };
    let which = "WHERE seq < ?1 ORDER BY seq DESC LIMIT ?2";
    let mut found: Vec<DeliveryRow> = Vec::new();
    for sink in sinks {
        let before = filter.before.unwrap_or(Seq::MAX);
        let mut select = pending::select(connection, sink, which)?;
        let row = |row: &Row<'_>| delivery_row(sink, row);
        for row in select.query_map(params![before, filter.limit], row)? {
            found.push(row?);
        }
    }
    found.sort_by_key(|row| std::cmp::Reverse((row.pending.seq, row.sink)));
    found.truncate(filter.limit as usize);
    Ok(found)
}

pub(crate) fn deliveries_of(
    connection: &Connection,
    seq: Seq,
) -> rusqlite::Result<Vec<DeliveryRow>> {
    let sinks = known_sinks(connection)?.into_iter();
    let rows = sinks.map(|(sink, _)| {
        pending::select(connection, sink, "WHERE seq = ?1")?
            .query_row([seq], |row| delivery_row(sink, row))
            .optional()
    });
    rows.filter_map(Result::transpose).collect()
}

pub(crate) fn attempts_of(connection: &Connection, seq: Seq) -> rusqlite::Result<Vec<AttemptRow>> {
    connection
        .prepare_cached(
            "SELECT sink, at_ms, took_ms, attempt, code, verdict, worth, remark, note FROM attempt WHERE seq = ?1 ORDER BY at_ms, sink",
        )?
        .query_map([seq], |row| {
            let verdict = match row.get::<_, i64>(5)? {
                0 => "delivered",
                1 => "again",
                _ => "dead",
            };
            Ok(AttemptRow {
                sink: row.get(0)?,
                at: time(row.get(1)?),
                took_ms: row.get(2)?,
                attempt: row.get(3)?,
                code: row.get(4)?,
                verdict: verdict.to_owned(),
                worth: row.get::<_, Option<i64>>(6)?.map(worth),
                remark: row.get(7)?,
                note: row.get(8)?,
            })
        })?
        .collect()
}

pub(crate) fn progress_of(
    connection: &Connection,
    seqs: &[Seq],
) -> rusqlite::Result<Vec<Progress>> {
    let sinks = known_sinks(connection)?;
    let mut pending = sinks
        .iter()
        .map(|(sink, _)| Ok((*sink, pending::select(connection, *sink, "WHERE seq = ?1")?)))
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let mut attempts = connection
        .prepare_cached("SELECT sink, verdict FROM attempt WHERE seq = ?1 ORDER BY at_ms, sink")?;
    let mut held = connection.prepare_cached("SELECT sink FROM held WHERE seq = ?1")?;
    let mut ended = connection.prepare_cached("SELECT sink FROM outcome WHERE seq = ?1")?;
    let of = |seq: &Seq| {
        let last = attempts.query_map([seq], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let mut last: HashMap<SinkId, i64> = last.collect::<rusqlite::Result<_>>()?;
        let mut progress = Progress::default();
        for (sink, pending) in &mut pending {
            if pending.exists([seq])? {
                progress.pending += 1;
                last.remove(sink);
            }
        }
        for held in held.query_map([seq], |row| row.get::<_, SinkId>(0))? {
            progress.held += 1;
            last.remove(&held?);
        }
        for ended in ended.query_map([seq], |row| row.get::<_, SinkId>(0))? {
            progress.ended += 1;
            last.remove(&ended?);
        }
        progress.delivered = last.values().filter(|verdict| **verdict == 0).count();
        progress.dead = last.values().filter(|verdict| **verdict == 2).count();
        Ok(progress)
    };
    seqs.iter().map(of).collect()
}

fn worth(number: i64) -> Worth {
    match number {
        0 => Worth::Committed,
        1 => Worth::Accepted,
        _ => Worth::Written,
    }
}

pub(crate) fn dead(connection: &Connection, filter: &DeadFilter) -> rusqlite::Result<Vec<DeadRow>> {
    connection
        .prepare_cached(
            "SELECT id, sink, seq, attempts, at_ms, class, error, code FROM dead
             WHERE id < ?1 AND (?2 IS NULL OR sink = ?2)
             ORDER BY id DESC LIMIT ?3",
        )?
        .query_map(
            params![filter.before.unwrap_or(i64::MAX), filter.sink, filter.limit],
            |row| {
                Ok(DeadRow {
                    id: row.get(0)?,
                    sink: row.get(1)?,
                    seq: row.get(2)?,
                    attempts: row.get(3)?,
                    at: time(row.get(4)?),
                    class: row.get(5)?,
                    error: row.get(6)?,
                    code: row.get(7)?,
                })
            },
        )?
        .collect()
}
