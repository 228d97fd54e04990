//! Counts rows, and looks for rows that refer to rows that are not there.

use rusqlite::{Connection, OptionalExtension};

use super::TableRows;

/// The names of all tables of Campanile.
fn names(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    connection
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name")?
        .query_map([], |row| row.get(0))?
        .collect()
}

pub(super) fn tables(connection: &Connection) -> rusqlite::Result<Vec<TableRows>> {
    let count = |table: String| {
        let sql = format!("SELECT count(*) FROM \"{table}\"");
        let rows: i64 = connection.query_row(&sql, [], |row| row.get(0))?;
        Ok(TableRows {
            sink: sink_of(connection, &table)?,
            rows: rows.cast_unsigned(),
            table,
        })
    };
    names(connection)?.into_iter().map(count).collect()
}

/// The sink of a table of pending deliveries.
fn sink_of(connection: &Connection, table: &str) -> rusqlite::Result<Option<String>> {
    let number = table.strip_prefix("delivery_");
    let Some(number) = number.and_then(|number| number.parse::<i64>().ok()) else {
        return Ok(None);
    };
    let sql = "SELECT name FROM sink WHERE id = ?1";
    let name = connection.query_row(sql, [number], |row| row.get(0));
    name.optional()
}

/// Rows without the row that they need: what they are, how many, and the lowest place.
pub(super) struct Lost {
    pub(super) what: String,
    pub(super) rows: i64,
    pub(super) lowest: i64,
}

/// Pending deliveries and dead letters without their alert, and alerts without their callback. Each is one statement, so a
/// gateway that writes meanwhile causes no finding.
pub(super) fn lost(connection: &Connection) -> rusqlite::Result<Vec<Lost>> {
    let mut lost = Vec::new();
    for table in names(connection)? {
        // In the first schema, one table has the deliveries of all sinks.
        if table == "delivery" || table.starts_with("delivery_") {
            let sink = sink_of(connection, &table)?;
            let what = sink.map_or_else(
                || "pending deliveries".to_owned(),
                |sink| format!("pending deliveries for {sink}"),
            );
            lost.extend(without(connection, &table, "alert", ("seq", "seq"), &what)?);
        }
    }
    lost.extend(without(
        connection,
        "dead",
        "alert",
        ("seq", "seq"),
        "dead letters",
    )?);
    lost.extend(without(
        connection,
        "alert",
        "callback",
        ("callback", "id"),
        "alerts",
    )?);
    Ok(lost)
}

fn without(
    connection: &Connection,
    table: &str,
    needed: &str,
    (from, to): (&str, &str),
    what: &str,
) -> rusqlite::Result<Option<Lost>> {
    let sql = format!(
        "SELECT count(*), min(t.seq) FROM \"{table}\" t
         WHERE NOT EXISTS (SELECT 1 FROM {needed} n WHERE n.{to} = t.{from})"
    );
    let (rows, lowest): (i64, Option<i64>) =
        connection.query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(lowest.map(|lowest| Lost {
        what: format!("{what} without their {needed}"),
        rows,
        lowest,
    }))
}
