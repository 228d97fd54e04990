//! Deliveries of a gateway that shares its store with others.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use campanile::delivery::Delivery;

use super::rig::{Rig, policy};
use super::scripted::Scripted;
use crate::patience::idle;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_while_this_gateway_may_not_send() {
    let sink = Scripted::takes_all();
    let mut rig = Rig::new(&[(sink.clone(), policy())]).await;
    rig.delivery.stop(Duration::ZERO).await;
    let may = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&may);
    let trusted = Arc::new(move || asked.load(Ordering::SeqCst));
    let (store, clock) = (rig.store.clone(), rig.clock.clone());
    rig.delivery = Delivery::shared(store, clock, rig.notes.clone(), (rig.gate.clone(), trusted));
    rig.delivery.replace(rig.sinks.clone());
    rig.accept("a", 1).await;
    idle(&rig.delivery).await;
    assert!(sink.messages().is_empty());
    assert_eq!(rig.pending().await, 1);
    may.store(true, Ordering::SeqCst);
    rig.pass(Duration::from_secs(2), Duration::from_secs(1))
        .await;
    assert_eq!(sink.messages(), ["a"]);
    // A sink that is given up at once keeps its deliveries.
    rig.delivery.replace_within(Vec::new(), Duration::ZERO);
    rig.delivery.ended(rig.sinks[0].part).await;
    rig.accept("b", 1).await;
    assert_eq!((rig.pending().await, sink.messages().len()), (1, 1));
}
