//! Reads alerts for a worker: each with the firing that opened its episode, and with the sink's handle of the episode.

use std::collections::HashMap;
use std::sync::Arc;

use campanile_model::Status;
use rusqlite::{CachedStatement, Connection, Row, params};
use uuid::Uuid;

use super::alerts::{COLUMNS, Unpacker, readable};
use super::callbacks::id_at;
use crate::arrival::put_first;
use crate::id::seq_of;
use crate::sqlite::numbers::status_number;
use crate::{AlertToSend, Arrival, OpenEpisode, OpenPlace, Seq, SinkId, StoredAlert};

pub(crate) fn alerts_at(
    connection: &Connection,
    sink: SinkId,
    seqs: &[Seq],
) -> rusqlite::Result<Vec<AlertToSend>> {
    // Both joins use a primary key. `episode` is NULL when the alert opened the episode or is a resolved without a firing.
    let mut select = connection.prepare_cached(&format!(
        "SELECT {COLUMNS}, a.status, p.episode IS coalesce(a.episode, a.id), h.handle, EXISTS (
             SELECT 1 FROM untold u WHERE u.sink = ?2 AND u.source = a.source AND u.fingerprint = a.fingerprint
             AND u.episode = coalesce(a.episode, a.id)) FROM alert a
         LEFT JOIN problem p ON p.source = a.source AND p.fingerprint = a.fingerprint
         LEFT JOIN handle h ON h.episode = coalesce(a.episode, a.id) AND h.sink = ?2
         WHERE a.seq = ?1"
    ))?;
    let mut unpacker = Unpacker::new(connection)?;
    let mut openings = Openings::new(connection)?;
    let mut found = Vec::with_capacity(seqs.len());
    for seq in seqs {
        let row = select.query_row(params![seq, sink], |row| to_send(row, &mut unpacker));
        let Some(mut alert) = readable(connection, *seq, row)? else {
            continue;
        };
        alert.trace = trace(connection, &unpacker)?;
        if alert.alert.episode != alert.alert.id {
            alert.opened = openings.of(connection, alert.alert.episode)?;
        }
        found.push(alert);
    }
    Ok(found)
}

/// Open episodes that a sink has a handle for. Both tables are read by primary key: the cost is that of the open problems,
/// not of all handles.
pub(crate) fn open_episodes(
    connection: &Connection,
    sink: SinkId,
    after: Option<OpenPlace>,
    limit: usize,
) -> rusqlite::Result<Vec<OpenEpisode>> {
    let mut select = connection.prepare_cached(
        "SELECT p.source, p.fingerprint, p.episode, h.handle FROM problem p
         JOIN handle h ON h.episode = p.episode AND h.sink = ?1
         WHERE (p.source, p.fingerprint) > (?2, ?3) ORDER BY p.source, p.fingerprint",
    )?;
    let mut openings = Openings::new(connection)?;
    let OpenPlace(source, fingerprint) = after.unwrap_or(OpenPlace(i64::MIN, i64::MIN));
    let mut rows = select.query(params![sink, source, fingerprint])?;
    let mut found = Vec::new();
    while found.len() < limit {
        let Some(row) = rows.next()? else {
            break;
        };
        let Some(opening) = openings.of(connection, Uuid::from_bytes(row.get(2)?))? else {
            continue;
        };
        found.push(OpenEpisode {
            place: OpenPlace(row.get(0)?, row.get(1)?),
            opening: AlertToSend {
                opened: Some(Arc::clone(&opening)),
                alert: opening,
                episode_open: true,
                untold: false,
                handle: row.get(3)?,
                trace: None,
            },
        });
    }
    Ok(found)
}

fn to_send(row: &Row<'_>, unpacker: &mut Unpacker<'_>) -> rusqlite::Result<AlertToSend> {
    let alert = Arc::new(unpacker.alert(row)?);
    let fires = row.get::<_, i64>(6)? == status_number(Status::Firing);
    Ok(AlertToSend {
        opened: fires.then(|| Arc::clone(&alert)),
        alert,
        episode_open: row.get(7)?,
        untold: row.get(9)?,
        handle: row.get(8)?,
        trace: None,
    })
}

/// The trace of the callback that was unpacked last.
fn trace(connection: &Connection, unpacker: &Unpacker<'_>) -> rusqlite::Result<Option<String>> {
    let Some((trace, first)) = unpacker.trace() else {
        return Ok(None);
    };
    let mut arrival = Arrival {
        trace: Some(trace),
        ..Arrival::default()
    };
    if let Some(first) = id_at(connection, first)? {
        put_first(&mut arrival, first);
    }
    Ok(arrival.trace)
}

/// The alerts that opened episodes, each read once for a batch.
struct Openings<'c> {
    select: CachedStatement<'c>,
    unpacker: Unpacker<'c>,
    read: HashMap<Uuid, Option<Arc<StoredAlert>>>,
}

impl<'c> Openings<'c> {
    fn new(connection: &'c Connection) -> rusqlite::Result<Self> {
        let sql = format!("SELECT {COLUMNS} FROM alert a WHERE a.seq = ?1 AND a.id = ?2");
        Ok(Self {
            select: connection.prepare_cached(&sql)?,
            unpacker: Unpacker::new(connection)?,
            read: HashMap::new(),
        })
    }

    /// An episode is named by the id of its first alert, and the id contains the place.
    fn of(
        &mut self,
        connection: &Connection,
        episode: Uuid,
    ) -> rusqlite::Result<Option<Arc<StoredAlert>>> {
        if let Some(opened) = self.read.get(&episode) {
            return Ok(opened.clone());
        }
        let seq = seq_of(episode);
        let at = params![seq, episode.as_bytes()];
        let row = self.select.query_row(at, |row| self.unpacker.alert(row));
        let opened = readable(connection, seq, row)?.map(Arc::new);
        self.read.insert(episode, opened.clone());
        Ok(opened)
    }
}
