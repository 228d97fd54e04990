//! A lane keeps its order, and slows no other; a sink slows no other sink.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use campanile::config::Policy;
use campanile::delivery::{Event, Phase, Tuning, What};
use campanile_model::Fingerprint;
use campanile_sinks::Class;
use campanile_store::{Act, Archive, Seq};

use super::rig::{Rig, policy, store, tuning};
use super::scripted::{Scripted, fails};
use super::{HOUR, MINUTE, SECOND};

use crate::moody::Moody;
use crate::patience::{idle, until};

#[tokio::test]
async fn an_alert_reaches_every_sink_once_and_is_then_owed_to_none() {
    let (a, b) = (Scripted::takes_all(), Scripted::takes_all());
    let rig = Rig::new(&[(a.clone(), policy()), (b.clone(), policy())]).await;
    let seq = rig.accept("firing", 1).await;
    idle(&rig.delivery).await;
    assert_eq!(a.messages(), ["firing"]);
    assert_eq!(b.messages(), ["firing"]);
    assert_eq!(rig.pending().await, 0);
    assert!(
        rig.notes
            .has(|e| matches!(e.what, What::Delivered { seq: s, attempt: 1, .. } if s == seq))
    );
    assert_ne!(a.seen()[0].delivery_id, b.seen()[0].delivery_id);
}

#[tokio::test]
async fn what_was_delivered_is_not_read_again_and_what_no_poke_reported_is_found_within_a_minute() {
    let sink = Scripted::takes_all();
    let store = Arc::new(Moody::new());
    let rig = Rig::with(store.clone(), &[(sink.clone(), policy())], tuning()).await;
    let delivered = async |seq: Seq| {
        let is_it =
            |event: &Event| matches!(event.what, What::Delivered { seq: s, .. } if s == seq);
        until("its delivery", async || rig.notes.has(is_it)).await;
    };
    let first = rig.accept("first", 1).await;
    delivered(first).await;
    let looks = store.looks_at_all.load(Ordering::SeqCst);
    for n in 2..20 {
        delivered(rig.accept(&format!("message {n}"), n).await).await;
        rig.clock.advance(SECOND);
    }
    assert_eq!(store.looks_at_all.load(Ordering::SeqCst), looks);
    rig.notes.0.lock().unwrap().clear();
    let act = Act::new(rig.clock.now(), "alerts.retry");
    assert!(
        store
            .retry(first, rig.sinks[0].part.sink, act)
            .await
            .unwrap()
    );
    rig.clock.advance(MINUTE);
    delivered(first).await;
}

#[tokio::test]
async fn a_try_again_carries_the_same_delivery_id_and_the_next_number() {
    let sink = Scripted::new(|message| match message.attempt {
        1 | 2 => Err(fails(Class::Transient)),
        _ => Ok(()),
    });
    let rig = Rig::new(&[(sink.clone(), policy())]).await;
    rig.accept("firing", 1).await;
    idle(&rig.delivery).await;
    rig.pass(MINUTE, SECOND).await;
    let seen = sink.seen();
    assert_eq!(
        seen.iter().map(|s| s.attempt).collect::<Vec<_>>(),
        [1, 2, 3]
    );
    assert_eq!(
        seen.iter()
            .map(|s| &s.delivery_id)
            .collect::<BTreeSet<_>>()
            .len(),
        1
    );
}

#[tokio::test]
async fn a_stuck_alert_holds_back_its_own_lane_and_no_other() {
    let sink = Scripted::new(|message| match message.alerts[0].fingerprint {
        Fingerprint(1) => Err(fails(Class::Transient)),
        _ => Ok(()),
    });
    let rig = Rig::new(&[(sink.clone(), policy())]).await;
    rig.accept("firing", 1).await;
    rig.accept("resolved", 1).await;
    rig.accept("other", 2).await;
    idle(&rig.delivery).await;
    assert_eq!(sink.taken(), ["other"]);
    assert!(!sink.messages().contains(&"resolved".to_owned()));
    sink.now_does(|_| Ok(()));
    rig.pass(10 * SECOND, SECOND).await;
    assert_eq!(sink.taken(), ["other", "firing", "resolved"]);
}

#[tokio::test]
async fn a_sink_that_was_down_for_an_hour_gets_everything_in_lane_order_and_no_other_noticed() {
    let down = Scripted::new(|_| Err(fails(Class::Transient)));
    let well = Scripted::takes_all();
    let rig = Rig::new(&[(down.clone(), policy()), (well.clone(), policy())]).await;
    let mut expected: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for minute in 0..60_u64 {
        let (lane, word) = (
            minute % 7,
            if minute / 7 % 2 == 0 {
                "firing"
            } else {
                "resolved"
            },
        );
        let message = format!("{word}{minute}");
        rig.accept(&message, lane).await;
        idle(&rig.delivery).await;
        assert_eq!(
            well.messages().last(),
            Some(&message),
            "the other sink noticed"
        );
        expected.entry(lane).or_default().push(message);
        rig.pass(MINUTE, 10 * SECOND).await;
    }
    assert_eq!(rig.state(0).state, Phase::Open);
    down.now_does(|_| Ok(()));
    rig.pass(2 * HOUR, MINUTE).await;
    let mut got: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for seen in down.seen().into_iter().filter(|seen| seen.taken) {
        got.entry(seen.lane.0).or_default().push(seen.message);
    }
    assert_eq!(got, expected);
    assert_eq!(rig.pending().await, 0);
}

#[tokio::test]
async fn a_slow_sink_slows_no_other_and_sends_no_more_than_its_bound() {
    let slow = Scripted::gated(|_| Ok(()), 0);
    let quick = Scripted::takes_all();
    let two = Policy {
        in_flight_max: 2,
        ..policy()
    };
    let rig = Rig::new(&[(slow.clone(), two), (quick.clone(), policy())]).await;
    for lane in 0..20 {
        rig.accept(&format!("m{lane}"), lane).await;
    }
    quick.arrivals(20).await;
    slow.arrivals(2).await;
    assert_eq!(rig.state(0).in_flight, 2);
    assert_eq!(slow.arrived.available_permits(), 0);
    slow.gate.add_permits(100);
    idle(&rig.delivery).await;
    assert_eq!(slow.taken().len(), 20);
}

#[tokio::test]
async fn lanes_that_did_not_fit_into_memory_come_later_in_order() {
    let sink = Scripted::new(|message| match message.alerts[0].fingerprint {
        Fingerprint(1) => Err(fails(Class::Transient)),
        _ => Ok(()),
    });
    let tight = Tuning {
        loaded_max: 5,
        page: 3,
        ..tuning()
    };
    let rig = Rig::with(store(), &[(sink.clone(), policy())], tight).await;
    let stuck: Vec<String> = (0..40).map(|n| format!("stuck{n:02}")).collect();
    for message in &stuck {
        rig.accept(message, 1).await;
    }
    for lane in 2..12 {
        rig.accept(&format!("free{lane}"), lane).await;
    }
    idle(&rig.delivery).await;
    assert_eq!(sink.taken().len(), 10, "the stuck lane holds up the others");
    assert!(rig.state(0).loaded <= 5);
    sink.now_does(|_| Ok(()));
    rig.pass(MINUTE, SECOND).await;
    assert_eq!(sink.taken()[10..], stuck);
}

#[tokio::test]
async fn a_firing_that_is_sent_again_after_its_episode_ended_says_that_it_has_ended() {
    let sink = Scripted::new(|_| Err(fails(Class::Transient)));
    let rig = Rig::new(&[(sink.clone(), policy())]).await;
    rig.accept("firing", 1).await;
    idle(&rig.delivery).await;
    rig.accept("resolved", 1).await;
    sink.now_does(|_| Ok(()));
    rig.pass(MINUTE, SECOND).await;
    assert_eq!(sink.messages(), ["firing", "firing", "resolved"]);
    let sent = sink.messages_sent.lock().unwrap();
    let open: Vec<_> = sent.iter().map(|message| message.episode_open).collect();
    assert_eq!(open, [true, false, false]);
}
