//! What is counted: each delivery once, under one verdict.

use std::sync::Arc;

use campanile::config::Policy;
use campanile::delivery::{Observer, What};
use campanile::telemetry::{DeliveryLog, Metrics};
use campanile_sinks::Class;

use super::rig::{Rig, policy};
use super::scripted::{Scripted, fails};
use super::{HOUR, MINUTE, SECOND};

use crate::patience::idle;

/// The figures of `deliveries_total` after all events: delivered, again, dead.
fn counted(rig: &Rig) -> [u64; 3] {
    let metrics = Arc::new(Metrics::new());
    let log = DeliveryLog::new(Arc::clone(&metrics));
    for event in rig.notes.0.lock().unwrap().iter() {
        log.observe(event.clone());
    }
    let text = metrics.render();
    ["delivered", "again", "dead"].map(|verdict| {
        let name = format!("campanile_deliveries_total{{sink=\"test/0\",verdict=\"{verdict}\"}} ");
        let value = text.lines().find_map(|line| line.strip_prefix(&name));
        value.map_or(0, |value| value.parse().unwrap())
    })
}

#[tokio::test]
async fn a_digest_counts_each_of_its_alerts_once() {
    let limited = Policy {
        per_minute: Some(1),
        digest: true,
        ..policy()
    };
    let rig = Rig::new(&[(Scripted::takes_all(), limited)]).await;
    for lane in 0..25 {
        rig.accept(&format!("m{lane:02}"), lane).await;
    }
    idle(&rig.delivery).await;
    rig.pass(MINUTE, SECOND).await;
    assert!(rig.notes.has(|e| e.what == What::Digested { count: 24 }));
    assert_eq!(counted(&rig), [25, 0, 0]);
}

#[tokio::test]
async fn the_attempt_that_ends_dead_is_not_counted_as_one_that_is_retried() {
    let sink = Scripted::new(|_| Err(fails(Class::TooLarge)));
    let rig = Rig::new(&[(sink, policy())]).await;
    rig.accept("long", 1).await;
    rig.pass(HOUR, MINUTE).await;
    assert_eq!(rig.dead().await[0].class, "too_large");
    assert_eq!(counted(&rig), [0, 2, 1]);
}
