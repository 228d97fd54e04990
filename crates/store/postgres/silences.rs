//! The silences of operators.

use jiff::Timestamp;
use tokio_postgres::{Client, Row};

use super::audit;
use super::pool::Fault;
use super::session::Session;
use crate::{Act, Silence, SilenceFilter, SilenceRow};

/// Makes a silence. Gives its number.
pub(super) async fn make(
    session: &mut Session,
    silence: &Silence,
    act: &Act,
) -> Result<i64, Fault> {
    let insert = "INSERT INTO silence (made, begins, until, matching, after, who, comment)
                  VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id";
    let transaction = session.client.transaction().await?;
    let row = transaction
        .query_one(
            insert,
            &[
                &act.at,
                &silence.from,
                &silence.until,
                &silence.matching,
                &silence.after,
                &silence.who,
                &silence.comment,
            ],
        )
        .await?;
    audit::commit_changed(transaction, &session.home, act, 1).await?;
    Ok(row.get(0))
}

/// Lets a silence that has not ended last until another time. False: it is over, or there is none.
pub(super) async fn extend(
    session: &mut Session,
    (id, until): (i64, Timestamp),
    act: &Act,
) -> Result<bool, Fault> {
    let update = "UPDATE silence SET until = $2 WHERE id = $1 AND ended IS NULL AND until > $3";
    let transaction = session.client.transaction().await?;
    let rows = transaction.execute(update, &[&id, &until, &act.at]).await?;
    audit::commit_changed(transaction, &session.home, act, rows).await?;
    Ok(rows > 0)
}

/// Ends a silence now. False: it is over, or there is none.
pub(super) async fn end(session: &mut Session, id: i64, act: &Act) -> Result<bool, Fault> {
    let update = "UPDATE silence SET ended = $2 WHERE id = $1 AND ended IS NULL AND until > $2";
    let transaction = session.client.transaction().await?;
    let rows = transaction.execute(update, &[&id, &act.at]).await?;
    audit::commit_changed(transaction, &session.home, act, rows).await?;
    Ok(rows > 0)
}

pub(super) async fn list(
    client: &Client,
    filter: &SilenceFilter,
) -> Result<Vec<SilenceRow>, Fault> {
    let select = "SELECT id, made, begins, until, matching, after, who, comment, ended FROM silence
                  WHERE id < $1 AND ($2::timestamptz IS NULL OR least(until, coalesce(ended, until)) > $2)
                  ORDER BY id DESC LIMIT $3";
    let before = filter.before.unwrap_or(i64::MAX);
    let limit = i64::from(filter.limit);
    let rows = client
        .query(select, &[&before, &filter.not_ended_at, &limit])
        .await?;
    Ok(rows.iter().map(row).collect())
}

fn row(row: &Row) -> SilenceRow {
    SilenceRow {
        id: row.get(0),
        made_at: row.get(1),
        ended_at: row.get(8),
        silence: Silence {
            from: row.get(2),
            until: row.get(3),
            matching: row.get(4),
            after: row.get(5),
            who: row.get(6),
            comment: row.get(7),
        },
    }
}
