//! Removes rows that are older than the retention, a few at a time, so no callback waits for it.

use rusqlite::{Connection, params};
use uuid::Uuid;

use super::session::Session;
use super::{audit, pending, postings, silences};
use crate::{Seq, SinkId, id};
use campanile_model::failpoint;

/// Rows that one step may remove or skip.
const STEP_ROWS: i64 = 500;

/// The progress of the current round.
#[derive(Default)]
pub(super) struct Pruned {
    alert: Seq,
    callback: i64,
    handle: (Uuid, SinkId),
}

/// One step. True while there is more to do. Alerts with a pending or held delivery or a dead letter stay, with their
/// callbacks.
pub(super) fn step(session: &mut Session, before_ms: i64) -> rusqlite::Result<bool> {
    if letters(session, before_ms)?
        || silences::prune(session, before_ms, STEP_ROWS)?
        || untold(session, before_ms)?
        || audit::prune(session, before_ms, STEP_ROWS)?
        || alerts(session, before_ms)?
        || callbacks(session, before_ms)?
        || handles(session, before_ms)?
    {
        return Ok(true);
    }
    session.pruned = Pruned::default();
    if postings::prune(&session.connection, before_ms)? {
        return Ok(true);
    }
    let Session {
        keys,
        tallies,
        connection,
        ..
    } = session;
    if tallies.prune(connection, before_ms, STEP_ROWS)? {
        return Ok(true);
    }
    keys.prune(connection, before_ms, STEP_ROWS)
}

/// Dead letters and quarantined callbacks expire by their own age. They are removed first, because a dead letter keeps its
/// alert. Attempts are removed with their alerts.
fn letters(session: &Session, before_ms: i64) -> rusqlite::Result<bool> {
    let mut removed = 0;
    for sql in [
        "DELETE FROM dead WHERE id IN (SELECT id FROM dead WHERE at_ms < ?1 ORDER BY id LIMIT ?2)",
        "DELETE FROM quarantine WHERE id IN (SELECT id FROM quarantine WHERE received_ms < ?1 ORDER BY id LIMIT ?2)",
    ] {
        removed += session
            .connection
            .prepare_cached(sql)?
            .execute([before_ms, STEP_ROWS])?;
    }
    Ok(removed > 0)
}

/// Rows of episodes that ended, and whose end the sink did not get.
fn untold(session: &Session, before_ms: i64) -> rusqlite::Result<bool> {
    // Few, so all of them are looked at: once in a round.
    if session.pruned.alert != 0 {
        return Ok(false);
    }
    let sql = "SELECT sink, source, fingerprint, episode FROM untold u WHERE NOT EXISTS (
                   SELECT 1 FROM problem p
                   WHERE p.source = u.source AND p.fingerprint = u.fingerprint AND p.episode = u.episode)";
    let mut select = session.connection.prepare_cached(sql)?;
    let rows = select.query_map([], |row| {
        let key: [i64; 3] = [row.get(0)?, row.get(1)?, row.get(2)?];
        Ok((key, Uuid::from_bytes(row.get(3)?)))
    })?;
    let rows: Vec<([i64; 3], Uuid)> = rows.collect::<rusqlite::Result<_>>()?;
    let delete = "DELETE FROM untold WHERE sink = ?1 AND source = ?2 AND fingerprint = ?3";
    for (key, _) in rows
        .iter()
        .filter(|(_, episode)| id::ms_of(*episode) < before_ms)
    {
        session.connection.prepare_cached(delete)?.execute(*key)?;
    }
    Ok(false)
}

/// The next expired rows by place, each with whether it is still needed. Rows are in order of age, so reading stops at the
/// first row that has not expired, and a step reads at most [`STEP_ROWS`] rows.
fn old(
    connection: &Connection,
    next: &str,
    after: i64,
    before_ms: i64,
) -> rusqlite::Result<Vec<(i64, bool)>> {
    let mut select = connection.prepare_cached(next)?;
    let mut rows = select.query([after, STEP_ROWS])?;
    let mut old = Vec::new();
    while let Some(row) = rows.next()? {
        if row.get::<_, i64>(1)? >= before_ms {
            break;
        }
        old.push((row.get(0)?, row.get(2)?));
    }
    Ok(old)
}

fn alerts(session: &mut Session, before_ms: i64) -> rusqlite::Result<bool> {
    let connection = &session.connection;
    let next = "SELECT seq, received_ms, EXISTS (SELECT 1 FROM dead WHERE dead.seq = a.seq)
                    OR EXISTS (SELECT 1 FROM held WHERE held.seq = a.seq)
                FROM alert a WHERE seq > ?1 ORDER BY seq LIMIT ?2";
    let old = old(connection, next, session.pruned.alert, before_ms)?;
    let Some((last, _)) = old.last().copied() else {
        return Ok(false);
    };
    let pending = pending::between(connection, session.pruned.alert, last)?;
    // The highest place is saved, so it is never assigned again after its alert is removed. The table cannot tell it: an
    // earlier round can have removed that alert and kept an older one that is pending.
    connection
        .prepare_cached("INSERT OR REPLACE INTO meta VALUES ('last_seq', ?1)")?
        .execute([session.last_seq()])?;
    let unwanted = old
        .iter()
        .filter(|(seq, dead)| !dead && !pending.contains(seq));
    for (seq, _) in unwanted {
        for delete in [
            "DELETE FROM attempt WHERE seq = ?1",
            "DELETE FROM outcome WHERE seq = ?1",
        ] {
            connection.prepare_cached(delete)?.execute([seq])?;
        }
        failpoint::point("mid-prune");
        connection
            .prepare_cached("DELETE FROM alert WHERE seq = ?1")?
            .execute([seq])?;
    }
    session.pruned.alert = last;
    Ok(true)
}

fn callbacks(session: &mut Session, before_ms: i64) -> rusqlite::Result<bool> {
    let connection = &session.connection;
    let next = "SELECT id, received_ms,
                       EXISTS (SELECT 1 FROM alert WHERE callback = c.id AND seq >= c.first_seq
                               AND seq <= coalesce(c.last_seq, c.first_seq + c.alerts - 1))
                FROM callback c WHERE id > ?1 ORDER BY id LIMIT ?2";
    let old = old(connection, next, session.pruned.callback, before_ms)?;
    let Some((last, _)) = old.last().copied() else {
        return Ok(false);
    };
    for (id, _) in old.iter().filter(|(_, wanted)| !wanted) {
        connection
            .prepare_cached("DELETE FROM callback WHERE id = ?1")?
            .execute([id])?;
    }
    session.pruned.callback = last;
    Ok(true)
}

/// Handles in the order of their episodes, up to the first episode that has not expired. The first round that finds an
/// episode closed records the last assigned place. A later round removes the handle when all alerts up to that place are
/// removed.
fn handles(session: &mut Session, before_ms: i64) -> rusqlite::Result<bool> {
    let old = old_handles(session, before_ms)?;
    let Some(last) = old.last().map(|handle| handle.key) else {
        return Ok(false);
    };
    let connection = &session.connection;
    let lowest: Option<Seq> =
        connection.query_row("SELECT min(seq) FROM alert", [], |row| row.get(0))?;
    let mut end = connection
        .prepare_cached("UPDATE handle SET ended_seq = ?3 WHERE episode = ?1 AND sink = ?2")?;
    let mut delete =
        connection.prepare_cached("DELETE FROM handle WHERE episode = ?1 AND sink = ?2")?;
    for Handle { key, ended_seq, .. } in old.iter().filter(|handle| !handle.open) {
        let (episode, sink) = (key.0.as_bytes(), key.1);
        match ended_seq {
            None => end.execute(params![episode, sink, session.last_seq()])?,
            Some(ended) if lowest.is_none_or(|lowest| lowest > *ended) => {
                delete.execute(params![episode, sink])?
            }
            Some(_) => 0,
        };
    }
    drop((end, delete));
    session.pruned.handle = last;
    Ok(true)
}

/// A row of the table `handle`.
struct Handle {
    key: (Uuid, SinkId),
    ended_seq: Option<Seq>,
    open: bool,
}

fn old_handles(session: &Session, before_ms: i64) -> rusqlite::Result<Vec<Handle>> {
    let (episode, sink) = session.pruned.handle;
    let mut select = session.connection.prepare_cached(
        "SELECT episode, sink, ended_seq, EXISTS (
             SELECT 1 FROM problem p
             WHERE p.source = h.source AND p.fingerprint = h.fingerprint AND p.episode = h.episode)
         FROM handle h WHERE (episode, sink) > (?1, ?2) ORDER BY episode, sink LIMIT ?3",
    )?;
    let rows = select.query_map(params![episode.as_bytes(), sink, STEP_ROWS], |row| {
        Ok(Handle {
            key: (Uuid::from_bytes(row.get(0)?), row.get(1)?),
            ended_seq: row.get(2)?,
            open: row.get(3)?,
        })
    })?;
    let young = |handle: &Handle| id::ms_of(handle.key.0) >= before_ms;
    rows.take_while(|row| !row.as_ref().is_ok_and(young))
        .collect()
}
