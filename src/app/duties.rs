//! Periodic work: removes expired rows from the store.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::mutes::Mutes;
use crate::delivery::Delivery;
use campanile_model::Clock;
use campanile_store::{Store, Upkeep};

/// Time between two searches for expired rows.
const PRUNE_EVERY: Duration = Duration::from_mins(10);

/// Starts pruning. A change of `retention_days` takes effect at once. Aborting the task is safe at any moment.
pub(super) fn start(
    store: &Arc<dyn Store>,
    clock: &Clock,
    retention_days: watch::Receiver<u32>,
) -> JoinHandle<()> {
    let store: Arc<dyn Upkeep> = Arc::<dyn Store>::clone(store);
    tokio::spawn(prune(store, clock.clone(), retention_days))
}

/// Other gateways that share the store make silences too: they are in force here after this time.
const SILENCES_EVERY: Duration = Duration::from_secs(1);

/// Starts to follow the silences of the store. Aborting the task is safe at any moment.
pub(super) fn follow_silences(
    mutes: Arc<Mutes>,
    delivery: Delivery,
    clock: &Clock,
) -> JoinHandle<()> {
    let clock = clock.clone();
    tokio::spawn(async move {
        loop {
            clock.sleep(SILENCES_EVERY).await;
            match mutes.refresh().await {
                Ok(true) => delivery.gate_changed(),
                Ok(false) => {}
                Err(error) => {
                    tracing::debug!(%error, "the silences cannot be read; those in force stay so");
                }
            }
        }
    })
}

async fn prune(store: Arc<dyn Upkeep>, clock: Clock, mut retention_days: watch::Receiver<u32>) {
    loop {
        let days = *retention_days.borrow_and_update();
        remove_expired(&*store, &clock, days).await;
        tokio::select! {
            () = clock.sleep(PRUNE_EVERY) => {}
            changed = retention_days.changed() => {
                if changed.is_err() {
                    return;
                }
            }
        }
    }
}

async fn remove_expired(store: &dyn Upkeep, clock: &Clock, days: u32) {
    let before = clock.now() - SignedDuration::from_hours(24 * i64::from(days));
    loop {
        match store.prune(before).await {
            Ok(true) => tokio::task::yield_now().await,
            Ok(false) => return,
            Err(error) => {
                tracing::warn!(error = %error, "the store could not remove expired alerts; the gateway tries again in 10 minutes");
                return;
            }
        }
    }
}
