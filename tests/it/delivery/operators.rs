//! What an operator does with deliveries while they run.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use campanile::config::Policy;
use campanile::delivery::Phase;
use campanile_sinks::{Class, Message};
use campanile_store::Act;

use super::rig::{Rig, policy};
use super::scripted::{Scripted, fails};
use super::{MINUTE, SECOND};

use crate::patience::idle;

#[tokio::test]
async fn a_dead_letter_sent_again_is_found_below_what_was_already_read() {
    let sink = Scripted::new(|message| match message.alerts[0].message_id.as_str() {
        "dead" => Err(fails(Class::Poison)),
        "waits" => Err(fails(Class::Transient)),
        _ => Ok(()),
    });
    let rig = Rig::new(&[(sink.clone(), policy())]).await;
    rig.accept("dead", 1).await;
    rig.pass(MINUTE, SECOND).await;
    rig.accept("waits", 2).await;
    idle(&rig.delivery).await;
    sink.now_does(|_| Ok(()));
    let id = rig.dead().await[0].id;
    for (sink, seq) in rig
        .store
        .retry_dead(vec![id], Act::new(rig.clock.now(), "dead.retry"))
        .await
        .unwrap()
    {
        rig.delivery.poke(sink, &[seq]);
    }
    idle(&rig.delivery).await;
    assert_eq!(sink.taken(), ["dead"]);
    assert!(
        sink.messages_sent
            .lock()
            .unwrap()
            .last()
            .unwrap()
            .retried_by_operator
    );
}

#[tokio::test]
async fn a_delivery_dropped_by_an_operator_is_not_sent() {
    let sink = Scripted::new(|_| Err(fails(Class::Transient)));
    let rig = Rig::new(&[(sink.clone(), policy())]).await;
    rig.accept("waits", 1).await;
    idle(&rig.delivery).await;
    let seq = rig.accept("dropped", 1).await;
    rig.accept("kept", 1).await;
    idle(&rig.delivery).await;
    assert_eq!(rig.state(0).loaded, 3);
    let id = rig.sinks[0].part.sink;
    assert!(
        rig.store
            .drop_pending(seq, id, Act::new(rig.clock.now(), "drop"))
            .await
            .unwrap()
    );
    rig.delivery.dropped(id, &[seq]);
    sink.now_does(|_| Ok(()));
    rig.pass(MINUTE, SECOND).await;
    assert_eq!(sink.messages(), ["waits", "waits", "kept"]);
}

#[tokio::test]
async fn what_waits_for_its_next_attempt_is_attempted_when_an_operator_says_so() {
    // After no time, both deliveries wait for their next attempt. After a minute, the circuit breaker is open too.
    for waited in [Duration::ZERO, MINUTE] {
        let sink = Scripted::new(|_| Err(fails(Class::Transient)));
        let rig = Rig::new(&[(sink.clone(), policy())]).await;
        let seqs = [rig.accept("a", 1).await, rig.accept("b", 2).await];
        idle(&rig.delivery).await;
        rig.pass(waited, SECOND).await;
        sink.now_does(|_| Ok(()));
        assert_eq!(rig.pending().await, 2);
        // No time passes.
        rig.delivery.hurry(rig.sinks[0].part.sink, &seqs);
        idle(&rig.delivery).await;
        assert_eq!(rig.pending().await, 0, "{waited:?}");
    }
}

#[tokio::test]
async fn a_paused_sink_gets_nothing_until_it_is_resumed() {
    let sink = Scripted::takes_all();
    let rig = Rig::new(&[(sink.clone(), policy())]).await;
    rig.delivery.pause("test/0");
    rig.accept("waits", 1).await;
    rig.pass(MINUTE, SECOND).await;
    assert_eq!(rig.state(0).state, Phase::Paused);
    assert!(sink.messages().is_empty());
    rig.delivery.resume("test/0");
    idle(&rig.delivery).await;
    assert_eq!(sink.messages(), ["waits"]);
}

#[tokio::test]
async fn what_came_during_a_pause_goes_out_at_once_when_it_ends() {
    let sink = Scripted::takes_all();
    let rig = Rig::new(&[(sink.clone(), policy())]).await;
    rig.delivery.pause("test/0");
    idle(&rig.delivery).await;
    rig.accept("waits", 1).await;
    rig.delivery.resume("test/0");
    // No time passes: the look at the store that comes every second is not what sends it.
    idle(&rig.delivery).await;
    assert_eq!(sink.messages(), ["waits"]);
}

#[tokio::test]
async fn a_probe_that_was_sent_before_its_sink_was_resumed_does_not_count() {
    let calls = AtomicUsize::new(0);
    let down_six_times = move |_: &Message| match calls.fetch_add(1, Ordering::Relaxed) {
        0..6 => Err(fails(Class::Transient)),
        _ => Ok(()),
    };
    let sink = Scripted::gated(down_six_times, 5);
    let one = Policy {
        in_flight_max: 1,
        ..policy()
    };
    let rig = Rig::new(&[(sink.clone(), one)]).await;
    for lane in 0..6 {
        rig.accept(&format!("m{lane}"), lane).await;
    }
    sink.arrivals(5).await;
    idle(&rig.delivery).await;
    assert_eq!(rig.state(0).state, Phase::Open);
    rig.clock.advance(10 * SECOND);
    sink.arrivals(1).await;
    // The probe is in flight to a sink that is down; then an operator fixes the receiver and resumes the sink.
    rig.delivery.resume("test/0");
    tokio::task::yield_now().await;
    sink.gate.add_permits(100);
    idle(&rig.delivery).await;
    assert_ne!(rig.state(0).state, Phase::Open);
    assert!(!sink.taken().is_empty(), "another probe went at once");
}

#[tokio::test]
async fn attempts_that_were_sent_before_their_sink_was_resumed_do_not_open_its_breaker() {
    let calls = AtomicUsize::new(0);
    let down_six_times = move |_: &Message| match calls.fetch_add(1, Ordering::Relaxed) {
        0..6 => Err(fails(Class::Transient)),
        _ => Ok(()),
    };
    let sink = Scripted::gated(down_six_times, 0);
    let six = Policy {
        in_flight_max: 6,
        ..policy()
    };
    let rig = Rig::new(&[(sink.clone(), six)]).await;
    for lane in 0..6 {
        rig.accept(&format!("m{lane}"), lane).await;
    }
    sink.arrivals(6).await;
    // Six attempts are in flight to a sink that is down; then an operator fixes the receiver and resumes the sink.
    rig.delivery.resume("test/0");
    tokio::task::yield_now().await;
    sink.gate.add_permits(100);
    idle(&rig.delivery).await;
    rig.accept("new", 7).await;
    idle(&rig.delivery).await;
    assert_eq!(sink.taken(), ["new"], "the new alert goes at once");
}

#[tokio::test]
async fn a_probe_that_was_sent_after_its_sink_was_resumed_counts_again() {
    let sink = Scripted::gated(|_| Err(fails(Class::Transient)), 5);
    let one = Policy {
        in_flight_max: 1,
        ..policy()
    };
    let rig = Rig::new(&[(sink.clone(), one)]).await;
    for lane in 0..12 {
        rig.accept(&format!("m{lane}"), lane).await;
    }
    sink.arrivals(5).await;
    idle(&rig.delivery).await;
    rig.clock.advance(10 * SECOND);
    sink.arrivals(1).await;
    rig.delivery.resume("test/0");
    tokio::task::yield_now().await;
    sink.gate.add_permits(100);
    idle(&rig.delivery).await;
    // Five failures, the probe from before, and one probe after it. The other lanes wait for the breaker.
    assert_eq!(sink.seen().len(), 7);
    assert_eq!(rig.state(0).state, Phase::Open);
}
