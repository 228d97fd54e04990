//! What the house does by itself now and then: shows how full it is, and removes what is old.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::task::JoinHandle;

use super::{DUTY_EVERY, plan};
use crate::delivery::Delivery;
use crate::telemetry::Metrics;
use campanile_model::Clock;
use campanile_store::Store;

/// Old rows are looked for so often.
const PRUNE_EVERY: Duration = Duration::from_mins(10);

/// Starts the duties; aborting them is safe at any moment.
pub(super) fn start(
    store: &Arc<dyn Store>,
    delivery: &Delivery,
    metrics: &Arc<Metrics>,
    clock: &Clock,
    retention_days: u32,
) -> Vec<JoinHandle<()>> {
    vec![
        tokio::spawn(show(
            Arc::clone(store),
            delivery.clone(),
            Arc::clone(metrics),
            clock.clone(),
        )),
        tokio::spawn(prune(Arc::clone(store), clock.clone(), retention_days)),
    ]
}

async fn show(store: Arc<dyn Store>, delivery: Delivery, metrics: Arc<Metrics>, clock: Clock) {
    loop {
        for state in delivery.states() {
            metrics.sink_state(&state.name, plan::phase(state.state));
        }
        if let (Ok(stats), Ok(sinks)) = (store.stats().await, store.known_sinks().await) {
            metrics.stored(stats.alerts, stats.quarantined, stats.bytes);
            let count = |rows: &[(i64, u64)]| rows.iter().copied().collect::<HashMap<_, _>>();
            let (pending, dead) = (count(&stats.pending), count(&stats.dead));
            for (id, name) in sinks {
                let of = |counts: &HashMap<i64, u64>| counts.get(&id).copied().unwrap_or(0);
                metrics.waiting(&name, of(&pending), of(&dead));
            }
        }
        clock.sleep(DUTY_EVERY).await;
    }
}

async fn prune(store: Arc<dyn Store>, clock: Clock, retention_days: u32) {
    let retention = SignedDuration::from_hours(24 * i64::from(retention_days));
    loop {
        let before = clock.now() - retention;
        loop {
            match store.prune(before).await {
                Ok(true) => tokio::task::yield_now().await,
                Ok(false) => break,
                Err(error) => {
                    tracing::warn!(error = %error, "old alerts could not be removed; it is tried again later");
                    break;
                }
            }
        }
        clock.sleep(PRUNE_EVERY).await;
    }
}
