//! What an operator does to deliveries while they go on.

use campanile::delivery::Phase;
use campanile::sinks::Class;

use super::rig::{Rig, policy};
use super::scripted::{Scripted, fails};
use super::{MINUTE, SECOND};

#[tokio::test]
async fn a_dead_letter_sent_again_is_found_below_what_was_already_read() {
    let sink = Scripted::new(|parcel| match parcel.alert.message_id.as_str() {
        "dead" => Err(fails(Class::Poison)),
        "waits" => Err(fails(Class::Transient)),
        _ => Ok(()),
    });
    let rig = Rig::new(&[(sink.clone(), policy())]).await;
    rig.accept("dead", 1).await;
    rig.pass(MINUTE, SECOND).await;
    rig.accept("waits", 2).await;
    rig.delivery.idle().await;
    sink.now_does(|_| Ok(()));
    let id = rig.dead().await[0].id;
    for (sink, seq) in rig.store.redrive(vec![id], rig.clock.now()).await.unwrap() {
        rig.delivery.poke(sink, &[seq]);
    }
    rig.delivery.idle().await;
    assert_eq!(sink.taken(), ["dead"]);
    assert!(sink.parcels.lock().unwrap().last().unwrap().redriven);
}

#[tokio::test]
async fn a_delivery_dropped_by_an_operator_is_not_sent() {
    let sink = Scripted::new(|_| Err(fails(Class::Transient)));
    let rig = Rig::new(&[(sink.clone(), policy())]).await;
    rig.accept("waits", 1).await;
    rig.delivery.idle().await;
    let seq = rig.accept("dropped", 1).await;
    rig.accept("kept", 1).await;
    rig.delivery.idle().await;
    assert_eq!(rig.state(0).loaded, 3);
    let id = rig.outlets[0].id;
    assert!(rig.store.drop_owed(seq, id).await.unwrap());
    rig.delivery.forget(id, &[seq]);
    sink.now_does(|_| Ok(()));
    rig.pass(MINUTE, SECOND).await;
    assert_eq!(sink.messages(), ["waits", "waits", "kept"]);
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
    rig.delivery.idle().await;
    assert_eq!(sink.messages(), ["waits"]);
}

#[tokio::test]
async fn what_came_during_a_pause_goes_out_at_once_when_it_ends() {
    let sink = Scripted::takes_all();
    let rig = Rig::new(&[(sink.clone(), policy())]).await;
    rig.delivery.pause("test/0");
    rig.delivery.idle().await;
    rig.accept("waits", 1).await;
    rig.delivery.resume("test/0");
    // No time passes: the look at the store that comes every second is not what sends it.
    rig.delivery.idle().await;
    assert_eq!(sink.messages(), ["waits"]);
}
