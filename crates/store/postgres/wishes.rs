//! Changes of leases. Every change is one statement that names what it expects to find: the row count says whether it was still so.

use tokio_postgres::Client;
use uuid::Uuid;

use super::members::Held;
use super::numbers::sink_number;
use super::pool::Fault;
use crate::lease::{Row, Wish};

/// Tries to fulfil a wish of a gateway. False: the tables have changed since its view.
pub(super) async fn fulfil(
    client: &Client,
    held: &Held,
    me: Uuid,
    wish: Wish,
) -> Result<bool, Fault> {
    let rows = match wish {
        Wish::DeclareDead { id, beat } => {
            let dead = "UPDATE gateway SET dead = true WHERE id = $1 AND beat = $2 AND NOT dead";
            client.execute(dead, &[&id, &beat]).await?
        }
        Wish::Take(row) => take(client, me, row).await?,
        Wish::GiveBack(row) => {
            let give = "UPDATE lease SET owner = NULL, epoch = epoch + 1
                WHERE sink = $1 AND part = $2 AND epoch = $3 AND owner = $4";
            let (sink, part) = place(row);
            client
                .execute(give, &[&sink, &part, &row.epoch, &me])
                .await?
        }
        Wish::Divide { sink, from, to } => {
            let (from, to) = (i32::from(from), i32::from(to));
            let parameters = (sink_number(sink), from, to);
            divide(client, parameters).await?
        }
    };
    if rows > 0 {
        held.fulfilled(wish);
    }
    Ok(rows > 0)
}

fn place(row: Row) -> (i32, i32) {
    (sink_number(row.part.sink), row.part.number.into())
}

async fn take(client: &Client, me: Uuid, row: Row) -> Result<u64, Fault> {
    let take = "UPDATE lease SET owner = $1, epoch = epoch + 1, died = owner IS NOT NULL
        WHERE sink = $2 AND part = $3 AND epoch = $4 AND owner IS NOT DISTINCT FROM $5
            AND (owner IS NULL OR NOT EXISTS (SELECT FROM gateway WHERE id = owner AND NOT dead))
            AND EXISTS (SELECT FROM gateway WHERE id = $1 AND NOT dead)";
    let (sink, part) = place(row);
    let rows = client
        .execute(take, &[&me, &sink, &part, &row.epoch, &row.owner])
        .await?;
    Ok(rows)
}

/// Only while nobody who lives has a part: otherwise two gateways could deliver for one lane. Every epoch grows, so that a take whose
/// view is older finds nothing.
async fn divide(client: &Client, (sink, from, to): (i32, i32, i32)) -> Result<u64, Fault> {
    let divide = "WITH old AS MATERIALIZED (
            SELECT part, owner, epoch, paused FROM lease WHERE sink = $1 ORDER BY part FOR UPDATE
        ), free AS MATERIALIZED (
            SELECT max(epoch) + 1 AS epoch, bool_or(paused) AS paused FROM old
            HAVING count(*) = $2::int AND NOT bool_or(owner IN (SELECT id FROM gateway WHERE NOT dead) AND owner IS NOT NULL)
        ), fewer AS (
            DELETE FROM lease l USING free WHERE l.sink = $1 AND l.part >= $3::int
        ), stay AS (
            UPDATE lease l SET owner = NULL, epoch = free.epoch, died = false FROM free
            WHERE l.sink = $1 AND l.part < $3::int RETURNING l.part
        ), forgotten AS (
            DELETE FROM handover h USING free WHERE h.sink = $1
        ), more AS (
            INSERT INTO lease (sink, part, epoch, paused)
            SELECT $1, part, epoch, paused FROM free, generate_series($2::int, $3::int - 1) AS part RETURNING part
        )
        SELECT part FROM stay UNION ALL SELECT part FROM more";
    let rows = client.query(divide, &[&sink, &from, &to]).await?;
    Ok(rows.len() as u64)
}
