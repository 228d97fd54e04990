//! The effects of attempts and of operators' commands.

use std::collections::{HashMap, HashSet};
use std::iter;

use campanile_model::Worth;
use jiff::Timestamp;
use tokio_postgres::types::ToSql;

use super::audit;
use super::members::{self, Fence};
use super::numbers::sink_number;
use super::pool::Fault;
use super::session::Session;
use crate::{
    Act, HANDLE_BYTES_MAX, NOTE_BYTES_MAX, REASON_BYTES_MAX, REMARK_BYTES_MAX, Seq, Settlement,
    SinkId, Verdict, cut,
};

const SETTLE: &str = include_str!("settle.sql");

/// Writes the outcomes in one transaction. Outcomes of the same delivery are written one after the other.
pub(super) async fn settle(
    session: &mut Session,
    fence: &Fence,
    settlements: &[Settlement],
    handover: Option<&str>,
) -> Result<(), Fault> {
    let rounds = rounds(settlements);
    let settle = session.prepared(SETTLE).await?;
    if let [round] = rounds.as_slice() {
        let parameters = round.parameters(fence, &handover);
        let row = session.client.query_one(&settle, &parameters).await?;
        return Ok(fence.check(row.get(1))?);
    }
    let transaction = session.client.transaction().await?;
    for round in &rounds {
        let parameters = round.parameters(fence, &handover);
        let row = transaction.query_one(&settle, &parameters).await?;
        fence.check(row.get(1))?;
    }
    Ok(transaction.commit().await?)
}

/// The parameters of `settle.sql`.
#[derive(Default)]
struct Round<'s> {
    sinks: Vec<i32>,
    seqs: Vec<Seq>,
    at: Vec<Timestamp>,
    took_ms: Vec<i64>,
    attempts: Vec<i32>,
    codes: Vec<Option<i32>>,
    verdicts: Vec<i16>,
    due: Vec<Option<Timestamp>>,
    classes: Vec<&'s str>,
    errors: Vec<&'s str>,
    worths: Vec<Option<i16>>,
    remarks: Vec<Option<&'s str>>,
    notes: Vec<Option<&'s str>>,
    handles: Vec<Option<&'s str>>,
}

/// Each round has at most one outcome of a delivery. The order of all outcomes stays, because dead letters are numbered in it.
fn rounds(settlements: &[Settlement]) -> Vec<Round<'_>> {
    let mut met: HashSet<(SinkId, Seq)> = HashSet::new();
    let mut rounds: Vec<Round<'_>> = vec![Round::default()];
    for settlement in settlements {
        let delivery = (settlement.sink, settlement.seq);
        if !met.insert(delivery) {
            met = HashSet::from([delivery]);
            rounds.push(Round::default());
        }
        if let Some(round) = rounds.last_mut() {
            round.push(settlement);
        }
    }
    rounds
}

impl<'s> Round<'s> {
    fn push(&mut self, settlement: &'s Settlement) {
        let (verdict, due, class, error) = match &settlement.verdict {
            Verdict::Delivered => (0, None, "", ""),
            Verdict::Again { due_at, error } => (1, Some(*due_at), "", error.as_str()),
            Verdict::Dead { class, error } => (2, None, *class, error.as_str()),
            Verdict::Held { reason } => (3, None, "", cut(reason, REASON_BYTES_MAX)),
            Verdict::Muted { reason } => (4, None, "", cut(reason, REASON_BYTES_MAX)),
            Verdict::Released => (5, None, "", ""),
        };
        self.sinks.push(sink_number(settlement.sink));
        self.seqs.push(settlement.seq);
        self.at.push(settlement.at);
        self.took_ms.push(settlement.took_ms.into());
        self.attempts
            .push(i32::try_from(settlement.attempt).unwrap_or(i32::MAX));
        self.codes.push(settlement.code.map(Into::into));
        self.verdicts.push(verdict);
        self.due.push(due);
        self.classes.push(class);
        self.errors.push(error);
        self.worths.push(settlement.worth.map(worth_number));
        let remark = settlement.remark.as_deref();
        self.remarks
            .push(remark.map(|remark| cut(remark, REMARK_BYTES_MAX)));
        self.notes
            .push((verdict == 1 || verdict == 2).then(|| cut(error, NOTE_BYTES_MAX)));
        self.handles.push(handle(settlement));
    }

    fn parameters<'p>(
        &'p self,
        fence: &'p Fence,
        handover: &'p (dyn ToSql + Sync),
    ) -> [&'p (dyn ToSql + Sync); 19] {
        [
            &self.sinks,
            &self.seqs,
            &self.at,
            &self.took_ms,
            &self.attempts,
            &self.codes,
            &self.verdicts,
            &self.due,
            &self.classes,
            &self.errors,
            &self.worths,
            &self.remarks,
            &self.notes,
            &self.handles,
            &fence.me,
            &fence.sinks,
            &fence.epochs,
            handover,
            &fence.parts,
        ]
    }
}

fn handle(settlement: &Settlement) -> Option<&str> {
    let handle = settlement.handle.as_deref()?;
    if handle.len() > HANDLE_BYTES_MAX {
        tracing::warn!(
            sink = settlement.sink,
            seq = settlement.seq,
            bytes = handle.len(),
            "a sink returned a handle that is too long to keep; later messages of this episode go out without it"
        );
        return None;
    }
    Some(handle)
}

fn worth_number(worth: Worth) -> i16 {
    match worth {
        Worth::Committed => 0,
        Worth::Accepted => 1,
        Worth::Written => 2,
    }
}

/// Makes an alert pending for a sink again, also one that is held or was muted. False when the alert was removed or is already pending.
pub(super) async fn retry(
    session: &mut Session,
    (seq, sink): (Seq, SinkId),
    act: &Act,
) -> Result<bool, Fault> {
    let insert = "INSERT INTO pending (sink, seq, lane, since, retried)
                  SELECT $1, seq, fingerprint, $3, true FROM alert WHERE seq = $2 ON CONFLICT DO NOTHING";
    let transaction = session.client.transaction().await?;
    let rows = transaction
        .execute(insert, &[&sink_number(sink), &seq, &act.at])
        .await?;
    if rows > 0 {
        for delete in [
            "DELETE FROM held WHERE seq = $1 AND sink = $2",
            "DELETE FROM outcome WHERE seq = $1 AND sink = $2",
        ] {
            transaction
                .execute(delete, &[&seq, &sink_number(sink)])
                .await?;
        }
        members::look_from(&transaction, iter::once((sink, seq))).await?;
    }
    audit::commit_changed(transaction, &session.home, act, rows).await?;
    Ok(rows > 0)
}

/// Writes that an operator dropped what these rows name.
const DROPPED: &str = "INSERT INTO outcome (seq, at, sink, ending, reason)
    SELECT DISTINCT seq, $2::timestamptz, sink, 2, left($3, 300) FROM gone
    ON CONFLICT (seq, sink) DO UPDATE SET at = excluded.at, ending = excluded.ending, reason = excluded.reason";

/// Drops a delivery that is pending or held. False when it is neither.
pub(super) async fn drop_pending(
    session: &mut Session,
    (seq, sink): (Seq, SinkId),
    act: &Act,
) -> Result<bool, Fault> {
    let drop = format!(
        "WITH pend AS (DELETE FROM pending WHERE seq = $1 AND sink = $4 RETURNING seq, sink),
              held AS (DELETE FROM held WHERE seq = $1 AND sink = $4 RETURNING seq, sink),
              gone AS (SELECT * FROM pend UNION ALL SELECT * FROM held) {DROPPED}"
    );
    let transaction = session.client.transaction().await?;
    let rows = transaction
        .execute(&drop, &[&seq, &act.at, &act.who, &sink_number(sink)])
        .await?;
    audit::commit_changed(transaction, &session.home, act, rows).await?;
    Ok(rows > 0)
}

/// Makes dead letters pending again. When the alert is already pending for the sink, the dead letter is only removed.
pub(super) async fn retry_dead(
    session: &mut Session,
    ids: &[i64],
    act: &Act,
) -> Result<Vec<(SinkId, Seq)>, Fault> {
    let retry = "WITH letter AS (DELETE FROM dead WHERE id = ANY($1) RETURNING *), back AS (
                     INSERT INTO pending (sink, seq, lane, since, retried)
                     SELECT sink, seq, lane, $2, true FROM letter ORDER BY 1, 2 ON CONFLICT DO NOTHING
                 ) SELECT id, sink, seq FROM letter";
    let transaction = session.client.transaction().await?;
    let rows = transaction.query(retry, &[&ids, &act.at]).await?;
    let mut rows: HashMap<i64, (SinkId, Seq)> = rows
        .iter()
        .map(|row| (row.get(0), (row.get::<_, i32>(1).into(), row.get(2))))
        .collect();
    members::look_from(&transaction, rows.values().copied()).await?;
    audit::commit_changed(transaction, &session.home, act, rows.len() as u64).await?;
    Ok(ids.iter().filter_map(|id| rows.remove(id)).collect())
}

/// Drops dead letters. Returns how many existed.
pub(super) async fn drop_dead(session: &mut Session, ids: &[i64], act: &Act) -> Result<u64, Fault> {
    let drop = format!(
        "WITH gone AS (DELETE FROM dead WHERE id = ANY($1) RETURNING seq, sink), ended AS ({DROPPED})
         SELECT count(*) FROM gone"
    );
    let transaction = session.client.transaction().await?;
    let row = transaction
        .query_one(&drop, &[&ids, &act.at, &act.who])
        .await?;
    let rows = row.get::<_, i64>(0).unsigned_abs();
    audit::commit_changed(transaction, &session.home, act, rows).await?;
    Ok(rows)
}

/// Deletes rows of `table` by number. Returns how many existed.
pub(super) async fn drop_rows(
    session: &mut Session,
    (table, ids): (&str, &[i64]),
    act: &Act,
) -> Result<u64, Fault> {
    let delete = format!("DELETE FROM {table} WHERE id = ANY($1)");
    let transaction = session.client.transaction().await?;
    let rows = transaction.execute(&delete, &[&ids]).await?;
    audit::commit_changed(transaction, &session.home, act, rows).await?;
    Ok(rows)
}
