//! Reads the problems that fire now: which they are is in memory, what they say is in the file.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension};

use super::alerts::alerts_by_seq;
use super::{source_number, time};
use crate::id::{ms_of, seq_of};
use crate::sqlite::firing::{Shared, lock};
use crate::sqlite::numbers::severity_number;
use crate::{Firing, FiringFilter, FiringRow, Seq, StoredAlert};

pub(crate) fn firing(
    connection: &Connection,
    shared: &Shared,
    filter: &FiringFilter,
) -> rusqlite::Result<Firing> {
    let source = source_number(connection, filter.source.as_deref())?;
    let severity = filter.severity.map(severity_number);
    let (open, counts, more) = {
        let firing = lock(shared);
        let open = firing.list(filter, source, severity);
        (open, firing.counts(), firing.is_full())
    };
    let newest: Vec<Seq> = open.iter().map(|(_, open)| open.newest).collect();
    // One read: alerts of one callback are unpacked together.
    let mut alerts: HashMap<Seq, StoredAlert> = alerts_by_seq(connection, &newest)?
        .into_iter()
        .map(|alert| (alert.seq, alert))
        .collect();
    let mut opened = connection.prepare_cached("SELECT received_ms FROM alert WHERE seq = ?1")?;
    let mut rows = Vec::with_capacity(open.len());
    for (_, open) in open {
        let at = opened.query_row([seq_of(open.episode)], |row| row.get(0));
        // When the opening is no longer kept, the time in its id is nearly that of its arrival.
        let at = at.optional()?.unwrap_or_else(|| ms_of(open.episode));
        rows.push(FiringRow {
            episode: open.episode,
            started_at: time(at),
            newest: alerts.remove(&open.newest),
        });
    }
    Ok(Firing { counts, more, rows })
}
