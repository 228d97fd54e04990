//! Lists callbacks, newest first.

use jiff::{SignedDuration, Timestamp};
use tokio_postgres::{Client, Row};

use super::arrival::unpacked;
use super::list::{List, limit};
use super::source_number;
use crate::arrival::put_first;
use crate::postgres::pool::Fault;
use crate::{CallbackFilter, CallbackRow, Listed, Searched, Seq};

/// Rows that one list reads. Then it says how far it looked.
const LOOK_ROWS: i64 = 20_000;

/// Callbacks are in the order of their places. Their times differ from it by less than this, unless a clock was set.
const DISORDER: SignedDuration = SignedDuration::from_secs(60);

pub(crate) async fn callbacks(
    client: &Client,
    filter: &CallbackFilter,
) -> Result<Listed<CallbackRow>, Fault> {
    let source = source_number(client, filter.source.as_deref()).await?;
    let mut list = List::default();
    list.add("c.seq < ", filter.before);
    // First the small columns: most rows are not shown.
    let columns = "c.seq, c.received, c.source, c.alerts";
    let rows = list
        .query(client, columns, "callback c", "c.seq DESC", LOOK_ROWS)
        .await?;
    let (mut wanted, mut searched) = (Vec::new(), None);
    let mut ended = rows.len() < usize::try_from(LOOK_ROWS).unwrap_or(usize::MAX);
    for row in &rows {
        if wanted.len() >= filter.limit as usize {
            ended = true;
            break;
        }
        let (seq, at, of, alerts): (Seq, Timestamp, i32, i32) =
            (row.get(0), row.get(1), row.get(2), row.get(3));
        if filter.since.is_some_and(|since| at < since - DISORDER) {
            ended = true;
            break;
        }
        searched = Some(Searched { before: seq, at });
        let matches = source.is_none_or(|source| of == source)
            && filter
                .ignored
                .is_none_or(|ignored| ignored == (alerts == 0))
            && filter.since.is_none_or(|since| at >= since);
        if matches {
            wanted.push(seq);
        }
    }
    Ok(Listed {
        rows: shown(client, &wanted).await?,
        searched: searched.filter(|_| !ended),
    })
}

async fn shown(client: &Client, seqs: &[Seq]) -> Result<Vec<CallbackRow>, Fault> {
    let select = "SELECT c.seq, s.name, c.received, c.alerts, a.id, c.packed, c.arrival_bytes FROM callback c
                  JOIN name s ON s.kind = 'source' AND s.id = c.source LEFT JOIN alert a ON a.seq = c.seq
                  WHERE c.seq = ANY($1) ORDER BY c.seq DESC LIMIT $2";
    let rows = client.query(select, &[&seqs, &limit(seqs.len())]).await?;
    let row = |row: &Row| {
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
    };
    rows.iter().map(row).collect()
}
