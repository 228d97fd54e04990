//! Adds the rows that are copied by place, with `COPY`.

use std::pin::pin;

use tokio_postgres::Transaction;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use super::rows::{time, unplaced_id};
use super::{int, small};
use crate::Seq;
use crate::copy::{Alert, Attempt, Callback};

/// Keys are sorted in groups of this size: one page of their index gets several, and the table stays in the order of places.
const KEYS_SORTED: usize = 4_096;

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
    let mut writer = pin!(BinaryCopyInWriter::new(
        transaction.copy_in(copy).await?,
        &types
    ));
    for row in placed {
        let values: [&(dyn ToSql + Sync); 10] = [
            &row.seq,
            &row.last,
            &0_i64,
            &time(row.received),
            &int(row.source),
            &int(row.alerts),
            &int(row.raw_bytes),
            &row.arrival_bytes.map(int),
            &row.routes.map(int),
            &row.packed,
        ];
        writer.as_mut().write(&values).await?;
    }
    writer.finish().await?;
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
    let mut writer = pin!(BinaryCopyInWriter::new(
        transaction.copy_in(copy).await?,
        &types
    ));
    for row in rows {
        let values: [&(dyn ToSql + Sync); 8] = [
            &unplaced_id(row.number.0),
            &row.seq,
            &time(row.received),
            &int(row.source),
            &int(row.raw_bytes),
            &row.arrival_bytes.map(int),
            &row.routes.map(int),
            &row.packed,
        ];
        writer.as_mut().write(&values).await?;
    }
    writer.finish().await?;
    Ok(())
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
    ];
    let copy = "COPY alert (seq, callback, fingerprint, received, id, episode, source, body_at, body_bytes, status, severity)
                FROM STDIN BINARY";
    let mut writer = pin!(BinaryCopyInWriter::new(
        transaction.copy_in(copy).await?,
        &types
    ));
    for row in rows {
        let values: [&(dyn ToSql + Sync); 11] = [
            &row.seq,
            &row.callback,
            &row.fingerprint,
            &time(row.received),
            &row.id,
            &row.episode,
            &int(row.source),
            &int(row.body_at),
            &int(row.body_bytes),
            &small(row.status),
            &small(row.severity),
        ];
        writer.as_mut().write(&values).await?;
    }
    writer.finish().await?;
    Ok(())
}

pub(super) async fn keys(
    transaction: &Transaction<'_>,
    rows: &[Alert],
) -> Result<(), tokio_postgres::Error> {
    let types = [Type::UUID, Type::INT8, Type::INT8];
    let copy = "COPY dedup (key, content, seq) FROM STDIN BINARY";
    let mut writer = pin!(BinaryCopyInWriter::new(
        transaction.copy_in(copy).await?,
        &types
    ));
    for rows in rows.chunks(KEYS_SORTED) {
        let keys = rows.iter();
        let keys = keys.filter_map(|row| Some((row.key?, row.content, row.seq)));
        let mut keys: Vec<(Uuid, i64, Seq)> = keys.collect();
        keys.sort_unstable();
        for (key, content, seq) in &keys {
            writer.as_mut().write(&[key, content, seq]).await?;
        }
    }
    writer.finish().await?;
    Ok(())
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
    let mut writer = pin!(BinaryCopyInWriter::new(
        transaction.copy_in(copy).await?,
        &types
    ));
    for row in rows {
        let values: [&(dyn ToSql + Sync); 10] = [
            &row.seq,
            &time(row.at),
            &int(row.sink),
            &row.took_ms,
            &int(row.number),
            &small(row.verdict),
            &row.code.map(int),
            &row.worth.map(small),
            &row.remark,
            &row.note,
        ];
        writer.as_mut().write(&values).await?;
    }
    writer.finish().await?;
    Ok(())
}
