//! Lists callbacks, newest first.

use std::ops::ControlFlow;

use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use super::arrival::unpacked;
use super::{LOOK_ROWS, listed, size, source_number, time};
use crate::arrival::put_first;
use crate::{CallbackFilter, CallbackRow, Listed, Seq};

/// Callbacks are in the order of their commits. Their times differ from it by less than this, unless the clock was set.
const DISORDER_MS: i64 = 60_000;

const CALLBACK: &str =
    "SELECT c.id, c.received_ms, c.source, c.alerts, c.first_seq, s.name FROM callback c
    JOIN source s ON s.id = c.source WHERE c.id < ?1 ORDER BY c.id DESC LIMIT ?2";

pub(crate) fn callbacks(
    connection: &Connection,
    filter: &CallbackFilter,
) -> rusqlite::Result<Listed<CallbackRow>> {
    let source = source_number(connection, filter.source.as_deref())?;
    let since = filter
        .since
        .map_or(i64::MIN, jiff::Timestamp::as_millisecond);
    let mut select = connection.prepare_cached(CALLBACK)?;
    let rows = select.query(params![filter.before.unwrap_or(i64::MAX), LOOK_ROWS])?;
    listed(rows, filter.limit, |row| {
        let (at, of, alerts): (i64, i64, i64) = (row.get(1)?, row.get(2)?, row.get(3)?);
        if at < since.saturating_sub(DISORDER_MS) {
            return Ok(ControlFlow::Break(()));
        }
        let wanted = at >= since
            && source.is_none_or(|source| of == source)
            && filter
                .ignored
                .is_none_or(|ignored| ignored == (alerts == 0));
        let shown = wanted.then(|| shown(connection, row)).transpose()?;
        Ok(ControlFlow::Continue(shown))
    })
}

fn shown(connection: &Connection, row: &Row<'_>) -> rusqlite::Result<CallbackRow> {
    let id: i64 = row.get(0)?;
    let alerts: u32 = row.get(3)?;
    let first = if alerts > 0 {
        id_at(connection, row.get(4)?)?
    } else {
        None
    };
    let arrival = connection
        .prepare_cached("SELECT packed, arrival_bytes FROM callback WHERE id = ?1")?
        .query_row([id], |row| {
            let bytes = row.get::<_, Option<i64>>(1)?.map_or(0, size);
            unpacked(row.get_ref(0)?.as_blob()?, bytes, 0)
        });
    let mut arrival = arrival?.0;
    if let Some(first) = first {
        put_first(&mut arrival, first);
    }
    Ok(CallbackRow {
        id,
        source: row.get(5)?,
        received_at: time(row.get(1)?),
        alerts,
        first,
        arrival,
    })
}

pub(super) fn id_at(connection: &Connection, seq: Seq) -> rusqlite::Result<Option<Uuid>> {
    connection
        .prepare_cached("SELECT id FROM alert WHERE seq = ?1")?
        .query_row([seq], |row| row.get(0).map(Uuid::from_bytes))
        .optional()
}
