//! What a failover to another server loses, and what the gateways do about it.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use campanile_model::Status;
use campanile_receiver::postgres::Postgres;
use campanile_store::{
    Appending, CallbackFilter, Entry, Inbox as _, Membership as _, Store, StoreCopies, Upkeep as _,
};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use uuid::Uuid;

use super::pair::{Pair, accepted, ignored, places, signal, unreadable, until};
use super::suite::{alert, all, entry, firing};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_asynchronous_failover_loses_is_appended_again_by_the_gateway_that_answered_it() {
    let mut pair = Pair::start().await;
    let store = pair.open(None).await;
    // Without the ring.
    let other = pair.open(Some(StoreCopies::Storage)).await;
    let old = vec!["webhook/old".to_owned()];
    assert_eq!(store.sink_ids(old).await.unwrap(), [1]);
    let mut kept = vec![accepted(&store, "kept").await];
    for entry in [unreadable("kept"), ignored()] {
        store.append(entry).await.unwrap();
    }
    pair.replicated().await;
    let receiver = pair.walreceiver().await;
    signal(&receiver, "STOP");
    let sinks = vec!["webhook/new".to_owned()];
    let sink = store.sink_ids(sinks.clone()).await.unwrap()[0];
    let lost = || {
        let mut lost = firing("lost", 3, &[1, sink]);
        lost.source = "new/source".into();
        lost
    };
    assert_eq!(places(&store.append(lost()).await.unwrap()).len(), 1);
    for entry in [unreadable("lost"), ignored()] {
        store.append(entry).await.unwrap();
    }
    // More places than the server draws ahead in its log.
    let many = || {
        let one = |n| alert(&format!("forgotten-{n}"), 4, Status::Firing, &[1]);
        entry((0..40).map(one).collect())
    };
    let idle = pair.gateway(None).await;
    idle.append(firing("idle", 5, &[])).await.unwrap();
    let highest = places(&other.append(many()).await.unwrap())[39];
    assert!(store.replication().unwrap().ring > Duration::ZERO);
    assert_eq!(other.replication().unwrap().ring, Duration::ZERO);
    pair.fail_over(&receiver).await;

    kept.push(accepted(&store, "next").await);
    // No place is given twice: workers have deliveries of the lost ones in memory.
    assert!(kept[1] > highest, "{} {highest}", kept[1]);
    let again = store.append(lost()).await.unwrap().alerts;
    assert!(
        matches!(again[..], [Appending::Duplicate { conflict: false }]),
        "{again:?}"
    );
    let alerts = store.alerts(all()).await.unwrap().rows;
    assert_eq!(alerts.len(), 3);
    let found = alerts.iter().find(|one| !kept.contains(&one.seq)).unwrap();
    let mut to: Vec<_> = store.deliveries_of(found.seq).await.unwrap();
    to.sort_by_key(|delivery| delivery.sink);
    let to: Vec<_> = to.iter().map(|delivery| delivery.sink).collect();
    assert_eq!(to, [1, sink]);
    let said = String::from_utf8(found.json.clone()).unwrap();
    assert!(said.contains(r#""message_id":"lost""#), "{said}");
    // Nothing that survived is there twice.
    let callbacks = CallbackFilter {
        ignored: Some(true),
        limit: 100,
        ..CallbackFilter::default()
    };
    assert_eq!(store.callbacks(callbacks).await.unwrap().rows.len(), 2);
    assert_eq!(store.stats().await.unwrap().quarantined, 2);
    let arrivals = CallbackFilter {
        source: Some("new/source".to_owned()),
        limit: 100,
        ..CallbackFilter::default()
    };
    assert_eq!(store.callbacks(arrivals).await.unwrap().rows.len(), 1);
    // The number of a sink is that of its running worker.
    assert!(
        store
            .known_sinks()
            .await
            .unwrap()
            .contains(&(sink, sinks[0].clone()))
    );
    assert_eq!(other.sink_ids(sinks).await.unwrap(), [sink]);
    // A gateway that nobody calls sees it with its next beat.
    until("what the other gateway answered", async || {
        let beaten = idle.beat(Uuid::nil(), String::new(), false).await;
        beaten.unwrap().is_none() && store.alerts(all()).await.unwrap().rows.len() == 4
    })
    .await;
    // The gateway without the ring has lost what it answered.
    assert_eq!(places(&other.append(many()).await.unwrap()).len(), 40);
}

/// Commits on the primary what the standby, whose receiver is frozen, does not get.
async fn lose(pair: &Pair, store: &Arc<dyn Store>, messages: Vec<Entry>) -> String {
    pair.replicated().await;
    let receiver = pair.walreceiver().await;
    signal(&receiver, "STOP");
    for message in messages {
        store.append(message).await.unwrap();
    }
    receiver
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_failover_only_what_the_new_primary_refuses_for_good_leaves_the_ring() {
    let mut pair = Pair::start().await;
    let store = pair.open(None).await;
    accepted(&store, "kept").await;
    let mut refused = firing("refused", 2, &[1]);
    refused.alerts[0].content = 13;
    let lost = vec![
        firing("lost", 3, &[1]),
        refused,
        firing("also lost", 4, &[1]),
    ];
    let receiver = lose(&pair, &store, lost).await;
    pair.fail_over(&receiver).await;

    // The server cannot take anything now, which is no fault of a callback.
    let sql = async |statement: &str| pair.standby.sql("pair", statement).await;
    sql("REVOKE INSERT ON alert FROM campanile").await;
    sql("ALTER TABLE dedup ADD CHECK (content <> 13)").await;
    let next = store.append(firing("next", 5, &[1])).await;
    assert!(next.is_err(), "{next:?}");
    sql("GRANT INSERT ON alert TO campanile").await;
    accepted(&store, "next").await;
    for (message, is_there) in [("lost", true), ("also lost", true), ("refused", false)] {
        let again = store.append(firing(message, 3, &[1])).await.unwrap();
        let known = matches!(again.alerts[..], [Appending::Duplicate { .. }]);
        assert_eq!(known, is_there, "{message}: {again:?}");
    }
    // The places that were left out are no alerts.
    let rows = store.alerts(all()).await.unwrap().rows;
    assert_eq!(store.stats().await.unwrap().alerts, rows.len() as u64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_waited_for_another_to_follow_takes_no_place_back() {
    let mut pair = Pair::start().await;
    let store = pair.open(None).await;
    accepted(&store, "kept").await;
    let receiver = lose(&pair, &store, vec![firing("lost", 2, &[1])]).await;
    pair.fail_over(&receiver).await;

    // The other gateway has the lock, and has seen higher places.
    let mut other = pair.standby.client("pair");
    other
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    let mut other = other.spawn().unwrap();
    let mut says = other.stdin.take().unwrap();
    let lock = b"BEGIN; SELECT 'locked' FROM meta FOR UPDATE;\n";
    says.write_all(lock).await.unwrap();
    let mut answers = BufReader::new(other.stdout.take().unwrap()).lines();
    assert_eq!(answers.next_line().await.unwrap().unwrap(), "locked");
    let waits = Arc::clone(&store);
    let waits = tokio::spawn(async move { accepted(&waits, "next").await });
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
    until("a wait for the lock", async || {
        pair.standby.sql("pair", waiting).await == "1"
    })
    .await;
    let higher = b"SELECT setval('place', 5000000); COMMIT;\n";
    says.write_all(higher).await.unwrap();
    let place = waits.await.unwrap();
    assert!(place > 5_000_000, "{place}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_leaves_a_server_that_takes_no_writes_any_more() {
    let pair = Pair::start().await;
    let store = pair.gateway(None).await;
    let shared: Arc<dyn Store> = store.clone();
    accepted(&shared, "before").await;
    pair.replicated().await;
    for statement in [
        "ALTER SYSTEM SET default_transaction_read_only = on",
        "SELECT pg_reload_conf()",
    ] {
        pair.primary.sql("postgres", statement).await;
    }
    pair.primary_says("SHOW default_transaction_read_only", "on")
        .await;
    pair.promote().await;
    accepted(&shared, "after").await;
    let alerts = "SELECT count(*) FROM alert";
    assert_eq!(pair.standby.sql("pair", alerts).await, "2");
    // It is certain that nothing was committed.
    assert_eq!(store.replication().unwrap().unknown_commits, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_read_or_written_on_an_old_primary_that_still_runs() {
    let mut pair = Pair::start().await;
    let store = pair.gateway(None).await;
    let shared: Arc<dyn Store> = store.clone();
    accepted(&shared, "kept").await;
    pair.replicated().await;
    pair.promote().await;
    // Nothing says yet that there is another primary.
    accepted(&shared, "on the old one").await;
    let on = async |server: &Postgres| server.sql("pair", "SELECT count(*) FROM alert").await;
    assert_eq!(
        (on(&pair.primary).await, on(&pair.standby).await),
        ("2".into(), "1".into())
    );

    store.beat(Uuid::nil(), String::new(), false).await.unwrap();
    until("what the old primary took", async || {
        on(&pair.standby).await == "2"
    })
    .await;
    accepted(&shared, "on the new one").await;
    assert_eq!(shared.alerts(all()).await.unwrap().rows.len(), 3);
    assert_eq!(
        (on(&pair.primary).await, on(&pair.standby).await),
        ("2".into(), "3".into())
    );

    // Not even when the new one is away.
    pair.standby.crash().await;
    let refused = shared.append(firing("nowhere", 1, &[1])).await;
    assert!(refused.is_err(), "{refused:?}");
    assert!(shared.alerts(all()).await.is_err());
    assert_eq!(on(&pair.primary).await, "2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_hangs_on_an_old_primary_is_sent_again_to_the_new_one() {
    let pair = Pair::start().await;
    pair.synchronous().await;
    let store = pair.gateway(None).await;
    let shared: Arc<dyn Store> = store.clone();
    accepted(&shared, "kept").await;
    pair.replicated().await;
    pair.promote().await;
    let hangs = Arc::clone(&shared);
    let hangs = tokio::spawn(async move { accepted(&hangs, "hangs").await });
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    pair.primary_says(waiting, "1").await;
    let _hangs_too = tokio::time::timeout(
        Duration::from_millis(1),
        store.beat(Uuid::nil(), String::new(), false),
    )
    .await;
    hangs.await.unwrap();
    let alerts = "SELECT count(*) FROM alert";
    assert_eq!(pair.standby.sql("pair", alerts).await, "2");
}
