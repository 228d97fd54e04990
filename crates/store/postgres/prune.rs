//! Removes rows that are older than the retention, a few at a time, so no callback waits for it.

use jiff::Timestamp;
use tokio_postgres::{Client, GenericClient, Transaction};
use uuid::Uuid;

use super::pool::Fault;
use super::{audit, partition, tallies, version};
use crate::{Seq, id};

/// Rows that one step may remove or skip.
const STEP_ROWS: i64 = 2_000;

/// Dedup keys are removed by ranges of this many places.
const STEP_PLACES: Seq = 5_000;

/// The progress of the current round.
#[derive(Clone, Copy, Default)]
pub(super) struct Progress {
    alert: Seq,
    callback: Seq,
    handle: (Uuid, i32),
}

/// One step. True while there is more to do. Alerts with a pending delivery or a dead letter stay, with their callbacks.
pub(super) async fn step(
    client: &mut Client,
    progress: &mut Progress,
    before: Timestamp,
) -> Result<bool, Fault> {
    let transaction = client.transaction().await?;
    let (more, next) = rows(&transaction, *progress, before).await?;
    version::change(&transaction).await?;
    transaction.commit().await?;
    *progress = next;
    if more {
        return Ok(true);
    }
    let pruned = client
        .query_one("SELECT pruned FROM meta", &[])
        .await?
        .get(0);
    partition::drop_empty(client, pruned).await?;
    partition::ensure_now(client).await?;
    Ok(false)
}

/// Removes some rows. True if there can be more, with the progress.
async fn rows(
    client: &Transaction<'_>,
    mut progress: Progress,
    before: Timestamp,
) -> Result<(bool, Progress), Fault> {
    untold(client, before).await?;
    let of_alerts = letters(client, before).await?
        || handovers(client).await?
        || audit::prune(client, before, STEP_ROWS).await?
        || alerts(client, &mut progress, before).await?
        || callbacks(client, &mut progress, before).await?
        || handles(client, &mut progress, before).await?;
    if of_alerts {
        return Ok((true, progress));
    }
    let more = tallies::fold(client, STEP_ROWS).await?
        || tallies::prune(client, before, STEP_ROWS).await?
        || keys(client).await?;
    Ok((more, Progress::default()))
}

/// Dead letters, quarantined callbacks, callbacks without a place and the counts of duplicates expire by their own age.
async fn letters(client: &Transaction<'_>, before: Timestamp) -> Result<bool, Fault> {
    let mut removed = 0;
    for delete in [
        "DELETE FROM dead WHERE id IN (SELECT id FROM dead WHERE at < $1 ORDER BY id LIMIT $2)",
        "DELETE FROM quarantine WHERE id IN (SELECT id FROM quarantine WHERE received < $1 ORDER BY id LIMIT $2)",
        "DELETE FROM unplaced WHERE id IN (SELECT id FROM unplaced WHERE received < $1 ORDER BY id LIMIT $2)",
        "DELETE FROM silence WHERE id IN (SELECT id FROM silence WHERE least(until, coalesce(ended, until)) < $1 ORDER BY id LIMIT $2)",
        "DELETE FROM duplicate WHERE ctid = ANY (ARRAY (SELECT ctid FROM duplicate WHERE at < $1 LIMIT $2))",
    ] {
        removed += client.execute(delete, &[&before, &STEP_ROWS]).await?;
    }
    Ok(removed > 0)
}

/// Rows of episodes that ended, and whose end the sink did not get.
async fn untold(client: &Transaction<'_>, before: Timestamp) -> Result<(), Fault> {
    let delete = "DELETE FROM untold u WHERE NOT EXISTS (
            SELECT FROM problem p WHERE (p.source, p.fingerprint, p.episode) = (u.source, u.fingerprint, u.episode))
        AND u.episode < $1";
    client.execute(delete, &[&id::first_at(before)]).await?;
    Ok(())
}

/// Only the newest of a part counts.
async fn handovers(client: &Transaction<'_>) -> Result<bool, Fault> {
    let delete = "DELETE FROM handover h WHERE ctid = ANY (ARRAY (
            SELECT o.ctid FROM handover o
            WHERE o.id < (SELECT max(id) FROM handover n WHERE n.sink = o.sink AND n.part = o.part) LIMIT $1))";
    Ok(client.execute(delete, &[&STEP_ROWS]).await? > 0)
}

/// The next rows by place up to the first that has not expired, as the last place and whether there is any.
async fn old(
    client: &impl GenericClient,
    table: &str,
    after: Seq,
    before: Timestamp,
) -> Result<Option<Seq>, Fault> {
    let select = format!(
        "WITH next AS MATERIALIZED (SELECT seq, received FROM {table} WHERE seq > $1 ORDER BY seq LIMIT $3)
         SELECT max(seq) FROM next WHERE seq < coalesce((SELECT min(seq) FROM next WHERE received >= $2), 9223372036854775807)"
    );
    let row = client
        .query_one(&select, &[&after, &before, &STEP_ROWS])
        .await?;
    Ok(row.get(0))
}

async fn alerts(
    client: &Transaction<'_>,
    progress: &mut Progress,
    before: Timestamp,
) -> Result<bool, Fault> {
    let Some(last) = old(client, "alert", progress.alert, before).await? else {
        return Ok(false);
    };
    let delete = "WITH gone AS (
            DELETE FROM alert a WHERE a.seq > $1 AND a.seq <= $2
                AND NOT EXISTS (SELECT FROM pending p WHERE p.seq = a.seq)
                AND NOT EXISTS (SELECT FROM held h WHERE h.seq = a.seq)
                AND NOT EXISTS (SELECT FROM dead d WHERE d.seq = a.seq) RETURNING a.seq
        ), outcomes AS (
            DELETE FROM outcome o USING gone WHERE o.seq = gone.seq
        ), attempts AS (
            DELETE FROM attempt t USING gone WHERE t.seq = gone.seq AND t.seq > $1 AND t.seq <= $2
        ) UPDATE meta SET pruned = greatest(pruned, $2 + 1), alerts = alerts - (SELECT count(*) FROM gone)";
    client.execute(delete, &[&progress.alert, &last]).await?;
    progress.alert = last;
    Ok(true)
}

async fn callbacks(
    client: &Transaction<'_>,
    progress: &mut Progress,
    before: Timestamp,
) -> Result<bool, Fault> {
    let Some(last) = old(client, "callback", progress.callback, before).await? else {
        return Ok(false);
    };
    let delete = "WITH gone AS (DELETE FROM callback c WHERE c.seq > $1 AND c.seq <= $2 AND NOT EXISTS (
                SELECT FROM alert a WHERE a.seq >= c.seq AND a.seq <= c.last AND a.callback = c.seq))
        UPDATE meta SET pruned = greatest(pruned, $2 + 1)";
    client.execute(delete, &[&progress.callback, &last]).await?;
    progress.callback = last;
    Ok(true)
}

/// Handles in the order of their episodes, up to the first episode that has not expired. The first round that finds an
/// episode closed records the last place that was drawn. A later round removes the handle when all alerts up to that place are
/// removed.
async fn handles(
    client: &Transaction<'_>,
    progress: &mut Progress,
    before: Timestamp,
) -> Result<bool, Fault> {
    let (episode, sink) = progress.handle;
    let select = "SELECT episode, sink FROM handle WHERE (episode, sink) > ($1, $2) ORDER BY episode, sink LIMIT $3";
    let rows = client.query(select, &[&episode, &sink, &STEP_ROWS]).await?;
    let old = |(episode, _): &(Uuid, i32)| id::ms_of(*episode) < before.as_millisecond();
    let rows = rows.iter().map(|row| (row.get(0), row.get(1)));
    let Some(last) = rows.take_while(old).last() else {
        return Ok(false);
    };
    let closed = "(h.episode, h.sink) > ($1, $2) AND (h.episode, h.sink) <= ($3, $4) AND NOT EXISTS (
        SELECT FROM problem p WHERE p.source = h.source AND p.fingerprint = h.fingerprint AND p.episode = h.episode)";
    let delete = format!(
        "DELETE FROM handle h WHERE {closed} AND h.ended IS NOT NULL
             AND coalesce((SELECT min(seq) FROM alert), 9223372036854775807) > h.ended"
    );
    let end = format!(
        "UPDATE handle h SET ended = (SELECT last_value FROM place) WHERE {closed} AND h.ended IS NULL"
    );
    for sql in [delete, end] {
        client
            .execute(&sql, &[&episode, &sink, &last.0, &last.1])
            .await?;
    }
    progress.handle = last;
    Ok(true)
}

/// Keys of places below which everything was old.
async fn keys(client: &Transaction<'_>) -> Result<bool, Fault> {
    let row = client
        .query_one("SELECT forgotten, pruned FROM meta", &[])
        .await?;
    let (from, pruned): (Seq, Seq) = (row.get(0), row.get(1));
    let to = pruned.min(from + STEP_PLACES);
    if to <= from {
        return Ok(false);
    }
    let delete = "WITH gone AS (DELETE FROM dedup WHERE seq >= $1 AND seq < $2)
                  UPDATE meta SET forgotten = greatest(forgotten, $2)";
    client.execute(delete, &[&from, &to]).await?;
    Ok(true)
}
