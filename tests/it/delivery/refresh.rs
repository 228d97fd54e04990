//! Open episodes are sent again to a receiver that forgets.

use std::sync::Arc;

use campanile::delivery::What;
use campanile_sinks::Class;

use super::MINUTE;
use super::rig::{Rig, policy};
use super::scripted::{Scripted, fails};

use crate::patience::idle;

async fn forgetful() -> (Arc<Scripted>, Rig) {
    let sink = Scripted::takes_all();
    *sink.every.lock().unwrap() = Some(MINUTE);
    let rig = Rig::new(&[(Arc::clone(&sink), policy())]).await;
    (sink, rig)
}

/// Waits for the refreshes after one interval.
async fn refreshed(sink: &Scripted, rig: &Rig, count: u32) -> Vec<Vec<String>> {
    idle(&rig.delivery).await;
    rig.clock.advance(MINUTE);
    sink.refreshes.acquire_many(count).await.unwrap().forget();
    std::mem::take(&mut sink.refreshed.lock().unwrap())
}

#[tokio::test]
async fn what_was_sent_and_still_fires_is_sent_again_outside_of_the_lanes() {
    let (sink, rig) = forgetful().await;
    rig.accept("a", 1).await;
    rig.accept("b", 2).await;
    assert_eq!(refreshed(&sink, &rig, 1).await, [["a", "b"]]);
    rig.accept("resolved a", 1).await;
    assert_eq!(refreshed(&sink, &rig, 1).await, [["b"]]);
    assert_eq!(sink.messages(), ["a", "b", "resolved a"]);
}

#[tokio::test]
async fn many_open_episodes_are_sent_again_in_batches() {
    let (sink, rig) = forgetful().await;
    for lane in 0..100 {
        rig.accept(&format!("m{lane}"), lane).await;
    }
    let batches = refreshed(&sink, &rig, 2).await;
    assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [64, 36]);
}

#[tokio::test]
async fn a_refresh_that_fails_is_said_once_and_tried_again_at_the_next_interval() {
    let (sink, rig) = forgetful().await;
    rig.accept("a", 1).await;
    idle(&rig.delivery).await;
    sink.now_does(|_| Err(fails(Class::Transient)));
    for _ in 0..2 {
        assert_eq!(refreshed(&sink, &rig, 1).await, [["a"]]);
    }
    idle(&rig.delivery).await;
    let said = |e: &campanile::delivery::Event| matches!(e.what, What::NotRefreshed { .. });
    assert_eq!(
        rig.notes
            .0
            .lock()
            .unwrap()
            .iter()
            .filter(|e| said(e))
            .count(),
        1
    );
    assert_eq!(rig.dead().await.len() + rig.pending().await, 0);
}

#[tokio::test]
async fn a_paused_sink_is_not_refreshed() {
    let (sink, rig) = forgetful().await;
    rig.accept("a", 1).await;
    idle(&rig.delivery).await;
    rig.delivery.pause("test/0");
    rig.clock.advance(MINUTE);
    idle(&rig.delivery).await;
    rig.delivery.resume("test/0");
    assert_eq!(refreshed(&sink, &rig, 1).await, [["a"]]);
}
