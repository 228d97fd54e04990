//! What each kind of failure costs: the alert, its lane, the sink or only time.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use campanile::config::Policy;
use campanile::delivery::{PausedBy, Phase, What};
use campanile_sinks::{Class, Failure};

use super::rig::{Rig, policy, tuning};
use super::scripted::{Scripted, fails};
use super::{HOUR, MINUTE, SECOND};
use crate::moody::Moody;
use crate::patience::idle;

#[tokio::test]
async fn a_retry_after_holds_the_whole_sink() {
    let sink = Scripted::new(|message| match message.attempt {
        1 => Err(Failure {
            retry_after: Some(2 * MINUTE),
            ..fails(Class::Transient)
        }),
        _ => Ok(()),
    });
    let rig = Rig::new(&[(sink.clone(), policy())]).await;
    rig.accept("first", 1).await;
    idle(&rig.delivery).await;
    sink.now_does(|_| Ok(()));
    rig.accept("other lane", 2).await;
    rig.pass(Duration::from_secs(119), SECOND).await;
    assert_eq!(sink.messages(), ["first"]);
    assert_eq!(rig.state(0).state, Phase::Waiting);
    rig.pass(SECOND, SECOND).await;
    assert_eq!(sink.taken().len(), 2);
}

#[tokio::test]
async fn poison_gets_three_attempts_then_is_dead_and_the_lane_goes_on() {
    let sink = Scripted::new(|message| match message.alerts[0].message_id.as_str() {
        "poison" => Err(fails(Class::Poison)),
        _ => Ok(()),
    });
    let rig = Rig::new(&[(sink.clone(), policy())]).await;
    rig.accept("poison", 1).await;
    rig.accept("after", 1).await;
    idle(&rig.delivery).await;
    rig.pass(MINUTE, SECOND).await;
    assert_eq!(sink.messages(), ["poison", "poison", "poison", "after"]);
    let dead = rig.dead().await;
    assert_eq!(
        (dead.len(), dead[0].class.as_str(), dead[0].attempts),
        (1, "poison", 3)
    );
}

#[tokio::test]
async fn a_sink_whose_code_panics_loses_one_alert_and_not_its_worker() {
    let sink = Scripted::new(|message| {
        assert_ne!(message.alerts[0].message_id, "bad");
        Ok(())
    });
    let rig = Rig::new(&[(sink.clone(), policy())]).await;
    rig.accept("bad", 1).await;
    idle(&rig.delivery).await;
    // The panic poisoned the test's own lock, not the worker.
    sink.script.clear_poison();
    rig.accept("good", 2).await;
    idle(&rig.delivery).await;
    assert_eq!(sink.taken(), ["good"]);
}

#[tokio::test]
async fn what_is_too_old_gets_a_last_attempt_and_is_then_dead() {
    let sink = Scripted::new(|_| Err(fails(Class::Transient)));
    let short = Policy {
        max_age: 10 * SECOND,
        ..policy()
    };
    let rig = Rig::new(&[(sink.clone(), short)]).await;
    rig.accept("firing", 1).await;
    idle(&rig.delivery).await;
    rig.pass(15 * SECOND, SECOND).await;
    let last = sink.seen().pop().unwrap();
    assert_eq!(rig.dead().await[0].class, "expired");
    assert_eq!(last.at, "2026-01-01T00:00:10Z".parse().unwrap());
}

#[tokio::test]
async fn an_open_breaker_uses_up_no_attempts_and_probes_with_the_oldest() {
    let sink = Scripted::new(|_| Err(fails(Class::Transient)));
    let one = Policy {
        in_flight_max: 1,
        ..policy()
    };
    let rig = Rig::new(&[(sink.clone(), one)]).await;
    for lane in 0..50 {
        rig.accept(&format!("m{lane:02}"), lane).await;
    }
    idle(&rig.delivery).await;
    assert_eq!(sink.seen().len(), 5);
    assert!(
        rig.notes
            .has(|e| matches!(e.what, What::BreakerOpened { .. }))
    );
    rig.pass(9 * SECOND, SECOND).await;
    assert_eq!(sink.seen().len(), 5, "sent while open");
    rig.pass(SECOND, SECOND).await;
    assert_eq!(sink.messages()[5..], ["m00"], "one probe, the oldest");
    rig.pass(19 * SECOND, SECOND).await;
    assert_eq!(sink.seen().len(), 6, "the second pause is twice the first");
    sink.now_does(|_| Ok(()));
    rig.pass(MINUTE, SECOND).await;
    assert!(rig.notes.has(|e| matches!(e.what, What::BreakerClosed)));
    assert_eq!(sink.taken().len(), 50);
    let untouched = sink
        .seen()
        .into_iter()
        .filter(|s| s.taken && s.attempt == 1);
    assert_eq!(untouched.count(), 45);
}

#[tokio::test]
async fn a_refused_token_is_reported_once_and_retried_slowly() {
    let sink = Scripted::new(|_| Err(fails(Class::Operator)));
    let rig = Rig::new(&[(sink.clone(), policy())]).await;
    rig.accept("a", 1).await;
    rig.accept("b", 2).await;
    idle(&rig.delivery).await;
    rig.pass(59 * SECOND, SECOND).await;
    assert_eq!(sink.seen().len(), 2);
    let notes = rig.notes.0.lock().unwrap();
    let reported = notes
        .iter()
        .filter(|e| matches!(e.what, What::OperatorNeeded { .. }));
    assert_eq!(reported.count(), 1);
}

#[tokio::test]
async fn a_receiver_that_says_gone_pauses_its_sink_until_it_is_resumed() {
    let sink = Scripted::new(|_| Err(fails(Class::Gone)));
    let rig = Rig::new(&[(sink.clone(), policy())]).await;
    rig.accept("first", 1).await;
    idle(&rig.delivery).await;
    rig.accept("second", 2).await;
    rig.pass(HOUR, MINUTE).await;
    assert_eq!(sink.messages(), ["first"]);
    assert_eq!(rig.state(0).paused_by, Some(PausedBy::Receiver));
    sink.now_does(|_| Ok(()));
    let state = rig.delivery.resume("test/0").unwrap();
    assert_eq!((state.state, state.paused_by), (Phase::Ok, None));
    idle(&rig.delivery).await;
    assert_eq!(sink.taken(), ["first", "second"]);
    assert_eq!(rig.delivery.resume("test/unknown"), None);
}

#[tokio::test]
async fn an_outcome_that_cannot_be_written_is_kept_and_never_sent_again() {
    let moody = Arc::new(Moody::new());
    moody.failing_settles.store(4, Ordering::SeqCst);
    let sink = Scripted::takes_all();
    let rig = Rig::with(moody, &[(sink.clone(), policy())], tuning()).await;
    rig.accept("firing", 1).await;
    rig.accept("resolved", 1).await;
    idle(&rig.delivery).await;
    assert!(
        rig.notes
            .has(|e| matches!(e.what, What::StoreFailed { unsettled: 1, .. }))
    );
    assert_eq!(
        sink.messages(),
        ["firing"],
        "the follower waits for the commit"
    );
    rig.pass(MINUTE, Duration::from_millis(250)).await;
    assert_eq!(sink.messages(), ["firing", "resolved"]);
    assert_eq!(rig.pending().await, 0);
}
