//! Reads pending deliveries, attempts and dead letters.

use std::collections::HashMap;

use campanile_model::{Fingerprint, Worth};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row};

use super::list::{List, limit};
use crate::lease::Part;
use crate::postgres::floor::Floor;
use crate::postgres::numbers::sink_number;
use crate::postgres::pool::Fault;
use crate::postgres::session::Session;
use crate::{
    AttemptRow, DeadFilter, DeadRow, DeliveryFilter, DeliveryRow, Pending, Progress, Seq, SinkId,
};

macro_rules! columns {
    () => {
        "sink, seq, lane, attempts, due, since, retried, code, error"
    };
}

const COLUMNS: &str = columns!();

fn pending_row(row: &Row) -> Pending {
    Pending {
        seq: row.get(1),
        fingerprint: Fingerprint(row.get::<_, i64>(2).cast_unsigned()),
        attempts: row.get::<_, i32>(3).unsigned_abs(),
        due_at: row.get(4),
        pending_since: row.get(5),
        retried: row.get(6),
    }
}

fn delivery_row(row: &Row) -> DeliveryRow {
    DeliveryRow {
        sink: row.get::<_, i32>(0).into(),
        pending: pending_row(row),
        last_code: code(row.get(7)),
        last_error: row.get(8),
    }
}

fn code(kept: Option<i32>) -> Option<u16> {
    kept.and_then(|code| u16::try_from(code).ok())
}

/// Pending deliveries of a sink, up to the floor.
pub(crate) async fn pending(
    session: &mut Session,
    floor: &Floor,
    sink: SinkId,
    after: Seq,
    count: usize,
) -> Result<Vec<Pending>, Fault> {
    let floor = floor.look(session).await?;
    let select = concat!(
        "SELECT ",
        columns!(),
        " FROM pending WHERE sink = $1 AND seq > $2 AND seq <= $3 ORDER BY seq LIMIT $4"
    );
    let (sink, limit) = (sink_number(sink), limit(count));
    let rows = session
        .query(select, &[&sink, &after, &floor, &limit])
        .await?;
    Ok(rows.iter().map(pending_row).collect())
}

/// The same for the lanes of one part.
pub(crate) async fn pending_of(
    session: &mut Session,
    floor: &Floor,
    part: Part,
    after: Seq,
    count: usize,
) -> Result<Vec<Pending>, Fault> {
    if part.of == 1 {
        return pending(session, floor, part.sink, after, count).await;
    }
    let floor = floor.look(session).await?;
    let select = concat!(
        "SELECT ",
        columns!(),
        " FROM pending WHERE sink = $1 AND seq > $2 AND seq <= $3 AND (lane % $5 + $5) % $5 = $6 ORDER BY seq LIMIT $4"
    );
    let (sink, limit) = (sink_number(part.sink), limit(count));
    let (of, number) = (i64::from(part.of), i64::from(part.number));
    let parameters: [&(dyn ToSql + Sync); 6] = [&sink, &after, &floor, &limit, &of, &number];
    let rows = session.query(select, &parameters).await?;
    Ok(rows.iter().map(pending_row).collect())
}

/// The same for one lane.
pub(crate) async fn pending_in_lane(
    session: &mut Session,
    floor: &Floor,
    sink: SinkId,
    lane: Fingerprint,
    after: Seq,
    count: usize,
) -> Result<Vec<Pending>, Fault> {
    let floor = floor.look(session).await?;
    let select = concat!(
        "SELECT ",
        columns!(),
        " FROM pending WHERE sink = $1 AND lane = $2 AND seq > $3 AND seq <= $4 ORDER BY seq LIMIT $5"
    );
    let (sink, lane, limit) = (sink_number(sink), lane.0.cast_signed(), limit(count));
    let rows = session
        .query(select, &[&sink, &lane, &after, &floor, &limit])
        .await?;
    Ok(rows.iter().map(pending_row).collect())
}

pub(crate) async fn deliveries(
    client: &Client,
    filter: &DeliveryFilter,
) -> Result<Vec<DeliveryRow>, Fault> {
    let mut list = List::default();
    list.add("seq < ", filter.before);
    list.add("sink = ", filter.sink.map(sink_number));
    let rows = list
        .query(
            client,
            COLUMNS,
            "pending",
            "seq DESC, sink DESC",
            limit(filter.limit),
        )
        .await?;
    Ok(rows.iter().map(delivery_row).collect())
}

pub(crate) async fn of_alert(client: &Client, seq: Seq) -> Result<Vec<DeliveryRow>, Fault> {
    let select = format!("SELECT {COLUMNS} FROM pending WHERE seq = $1 ORDER BY sink");
    let rows = client.query(&select, &[&seq]).await?;
    Ok(rows.iter().map(delivery_row).collect())
}

pub(crate) async fn attempts(client: &Client, seq: Seq) -> Result<Vec<AttemptRow>, Fault> {
    let select =
        "SELECT sink, at, took_ms, attempt, code, verdict, worth, remark, note FROM attempt
                  WHERE seq = $1 ORDER BY at, sink, attempt";
    let rows = client.query(select, &[&seq]).await?;
    Ok(rows.iter().map(attempt_row).collect())
}

fn attempt_row(row: &Row) -> AttemptRow {
    let verdict = match row.get::<_, i16>(5) {
        0 => "delivered",
        1 => "again",
        _ => "dead",
    };
    AttemptRow {
        sink: row.get::<_, i32>(0).into(),
        at: row.get(1),
        took_ms: u32::try_from(row.get::<_, i64>(2)).unwrap_or(u32::MAX),
        attempt: row.get::<_, i32>(3).unsigned_abs(),
        code: code(row.get(4)),
        verdict: verdict.to_owned(),
        worth: row.get::<_, Option<i16>>(6).map(worth),
        remark: row.get(7),
        note: row.get(8),
    }
}

pub(crate) async fn progress(client: &Client, seqs: &[Seq]) -> Result<Vec<Progress>, Fault> {
    let select = "WITH asked AS (SELECT DISTINCT unnest($1::bigint[]) AS seq), last AS (
            SELECT DISTINCT ON (t.seq, t.sink) t.seq, t.sink, t.verdict FROM attempt t
            WHERE t.seq = ANY($1) ORDER BY t.seq, t.sink, t.at DESC, t.attempt DESC
        ), ended AS (
            SELECT l.* FROM last l WHERE NOT EXISTS (SELECT FROM pending p WHERE p.sink = l.sink AND p.seq = l.seq)
                AND NOT EXISTS (SELECT FROM held h WHERE h.sink = l.sink AND h.seq = l.seq)
                AND NOT EXISTS (SELECT FROM outcome o WHERE o.sink = l.sink AND o.seq = l.seq)
        )
        SELECT seq, (SELECT count(*) FROM ended e WHERE e.seq = asked.seq AND e.verdict = 0),
            (SELECT count(*) FROM pending p WHERE p.seq = asked.seq),
            (SELECT count(*) FROM ended e WHERE e.seq = asked.seq AND e.verdict = 2),
            (SELECT count(*) FROM held h WHERE h.seq = asked.seq),
            (SELECT count(*) FROM outcome o WHERE o.seq = asked.seq) FROM asked";
    let rows = client.query(select, &[&seqs]).await?;
    let count = |row: &Row, at| usize::try_from(row.get::<_, i64>(at)).unwrap_or(0);
    let progress = |row: &Row| Progress {
        delivered: count(row, 1),
        pending: count(row, 2),
        dead: count(row, 3),
        held: count(row, 4),
        ended: count(row, 5),
    };
    let found: HashMap<Seq, Progress> =
        rows.iter().map(|row| (row.get(0), progress(row))).collect();
    Ok(seqs
        .iter()
        .map(|seq| found.get(seq).copied().unwrap_or_default())
        .collect())
}

fn worth(number: i16) -> Worth {
    match number {
        0 => Worth::Committed,
        1 => Worth::Accepted,
        _ => Worth::Written,
    }
}

pub(crate) async fn dead(client: &Client, filter: &DeadFilter) -> Result<Vec<DeadRow>, Fault> {
    let mut list = List::default();
    list.add("id < ", filter.before);
    list.add("sink = ", filter.sink.map(sink_number));
    let columns = "id, sink, seq, attempts, at, class, error, code";
    let rows = list
        .query(client, columns, "dead", "id DESC", limit(filter.limit))
        .await?;
    let letter = |row: &Row| DeadRow {
        id: row.get(0),
        sink: row.get::<_, i32>(1).into(),
        seq: row.get(2),
        attempts: row.get::<_, i32>(3).unsigned_abs(),
        at: row.get(4),
        class: row.get(5),
        error: row.get(6),
        code: code(row.get(7)),
    };
    Ok(rows.iter().map(letter).collect())
}
