//! The partitions of the tables that have a row for each alert. All have the same bounds, by place, so no clock decides.

use std::collections::BTreeSet;

use tokio_postgres::{Client, GenericClient, Transaction};

use crate::Seq;

/// Places in one partition: 2^20, about a million alerts.
const WIDTH: Seq = 1 << 20;

/// Partitions that exist beyond the one that is written.
const AHEAD: Seq = 1;

const TABLES: [&str; 3] = ["callback", "alert", "attempt"];

/// Creates the partition of the next place and those after it, where they are missing. A table that is filled first and
/// attached then does not lock out writers.
pub(super) async fn ensure(transaction: &Transaction<'_>) -> Result<(), tokio_postgres::Error> {
    // One gateway at a time.
    let next = "SELECT (SELECT last_value FROM place) FROM meta FOR UPDATE";
    let next: Seq = transaction.query_one(next, &[]).await?.get(0);
    for number in next / WIDTH..=next / WIDTH + AHEAD {
        for table in TABLES {
            attach(transaction, table, number).await?;
        }
    }
    Ok(())
}

/// The same in a transaction of its own.
pub(super) async fn ensure_now(client: &mut Client) -> Result<(), tokio_postgres::Error> {
    let transaction = client.transaction().await?;
    ensure(&transaction).await?;
    transaction.commit().await
}

/// Creates the partitions of these places, where they are missing.
pub(super) async fn ensure_of(
    transaction: &Transaction<'_>,
    seqs: &[Seq],
) -> Result<(), tokio_postgres::Error> {
    let numbers: BTreeSet<Seq> = seqs.iter().map(|seq| seq / WIDTH).collect();
    for number in numbers {
        for table in TABLES {
            attach(transaction, table, number).await?;
        }
    }
    Ok(())
}

async fn attach(
    transaction: &Transaction<'_>,
    table: &str,
    number: Seq,
) -> Result<(), tokio_postgres::Error> {
    let name = name(table, number);
    let exists = "SELECT to_regclass($1) IS NOT NULL";
    let exists = transaction.query_one(exists, &[&name]).await?;
    if exists.get(0) {
        return Ok(());
    }
    let (from, to) = (number * WIDTH, (number + 1) * WIDTH);
    transaction
        .batch_execute(&format!(
            "CREATE TABLE {name} (LIKE {table} INCLUDING DEFAULTS INCLUDING STORAGE);
             ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ({from}) TO ({to})"
        ))
        .await
}

fn name(table: &str, number: Seq) -> String {
    format!("{table}_{number}")
}

/// Drops the partitions that end at or below `seq` and have no row left. Writers and readers of other partitions do not wait.
pub(super) async fn drop_empty(
    client: &impl GenericClient,
    seq: Seq,
) -> Result<(), tokio_postgres::Error> {
    let partitions = "SELECT p.relname::text, c.relname::text, i.inhdetachpending FROM pg_inherits i
                      JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_class p ON p.oid = i.inhparent
                      WHERE i.inhparent IN ('callback'::regclass, 'alert'::regclass, 'attempt'::regclass)
                        AND p.relkind = 'p' AND c.relkind = 'r'";
    for row in client.query(partitions, &[]).await? {
        let (table, name, interrupted): (String, String, bool) =
            (row.get(0), row.get(1), row.get(2));
        let number = name
            .rsplit('_')
            .next()
            .and_then(|number| number.parse::<Seq>().ok());
        if number.is_none_or(|number| (number + 1) * WIDTH > seq) {
            continue;
        }
        let empty = format!("SELECT NOT EXISTS (SELECT FROM {name})");
        if client.query_one(&empty, &[]).await?.get(0) {
            let how = if interrupted {
                "FINALIZE"
            } else {
                "CONCURRENTLY"
            };
            let detach = format!("ALTER TABLE {table} DETACH PARTITION {name} {how}");
            client.batch_execute(&detach).await?;
            client.batch_execute(&format!("DROP TABLE {name}")).await?;
        }
    }
    Ok(())
}
