//! Workers that stop, and workers that continue after them.

use campanile::delivery::BuiltSink;
use campanile_sinks::Class;

use super::rig::{Rig, policy};
use super::scripted::{Scripted, fails};
use super::{MINUTE, SECOND};

use crate::patience::idle;

#[tokio::test]
async fn stopping_waits_for_what_is_in_flight_and_writes_it_down() {
    let sink = Scripted::gated(|_| Ok(()), 0);
    let rig = Rig::new(&[(sink.clone(), policy())]).await;
    rig.accept("in flight", 1).await;
    rig.accept("follower", 1).await;
    sink.arrivals(1).await;
    let stopping = rig.delivery.stop(25 * SECOND);
    let ending = async { sink.gate.add_permits(100) };
    tokio::join!(stopping, ending);
    assert_eq!(sink.messages(), ["in flight"]);
    assert_eq!(rig.pending().await, 1);
}

#[tokio::test]
async fn what_does_not_end_within_the_grace_stays_owed() {
    let sink = Scripted::gated(|_| Ok(()), 0);
    let rig = Rig::new(&[(sink.clone(), policy())]).await;
    rig.accept("hangs", 1).await;
    sink.arrivals(1).await;
    let clock = rig.clock.clone();
    let stopping = rig.delivery.stop(5 * SECOND);
    tokio::join!(stopping, async { clock.advance(5 * SECOND) });
    assert_eq!(rig.pending().await, 1);
}

#[tokio::test]
async fn a_restart_waits_for_the_due_time_and_keeps_the_lane_in_order() {
    let sink = Scripted::new(|_| Err(fails(Class::Operator)));
    let mut rig = Rig::new(&[(sink.clone(), policy())]).await;
    rig.accept("firing", 1).await;
    rig.accept("resolved", 1).await;
    idle(&rig.delivery).await;
    sink.now_does(|_| Ok(()));
    rig.restart().await;
    rig.pass(59 * SECOND, SECOND).await;
    assert_eq!(sink.messages(), ["firing"], "the due time is forgotten");
    rig.pass(MINUTE + SECOND, SECOND).await;
    assert_eq!(sink.messages(), ["firing", "firing", "resolved"]);
    assert_eq!(sink.seen()[1].attempt, 2);
}

#[tokio::test]
async fn a_replaced_sink_starts_after_the_old_one_has_ended() {
    let old = Scripted::gated(|_| Ok(()), 0);
    let rig = Rig::new(&[(old.clone(), policy())]).await;
    rig.accept("firing", 1).await;
    rig.accept("resolved", 1).await;
    old.arrivals(1).await;
    let new = Scripted::takes_all();
    rig.delivery.replace(vec![BuiltSink {
        sink: new.clone(),
        ..rig.sinks[0].clone()
    }]);
    tokio::task::yield_now().await;
    assert_eq!(new.messages().len(), 0);
    old.gate.add_permits(100);
    idle(&rig.delivery).await;
    assert_eq!(
        (old.messages(), new.messages()),
        (vec!["firing".into()], vec!["resolved".into()])
    );
}

#[tokio::test]
async fn a_handle_that_a_sink_returned_comes_back_with_its_episode_also_after_a_restart() {
    let sink = Scripted::takes_all();
    let mut rig = Rig::new(&[(sink.clone(), policy())]).await;
    rig.accept("firing", 1).await;
    rig.accept("another problem", 2).await;
    idle(&rig.delivery).await;
    rig.restart().await;
    rig.accept("resolved", 1).await;
    idle(&rig.delivery).await;
    let sent = sink.messages_sent.lock().unwrap();
    let handles: Vec<_> = sent
        .iter()
        .map(|message| message.handle.as_deref())
        .collect();
    assert_eq!(handles, [None, None, Some("ticket for firing")]);
    let opened = sent[2].opened.as_ref().unwrap();
    assert_eq!(opened.message_id, "firing");
    assert!(!sent[2].episode_open);
}
