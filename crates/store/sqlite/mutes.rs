//! What a sink does not get now, or never: held alerts, episodes of which it was not informed, and outcomes. In the writer's transaction.

use campanile_model::{Fingerprint, Status, failpoint};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::numbers::status_number;
use super::pending;
use super::session::Session;
use crate::id::seq_of;
use crate::types::into_seq;
use crate::{End, REASON_BYTES_MAX, Seq, Settlement, SinkId, cut};

/// Alerts that are looked at to find a firing alert of an episode that the sink got. Beyond them, it is taken to have got one: it is
/// better to report an end too many than one too few.
const LOOK_ROWS: i64 = 20_000;

/// The columns of the table `held`.
const HELD: &str = "sink, source, fingerprint, seq, since_ms, reason";

/// The problem and the episode of an alert.
struct Of {
    source: i64,
    fingerprint: i64,
    episode: Uuid,
    /// It is the alert that opened the episode.
    opens: bool,
    fires: bool,
}

/// Whether any alert is held, or any sink not informed of an episode.
pub(super) fn any(connection: &Connection) -> rusqlite::Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM held) OR EXISTS (SELECT 1 FROM untold)";
    connection.query_row(sql, [], |row| row.get(0))
}

/// The alert is not sent now: it is held instead of pending. Of two held alerts of a problem the newer one stays.
pub(super) fn hold(
    session: &mut Session,
    settlement: &Settlement,
    reason: &str,
) -> rusqlite::Result<()> {
    let Settlement { sink, seq, at, .. } = *settlement;
    if pending::delete(&session.connection, sink)?.execute([seq])? == 0 {
        return Ok(());
    }
    session.muting = true;
    let connection = &session.connection;
    let Some(of) = of(connection, seq)? else {
        return end(connection, (sink, seq), at, End::Muted, reason);
    };
    let other = held(connection, sink, &of)?;
    match other {
        Some((newer, _)) if newer > seq => {
            let into = into_seq(newer);
            end(connection, (sink, seq), at, End::Folded, &into)?;
        }
        Some((older, _)) if older < seq => {
            end(connection, (sink, older), at, End::Folded, &into_seq(seq))?;
        }
        _ => {}
    }
    if other.is_none_or(|(other, _)| other < seq) {
        let sql = format!("INSERT OR REPLACE INTO held ({HELD}) VALUES (?1, ?2, ?3, ?4, ?5, ?6)");
        connection.prepare_cached(&sql)?.execute(params![
            sink,
            of.source,
            of.fingerprint,
            seq,
            at.as_millisecond(),
            cut(reason, REASON_BYTES_MAX)
        ])?;
    }
    untold(connection, sink, seq, &of)
}

/// The alert is never sent. The end of an episode also ends what was held of it.
pub(super) fn mute(
    session: &mut Session,
    settlement: &Settlement,
    reason: &str,
) -> rusqlite::Result<()> {
    let Settlement { sink, seq, at, .. } = *settlement;
    let connection = &session.connection;
    let held_rows = connection
        .prepare_cached("DELETE FROM held WHERE sink = ?1 AND seq = ?2")?
        .execute([sink, seq])?;
    if pending::delete(connection, sink)?.execute([seq])? + held_rows == 0 {
        return Ok(());
    }
    session.muting = true;
    let connection = &session.connection;
    end(connection, (sink, seq), at, End::Muted, reason)?;
    let Some(of) = of(connection, seq)? else {
        return Ok(());
    };
    if of.fires {
        return untold(connection, sink, seq, &of);
    }
    if let Some((older, reason)) = held(connection, sink, &of)?.filter(|(held, _)| *held < seq) {
        unhold(connection, sink, older)?;
        end(connection, (sink, older), at, End::Muted, &reason)?;
    }
    informed(connection, sink, &of)
}

/// Nothing mutes the alert any more: it is pending again, at its old place.
pub(super) fn release(session: &mut Session, settlement: &Settlement) -> rusqlite::Result<()> {
    let Settlement { sink, seq, at, .. } = *settlement;
    let lane: Option<i64> = session
        .connection
        .prepare_cached("DELETE FROM held WHERE sink = ?1 AND seq = ?2 RETURNING fingerprint")?
        .query_row([sink, seq], |row| row.get(0))
        .optional()?;
    if let Some(lane) = lane {
        let lane = Fingerprint(lane.cast_unsigned());
        session.insert_pending(sink, seq, lane, at, false)?;
    }
    Ok(())
}

/// The sink has got the alert, or may have got it. What is held of the same problem is older and says nothing more.
pub(super) fn passed(
    session: &mut Session,
    sink: SinkId,
    seq: Seq,
    at: Timestamp,
) -> rusqlite::Result<()> {
    if !session.muting {
        return Ok(());
    }
    let connection = &session.connection;
    let Some(of) = of(connection, seq)? else {
        return Ok(());
    };
    if let Some((older, _)) = held(connection, sink, &of)?.filter(|(held, _)| *held < seq) {
        unhold(connection, sink, older)?;
        end(connection, (sink, older), at, End::Folded, &into_seq(seq))?;
    }
    informed(connection, sink, &of)?;
    session.muting = any(connection)?;
    Ok(())
}

/// Writes what became of an alert that the sink does not get.
pub(super) fn end(
    connection: &Connection,
    (sink, seq): (SinkId, Seq),
    at: Timestamp,
    end: End,
    reason: &str,
) -> rusqlite::Result<()> {
    if end == End::Folded && failpoint::broken("broken-fold-loses-row") {
        return Ok(());
    }
    connection
        .prepare_cached("INSERT OR REPLACE INTO outcome VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![
            seq,
            sink,
            at.as_millisecond(),
            end.number(),
            cut(reason, REASON_BYTES_MAX)
        ])?;
    Ok(())
}

/// An operator decides about this alert: it is not held any more, and has no outcome. True if it was held.
pub(super) fn forget(connection: &Connection, sink: SinkId, seq: Seq) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("DELETE FROM outcome WHERE seq = ?1 AND sink = ?2")?
        .execute([seq, sink])?;
    unhold(connection, sink, seq)
}

/// The alert is not held any more. True if it was.
pub(super) fn unhold(connection: &Connection, sink: SinkId, seq: Seq) -> rusqlite::Result<bool> {
    let rows = connection
        .prepare_cached("DELETE FROM held WHERE sink = ?1 AND seq = ?2")?
        .execute([sink, seq])?;
    Ok(rows > 0)
}

fn of(connection: &Connection, seq: Seq) -> rusqlite::Result<Option<Of>> {
    let sql = "SELECT source, fingerprint, episode, id, status FROM alert WHERE seq = ?1";
    let row = |row: &rusqlite::Row<'_>| {
        let episode: Option<[u8; 16]> = row.get(2)?;
        Ok(Of {
            source: row.get(0)?,
            fingerprint: row.get(1)?,
            episode: Uuid::from_bytes(episode.unwrap_or(row.get(3)?)),
            opens: episode.is_none(),
            fires: row.get::<_, i64>(4)? == status_number(Status::Firing),
        })
    };
    connection
        .prepare_cached(sql)?
        .query_row([seq], row)
        .optional()
}

/// The place of what is held of this problem, and why.
fn held(connection: &Connection, sink: SinkId, of: &Of) -> rusqlite::Result<Option<(Seq, String)>> {
    let sql = "SELECT seq, reason FROM held WHERE sink = ?1 AND source = ?2 AND fingerprint = ?3";
    connection
        .prepare_cached(sql)?
        .query_row([sink, of.source, of.fingerprint], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()
}

/// Notes that the sink has got no firing alert of the episode, unless it has got one.
fn untold(connection: &Connection, sink: SinkId, seq: Seq, of: &Of) -> rusqlite::Result<()> {
    if !of.fires || (!of.opens && was_informed(connection, sink, seq, of)?) {
        return Ok(());
    }
    connection
        .prepare_cached("INSERT OR REPLACE INTO untold VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![
            sink,
            of.source,
            of.fingerprint,
            of.episode.as_bytes()
        ])?;
    Ok(())
}

/// The sink has got an alert of the episode, or the episode is over.
fn informed(connection: &Connection, sink: SinkId, of: &Of) -> rusqlite::Result<()> {
    let sql =
        "DELETE FROM untold WHERE sink = ?1 AND source = ?2 AND fingerprint = ?3 AND episode = ?4";
    connection.prepare_cached(sql)?.execute(params![
        sink,
        of.source,
        of.fingerprint,
        of.episode.as_bytes()
    ])?;
    Ok(())
}

/// Whether the sink has got a firing alert of the episode before this one, or may have got one.
fn was_informed(
    connection: &Connection,
    sink: SinkId,
    seq: Seq,
    of: &Of,
) -> rusqlite::Result<bool> {
    let episode = of.episode.as_bytes();
    let known = "SELECT EXISTS (SELECT 1 FROM untold WHERE sink = ?1 AND source = ?2 AND fingerprint = ?3 AND episode = ?4)";
    let key = params![sink, of.source, of.fingerprint, episode];
    let untold: bool = connection
        .prepare_cached(known)?
        .query_row(key, |row| row.get(0))?;
    if untold {
        return Ok(false);
    }
    let opening = seq_of(of.episode);
    let kept: bool = connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM alert WHERE seq = ?1)")?
        .query_row([opening], |row| row.get(0))?;
    if !kept || sent(connection, sink, opening)? || seq - opening > LOOK_ROWS {
        return Ok(true);
    }
    let between = "SELECT seq FROM alert WHERE seq > ?1 AND seq < ?2 AND source = ?3 AND fingerprint = ?4 AND status = ?5";
    let fires = status_number(Status::Firing);
    let mut select = connection.prepare_cached(between)?;
    let mut rows = select.query(params![opening, seq, of.source, of.fingerprint, fires])?;
    while let Some(row) = rows.next()? {
        if sent(connection, sink, row.get(0)?)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether the alert was delivered to the sink, or given up after it was sent.
fn sent(connection: &Connection, sink: SinkId, seq: Seq) -> rusqlite::Result<bool> {
    let sql =
        "SELECT EXISTS (SELECT 1 FROM attempt WHERE seq = ?1 AND sink = ?2 AND verdict IN (0, 2))";
    connection
        .prepare_cached(sql)?
        .query_row([seq, sink], |row| row.get(0))
}
