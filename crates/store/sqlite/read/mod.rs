//! Reads, each on a connection of its own.

mod alerts;
mod arrival;
mod audit;
mod callbacks;
mod deliveries;
mod firing;
mod mutes;
mod places;
mod quarantine;
mod readers;
mod search;
mod to_send;

use std::collections::HashMap;
use std::ops::ControlFlow;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, Rows};

pub(super) use alerts::{alert, alerts_after, alerts_by_seq, callback_of};
pub(super) use arrival::arrival_of;
pub(super) use audit::audit;
pub(super) use callbacks::callbacks;
pub(super) use deliveries::{
    attempts_of, dead, deliveries, deliveries_of, pending, pending_in_lane, progress_of,
};
pub(super) use firing::firing;
pub(super) use mutes::{held, held_alert, held_of, misplaced, outcomes_of};
pub(super) use quarantine::{quarantine, quarantined};
pub(super) use readers::Readers;
pub(super) use search::alerts;
pub(super) use to_send::{alerts_at, open_episodes};

use crate::{Listed, Searched, SinkId, SourceTally, Stats, TallyFilter, TallyRow};

/// Rows that one list of a bounded search reads. Then it says how far it looked.
const LOOK_ROWS: u32 = 20_000;

pub(super) fn stats(connection: &Connection) -> rusqlite::Result<Stats> {
    let number = |sql: &str| {
        connection.query_row(sql, [], |row| row.get::<_, i64>(0).map(i64::cast_unsigned))
    };
    let mut pending = Vec::new();
    for (sink, _) in known_sinks(connection)? {
        let rows = number(&format!(
            "SELECT count(*) FROM {}",
            super::pending::table(sink)
        ))?;
        pending.extend((rows > 0).then_some((sink, rows)));
    }
    let dead = connection
        .prepare_cached("SELECT sink, count(*) FROM dead GROUP BY sink ORDER BY sink")?
        .query_map([], |row| {
            Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned()))
        })?
        .collect::<rusqlite::Result<_>>()?;
    // Places are assigned without gaps and pruned from the lowest, so their span is their number, without a scan.
    let span = alerts::bounds(connection)?.map_or(0, |(lowest, highest)| highest - lowest + 1);
    let pages = number("PRAGMA page_count")? * number("PRAGMA page_size")?;
    Ok(Stats {
        alerts: span.cast_unsigned(),
        pending,
        held: mutes::held_counts(connection)?,
        dead,
        quarantined: number("SELECT count(*) FROM quarantine")?,
        bytes: pages,
    })
}

pub(super) fn tallies(
    connection: &Connection,
    minutes: &super::tallies::Shared,
    filter: &TallyFilter,
) -> rusqlite::Result<Vec<TallyRow>> {
    let source = source_number(connection, filter.source.as_deref())?;
    super::tallies::rows(connection, minutes, source, filter)
}

pub(super) fn tallies_by_source(
    connection: &Connection,
    minutes: &super::tallies::Shared,
    filter: &TallyFilter,
) -> rusqlite::Result<Vec<SourceTally>> {
    let source = source_number(connection, filter.source.as_deref())?;
    let names: HashMap<i64, String> = connection
        .prepare_cached("SELECT id, name FROM source")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let counts = super::tallies::by_source(connection, minutes, source, filter)?;
    let tallies = counts.into_iter().filter_map(|(at, source, count)| {
        Some(SourceTally {
            source: names.get(&source)?.clone(),
            at,
            count,
        })
    });
    Ok(tallies.collect())
}

pub(super) fn known_sinks(connection: &Connection) -> rusqlite::Result<Vec<(SinkId, String)>> {
    connection
        .prepare_cached("SELECT id, name FROM sink ORDER BY id")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

fn source_number(connection: &Connection, name: Option<&str>) -> rusqlite::Result<Option<i64>> {
    let Some(name) = name else { return Ok(None) };
    let id = connection
        .prepare_cached("SELECT id FROM source WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()?;
    Ok(Some(id.unwrap_or(-1)))
}

/// Up to `limit` rows that `look` makes of at most [`LOOK_ROWS`] rows of a query. They begin with a number and a time. The list ends
/// where `look` breaks.
fn listed<T>(
    mut rows: Rows<'_>,
    limit: u32,
    mut look: impl FnMut(&Row<'_>) -> rusqlite::Result<ControlFlow<(), Option<T>>>,
) -> rusqlite::Result<Listed<T>> {
    let (mut found, mut looked, mut last) = (Vec::new(), 0, None);
    while found.len() < limit as usize {
        let Some(row) = rows.next()? else {
            // Fewer rows than the limit of the query are the last ones.
            let searched = last.filter(|_| looked == LOOK_ROWS);
            return Ok(Listed {
                rows: found,
                searched,
            });
        };
        looked += 1;
        last = Some(Searched {
            before: row.get(0)?,
            at: time(row.get(1)?),
        });
        match look(row)? {
            ControlFlow::Continue(row) => found.extend(row),
            ControlFlow::Break(()) => break,
        }
    }
    Ok(Listed {
        rows: found,
        searched: None,
    })
}

pub(super) fn time(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or_default()
}

pub(super) fn size(kept: i64) -> usize {
    usize::try_from(kept).unwrap_or(0)
}

/// A row does not contain what it should: a flipped bit that SQLite does not detect.
fn damage() -> rusqlite::Error {
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
    let what = "a stored callback cannot be decompressed".to_owned();
    rusqlite::Error::SqliteFailure(code, Some(what))
}
