//! The readers' side: short looks on connections of their own.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use campanile_providers::Fingerprint;
use jiff::Timestamp;
use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use super::codec;
use super::owed;
use super::schema;
use super::session::{self, severity_number, status_number};
use crate::store::{
    AttemptRow, DeadRow, DeliveryRow, Error, Fault, Filter, Owed, QuarantineRow, Seq, SinkId,
    Stats, StoredAlert,
};

/// Idle connections kept for the next look.
const IDLE_MAX: usize = 4;

/// Rows that one look may pass over. A longer search takes several looks, so that none holds the log back.
const SCAN_ROWS: i64 = 20_000;

/// Connections for looking. Cheap to clone.
#[derive(Clone)]
pub(super) struct Readers {
    path: Arc<PathBuf>,
    idle: Arc<Mutex<Vec<Connection>>>,
}

impl Readers {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path: Arc::new(path),
            idle: Arc::default(),
        }
    }

    /// Runs `look` on a connection, off the async threads.
    pub(super) async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let readers = self.clone();
        tokio::task::spawn_blocking(move || readers.look_now(look))
            .await
            .map_err(|e| Error::Read(e.to_string()))?
            .map_err(|e| Error::Read(schema::trouble(&self.path, &e)))
    }

    fn look_now<T>(
        &self,
        look: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let idle = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        let connection = match idle {
            Some(connection) => connection,
            None => open(&self.path)?,
        };
        let seen = look(&connection)?;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_MAX {
            idle.push(connection);
        }
        Ok(seen)
    }

    /// Closes what is idle, so that the writer closes last and empties the log.
    pub(super) fn close(&self) {
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }
}

fn open(path: &Path) -> rusqlite::Result<Connection> {
    let connection = session::connect(path)?;
    connection.pragma_update(None, "query_only", true)?;
    connection.pragma_update(None, "cache_size", -8_192)?;
    Ok(connection)
}

/// The id of the alert at `seq`: [`seq_of`] is the way back.
pub(super) fn id_of(ms: u64, store_random: u16, seq: Seq, random: u32) -> Uuid {
    let tail = (seq.cast_unsigned() << 22) | u64::from(random & 0x3f_ffff);
    let mut bytes = [0; 10];
    bytes[..2].copy_from_slice(&store_random.to_be_bytes());
    bytes[2..].copy_from_slice(&tail.to_be_bytes());
    uuid::Builder::from_unix_timestamp_millis(ms, &bytes).into_uuid()
}

/// The time that an id says, in milliseconds.
pub(super) fn ms_of(id: Uuid) -> i64 {
    let (head, _) = id.as_u64_pair();
    (head >> 16).cast_signed()
}

/// The place that an id names; whether an alert of this id stands there is for the row to say.
pub(super) fn seq_of(id: Uuid) -> Seq {
    let (_, tail) = id.as_u64_pair();
    ((tail & 0x3fff_ffff_ffff_ffff) >> 22).cast_signed()
}

fn time(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or_default()
}

fn size(kept: i64) -> usize {
    usize::try_from(kept).unwrap_or(0)
}

/// What a row says does not fit what it should hold: a flipped bit that SQLite does not see.
fn damage() -> rusqlite::Error {
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
    let what = "what is kept of a callback cannot be unpacked".to_owned();
    rusqlite::Error::SqliteFailure(code, Some(what))
}

const ALERT: &str =
    "SELECT a.seq, a.id, a.episode, a.callback, a.body_at, a.body_bytes FROM alert a";

/// What callbacks pack, the last one remembered: the alerts of one callback are read one after the other.
struct Unpacker<'c> {
    select: CachedStatement<'c>,
    last: Option<(i64, Vec<u8>)>,
}

impl<'c> Unpacker<'c> {
    fn new(connection: &'c Connection) -> rusqlite::Result<Self> {
        let select = connection.prepare_cached("SELECT packed FROM callback WHERE id = ?1")?;
        Ok(Self { select, last: None })
    }

    fn unpack(&mut self, callback: i64) -> rusqlite::Result<&[u8]> {
        if self.last.as_ref().is_none_or(|(id, _)| *id != callback) {
            let packed = self.select.query_row([callback], |row| {
                Ok(codec::unpack(row.get_ref(0)?.as_blob()?))
            })?;
            self.last = Some((callback, packed.ok_or_else(damage)?));
        }
        Ok(self.last.as_ref().map_or(&[], |(_, plain)| plain))
    }

    /// The alert of a row of [`ALERT`], whole.
    fn alert(&mut self, row: &Row<'_>) -> rusqlite::Result<StoredAlert> {
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

/// One that is damaged is left out as one that is gone: it must not hold up those beside it for ever.
pub(super) fn alerts_at(
    connection: &Connection,
    seqs: &[Seq],
) -> rusqlite::Result<Vec<StoredAlert>> {
    let mut unpacker = Unpacker::new(connection)?;
    let mut select = connection.prepare_cached(&format!("{ALERT} WHERE a.seq = ?1"))?;
    let mut found = Vec::with_capacity(seqs.len());
    for seq in seqs {
        match select
            .query_row([seq], |row| unpacker.alert(row))
            .optional()
        {
            Ok(alert) => found.extend(alert),
            Err(error) if schema::is_damage(&error) => {
                let path = connection.path().unwrap_or_default();
                let trouble = schema::trouble(Path::new(path), &error);
                tracing::error!(seq, error = %trouble, "an alert in the store is damaged and cannot be sent");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

pub(super) fn alert(connection: &Connection, id: Uuid) -> rusqlite::Result<Option<StoredAlert>> {
    let mut unpacker = Unpacker::new(connection)?;
    connection
        .prepare_cached(&format!("{ALERT} WHERE a.seq = ?1 AND a.id = ?2"))?
        .query_row(params![seq_of(id), id.as_bytes()], |row| {
            unpacker.alert(row)
        })
        .optional()
}

fn source_number(connection: &Connection, name: Option<&str>) -> rusqlite::Result<Option<i64>> {
    let Some(name) = name else { return Ok(None) };
    let id = connection
        .prepare_cached("SELECT id FROM source WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()?;
    Ok(Some(id.unwrap_or(-1)))
}

/// The first and the last place of what is kept. Each is asked for alone: SQLite finds one end of a table at once, but reads
/// the whole table for both ends in one question.
fn bounds(connection: &Connection) -> rusqlite::Result<Option<(Seq, Seq)>> {
    let end = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, Option<Seq>>(0));
    let lowest = end("SELECT min(seq) FROM alert")?;
    Ok(lowest.zip(end("SELECT max(seq) FROM alert")?))
}

pub(super) fn alerts(
    connection: &Connection,
    filter: &Filter,
) -> rusqlite::Result<Vec<StoredAlert>> {
    let source = source_number(connection, filter.source.as_deref())?;
    let Some((lowest, highest)) = bounds(connection)? else {
        return Ok(Vec::new());
    };
    let mut before = filter.before.unwrap_or(Seq::MAX).min(highest + 1);
    let mut select = connection.prepare_cached(&format!(
        "{ALERT} WHERE seq < ?1 AND seq >= ?2 AND (?3 IS NULL OR source = ?3) AND (?4 IS NULL OR status = ?4)
         AND (?5 IS NULL OR severity = ?5) AND (?6 IS NULL OR fingerprint = ?6) AND (?7 IS NULL OR received_ms >= ?7)
         ORDER BY seq DESC LIMIT ?8"
    ))?;
    let mut unpacker = Unpacker::new(connection)?;
    let since = filter.since.map(Timestamp::as_millisecond);
    let mut found = Vec::new();
    while before > lowest && found.len() < filter.limit as usize {
        let from = before - SCAN_ROWS;
        let room = i64::from(filter.limit) - i64::try_from(found.len()).unwrap_or(0);
        let rows = select.query_map(
            params![
                before,
                from,
                source,
                filter.status.map(status_number),
                filter.severity.map(severity_number),
                filter.fingerprint.map(|f| f.0.cast_signed()),
                since,
                room
            ],
            |row| unpacker.alert(row),
        )?;
        for row in rows {
            found.push(row?);
        }
        before = from;
    }
    Ok(found)
}

pub(super) fn latest_of(
    connection: &Connection,
    source: &str,
    limit: u32,
) -> rusqlite::Result<Vec<StoredAlert>> {
    let source = source_number(connection, Some(source))?;
    let Some((lowest, highest)) = bounds(connection)? else {
        return Ok(Vec::new());
    };
    let mut select = connection.prepare_cached(
        "SELECT seq, fingerprint FROM alert WHERE seq < ?1 AND seq >= ?2 AND source = ?3 ORDER BY seq DESC",
    )?;
    let mut problems = HashSet::new();
    let mut latest: Vec<Seq> = Vec::new();
    let mut before = highest + 1;
    while before > lowest && latest.len() < limit as usize {
        let from = before - SCAN_ROWS;
        let mut rows = select.query(params![before, from, source])?;
        while let Some(row) = rows.next()? {
            if problems.insert(row.get::<_, i64>(1)?) {
                latest.push(row.get(0)?);
            }
        }
        before = from;
    }
    latest.truncate(limit as usize);
    alerts_at(connection, &latest)
}

fn owed_row(row: &Row<'_>) -> rusqlite::Result<Owed> {
    Ok(Owed {
        seq: row.get(0)?,
        fingerprint: Fingerprint(row.get::<_, i64>(1)?.cast_unsigned()),
        attempts: row.get(2)?,
        due_at: row.get::<_, Option<i64>>(3)?.map(time),
        owed_since: time(row.get(4)?),
        redriven: row.get(5)?,
    })
}

fn delivery_row(sink: SinkId, row: &Row<'_>) -> rusqlite::Result<DeliveryRow> {
    Ok(DeliveryRow {
        sink,
        owed: owed_row(row)?,
        last_error: row.get(7)?,
        last_code: row.get(6)?,
    })
}

fn limit(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

pub(super) fn owed(
    connection: &Connection,
    sink: SinkId,
    after: Seq,
    count: usize,
) -> rusqlite::Result<Vec<Owed>> {
    owed::select(connection, sink, "WHERE seq > ?1 ORDER BY seq LIMIT ?2")?
        .query_map(params![after, limit(count)], owed_row)?
        .collect()
}

pub(super) fn owed_in_lane(
    connection: &Connection,
    sink: SinkId,
    lane: Fingerprint,
    after: Seq,
    count: usize,
) -> rusqlite::Result<Vec<Owed>> {
    let which = "WHERE seq > ?1 AND fingerprint = ?2 ORDER BY seq LIMIT ?3";
    owed::select(connection, sink, which)?
        .query_map(params![after, lane.0.cast_signed(), limit(count)], owed_row)?
        .collect()
}

pub(super) fn deliveries(
    connection: &Connection,
    filter: &Filter,
) -> rusqlite::Result<Vec<DeliveryRow>> {
    // Sinks are few, and each gives at most `limit` rows.
    let sinks = match filter.sink {
        Some(sink) => vec![sink],
        None => known_sinks(connection)?
            .into_iter()
            .map(|(id, _)| id)
            .collect(),
    };
    let which = "WHERE seq < ?1 AND (?2 IS NULL OR fingerprint = ?2) ORDER BY seq DESC LIMIT ?3";
    let lane = filter.fingerprint.map(|f| f.0.cast_signed());
    let mut found: Vec<DeliveryRow> = Vec::new();
    for sink in sinks {
        let before = filter.before.unwrap_or(Seq::MAX);
        let mut select = owed::select(connection, sink, which)?;
        let row = |row: &Row<'_>| delivery_row(sink, row);
        for row in select.query_map(params![before, lane, filter.limit], row)? {
            found.push(row?);
        }
    }
    found.sort_by_key(|row| std::cmp::Reverse((row.owed.seq, row.sink)));
    found.truncate(filter.limit as usize);
    Ok(found)
}

pub(super) fn deliveries_of(
    connection: &Connection,
    seq: Seq,
) -> rusqlite::Result<Vec<DeliveryRow>> {
    let sinks = known_sinks(connection)?.into_iter();
    let rows = sinks.map(|(sink, _)| {
        owed::select(connection, sink, "WHERE seq = ?1")?
            .query_row([seq], |row| delivery_row(sink, row))
            .optional()
    });
    rows.filter_map(Result::transpose).collect()
}

pub(super) fn known_sinks(connection: &Connection) -> rusqlite::Result<Vec<(SinkId, String)>> {
    connection
        .prepare_cached("SELECT id, name FROM sink ORDER BY id")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

pub(super) fn attempts_of(connection: &Connection, seq: Seq) -> rusqlite::Result<Vec<AttemptRow>> {
    connection
        .prepare_cached(
            "SELECT sink, at_ms, took_ms, attempt, code, verdict FROM attempt WHERE seq = ?1 ORDER BY at_ms, sink",
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
            })
        })?
        .collect()
}

pub(super) fn callback_of(connection: &Connection, seq: Seq) -> rusqlite::Result<Option<Vec<u8>>> {
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

pub(super) fn dead(connection: &Connection, filter: &Filter) -> rusqlite::Result<Vec<DeadRow>> {
    connection
        .prepare_cached(
            "SELECT id, sink, seq, attempts, at_ms, class, error, code FROM dead
             WHERE id < ?1 AND (?2 IS NULL OR sink = ?2) AND (?3 IS NULL OR fingerprint = ?3)
             ORDER BY id DESC LIMIT ?4",
        )?
        .query_map(
            params![
                filter.before.unwrap_or(i64::MAX),
                filter.sink,
                filter.fingerprint.map(|f| f.0.cast_signed()),
                filter.limit
            ],
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

const QUARANTINE: &str = "SELECT q.id, s.name, q.received_ms, q.faults, q.raw FROM quarantine q JOIN source s ON s.id = q.source";

fn quarantine_row(row: &Row<'_>) -> rusqlite::Result<QuarantineRow> {
    let faults: String = row.get(3)?;
    Ok(QuarantineRow {
        id: row.get(0)?,
        source: row.get(1)?,
        received_at: time(row.get(2)?),
        faults: serde_json::from_str::<Vec<Fault>>(&faults).unwrap_or_default(),
        callback: codec::unpack(row.get_ref(4)?.as_blob()?).ok_or_else(damage)?,
    })
}

pub(super) fn quarantine(
    connection: &Connection,
    filter: &Filter,
) -> rusqlite::Result<Vec<QuarantineRow>> {
    let source = source_number(connection, filter.source.as_deref())?;
    connection
        .prepare_cached(&format!(
            "{QUARANTINE} WHERE q.id < ?1 AND (?2 IS NULL OR q.source = ?2) ORDER BY q.id DESC LIMIT ?3"
        ))?
        .query_map(params![filter.before.unwrap_or(i64::MAX), source, filter.limit], quarantine_row)?
        .collect()
}

pub(super) fn quarantined(
    connection: &Connection,
    id: i64,
) -> rusqlite::Result<Option<QuarantineRow>> {
    connection
        .prepare_cached(&format!("{QUARANTINE} WHERE q.id = ?1"))?
        .query_row([id], quarantine_row)
        .optional()
}

pub(super) fn stats(connection: &Connection) -> rusqlite::Result<Stats> {
    let number = |sql: &str| {
        connection.query_row(sql, [], |row| row.get::<_, i64>(0).map(i64::cast_unsigned))
    };
    let mut owed = Vec::new();
    for (sink, _) in known_sinks(connection)? {
        let rows = number(&format!("SELECT count(*) FROM {}", owed::table(sink)))?;
        owed.extend((rows > 0).then_some((sink, rows)));
    }
    let dead = connection
        .prepare_cached("SELECT sink, count(*) FROM dead GROUP BY sink ORDER BY sink")?
        .query_map([], |row| {
            Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned()))
        })?
        .collect::<rusqlite::Result<_>>()?;
    // Places are given without gaps and pruned from the front, so that their span counts them without a scan.
    let span = bounds(connection)?.map_or(0, |(lowest, highest)| highest - lowest + 1);
    let pages = number("PRAGMA page_count")? * number("PRAGMA page_size")?;
    Ok(Stats {
        alerts: span.cast_unsigned(),
        owed,
        dead,
        quarantined: number("SELECT count(*) FROM quarantine")?,
        bytes: pages,
    })
}
