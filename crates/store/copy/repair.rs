//! Makes the places of one bucket the same again: since they were copied, the source has removed old rows, forgotten keys and tried
//! deliveries.

use std::collections::HashMap;
use std::sync::Arc;

use super::rows;
use super::{Reader, Writer, digest};
use crate::{Error, Seq};

/// What is in a bucket, without the contents.
#[derive(Default)]
struct Found {
    /// The number and the hash of each callback, in their order.
    callbacks: Vec<(i64, u64)>,
    alerts: HashMap<Seq, u64>,
    attempts: u64,
}

async fn find(reader: &mut dyn Reader, bucket: i64) -> Result<Found, Error> {
    let (after, until) = digest::places(bucket);
    let mut found = Found::default();
    let mut cursor = reader.cursor_after(after).await?;
    while let Some(chunk) = reader.chunk(cursor, until).await? {
        cursor = chunk.to;
        let callbacks = chunk.callbacks.iter();
        found
            .callbacks
            .extend(callbacks.map(|row| (row.number.0, rows::hash(row))));
        let alerts = chunk.alerts.iter();
        found
            .alerts
            .extend(alerts.map(|row| (row.seq, rows::hash(row))));
        for attempt in &chunk.attempts {
            found.attempts = found.attempts.wrapping_add(rows::hash(attempt));
        }
    }
    Ok(found)
}

/// Removes what the source no longer has, and takes its keys and attempts. Nothing else of a callback or an alert changes, and
/// none appears at a place that was passed.
pub(super) async fn repair(
    source: &mut dyn Reader,
    (target, written): (&mut dyn Writer, &mut dyn Reader),
    bucket: i64,
) -> Result<(), Error> {
    let (wanted, found) = (find(source, bucket).await?, find(written, bucket).await?);
    let alerts = found.alerts.keys().copied();
    let alerts = alerts.filter(|seq| !wanted.alerts.contains_key(seq));
    let callbacks = surplus(&found.callbacks, &wanted.callbacks);
    target.remove(callbacks, alerts.collect()).await?;
    let differs = |seq: Seq| wanted.alerts.get(&seq) != found.alerts.get(&seq);
    let (after, until) = digest::places(bucket);
    let mut cursor = source.cursor_after(after).await?;
    while let Some(mut chunk) = source.chunk(cursor, until).await? {
        cursor = chunk.to;
        chunk.alerts.retain(|row| differs(row.seq));
        let chunk = Arc::new(chunk);
        if !chunk.alerts.is_empty() {
            target.set_alerts(Arc::clone(&chunk)).await?;
        }
        if wanted.attempts != found.attempts {
            target.set_attempts(chunk).await?;
        }
    }
    Ok(())
}

/// The numbers of the found callbacks that are not among the wanted ones, which are in the same order.
fn surplus(found: &[(i64, u64)], wanted: &[(i64, u64)]) -> Vec<i64> {
    let mut wanted = wanted.iter().map(|(_, hash)| *hash).peekable();
    let mut surplus = Vec::new();
    for (number, hash) in found {
        if wanted.next_if_eq(hash).is_none() {
            surplus.push(*number);
        }
    }
    surplus
}
