//! Reads quarantined callbacks.

use tokio_postgres::{Client, Row};

use super::list::{List, limit};
use super::source_number;
use crate::arrival::Tail;
use crate::postgres::pool::Fault;
use crate::postgres::trouble::damage;
use crate::{QuarantineFilter, QuarantineRow, codec};

const COLUMNS: &str = "q.id, s.name, q.received, q.faults, q.raw, q.arrival";
const TABLES: &str = "quarantine q JOIN name s ON s.kind = 'source' AND s.id = q.source";

fn quarantine_row(row: &Row) -> Result<QuarantineRow, Fault> {
    Ok(QuarantineRow {
        id: row.get(0),
        source: row.get(1),
        received_at: row.get(2),
        faults: serde_json::from_str(row.get(3)).unwrap_or_default(),
        callback: codec::unpack(row.get(4)).ok_or_else(damage)?,
        arrival: Tail::read(row.get(5), 0).0,
    })
}

pub(crate) async fn quarantine(
    client: &Client,
    filter: &QuarantineFilter,
) -> Result<Vec<QuarantineRow>, Fault> {
    let source = source_number(client, filter.source.as_deref()).await?;
    let mut list = List::default();
    list.add("q.id < ", filter.before);
    list.add("q.source = ", source);
    let rows = list
        .query(client, COLUMNS, TABLES, "q.id DESC", limit(filter.limit))
        .await?;
    rows.iter().map(quarantine_row).collect()
}

pub(crate) async fn quarantined(client: &Client, id: i64) -> Result<Option<QuarantineRow>, Fault> {
    let mut list = List::default();
    list.add("q.id = ", Some(id));
    let rows = list.query(client, COLUMNS, TABLES, "q.id", 1).await?;
    rows.first().map(quarantine_row).transpose()
}
