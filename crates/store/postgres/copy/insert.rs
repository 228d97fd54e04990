//! Adds rows with `COPY`.

use std::pin::Pin;

use tokio_postgres::Transaction;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use super::rows::unplaced_id;
use crate::Seq;
use crate::copy::{Alert, Attempt, Callback};
use crate::postgres::numbers::{int, small};

/// Keys are sorted in groups of this size: one page of their index gets several, and the table stays in the order of places.
const KEYS_SORTED: usize = 4_096;

/// Rows that are being added to a table.
pub(super) struct Rows(Pin<Box<BinaryCopyInWriter>>);

impl Rows {
    pub(super) async fn begin(
        transaction: &Transaction<'_>,
        copy: &str,
        types: &[Type],
    ) -> Result<Self, tokio_postgres::Error> {
        let writer = BinaryCopyInWriter::new(transaction.copy_in(copy).await?, types);
        Ok(Self(Box::pin(writer)))
    }

    pub(super) async fn add(
        &mut self,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<(), tokio_postgres::Error> {
        self.0.as_mut().write(values).await
    }

    pub(super) async fn end(mut self) -> Result<(), tokio_postgres::Error> {
        self.0.as_mut().finish().await.map(|_| ())
    }
}

pub(super) async fn callbacks(
    transaction: &Transaction<'_>,
    rows: &[Callback],
) -> Result<(), tokio_postgres::Error> {
    let (placed, unplaced): (Vec<&Callback>, Vec<&Callback>) =
        rows.iter().partition(|row| row.last.is_some());
    let types = [
        Type::INT8,
        Type::INT8,
        Type::INT8,
        Type::TIMESTAMPTZ,
        Type::INT4,
        Type::INT4,
        Type::INT4,
        Type::INT4,
        Type::INT4,
        Type::BYTEA,
    ];
    let copy = "COPY callback (seq, last, batch, received, source, alerts, raw_bytes, arrival_bytes, routes, packed)
                FROM STDIN BINARY";
    let mut table = Rows::begin(transaction, copy, &types).await?;
    for row in placed {
        table
            .add(&[
                &row.seq,
                &row.last,
                &0_i64,
                &row.received.time(),
                &int(row.source),
                &int(row.alerts),
                &int(row.raw_bytes),
                &row.arrival_bytes.map(int),
                &row.routes.map(int),
                &row.packed,
            ])
            .await?;
    }
    table.end().await?;
    unplaced_callbacks(transaction, &unplaced).await
}

async fn unplaced_callbacks(
    transaction: &Transaction<'_>,
    rows: &[&Callback],
) -> Result<(), tokio_postgres::Error> {
    let types = [
        Type::INT8,
        Type::INT8,
        Type::TIMESTAMPTZ,
        Type::INT4,
        Type::INT4,
        Type::INT4,
        Type::INT4,
        Type::BYTEA,
    ];
    let copy = "COPY unplaced (id, seq, received, source, raw_bytes, arrival_bytes, routes, packed) FROM STDIN BINARY";
    let mut table = Rows::begin(transaction, copy, &types).await?;
    for row in rows {
        table
            .add(&[
                &unplaced_id(row.number.0),
                &row.seq,
                &row.received.time(),
                &int(row.source),
                &int(row.raw_bytes),
                &row.arrival_bytes.map(int),
                &row.routes.map(int),
                &row.packed,
            ])
            .await?;
    }
    table.end().await
}

pub(super) async fn alerts(
    transaction: &Transaction<'_>,
    rows: &[Alert],
) -> Result<(), tokio_postgres::Error> {
    let types = [
        Type::INT8,
        Type::INT8,
        Type::INT8,
        Type::TIMESTAMPTZ,
        Type::UUID,
        Type::UUID,
        Type::INT4,
        Type::INT4,
        Type::INT4,
        Type::INT2,
        Type::INT2,
        Type::INT4_ARRAY,
    ];
    let copy = "COPY alert (seq, callback, fingerprint, received, id, episode, source, body_at, body_bytes, status, severity, plan)
                FROM STDIN BINARY";
    let mut table = Rows::begin(transaction, copy, &types).await?;
    for row in rows {
        table
            .add(&[
                &row.seq,
                &row.callback,
                &row.fingerprint,
                &row.received.time(),
                &row.id,
                &row.episode,
                &int(row.source),
                &int(row.body_at),
                &int(row.body_bytes),
                &small(row.status),
                &small(row.severity),
                &row.plan.as_deref().map(ints),
            ])
            .await?;
    }
    table.end().await
}

pub(super) fn ints(numbers: &[i64]) -> Vec<i32> {
    numbers.iter().copied().map(int).collect()
}

pub(super) async fn keys(
    transaction: &Transaction<'_>,
    rows: &[Alert],
) -> Result<(), tokio_postgres::Error> {
    let types = [Type::UUID, Type::INT8, Type::INT8];
    let copy = "COPY dedup (key, content, seq) FROM STDIN BINARY";
    let mut table = Rows::begin(transaction, copy, &types).await?;
    for rows in rows.chunks(KEYS_SORTED) {
        let keys = rows.iter();
        let keys = keys.filter_map(|row| Some((row.key?, row.content, row.seq)));
        let mut keys: Vec<(Uuid, i64, Seq)> = keys.collect();
        keys.sort_unstable();
        for (key, content, seq) in &keys {
            table.add(&[key, content, seq]).await?;
        }
    }
    table.end().await
}

pub(super) async fn attempts(
    transaction: &Transaction<'_>,
    rows: &[Attempt],
) -> Result<(), tokio_postgres::Error> {
    let types = [
        Type::INT8,
        Type::TIMESTAMPTZ,
        Type::INT4,
        Type::INT8,
        Type::INT4,
        Type::INT2,
        Type::INT4,
        Type::INT2,
        Type::TEXT,
        Type::TEXT,
    ];
    let copy = "COPY attempt (seq, at, sink, took_ms, attempt, verdict, code, worth, remark, note) FROM STDIN BINARY";
    let mut table = Rows::begin(transaction, copy, &types).await?;
    for row in rows {
        table
            .add(&[
                &row.seq,
                &row.at.time(),
                &int(row.sink),
                &row.took_ms,
                &int(row.number),
                &small(row.verdict),
                &row.code.map(int),
                &row.worth.map(small),
                &row.remark,
                &row.note,
            ])
            .await?;
    }
    table.end().await
}
