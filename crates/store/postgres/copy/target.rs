//! Writes a database as the target of a copy.

use std::sync::Arc;

use secrecy::ExposeSecret;
use tokio_postgres::Transaction;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;

use super::insert::Rows;
use super::records::{columns, values};
use super::{Side, Source, insert};
use crate::copy::{Alert, Chunk, Counters, Cursor, Reader, Record, Table, Writer, taken};
use crate::postgres::numbers::int;
use crate::postgres::trouble::trouble;
use crate::postgres::{partition, schema};
use crate::{Answer, Error, Seq};

/// The tables that must be empty in a new target.
const EMPTY: &str =
    "SELECT EXISTS (SELECT FROM name) OR EXISTS (SELECT FROM sink) OR EXISTS (SELECT FROM callback)
    OR EXISTS (SELECT FROM alert) OR EXISTS (SELECT FROM audit) OR EXISTS (SELECT FROM quarantine)
    OR EXISTS (SELECT FROM gateway WHERE NOT dead)";

/// A database that is written.
pub(crate) struct Target {
    side: Side,
    rows: usize,
    url: secrecy::SecretString,
}

impl Target {
    /// Connects, makes the tables of an empty database, and keeps other copies out.
    pub(crate) async fn open(url: &str, rows: usize) -> Result<Self, Error> {
        let mut side = Side::open(url).await?;
        let shown = side.shown();
        let fault = |error| Error::Open(format!("cannot open {}", trouble(&shown, &error)));
        match side.level().await.map_err(fault)? {
            Some(level) if level > schema::level() => return Err(schema::newer(&shown, level)),
            Some(level) if level < schema::level() => {
                return Err(Error::Open(taken(&shown, None)));
            }
            Some(_) => {}
            None => {
                let migrated = schema::migrate(&mut side.session, &shown).await;
                migrated.map_err(|problem| problem.into_error(fault))?;
            }
        }
        let alone = "SELECT pg_advisory_lock($1)";
        let locked = side.session.client.execute(alone, &[&LOCK]).await;
        locked.map_err(|error| {
            if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) {
                return Error::Open(format!(
                    "another `campanile store copy` writes to {shown}. Wait for its end, or stop it."
                ));
            }
            fault(error)
        })?;
        Ok(Self {
            side,
            rows,
            url: url.into(),
        })
    }

    fn unwritten(&self, error: &tokio_postgres::Error) -> Error {
        self.side.unwritten(error)
    }

    /// One transaction.
    async fn begun(&mut self) -> Result<Transaction<'_>, tokio_postgres::Error> {
        self.side.session.client.transaction().await
    }

    /// How far the copy of this source is. An error: the database is that of another copy, or of a gateway.
    async fn begin_copy(
        &mut self,
        source: &str,
    ) -> Result<Result<Cursor, Option<String>>, tokio_postgres::Error> {
        let transaction = self.begun().await?;
        if schema::is_copy(&transaction).await? {
            let select = "SELECT source, seq, callback FROM copy";
            let row = transaction.query_one(select, &[]).await?;
            let of: String = row.get(0);
            return Ok(if of == source {
                Ok(Cursor {
                    seq: row.get(1),
                    callback: row.get(2),
                })
            } else {
                Err(Some(of))
            });
        }
        if transaction.query_one(EMPTY, &[]).await?.get(0) {
            return Ok(Err(None));
        }
        let Cursor { seq, callback } = Cursor::START;
        let create = "CREATE TABLE copy (source text NOT NULL, seq bigint NOT NULL, callback bigint NOT NULL)";
        transaction.batch_execute(create).await?;
        let insert = "INSERT INTO copy VALUES ($1, $2, $3)";
        transaction
            .execute(insert, &[&source, &seq, &callback])
            .await?;
        transaction.commit().await?;
        Ok(Ok(Cursor::START))
    }

    /// `again`: a message of the chunk has come again since its first alert was copied and its key expired.
    async fn add(&mut self, chunk: &Chunk, again: bool) -> Result<(), tokio_postgres::Error> {
        let transaction = self.begun().await?;
        if again {
            let keys: Vec<_> = chunk.alerts.iter().filter_map(|row| row.key).collect();
            let delete = "DELETE FROM dedup WHERE key = ANY($1)";
            transaction.execute(delete, &[&keys]).await?;
        }
        partitions(&transaction, chunk).await?;
        insert::callbacks(&transaction, &chunk.callbacks).await?;
        insert::alerts(&transaction, &chunk.alerts).await?;
        insert::keys(&transaction, &chunk.alerts).await?;
        insert::attempts(&transaction, &chunk.attempts).await?;
        // A reader reads up to the last place that was drawn.
        let drawn = "SELECT setval('place', greatest($1::bigint, last_value)) FROM place";
        transaction.execute(drawn, &[&chunk.to.seq]).await?;
        let set = "UPDATE copy SET seq = $1, callback = $2";
        transaction
            .execute(set, &[&chunk.to.seq, &chunk.to.callback])
            .await?;
        transaction.commit().await
    }

    async fn delete(
        &mut self,
        callbacks: &[i64],
        alerts: &[Seq],
    ) -> Result<(), tokio_postgres::Error> {
        let transaction = self.begun().await?;
        for delete in [
            "DELETE FROM callback WHERE seq = ANY($1)",
            "DELETE FROM unplaced WHERE id = ANY($1)",
        ] {
            transaction.execute(delete, &[&callbacks]).await?;
        }
        delete_alerts(&transaction, alerts).await?;
        transaction.commit().await
    }

    async fn replace_alerts(&mut self, rows: &[Alert]) -> Result<(), tokio_postgres::Error> {
        let transaction = self.begun().await?;
        let seqs: Vec<Seq> = rows.iter().map(|row| row.seq).collect();
        delete_alerts(&transaction, &seqs).await?;
        insert::alerts(&transaction, rows).await?;
        insert::keys(&transaction, rows).await?;
        transaction.commit().await
    }

    async fn replace_attempts(&mut self, chunk: &Chunk) -> Result<(), tokio_postgres::Error> {
        let transaction = self.begun().await?;
        let delete = "DELETE FROM attempt WHERE seq > $1 AND seq <= $2";
        transaction
            .execute(delete, &[&chunk.from.seq, &chunk.to.seq])
            .await?;
        insert::attempts(&transaction, &chunk.attempts).await?;
        transaction.commit().await
    }

    async fn empty(&mut self, table: Table) -> Result<(), tokio_postgres::Error> {
        let tables = match table {
            Table::Callback | Table::Alert | Table::Attempt => return Ok(()),
            Table::Name => "name",
            Table::Sink => "sink, lease, handover",
            Table::Problem => "problem",
            Table::Pending => "pending",
            Table::Dead => "dead",
            Table::Quarantine => "quarantine",
            Table::Handle => "handle",
            Table::Audit => "audit",
            Table::Tally => "tally, counted",
            Table::Held => "held",
            Table::Untold => "untold",
            Table::Outcome => "outcome",
            Table::Silence => "silence",
        };
        let client = &self.side.session.client;
        client.batch_execute(&format!("TRUNCATE {tables}")).await
    }

    async fn add_rows(
        &mut self,
        table: Table,
        rows: &[Record],
    ) -> Result<(), tokio_postgres::Error> {
        let Some((columns, types)) = columns(table) else {
            return Ok(());
        };
        let copy = format!("COPY {columns} FROM STDIN BINARY");
        let transaction = self.begun().await?;
        let mut table = Rows::begin(&transaction, &copy, types).await?;
        for row in rows {
            let values = values(row);
            let values: Vec<&(dyn ToSql + Sync)> =
                values.iter().map(|value| &**value as _).collect();
            table.add(&values).await?;
        }
        table.end().await?;
        transaction.commit().await
    }

    async fn set_counters(&mut self, counters: Counters) -> Result<(), tokio_postgres::Error> {
        let transaction = self.begun().await?;
        let set = "UPDATE meta SET id_random = $1, pruned = $2, forgotten = $2,
            alerts = (SELECT count(*) FROM alert) - (SELECT coalesce(sum(n), 0) FROM counted)";
        transaction
            .execute(set, &[&int(counters.id_random), &counters.lowest])
            .await?;
        let name = "SELECT coalesce(max(id), 0)::bigint FROM name";
        let name: i64 = transaction.query_one(name, &[]).await?.get(0);
        let sink = "SELECT coalesce(max(id), 0)::bigint FROM sink";
        let sink: i64 = transaction.query_one(sink, &[]).await?.get(0);
        let silence = "SELECT coalesce(max(id), 0) FROM silence";
        let silence: i64 = transaction.query_one(silence, &[]).await?.get(0);
        for (sequence, given) in [
            ("place", counters.seq),
            ("dead_id_seq", counters.dead),
            ("quarantine_id_seq", counters.quarantine),
            ("audit_number_seq", counters.audit),
            ("name_id_seq", name),
            ("sink_id_seq", sink),
            ("silence_id_seq", silence),
        ] {
            let set =
                format!("SELECT setval('{sequence}', greatest($1::bigint, 1), $1::bigint > 0)");
            transaction.execute(&set, &[&given]).await?;
        }
        newest(&transaction).await?;
        partition::ensure(&transaction).await?;
        transaction.commit().await
    }
}

/// "CMPC", the number of the lock of a copy.
const LOCK: i64 = 0x434d_5043;

/// Removes alerts with their keys.
async fn delete_alerts(
    transaction: &Transaction<'_>,
    seqs: &[Seq],
) -> Result<(), tokio_postgres::Error> {
    let alert = "DELETE FROM alert WHERE seq = ANY($1)";
    transaction.execute(alert, &[&seqs]).await?;
    // The index over the places of keys knows ranges only.
    let range = (seqs.iter().min(), seqs.iter().max());
    if let (Some(first), Some(last)) = range {
        let key = "DELETE FROM dedup WHERE seq >= $1 AND seq <= $2 AND seq = ANY($3)";
        transaction.execute(key, &[first, last, &seqs]).await?;
    }
    Ok(())
}

async fn partitions(
    transaction: &Transaction<'_>,
    chunk: &Chunk,
) -> Result<(), tokio_postgres::Error> {
    // Few alerts are much older than all others: those that are still pending. Between them is nothing.
    let placed = chunk.callbacks.iter().filter(|row| row.last.is_some());
    let mut seqs: Vec<Seq> = placed.map(|row| row.seq).collect();
    seqs.extend(chunk.alerts.iter().map(|row| row.seq));
    seqs.extend(chunk.attempts.iter().map(|row| row.seq));
    partition::ensure_of(transaction, &seqs).await
}

/// The newest alert of each problem, which a SQLite file does not say. An older one belongs to an earlier episode.
async fn newest(transaction: &Transaction<'_>) -> Result<(), tokio_postgres::Error> {
    let update = "UPDATE problem p SET newest = n.seq, severity = n.severity FROM (
            SELECT q.source, q.fingerprint, a.seq, a.severity FROM problem q CROSS JOIN LATERAL (
                SELECT seq, severity FROM alert
                WHERE fingerprint = q.fingerprint AND source = q.source AND seq >= q.newest ORDER BY seq DESC LIMIT 1
            ) a
        ) n WHERE p.source = n.source AND p.fingerprint = n.fingerprint";
    transaction.execute(update, &[]).await?;
    Ok(())
}

impl Writer for Target {
    fn begin(&mut self, source: String) -> Answer<'_, Cursor> {
        Box::pin(async move {
            let begun = self.begin_copy(&source).await;
            let begun = begun.map_err(|error| self.unwritten(&error))?;
            begun.map_err(|other| Error::Open(taken(&self.side.shown(), other.as_deref())))
        })
    }

    fn write(&mut self, chunk: Arc<Chunk>) -> Answer<'_, ()> {
        Box::pin(async move {
            let mut written = self.add(&chunk, false).await;
            let code = written.as_ref().err().and_then(tokio_postgres::Error::code);
            if code == Some(&SqlState::UNIQUE_VIOLATION) {
                written = self.add(&chunk, true).await;
            }
            written.map_err(|error| self.unwritten(&error))
        })
    }

    fn remove(&mut self, callbacks: Vec<i64>, alerts: Vec<Seq>) -> Answer<'_, ()> {
        Box::pin(async move {
            let removed = self.delete(&callbacks, &alerts).await;
            removed.map_err(|error| self.unwritten(&error))
        })
    }

    fn set_alerts(&mut self, chunk: Arc<Chunk>) -> Answer<'_, ()> {
        Box::pin(async move {
            let replaced = self.replace_alerts(&chunk.alerts).await;
            replaced.map_err(|error| self.unwritten(&error))
        })
    }

    fn set_attempts(&mut self, chunk: Arc<Chunk>) -> Answer<'_, ()> {
        Box::pin(async move {
            let replaced = self.replace_attempts(&chunk).await;
            replaced.map_err(|error| self.unwritten(&error))
        })
    }

    fn clear(&mut self, table: Table) -> Answer<'_, ()> {
        Box::pin(async move {
            let emptied = self.empty(table).await;
            emptied.map_err(|error| self.unwritten(&error))
        })
    }

    fn put(&mut self, table: Table, rows: Vec<Record>) -> Answer<'_, ()> {
        Box::pin(async move {
            let added = self.add_rows(table, &rows).await;
            added.map_err(|error| self.unwritten(&error))
        })
    }

    fn count_from(&mut self, counters: Counters) -> Answer<'_, ()> {
        Box::pin(async move {
            let set = self.set_counters(counters).await;
            set.map_err(|error| self.unwritten(&error))
        })
    }

    fn release(&mut self) -> Answer<'_, ()> {
        Box::pin(async move {
            let drop = self.side.session.client.batch_execute("DROP TABLE copy");
            drop.await.map_err(|error| self.unwritten(&error))
        })
    }

    fn reader(&mut self) -> Answer<'_, Box<dyn Reader>> {
        Box::pin(async move {
            let side = Side::open(self.url.expose_secret()).await?;
            Ok(Box::new(Source::of(side, self.rows)) as Box<dyn Reader>)
        })
    }
}
