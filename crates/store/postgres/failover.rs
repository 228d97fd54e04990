//! After a failover: the server continues another history, which can lack the last moments of the one before.
//!
//! Places, numbers of names and rows of those moments are gone, and the server would give the same places and numbers again. A gateway
//! still has deliveries of lost places in memory, and would settle those of others with them. So the first gateway that sees the
//! new history goes on with places far above, and every gateway appends again what it acknowledged in the last minute.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio_postgres::Transaction;

use super::append::Shared;
use super::batch::Batch;
use super::history::Standing;
use super::numbers::sink_number;
use super::partition;
use super::pool::Fault;
use super::ring::{Kept, Receipt, Ring};
use super::session::Session;
use super::trouble::is_of_data;
use super::write::Write;
use crate::packed::Packed;
use crate::{Appending, Seq, SinkId};

/// Places that are left out: more than all gateways together draw in the two seconds between two looks at the last place.
const MARGIN: Seq = 1 << 16;

/// How often a gateway looks whether another server of its URL has a newer history. An old primary that still runs does not say that
/// another one was promoted. Much less than the reach of the ring.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Callbacks that are appended again in one statement.
const BATCH_MAX: usize = 256;

/// What a gateway knows of the history that the server continues.
#[derive(Default)]
pub(super) struct Failover {
    /// The highest place that it has seen.
    place: AtomicI64,
    /// The numbers of its sinks.
    sinks: Mutex<BTreeMap<SinkId, String>>,
    pub(super) ring: Ring,
    /// Locked by the one that catches up with another history.
    pub(super) turn: tokio::sync::Mutex<()>,
    /// The last look at all servers of the URL.
    looked: Mutex<Option<Instant>>,
}

impl Failover {
    /// A place was drawn.
    pub(super) fn saw(&self, place: Seq) {
        self.place.fetch_max(place, Ordering::AcqRel);
    }

    /// These sinks have these numbers.
    pub(super) fn named(&self, names: Vec<String>, ids: &[SinkId]) {
        let mut sinks = self.sinks.lock().unwrap_or_else(PoisonError::into_inner);
        sinks.extend(ids.iter().copied().zip(names));
    }

    /// Whether it is time to look at all servers.
    pub(super) fn is_to_look(&self, now: Instant) -> bool {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = looked.is_none_or(|last| now.saturating_duration_since(last) >= LOOK_EVERY);
        if is_due {
            *looked = Some(now);
        }
        is_due
    }
}

/// Catches up with the history of this connection, if the gateway has changed to it. Before anything is appended on a new connection.
pub(super) async fn catch_up(shared: &Shared, session: &mut Session) -> Result<(), Fault> {
    let history = &shared.pool.address().history;
    let _turn = shared.failover.turn.lock().await;
    if session.standing() != Standing::Followed {
        return Err(Fault::Left);
    }
    if !history.is_behind() {
        return Ok(());
    }
    shared.names.forget();
    go_on_above(shared, session).await?;
    let (callbacks, missing) = put_back(shared, session).await?;
    history.caught_up(session.home.line.as_ref());
    tracing::warn!(
        callbacks,
        missing,
        "PostgreSQL failed over or was restored; the gateway appended again what it answered in the last minute"
    );
    Ok(())
}

/// No place and no number of a sink is given a second time.
async fn go_on_above(shared: &Shared, session: &mut Session) -> Result<(), Fault> {
    let transaction = session.client.transaction().await?;
    // One gateway at a time.
    transaction
        .execute("SELECT FROM meta FOR UPDATE", &[])
        .await?;
    let above = shared.failover.place.load(Ordering::Acquire) + MARGIN;
    // A statement of its own: one that also took the lock would have read before it waited.
    let set = "SELECT setval('place', greatest(last_value, $1)) FROM place";
    transaction.query_one(set, &[&above]).await?;
    partition::ensure(&transaction).await?;
    // What was settled in the lost moments is pending again.
    transaction
        .execute("UPDATE lease SET look_from = 1", &[])
        .await?;
    name_sinks(shared, &transaction).await?;
    Ok(transaction.commit().await?)
}

/// Deliveries and the running workers have the numbers of sinks: one that is lost gets its number again.
async fn name_sinks(shared: &Shared, transaction: &Transaction<'_>) -> Result<(), Fault> {
    let sinks = shared.failover.sinks.lock();
    let sinks = sinks.unwrap_or_else(PoisonError::into_inner).clone();
    for (id, name) in sinks {
        let insert = "INSERT INTO sink (id, name) OVERRIDING SYSTEM VALUE VALUES ($1, $2) ON CONFLICT DO NOTHING";
        transaction
            .execute(insert, &[&sink_number(id), &name])
            .await?;
    }
    let set = "SELECT setval('sink_id_seq', greatest(last_value, (SELECT max(id) FROM sink))) FROM sink_id_seq";
    transaction.query_one(set, &[]).await?;
    Ok(())
}

/// Appends the ring again. Gives the callbacks that were in it, and the alerts and callbacks that were missing.
async fn put_back(shared: &Shared, session: &mut Session) -> Result<(usize, usize), Fault> {
    let ring = &shared.failover.ring;
    let mut taken = ring.take();
    let (callbacks, mut missing, mut size) = (taken.left.len(), 0, BATCH_MAX);
    while !taken.left.is_empty() {
        let count = size.min(taken.left.len());
        let batch: Vec<&Kept> = taken.left.iter().take(count).collect();
        match again(shared, session, &batch).await {
            Ok((receipts, new)) => {
                missing += new;
                for (kept, receipt) in taken.left.drain(..count).zip(receipts) {
                    ring.keep(Instant::now(), kept.slim, receipt);
                }
            }
            Err(Fault::Database(error)) if is_of_data(&error) => {
                // Each for itself, so that one that cannot be appended does not keep out the others.
                if count > 1 {
                    size = 1;
                    continue;
                }
                tracing::error!(%error, "a callback that was answered could not be appended again after a failover; it can be lost");
                taken.left.pop_front();
            }
            Err(fault) => return Err(fault),
        }
    }
    Ok((callbacks, missing))
}

/// Appends some callbacks again. Dedup drops the alerts that survived; callbacks without keys are looked up. Gives the new receipts,
/// and the number of what was missing.
async fn again(
    shared: &Shared,
    session: &mut Session,
    batch: &[&Kept],
) -> Result<(Vec<Receipt>, usize), Fault> {
    let mut receipts: Vec<Receipt> = batch.iter().map(|kept| kept.receipt).collect();
    let there = survivors(session, &receipts, batch).await?;
    let missing = (0..batch.len()).filter(|at| !there.contains(at));
    let wholes = missing.filter_map(|at| Some((at, batch.get(at)?.slim.whole()?)));
    let (places, wholes): (Vec<usize>, Vec<Packed>) = wholes.unzip();
    if wholes.is_empty() {
        return Ok((receipts, 0));
    }
    let entries: Vec<&Packed> = wholes.iter().collect();
    let numbers = shared.names.all(session, &entries).await?;
    let write = Write {
        shared,
        batch: &Batch::of(&entries, &numbers, shared.ms(&entries)),
        entries: &entries,
        numbers: &numbers,
        token: rand::random(),
    };
    let written = write.once(session, false).await?;
    let mut new = 0;
    for ((at, receipt), answer) in places.iter().zip(written.receipts).zip(written.answers) {
        let accepted = |one: &&Appending| matches!(one, Appending::Accepted { .. });
        new += answer.alerts.iter().filter(accepted).count();
        new += usize::from(receipt != Receipt::default());
        if let Some(kept) = receipts.get_mut(*at) {
            *kept = receipt;
        }
    }
    Ok((receipts, new))
}

/// The callbacks of a batch whose rows without a dedup key are still there.
async fn survivors(
    session: &Session,
    receipts: &[Receipt],
    batch: &[&Kept],
) -> Result<HashSet<usize>, Fault> {
    let bare: Vec<Seq> = receipts
        .iter()
        .filter_map(|one| Some(one.bare?.0))
        .collect();
    let held: Vec<i64> = receipts.iter().filter_map(|one| one.quarantine).collect();
    let (mut calls, mut letters) = (HashSet::new(), HashMap::new());
    if !bare.is_empty() {
        let select = "SELECT seq, batch FROM callback WHERE seq = ANY($1)";
        let rows = session.client.query(select, &[&bare]).await?;
        calls.extend(
            rows.iter()
                .map(|row| (row.get::<_, Seq>(0), row.get::<_, i64>(1))),
        );
    }
    if !held.is_empty() {
        let select = "SELECT id, received FROM quarantine WHERE id = ANY($1)";
        let rows = session.client.query(select, &[&held]).await?;
        let micros = |at: Timestamp| at.as_microsecond();
        letters.extend(
            rows.iter()
                .map(|row| (row.get::<_, i64>(0), micros(row.get(1)))),
        );
    }
    let is_there = |(receipt, kept): (&Receipt, &&Kept)| {
        let call = receipt.bare.is_some_and(|bare| calls.contains(&bare));
        let received = receipt.quarantine.and_then(|id| letters.get(&id));
        call || received == Some(&kept.slim.received_at().as_microsecond())
    };
    let pairs = receipts.iter().zip(batch).enumerate();
    Ok(pairs
        .filter_map(|(at, pair)| is_there(pair).then_some(at))
        .collect())
}
