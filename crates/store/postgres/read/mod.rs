//! Reads.

pub(super) mod alerts;
pub(super) mod arrival;
pub(super) mod callbacks;
pub(super) mod deliveries;
pub(super) mod firing;
pub(super) mod list;
pub(super) mod mutes;
mod places;
pub(super) mod quarantine;
pub(super) mod search;
pub(super) mod to_send;

use tokio_postgres::Client;

use super::pool::Fault;
use super::tallies::KEPT;
use crate::{SinkId, Stats};

pub(super) async fn known_sinks(client: &Client) -> Result<Vec<(SinkId, String)>, Fault> {
    let rows = client
        .query("SELECT id, name FROM sink ORDER BY id", &[])
        .await?;
    let sink = |row: &tokio_postgres::Row| (row.get::<_, i32>(0).into(), row.get(1));
    Ok(rows.iter().map(sink).collect())
}

/// The number of a source. A source that was never seen has a number that no row has.
pub(super) async fn source_number(
    client: &Client,
    name: Option<&str>,
) -> Result<Option<i32>, Fault> {
    let Some(name) = name else { return Ok(None) };
    let select = "SELECT id FROM name WHERE kind = 'source' AND md5(name) = md5($1)";
    let row = client.query_opt(select, &[&name]).await?;
    Ok(Some(row.map_or(-1, |row| row.get(0))))
}

pub(super) async fn stats(client: &Client) -> Result<Stats, Fault> {
    let counts = async |sql: &str| -> Result<Vec<(SinkId, u64)>, Fault> {
        let rows = client.query(sql, &[]).await?;
        let count = |row: &tokio_postgres::Row| {
            let rows: i64 = row.get(1);
            (row.get::<_, i32>(0).into(), rows.cast_unsigned())
        };
        Ok(rows.iter().map(count).collect())
    };
    let sql = format!(
        "SELECT {KEPT}, (SELECT count(*) FROM quarantine), pg_database_size(current_database())"
    );
    let row = client.query_one(&sql, &[]).await?;
    Ok(Stats {
        alerts: row.get::<_, i64>(0).cast_unsigned(),
        pending: counts("SELECT sink, count(*) FROM pending GROUP BY sink ORDER BY sink").await?,
        held: mutes::held_counts(client).await?,
        dead: counts("SELECT sink, count(*) FROM dead GROUP BY sink ORDER BY sink").await?,
        quarantined: row.get::<_, i64>(1).cast_unsigned(),
        bytes: row.get::<_, i64>(2).cast_unsigned(),
    })
}

fn size(kept: i32) -> usize {
    usize::try_from(kept).unwrap_or(0)
}
