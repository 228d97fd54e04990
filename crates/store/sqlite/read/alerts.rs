//! Reads alerts and the callbacks that contain them.

use std::path::Path;

use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use super::{damage, size};
use crate::arrival::Tail;
use crate::id::seq_of;
use crate::sqlite::schema;
use crate::{Following, Seq, StoredAlert, codec};

/// The columns that [`Unpacker::alert`] reads. They are the first of a row.
pub(super) const COLUMNS: &str = "a.seq, a.id, a.episode, a.callback, a.body_at, a.body_bytes";

pub(super) const ALERT: &str =
    "SELECT a.seq, a.id, a.episode, a.callback, a.body_at, a.body_bytes FROM alert a";

/// Decompresses callbacks. The last one is cached, because the alerts of one callback are read one after the other.
pub(super) struct Unpacker<'c> {
    select: CachedStatement<'c>,
    last: Option<Unpacked>,
}

/// A decompressed callback.
struct Unpacked {
    id: i64,
    plain: Vec<u8>,
    /// The length of the arrival at the end.
    arrival_bytes: usize,
    first: Seq,
}

impl<'c> Unpacker<'c> {
    pub(super) fn new(connection: &'c Connection) -> rusqlite::Result<Self> {
        let sql = "SELECT packed, arrival_bytes, first_seq FROM callback WHERE id = ?1";
        let select = connection.prepare_cached(sql)?;
        Ok(Self { select, last: None })
    }

    fn unpack(&mut self, callback: i64) -> rusqlite::Result<&[u8]> {
        if self.last.as_ref().is_none_or(|last| last.id != callback) {
            let unpacked = self.select.query_row([callback], |row| {
                Ok(Unpacked {
                    id: callback,
                    plain: codec::unpack(row.get_ref(0)?.as_blob()?).ok_or_else(damage)?,
                    arrival_bytes: row.get::<_, Option<i64>>(1)?.map_or(0, size),
                    first: row.get(2)?,
                })
            })?;
            self.last = Some(unpacked);
        }
        Ok(self.last.as_ref().map_or(&[], |last| &last.plain))
    }

    /// The trace of the callback of the last alert, and the place of the first alert of this callback.
    pub(super) fn trace(&self) -> Option<(String, Seq)> {
        let last = self.last.as_ref()?;
        let at = last.plain.len().checked_sub(last.arrival_bytes)?;
        let trace = Tail::trace(last.plain.get(at..)?)?;
        Some((trace.into_owned(), last.first))
    }

    /// The alert of a row that begins with [`COLUMNS`].
    pub(super) fn alert(&mut self, row: &Row<'_>) -> rusqlite::Result<StoredAlert> {
        let id = Uuid::from_bytes(row.get(1)?);
        let episode = row
            .get::<_, Option<[u8; 16]>>(2)?
            .map_or(id, Uuid::from_bytes);
        let (at, bytes) = (size(row.get(4)?), size(row.get(5)?));
        let plain = self.unpack(row.get(3)?)?;
        let body = plain.get(at..).and_then(|rest| rest.get(..bytes));
        let body = body.and_then(|body| body.strip_prefix(b"{"));
        let body = body.ok_or_else(damage)?;
        let json = [format!("{{\"id\":\"{id}\",").as_bytes(), body].concat();
        Ok(StoredAlert {
            seq: row.get(0)?,
            id,
            episode,
            json,
        })
    }
}

pub(crate) fn alerts_by_seq(
    connection: &Connection,
    seqs: &[Seq],
) -> rusqlite::Result<Vec<StoredAlert>> {
    let mut unpacker = Unpacker::new(connection)?;
    let mut select = connection.prepare_cached(&format!("{ALERT} WHERE a.seq = ?1"))?;
    let mut found = Vec::with_capacity(seqs.len());
    for seq in seqs {
        let alert = select.query_row([seq], |row| unpacker.alert(row));
        found.extend(readable(connection, *seq, alert)?);
    }
    Ok(found)
}

/// The alert that was read. A missing or damaged alert gives none, because it must not block the others.
pub(super) fn readable<T>(
    connection: &Connection,
    seq: Seq,
    read: rusqlite::Result<T>,
) -> rusqlite::Result<Option<T>> {
    match read.optional() {
        Err(error) if schema::is_damage(&error) => {
            let path = connection.path().unwrap_or_default();
            let error = schema::trouble(Path::new(path), &error);
            tracing::error!(seq, %error, "an alert in the store is damaged and cannot be read");
            Ok(None)
        }
        read => read,
    }
}

pub(crate) fn alert(connection: &Connection, id: Uuid) -> rusqlite::Result<Option<StoredAlert>> {
    let mut unpacker = Unpacker::new(connection)?;
    connection
        .prepare_cached(&format!("{ALERT} WHERE a.seq = ?1 AND a.id = ?2"))?
        .query_row(params![seq_of(id), id.as_bytes()], |row| {
            unpacker.alert(row)
        })
        .optional()
}

/// The lowest and the highest place of the kept alerts. Two queries: SQLite finds one end of a table directly, but scans the
/// whole table when one query asks for both.
pub(crate) fn bounds(connection: &Connection) -> rusqlite::Result<Option<(Seq, Seq)>> {
    let end = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, Option<Seq>>(0));
    let lowest = end("SELECT min(seq) FROM alert")?;
    Ok(lowest.zip(end("SELECT max(seq) FROM alert")?))
}

/// Places are assigned in the order of commits, because one thread writes. So what is visible has no gap that fills later.
pub(crate) fn alerts_after(
    connection: &Connection,
    after: Seq,
    rows: u32,
    bytes: usize,
) -> rusqlite::Result<Following> {
    let newest = bounds(connection)?.map_or(0, |(_, highest)| highest);
    let mut following = Following {
        alerts: Vec::new(),
        reached: newest.max(after),
        newest,
    };
    let mut select = connection.prepare_cached(&format!(
        "{ALERT} WHERE a.seq > ?1 AND a.seq <= ?2 ORDER BY a.seq LIMIT ?3"
    ))?;
    let mut unpacker = Unpacker::new(connection)?;
    let read = select.query_map(params![after, newest, rows], |row| {
        Ok((row.get::<_, Seq>(0)?, unpacker.alert(row)))
    })?;
    let (mut looked, mut held, mut last) = (0, 0, after);
    for row in read {
        let (seq, alert) = row?;
        let alert = readable(connection, seq, alert)?;
        held += alert.as_ref().map_or(0, |alert| alert.json.len());
        following.alerts.extend(alert);
        (looked, last) = (looked + 1, seq);
        if held >= bytes {
            break;
        }
    }
    if looked == rows || held >= bytes {
        following.reached = last;
    }
    Ok(following)
}

pub(crate) fn callback_of(connection: &Connection, seq: Seq) -> rusqlite::Result<Option<Vec<u8>>> {
    let found: Option<(usize, Vec<u8>)> = connection
        .prepare_cached("SELECT c.raw_bytes, c.packed FROM alert a JOIN callback c ON c.id = a.callback WHERE a.seq = ?1")?
        .query_row([seq], |row| Ok((size(row.get(0)?), row.get(1)?)))
        .optional()?;
    let Some((raw_bytes, packed)) = found else {
        return Ok(None);
    };
    let mut plain = codec::unpack(&packed).ok_or_else(damage)?;
    plain.truncate(raw_bytes);
    Ok(Some(plain))
}
