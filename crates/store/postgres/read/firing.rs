//! Reads the problems that fire now.

use campanile_model::Severity;
use jiff::Timestamp;
use tokio_postgres::{Client, Row};
use uuid::Uuid;

use super::alerts::{List, by_seq};
use super::{limit, source_number};
use crate::id::{ms_of, seq_of};
use crate::postgres::batch::severity_number;
use crate::postgres::pool::Fault;
use crate::{Firing, FiringFilter, FiringRow, Seq};

pub(crate) async fn firing(client: &Client, filter: &FiringFilter) -> Result<Firing, Fault> {
    let source = source_number(client, filter.source.as_deref()).await?;
    let mut list = List::default();
    list.add("p.source = ", source);
    list.add("p.severity = ", filter.severity.map(severity_number));
    list.add("p.episode < ", filter.before);
    let found = list
        .query(
            client,
            "p.episode, p.newest",
            "problem p",
            "p.episode DESC",
            limit(filter.limit),
        )
        .await?;
    let mut rows = Vec::with_capacity(found.len());
    for row in &found {
        let (episode, newest): (Uuid, Seq) = (row.get(0), row.get(1));
        rows.push(FiringRow {
            episode,
            started_at: started(client, episode).await?,
            newest: by_seq(client, &[newest]).await?.pop(),
        });
    }
    Ok(Firing {
        counts: counts(client).await?,
        more: false,
        rows,
    })
}

/// When the opening is no longer kept, the time in its id is nearly that of its arrival.
async fn started(client: &Client, episode: Uuid) -> Result<Timestamp, Fault> {
    let select = "SELECT received FROM alert WHERE seq = $1";
    let row = client.query_opt(select, &[&seq_of(episode)]).await?;
    let ms = || Timestamp::from_millisecond(ms_of(episode)).unwrap_or_default();
    Ok(row.map_or_else(ms, |row| row.get(0)))
}

async fn counts(client: &Client) -> Result<Vec<(Severity, u64)>, Fault> {
    let rows = client
        .query(
            "SELECT severity, count(*) FROM problem GROUP BY severity",
            &[],
        )
        .await?;
    let of = |severity: Severity| {
        let number = severity_number(severity);
        let row = rows
            .iter()
            .find(|row: &&Row| row.get::<_, i16>(0) == number);
        row.map_or(0, |row| row.get::<_, i64>(1).cast_unsigned())
    };
    Ok(Severity::ALL
        .iter()
        .map(|severity| (*severity, of(*severity)))
        .collect())
}
