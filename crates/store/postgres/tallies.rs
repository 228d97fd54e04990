//! How many alerts arrived in each minute, by source, severity and status.
//!
//! A commit inserts rows of its own into `counted`: if it updated a row, all commits of a minute would wait for one another.
//! Pruning adds up the rows in `tally`. A read takes both.
//!
//! In the same way the kept alerts are counted: `meta.alerts` has those whose rows of `counted` were added up, less those that were
//! removed since.

use jiff::Timestamp;
use tokio_postgres::{Client, GenericClient};

use super::numbers::{severity_of, status_of};
use super::pool::Fault;
use super::read::source_number;
use crate::{SourceTally, TallyFilter, TallyRow};

const MINUTE_MS: i64 = 60_000;

/// The counts of one part of the time, with the minute in which their step begins.
const COUNTS: &str =
    "SELECT minute - (minute - $1) % $3 AS begin, source, severity, status, n FROM (
        SELECT * FROM tally WHERE minute >= $1 AND minute < $2
        UNION ALL SELECT * FROM counted WHERE minute >= $1 AND minute < $2
    ) counts WHERE $4::int IS NULL OR source = $4";

/// The minute of a time, since 1970.
pub(super) fn minute(at: Timestamp) -> i32 {
    let minute = at.as_millisecond().div_euclid(MINUTE_MS);
    i32::try_from(minute).unwrap_or(if minute < 0 { i32::MIN } else { i32::MAX })
}

fn at(minute: i32) -> Timestamp {
    Timestamp::from_millisecond(i64::from(minute) * MINUTE_MS).unwrap_or_default()
}

/// The counts that match, by step, in the order of time.
pub(super) async fn rows(client: &Client, filter: &TallyFilter) -> Result<Vec<TallyRow>, Fault> {
    let sums = format!(
        "SELECT begin, severity, status, sum(n)::bigint FROM ({COUNTS}) steps GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
    );
    let rows = query(client, &sums, filter).await?;
    let row = |row: &tokio_postgres::Row| TallyRow {
        at: at(row.get(0)),
        severity: severity_of(row.get(1)),
        status: status_of(row.get(2)),
        count: row.get::<_, i64>(3).cast_unsigned(),
    };
    Ok(rows.iter().map(row).collect())
}

/// The counts that match by step and source, in the order of time.
pub(super) async fn by_source(
    client: &Client,
    filter: &TallyFilter,
) -> Result<Vec<SourceTally>, Fault> {
    let sums = format!(
        "SELECT begin, s.name, sum(n)::bigint FROM ({COUNTS}) steps
         JOIN name s ON s.kind = 'source' AND s.id = steps.source GROUP BY begin, s.id, s.name ORDER BY begin, s.id"
    );
    let rows = query(client, &sums, filter).await?;
    let row = |row: &tokio_postgres::Row| SourceTally {
        at: at(row.get(0)),
        source: row.get(1),
        count: row.get::<_, i64>(2).cast_unsigned(),
    };
    Ok(rows.iter().map(row).collect())
}

async fn query(
    client: &Client,
    sums: &str,
    filter: &TallyFilter,
) -> Result<Vec<tokio_postgres::Row>, Fault> {
    let source = source_number(client, filter.source.as_deref()).await?;
    let step = i32::try_from(filter.step_minutes.max(1)).unwrap_or(i32::MAX);
    let (since, until) = (minute(filter.since), minute(filter.until));
    Ok(client
        .query(sums, &[&since, &until, &step, &source])
        .await?)
}

/// How many alerts are kept.
pub(super) const KEPT: &str =
    "(SELECT alerts FROM meta) + (SELECT coalesce(sum(n), 0)::bigint FROM counted)";

/// Adds up what was counted since the last round. True if there can be more. Two gateways that do it at the same time take different rows.
pub(super) async fn fold(client: &impl GenericClient, rows: i64) -> Result<bool, Fault> {
    let fold = "WITH gone AS (
            DELETE FROM counted WHERE ctid = ANY (ARRAY (SELECT ctid FROM counted LIMIT $1 FOR UPDATE SKIP LOCKED)) RETURNING *
        ), added AS (
            INSERT INTO tally
            SELECT minute, source, severity, status, sum(n) FROM gone GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
            ON CONFLICT (minute, source, severity, status) DO UPDATE SET n = tally.n + excluded.n
        ) SELECT count(*), coalesce(sum(n), 0)::bigint FROM gone";
    let gone = client.query_one(fold, &[&rows]).await?;
    let (gone, alerts): (i64, i64) = (gone.get(0), gone.get(1));
    if alerts > 0 {
        // After the rows of `tally`: two gateways then never wait for each other.
        let add = "UPDATE meta SET alerts = alerts + $1";
        client.execute(add, &[&alerts]).await?;
    }
    // Alerts arrive all the time: the rest is for the next round.
    Ok(gone >= rows)
}

/// Removes some minutes that ended before this time. True if it did.
pub(super) async fn prune(
    client: &impl GenericClient,
    before: Timestamp,
    rows: i64,
) -> Result<bool, Fault> {
    let delete = "DELETE FROM tally WHERE (minute, source, severity, status) IN (
        SELECT minute, source, severity, status FROM tally WHERE minute < $1 ORDER BY 1, 2, 3, 4 LIMIT $2)";
    Ok(client.execute(delete, &[&minute(before), &rows]).await? > 0)
}
