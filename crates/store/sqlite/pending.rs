//! Pending deliveries, in one table for each sink.
//!
//! Places only grow, so the rows of a sink are appended to the end of its own b-tree. In one table for all sinks, the rows of
//! every sink except the last would be inserted in the middle, and the pages around them rewritten.

use std::collections::HashSet;

use rusqlite::{CachedStatement, Connection};

use super::read;
use crate::{Seq, SinkId};

/// The columns that [`super::read`] reads.
const COLUMNS: &str = "seq, fingerprint, attempts, due_ms, owed_ms, redriven, code, error";

/// Creates the table of a new sink.
pub(super) fn create(connection: &Connection, sink: SinkId) -> rusqlite::Result<()> {
    connection.execute_batch(&creation(sink))
}

fn creation(sink: SinkId) -> String {
    format!(
        "CREATE TABLE IF NOT EXISTS {} (
        seq INTEGER PRIMARY KEY, fingerprint INTEGER NOT NULL, attempts INTEGER NOT NULL, owed_ms INTEGER NOT NULL,
        due_ms INTEGER, redriven INTEGER NOT NULL, code INTEGER, error TEXT
    );",
        table(sink)
    )
}

/// Migration: the SQL that moves the rows of the one table of older files to the table of each sink.
pub(super) fn split(connection: &Connection) -> rusqlite::Result<String> {
    let moved = |(sink, _): (SinkId, String)| {
        let (creation, table) = (creation(sink), table(sink));
        format!(
            "\n    {creation}\n    INSERT INTO {table} ({COLUMNS}) SELECT {COLUMNS} FROM delivery WHERE sink = {sink};"
        )
    };
    let sinks = read::known_sinks(connection)?.into_iter();
    Ok(sinks.map(moved).collect::<String>() + "\n    DROP TABLE delivery;\n")
}

/// The name of a sink's table.
pub(super) fn table(sink: SinkId) -> String {
    format!("delivery_{sink}")
}

pub(super) fn insert(
    connection: &Connection,
    sink: SinkId,
) -> rusqlite::Result<CachedStatement<'_>> {
    connection.prepare_cached(&format!(
        "INSERT OR IGNORE INTO {} (seq, fingerprint, attempts, owed_ms, redriven) VALUES (?1, ?2, 0, ?3, ?4)",
        table(sink)
    ))
}

/// The SQL that adds a row with all columns.
pub(super) fn insertion(sink: SinkId) -> String {
    format!(
        "INSERT INTO {} ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        table(sink)
    )
}

pub(super) fn delete(
    connection: &Connection,
    sink: SinkId,
) -> rusqlite::Result<CachedStatement<'_>> {
    connection.prepare_cached(&format!("DELETE FROM {} WHERE seq = ?1", table(sink)))
}

pub(super) fn select<'c>(
    connection: &'c Connection,
    sink: SinkId,
    which: &str,
) -> rusqlite::Result<CachedStatement<'c>> {
    connection.prepare_cached(&format!("SELECT {COLUMNS} FROM {} {which}", table(sink)))
}

/// The places from `after` (exclusive) to `last` (inclusive) that are pending for any sink.
pub(super) fn between(
    connection: &Connection,
    after: Seq,
    last: Seq,
) -> rusqlite::Result<HashSet<Seq>> {
    let mut pending = HashSet::new();
    for (sink, _) in read::known_sinks(connection)? {
        let mut select = select(connection, sink, "WHERE seq > ?1 AND seq <= ?2")?;
        for seq in select.query_map([after, last], |row| row.get(0))? {
            pending.insert(seq?);
        }
    }
    Ok(pending)
}
