//! Reads quarantined callbacks.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{damage, source_number, time};
use crate::arrival::Tail;
use crate::{Fault, QuarantineFilter, QuarantineRow, codec};

const QUARANTINE: &str = "SELECT q.id, s.name, q.received_ms, q.faults, q.raw, q.arrival FROM quarantine q JOIN source s ON s.id = q.source";

fn quarantine_row(row: &Row<'_>) -> rusqlite::Result<QuarantineRow> {
    let faults: String = row.get(3)?;
    Ok(QuarantineRow {
        id: row.get(0)?,
        source: row.get(1)?,
        received_at: time(row.get(2)?),
        faults: serde_json::from_str::<Vec<Fault>>(&faults).unwrap_or_default(),
        callback: codec::unpack(row.get_ref(4)?.as_blob()?).ok_or_else(damage)?,
        arrival: Tail::read(row.get_ref(5)?.as_blob_or_null()?.unwrap_or_default(), 0).0,
    })
}

pub(crate) fn quarantine(
    connection: &Connection,
    filter: &QuarantineFilter,
) -> rusqlite::Result<Vec<QuarantineRow>> {
    let source = source_number(connection, filter.source.as_deref())?;
    connection
        .prepare_cached(&format!(
            "{QUARANTINE} WHERE q.id < ?1 AND (?2 IS NULL OR q.source = ?2) ORDER BY q.id DESC LIMIT ?3"
        ))?
        .query_map(params![filter.before.unwrap_or(i64::MAX), source, filter.limit], quarantine_row)?
        .collect()
}

pub(crate) fn quarantined(
    connection: &Connection,
    id: i64,
) -> rusqlite::Result<Option<QuarantineRow>> {
    connection
        .prepare_cached(&format!("{QUARANTINE} WHERE q.id = ?1"))?
        .query_row([id], quarantine_row)
        .optional()
}
