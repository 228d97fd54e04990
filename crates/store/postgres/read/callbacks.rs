//! Lists callbacks, newest first.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use tokio_postgres::{Client, Row};

use super::arrival::unpacked;
use super::source_number;
use crate::arrival::put_first;
use crate::postgres::pool::Fault;
use crate::{CallbackFilter, CallbackRow, Listed, Searched, Seq};

/// Rows that one list reads. Then it says how far it looked.
const LOOK_ROWS: i64 = 20_000;

/// Callbacks are in the order of their places. Their times differ from it by less than this, unless a clock was set.
const DISORDER: SignedDuration = SignedDuration::from_secs(60);

/// The place of a row in the list: `seq`, then `id`. A callback that has no place of its own (`schema/1.sql`) comes after the one at the
/// next place.
type Place = (Seq, i64);

pub(crate) async fn callbacks(
    client: &Client,
    filter: &CallbackFilter,
) -> Result<Listed<CallbackRow>, Fault> {
    let source = source_number(client, filter.source.as_deref()).await?;
    let rows = looked(client, filter.before).await?;
    let (mut wanted, mut searched) = (Vec::new(), None);
    let mut ended = rows.len() < usize::try_from(LOOK_ROWS).unwrap_or(usize::MAX);
    for row in &rows {
        if wanted.len() >= filter.limit as usize {
            ended = true;
            break;
        }
        let (id, at, of, alerts): (i64, Timestamp, i32, i32) =
            (row.get(1), row.get(2), row.get(3), row.get(4));
        if filter.since.is_some_and(|since| at < since - DISORDER) {
            ended = true;
            break;
        }
        searched = Some(Searched { before: id, at });
        let matches = source.is_none_or(|source| of == source)
            && filter
                .ignored
                .is_none_or(|ignored| ignored == (alerts == 0))
            && filter.since.is_none_or(|since| at >= since);
        if matches {
            wanted.push(id);
        }
    }
    Ok(Listed {
        rows: shown(client, &wanted).await?,
        searched: searched.filter(|_| !ended),
    })
}

/// The next rows of the list, with the small columns only: most of them are not shown.
async fn looked(client: &Client, before: Option<i64>) -> Result<Vec<Row>, Fault> {
    let (seq, id) = place(client, before).await?;
    let placed = "SELECT seq, seq, received, source, alerts FROM callback WHERE seq < $1 ORDER BY seq DESC LIMIT $2";
    let mut rows = client.query(placed, &[&seq, &LOOK_ROWS]).await?;
    let unplaced = "SELECT seq, id, received, source, 0 FROM unplaced WHERE id < $1 AND seq <= $2
                    ORDER BY id DESC LIMIT $3";
    let others = client.query(unplaced, &[&id, &seq, &LOOK_ROWS]).await?;
    if !others.is_empty() {
        rows.extend(others);
        rows.sort_by_key(|row| std::cmp::Reverse::<Place>((row.get(0), row.get(1))));
        rows.truncate(usize::try_from(LOOK_ROWS).unwrap_or(usize::MAX));
    }
    Ok(rows)
}

/// The place of the last row of the previous page.
async fn place(client: &Client, before: Option<i64>) -> Result<Place, Fault> {
    let Some(id) = before else {
        return Ok((Seq::MAX, i64::MAX));
    };
    if id >= 0 {
        return Ok((id, id));
    }
    // When the row was removed since, the next older one is near it.
    let near = "SELECT seq FROM unplaced WHERE id <= $1 ORDER BY id DESC LIMIT 1";
    let near = client.query_opt(near, &[&id]).await?;
    Ok((near.map_or(0, |row| row.get(0)), id))
}

async fn shown(client: &Client, ids: &[i64]) -> Result<Vec<CallbackRow>, Fault> {
    let select = "SELECT c.seq, s.name, c.received, c.alerts, a.id, c.packed, c.arrival_bytes FROM callback c
                  JOIN name s ON s.kind = 'source' AND s.id = c.source LEFT JOIN alert a ON a.seq = c.seq
                  WHERE c.seq = ANY($1)
                  UNION ALL
                  SELECT u.id, s.name, u.received, 0, NULL, u.packed, u.arrival_bytes FROM unplaced u
                  JOIN name s ON s.kind = 'source' AND s.id = u.source WHERE u.id = ANY($1)";
    let rows = client.query(select, &[&ids]).await?;
    let mut shown: HashMap<i64, CallbackRow> = HashMap::new();
    for row in &rows {
        shown.insert(row.get(0), callback_row(row)?);
    }
    Ok(ids.iter().filter_map(|id| shown.remove(id)).collect())
}

fn callback_row(row: &Row) -> Result<CallbackRow, Fault> {
    let (mut arrival, _) = unpacked(row.get(5), row.get(6), 0)?;
    let first = row.get(4);
    if let Some(first) = first {
        put_first(&mut arrival, first);
    }
    Ok(CallbackRow {
        id: row.get(0),
        source: row.get(1),
        received_at: row.get(2),
        alerts: row.get::<_, i32>(3).unsigned_abs(),
        first,
        arrival,
    })
}
