//! Reads the problems that fire now.

use std::collections::HashMap;

use campanile_model::Severity;
use jiff::Timestamp;
use tokio_postgres::{Client, Row};
use uuid::Uuid;

use super::alerts::by_seq;
use super::list::{List, limit};
use super::source_number;
use crate::id::{ms_of, seq_of};
use crate::postgres::numbers::severity_number;
use crate::postgres::pool::Fault;
use crate::postgres::session::Session;
use crate::{Firing, FiringFilter, FiringRow, Seq, StoredAlert};

pub(crate) async fn firing(session: &Session, filter: &FiringFilter) -> Result<Firing, Fault> {
    let client = &session.client;
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
    let open: Vec<(Uuid, Seq)> = found.iter().map(|row| (row.get(0), row.get(1))).collect();
    let newest: Vec<Seq> = open.iter().map(|(_, newest)| *newest).collect();
    let alerts = by_seq(session, &newest).await?.into_iter();
    let mut alerts: HashMap<Seq, StoredAlert> = alerts.map(|alert| (alert.seq, alert)).collect();
    let started = started(client, &open).await?;
    let row = |(episode, newest): (Uuid, Seq)| FiringRow {
        episode,
        // When the opening is no longer kept, the time in its id is nearly that of its arrival.
        started_at: started
            .get(&seq_of(episode))
            .copied()
            .unwrap_or_else(|| Timestamp::from_millisecond(ms_of(episode)).unwrap_or_default()),
        newest: alerts.remove(&newest),
    };
    Ok(Firing {
        rows: open.into_iter().map(row).collect(),
        counts: counts(client).await?,
        more: false,
    })
}

/// The arrivals of the openings that are kept, by their places.
async fn started(client: &Client, open: &[(Uuid, Seq)]) -> Result<HashMap<Seq, Timestamp>, Fault> {
    let seqs: Vec<Seq> = open.iter().map(|(episode, _)| seq_of(*episode)).collect();
    let select = "SELECT seq, received FROM alert WHERE seq = ANY($1)";
    let rows = client.query(select, &[&seqs]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
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
