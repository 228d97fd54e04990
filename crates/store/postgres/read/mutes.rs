//! Reads what is held, what became of alerts that were not sent, and deliveries that are in no place.

use campanile_model::Fingerprint;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row};

use super::list::limit;
use crate::lease::Part;
use crate::postgres::numbers::sink_number;
use crate::postgres::pool::Fault;
use crate::postgres::session::Session;
use crate::{End, Held, HeldPlace, OutcomeRow, Seq, SinkId};

macro_rules! held {
    () => {
        "SELECT sink, source, fingerprint, seq, since, reason FROM held "
    };
}

fn held_row(row: &Row) -> Held {
    let fingerprint: i64 = row.get(2);
    Held {
        sink: row.get::<_, i32>(0).into(),
        seq: row.get(3),
        fingerprint: Fingerprint(fingerprint.cast_unsigned()),
        since: row.get(4),
        reason: row.get(5),
        place: HeldPlace(row.get::<_, i32>(1).into(), fingerprint),
    }
}

/// What is held for the lanes of a part after this place.
pub(crate) async fn held_of(
    session: &Session,
    part: Part,
    after: HeldPlace,
    count: usize,
) -> Result<Vec<Held>, Fault> {
    let select = concat!(
        held!(),
        "WHERE sink = $1 AND (source, fingerprint) > ($2::bigint, $3) AND (fingerprint % $4 + $4) % $4 = $5
         ORDER BY source, fingerprint LIMIT $6"
    );
    let HeldPlace(source, fingerprint) = after;
    let (sink, limit) = (sink_number(part.sink), limit(count));
    let (of, number) = (i64::from(part.of), i64::from(part.number));
    let parameters: [&(dyn ToSql + Sync); 6] = [&sink, &source, &fingerprint, &of, &number, &limit];
    let rows = session.query(select, &parameters).await?;
    Ok(rows.iter().map(held_row).collect())
}

pub(crate) async fn held_alert(client: &Client, seq: Seq) -> Result<Vec<Held>, Fault> {
    let select = concat!(held!(), "WHERE seq = $1 ORDER BY sink");
    let rows = client.query(select, &[&seq]).await?;
    Ok(rows.iter().map(held_row).collect())
}

pub(crate) async fn held(
    client: &Client,
    sink: Option<SinkId>,
    count: u32,
) -> Result<Vec<Held>, Fault> {
    let select = concat!(
        held!(),
        "WHERE $1::int IS NULL OR sink = $1 ORDER BY sink, source, fingerprint LIMIT $2"
    );
    let sink = sink.map(sink_number);
    let rows = client.query(select, &[&sink, &i64::from(count)]).await?;
    Ok(rows.iter().map(held_row).collect())
}

pub(crate) async fn outcomes_of(client: &Client, seq: Seq) -> Result<Vec<OutcomeRow>, Fault> {
    let select = "SELECT sink, at, ending, reason FROM outcome WHERE seq = $1 ORDER BY sink";
    let rows = client.query(select, &[&seq]).await?;
    let row = |row: &Row| OutcomeRow {
        sink: row.get::<_, i32>(0).into(),
        at: row.get(1),
        end: End::of(row.get::<_, i16>(2).into()),
        reason: row.get(3),
    };
    Ok(rows.iter().map(row).collect())
}

/// Alerts held, by sink.
pub(crate) async fn held_counts(client: &Client) -> Result<Vec<(SinkId, u64)>, Fault> {
    let select = "SELECT sink, count(*) FROM held GROUP BY sink ORDER BY sink";
    let rows = client.query(select, &[]).await?;
    let count = |row: &Row| {
        (
            row.get::<_, i32>(0).into(),
            row.get::<_, i64>(1).unsigned_abs(),
        )
    };
    Ok(rows.iter().map(count).collect())
}

/// Deliveries that are in no place, or in more than one.
pub(crate) async fn misplaced(client: &Client, count: u32) -> Result<Vec<(Seq, SinkId)>, Fault> {
    let select = "WITH place AS (
            SELECT seq, sink FROM held UNION ALL SELECT seq, sink FROM pending
        ), planned AS (SELECT seq, unnest(plan) AS sink FROM alert), counted AS (
            SELECT p.seq, p.sink,
                (SELECT count(*) FROM place o WHERE o.seq = p.seq AND o.sink = p.sink) AS places,
                EXISTS (SELECT FROM dead d WHERE d.seq = p.seq AND d.sink = p.sink) AS dead,
                EXISTS (SELECT FROM outcome o WHERE o.seq = p.seq AND o.sink = p.sink) AS ended,
                EXISTS (SELECT FROM attempt t WHERE t.seq = p.seq AND t.sink = p.sink AND t.verdict IN (0, 2)) AS sent
            FROM planned p
        )
        SELECT seq, sink FROM counted
        WHERE places > 1 OR places = 1 AND ended OR places = 0 AND NOT (dead OR ended OR sent)
        ORDER BY seq, sink LIMIT $1";
    let rows = client.query(select, &[&i64::from(count)]).await?;
    let row = |row: &Row| (row.get(0), row.get::<_, i32>(1).into());
    Ok(rows.iter().map(row).collect())
}
