//! Alerts beyond the rate limit of a sink wait, or go out as a digest.

use campanile::config::Policy;
use campanile::delivery::Phase;
use campanile_sinks::Class;

use super::rig::{Rig, policy};
use super::scripted::{Scripted, fails};
use super::{HOUR, MINUTE, SECOND};

use crate::patience::idle;

#[tokio::test]
async fn what_does_not_fit_under_a_limit_waits_for_its_window() {
    let sink = Scripted::takes_all();
    let limited = Policy {
        per_minute: Some(3),
        ..policy()
    };
    let rig = Rig::new(&[(sink.clone(), limited)]).await;
    for lane in 0..8 {
        rig.accept(&format!("m{lane}"), lane).await;
    }
    idle(&rig.delivery).await;
    assert_eq!(sink.seen().len(), 3);
    assert_eq!(rig.state(0).state, Phase::Waiting);
    rig.pass(59 * SECOND, SECOND).await;
    assert_eq!(sink.seen().len(), 3);
    rig.pass(SECOND, SECOND).await;
    assert_eq!(sink.seen().len(), 6);
    rig.pass(MINUTE, SECOND).await;
    assert_eq!(
        sink.messages(),
        (0..8).map(|n| format!("m{n}")).collect::<Vec<_>>()
    );
}

fn digesting() -> Policy {
    Policy {
        per_minute: Some(3),
        digest: true,
        ..policy()
    }
}

#[tokio::test]
async fn what_overflows_a_limit_goes_out_as_one_digest() {
    let sink = Scripted::takes_all();
    let rig = Rig::new(&[(sink.clone(), digesting())]).await;
    for n in 0..40 {
        rig.accept(&format!("m{n:02}"), n % 20).await;
    }
    idle(&rig.delivery).await;
    assert_eq!(sink.seen().len(), 3);
    rig.pass(MINUTE, SECOND).await;
    assert_eq!(sink.seen().len(), 4);
    let digest = sink.messages_sent.lock().unwrap().pop().unwrap();
    let mut ids: Vec<_> = digest
        .alerts
        .iter()
        .map(|alert| &alert.message_id)
        .collect();
    ids.sort();
    let want: Vec<_> = (3..40).map(|n| format!("m{n:02}")).collect();
    assert_eq!(ids, want.iter().collect::<Vec<_>>());
    assert!(digest.episode_open);
    let serialized = |alert| serde_json::to_vec(alert).unwrap();
    let serialized: Vec<_> = digest.alerts.iter().map(serialized).collect();
    assert_eq!(digest.stored, serialized, "the stored JSON of each alert");
    assert_eq!(rig.pending().await, 0);
    rig.accept("single again", 99).await;
    idle(&rig.delivery).await;
    assert_eq!(sink.messages().pop().unwrap(), "single again");
}

#[tokio::test]
async fn a_digest_that_is_refused_kills_none_of_its_alerts() {
    let sink = Scripted::new(|message| match message.only() {
        None => Err(fails(Class::Poison)),
        Some(_) => Ok(()),
    });
    let rig = Rig::new(&[(sink.clone(), digesting())]).await;
    for n in 0..20 {
        rig.accept(&format!("m{n:02}"), n).await;
    }
    idle(&rig.delivery).await;
    rig.pass(HOUR, MINUTE).await;
    assert_eq!(sink.taken().len(), 20);
    assert!(rig.dead().await.is_empty());
}

#[tokio::test]
async fn a_refused_digest_turns_digests_off_for_an_hour_and_not_for_good() {
    let sink = Scripted::new(|message| match message.only() {
        None => Err(fails(Class::Poison)),
        Some(_) => Ok(()),
    });
    let rig = Rig::new(&[(sink.clone(), digesting())]).await;
    let burst = async |from: u64| {
        for n in from..from + 20 {
            rig.accept(&format!("m{n:02}"), n).await;
        }
        idle(&rig.delivery).await;
        rig.pass(30 * MINUTE, SECOND).await;
    };
    let digests = || {
        let sent = sink.messages_sent.lock().unwrap();
        sent.iter().filter(|sent| sent.only().is_none()).count()
    };
    burst(0).await;
    assert_eq!(digests(), 1);
    sink.now_does(|_| Ok(()));
    burst(20).await;
    assert_eq!(digests(), 1, "within the hour alerts go one by one");
    rig.pass(HOUR, MINUTE).await;
    burst(40).await;
    assert_eq!(digests(), 2);
    assert_eq!(rig.pending().await, 0);
}

#[tokio::test]
async fn a_digest_that_is_too_large_is_sent_again_in_halves() {
    let sink = Scripted::new(|message| match message.alerts.len() {
        0..=10 => Ok(()),
        _ => Err(fails(Class::TooLarge)),
    });
    let rig = Rig::new(&[(sink.clone(), digesting())]).await;
    for n in 0..43 {
        rig.accept(&format!("m{n:02}"), n).await;
    }
    idle(&rig.delivery).await;
    rig.pass(10 * MINUTE, SECOND).await;
    assert_eq!(rig.pending().await, 0);
    assert!(rig.dead().await.is_empty());
    let sent = sink.messages_sent.lock().unwrap();
    let sizes: Vec<_> = sent.iter().map(|sent| sent.alerts.len()).collect();
    assert_eq!(sizes, [1, 1, 1, 40, 20, 20, 10, 10, 10, 10]);
}
