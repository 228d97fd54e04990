//! The effects of attempts and of operators' commands, in the writer's transaction.

use campanile_model::{Fingerprint, Worth};
use rusqlite::{Connection, OptionalExtension, params};

use super::audit;
use super::mutes;
use super::pending;
use super::session::Session;
use crate::packed::Packed;
use crate::{
    Act, Appended, Appending, End, HANDLE_BYTES_MAX, NOTE_BYTES_MAX, REMARK_BYTES_MAX, Seq,
    Settlement, SinkId, Verdict, cut,
};

/// Writes the outcome of one attempt and its effect. It changes nothing when the delivery is no longer pending.
pub(super) fn settle(session: &mut Session, settlement: &Settlement) -> rusqlite::Result<()> {
    let Settlement {
        sink,
        seq,
        at,
        attempt,
        code,
        ..
    } = *settlement;
    let at_ms = at.as_millisecond();
    match &settlement.verdict {
        Verdict::Held { reason } => return mutes::hold(session, settlement, reason),
        Verdict::Muted { reason } => return mutes::mute(session, settlement, reason),
        Verdict::Released => return mutes::release(session, settlement),
        Verdict::Delivered | Verdict::Again { .. } | Verdict::Dead { .. } => {}
    }
    let connection = &session.connection;
    let (rows, verdict) = match &settlement.verdict {
        Verdict::Held { .. } | Verdict::Muted { .. } | Verdict::Released => (0, 0),
        Verdict::Delivered => (pending::delete(connection, sink)?.execute([seq])?, 0),
        Verdict::Again { due_at, error } => {
            let rows = connection
                .prepare_cached(&format!(
                    "UPDATE {} SET attempts = ?2, due_ms = ?3, code = ?4, error = ?5 WHERE seq = ?1",
                    pending::table(sink)
                ))?
                .execute(params![seq, attempt, due_at.as_millisecond(), code, error])?;
            (rows, 1)
        }
        Verdict::Dead { class, error } => {
            connection
                .prepare_cached(&format!(
                    "INSERT INTO dead (sink, seq, fingerprint, attempts, at_ms, class, error, code)
                     SELECT ?1, seq, fingerprint, ?3, ?4, ?5, ?6, ?7 FROM {} WHERE seq = ?2",
                    pending::table(sink)
                ))?
                .execute(params![sink, seq, attempt, at_ms, class, error, code])?;
            (pending::delete(connection, sink)?.execute([seq])?, 2)
        }
    };
    if rows > 0 {
        connection
            .prepare_cached(
                "INSERT OR REPLACE INTO attempt VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            )?
            .execute(params![
                seq,
                sink,
                at_ms,
                attempt,
                settlement.took_ms,
                code,
                verdict,
                settlement.worth.map(worth_number),
                settlement
                    .remark
                    .as_deref()
                    .map(|remark| cut(remark, REMARK_BYTES_MAX)),
                note(&settlement.verdict)
            ])?;
        if let Some(handle) = &settlement.handle {
            keep_handle(connection, settlement, handle)?;
        }
        if verdict != 1 {
            mutes::passed(session, sink, seq, at)?;
        }
    }
    Ok(())
}

/// Stores the handle that the sink returned for the episode of this alert.
fn keep_handle(
    connection: &Connection,
    settlement: &Settlement,
    handle: &str,
) -> rusqlite::Result<()> {
    let Settlement { sink, seq, .. } = *settlement;
    if handle.len() > HANDLE_BYTES_MAX {
        tracing::warn!(
            sink,
            seq,
            bytes = handle.len(),
            "a sink returned a handle that is too long to keep; later messages of this episode go out without it"
        );
        return Ok(());
    }
    let sql = "INSERT OR REPLACE INTO handle
               SELECT coalesce(episode, id), ?2, source, fingerprint, NULL, ?3 FROM alert WHERE seq = ?1";
    connection
        .prepare_cached(sql)?
        .execute(params![seq, sink, handle])?;
    Ok(())
}

/// The reason of a failed attempt. The pending delivery and the dead letter have the reason of the last attempt only.
fn note(verdict: &Verdict) -> Option<&str> {
    match verdict {
        Verdict::Again { error, .. } | Verdict::Dead { error, .. } => {
            Some(cut(error, NOTE_BYTES_MAX))
        }
        Verdict::Delivered | Verdict::Held { .. } | Verdict::Muted { .. } | Verdict::Released => {
            None
        }
    }
}

/// The stored form of the worth of a success.
fn worth_number(worth: Worth) -> i64 {
    match worth {
        Worth::Committed => 0,
        Worth::Accepted => 1,
        Worth::Written => 2,
    }
}

/// Makes dead letters pending again. When the alert is already pending for the sink, the dead letter is only removed.
pub(super) fn retry_dead(
    session: &mut Session,
    dead: &[i64],
    act: &Act,
) -> rusqlite::Result<Vec<(SinkId, Seq)>> {
    let mut retried = Vec::new();
    for id in dead {
        let letter = session
            .connection
            .prepare_cached("DELETE FROM dead WHERE id = ?1 RETURNING sink, seq, fingerprint")?
            .query_row([id], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get::<_, i64>(2)?))
            })
            .optional()?;
        if let Some((sink, seq, lane)) = letter {
            session.insert_pending(sink, seq, Fingerprint(lane.cast_unsigned()), act.at, true)?;
            retried.push((sink, seq));
        }
    }
    audit::changed(session, act, retried.len())?;
    Ok(retried)
}

/// Makes an alert pending for a sink again. False when the alert was removed or is already pending.
pub(super) fn retry(
    session: &mut Session,
    seq: Seq,
    sink: SinkId,
    act: &Act,
) -> rusqlite::Result<bool> {
    let lane: Option<i64> = session
        .connection
        .prepare_cached("SELECT fingerprint FROM alert WHERE seq = ?1")?
        .query_row([seq], |row| row.get(0))
        .optional()?;
    let Some(lane) = lane else {
        return Ok(false);
    };
    let lane = Fingerprint(lane.cast_unsigned());
    mutes::forget(&session.connection, sink, seq)?;
    let pending = session.insert_pending(sink, seq, lane, act.at, true)?;
    audit::changed(session, act, usize::from(pending))?;
    Ok(pending)
}

/// Drops a delivery that is pending or held. False when it is neither.
pub(super) fn drop_pending(
    session: &Session,
    seq: Seq,
    sink: SinkId,
    act: &Act,
) -> rusqlite::Result<bool> {
    let connection = &session.connection;
    let pending = pending::delete(connection, sink)?.execute([seq])? > 0;
    let dropped = mutes::unhold(connection, sink, seq)? || pending;
    if dropped {
        mutes::end(connection, (sink, seq), act.at, End::Dropped, &act.who)?;
    }
    audit::changed(session, act, usize::from(dropped))?;
    Ok(dropped)
}

/// Deletes rows of `table` by number. Returns how many existed.
pub(super) fn drop_rows(
    session: &Session,
    table: &str,
    ids: &[i64],
    act: &Act,
) -> rusqlite::Result<u64> {
    let dropped = delete(session, table, ids)?;
    audit::changed(session, act, dropped)?;
    Ok(dropped as u64)
}

/// Drops dead letters. Returns how many existed.
pub(super) fn drop_dead(session: &Session, ids: &[i64], act: &Act) -> rusqlite::Result<u64> {
    let connection = &session.connection;
    let mut dropped = 0;
    for id in ids {
        let letter = connection
            .prepare_cached("DELETE FROM dead WHERE id = ?1 RETURNING sink, seq")?
            .query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        if let Some(delivery) = letter {
            dropped += 1;
            mutes::end(connection, delivery, act.at, End::Dropped, &act.who)?;
        }
    }
    audit::changed(session, act, dropped)?;
    Ok(dropped as u64)
}

fn delete(session: &Session, table: &str, ids: &[i64]) -> rusqlite::Result<usize> {
    let mut delete = session
        .connection
        .prepare_cached(&format!("DELETE FROM {table} WHERE id = ?1"))?;
    ids.iter()
        .try_fold(0, |sum, id| Ok(sum + delete.execute([id])?))
}

/// Removes a callback from quarantine and appends its new reading. Appends nothing when the callback is no longer in
/// quarantine.
pub(super) fn release(
    session: &mut Session,
    id: i64,
    entry: &Packed,
    act: &Act,
) -> rusqlite::Result<Appended> {
    if delete(session, "quarantine", &[id])? == 0 {
        return Ok(Appended::default());
    }
    audit::changed(session, act, 1)?;
    session.append(entry)
}

/// Appends an entry for an operator.
pub(super) fn append_by(
    session: &mut Session,
    entry: &Packed,
    act: &Act,
) -> rusqlite::Result<Appended> {
    let appended = session.append(entry)?;
    let accepted = |appending: &&Appending| matches!(appending, Appending::Accepted { .. });
    audit::changed(
        session,
        act,
        appended.alerts.iter().filter(accepted).count(),
    )?;
    Ok(appended)
}
