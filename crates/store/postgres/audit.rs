//! Writes what operators did, in the transaction of its effect.

use jiff::Timestamp;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, GenericClient, Row, Transaction};
use uuid::Uuid;

use super::commit::commit;
use super::pool::Fault;
use super::read::list::{List, limit};
use super::session::{Home, Session};
use crate::{
    AUDIT_KEPT_LONGER, AUDIT_TEXT_BYTES_MAX, Act, AuditFilter, AuditRow, Listed, Searched, cut,
};

/// Rows that one list looks at. Then it says how far it looked.
const LOOK_ROWS: i64 = 20_000;

/// Writes an act that changed these many rows, and commits. An act that changed none is not written.
pub(super) async fn commit_changed(
    transaction: Transaction<'_>,
    home: &Home,
    act: &Act,
    rows: u64,
) -> Result<(), Fault> {
    changed(&transaction, act, rows).await?;
    commit(transaction, home).await
}

/// The same in an open transaction.
pub(super) async fn changed(
    client: &impl GenericClient,
    act: &Act,
    rows: u64,
) -> Result<(), tokio_postgres::Error> {
    if rows > 0 {
        write(client, act, rows).await?;
    }
    Ok(())
}

/// Writes an act in a transaction of its own.
pub(super) async fn record(session: &mut Session, act: &Act, count: u64) -> Result<(), Fault> {
    let transaction = session.client.transaction().await?;
    write(&transaction, act, count).await?;
    commit(transaction, &session.home).await
}

/// A later part of the same act adds to its count.
async fn write(
    client: &impl GenericClient,
    act: &Act,
    count: u64,
) -> Result<(), tokio_postgres::Error> {
    let insert =
        "INSERT INTO audit (act, at, who, role, via, client, caller, action, target, count, detail)
                  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
                  ON CONFLICT (act) DO UPDATE SET count = audit.count + excluded.count";
    let short = |text| cut(text, AUDIT_TEXT_BYTES_MAX);
    let parameters: [&(dyn ToSql + Sync); 11] = [
        &Uuid::from_u128(act.id),
        &act.at,
        &short(&act.who),
        &act.role,
        &act.via,
        &act.client,
        &act.from.map(|from| from.to_string()),
        &act.action,
        &short(&act.target),
        &i64::try_from(count).unwrap_or(i64::MAX),
        &short(&act.detail),
    ];
    client.execute(insert, &parameters).await.map(|_| ())
}

/// Removes old rows from the oldest ones. True when it removed some.
pub(super) async fn prune(
    client: &impl GenericClient,
    before: Timestamp,
    rows: i64,
) -> Result<bool, Fault> {
    let before = before
        .checked_sub(AUDIT_KEPT_LONGER)
        .unwrap_or(Timestamp::MIN);
    let delete = "DELETE FROM audit WHERE number IN (
        SELECT number FROM (SELECT number, at FROM audit ORDER BY number LIMIT $2) oldest WHERE at < $1)";
    Ok(client.execute(delete, &[&before, &rows]).await? > 0)
}

/// What operators did, newest first.
pub(super) async fn list(client: &Client, filter: &AuditFilter) -> Result<Listed<AuditRow>, Fault> {
    let before = filter.before.unwrap_or(i64::MAX);
    let looked = format!(
        "(SELECT * FROM audit WHERE number < {before} ORDER BY number DESC LIMIT {LOOK_ROWS}) looked"
    );
    let mut wanted = List::default();
    wanted.add("who = ", filter.who.clone());
    wanted.add("at >= ", filter.since);
    // An action, or all of one noun.
    wanted.add(
        "action || '.' ^@ ",
        filter.action.as_ref().map(|action| format!("{action}.")),
    );
    let columns = "number, at, who, action, act, role, via, client, caller, target, count, detail";
    let rows = wanted
        .query(client, columns, &looked, "number DESC", limit(filter.limit))
        .await?;
    let searched = if rows.len() < filter.limit as usize {
        last_looked(client, &looked).await?
    } else {
        None
    };
    Ok(Listed {
        rows: rows.iter().map(audit_row).collect(),
        searched,
    })
}

/// The last row that a list looked at, if it did not look at all rows.
async fn last_looked(client: &Client, looked: &str) -> Result<Option<Searched>, Fault> {
    let last = format!("SELECT number, at, count(*) OVER () FROM {looked} ORDER BY number LIMIT 1");
    let row = client.query_opt(&last, &[]).await?;
    let row = row.filter(|row| row.get::<_, i64>(2) >= LOOK_ROWS);
    Ok(row.map(|row| Searched {
        before: row.get(0),
        at: row.get(1),
    }))
}

fn audit_row(row: &Row) -> AuditRow {
    let from: Option<String> = row.get(8);
    let act = Act {
        id: row.get::<_, Uuid>(4).as_u128(),
        at: row.get(1),
        who: row.get(2),
        role: row.get(5),
        via: row.get(6),
        client: row.get(7),
        from: from.and_then(|from| from.parse().ok()),
        action: row.get(3),
        target: row.get(9),
        detail: row.get(11),
    };
    AuditRow {
        number: row.get(0),
        act,
        count: row.get::<_, i64>(10).cast_unsigned(),
    }
}
