//! An accepted alert is kept until it is older than the retention and not pending for any sink.

use campanile_model::{Fingerprint, Status};
use campanile_store::{AlertFilter, Appending, Fault, QuarantineFilter, Seq, Settlement, Verdict};
use jiff::SignedDuration;

use super::{Place, accepted, act, alert, all, at, entry, firing, settlement};

pub(crate) async fn an_alert_is_there_after_the_process_died_without_closing<P: Place>() {
    let place = P::new();
    let store = place.open().await;
    let sink = store
        .sink_ids(vec!["webhook/oncall".to_owned()])
        .await
        .unwrap()[0];
    let (seq, id) = accepted(&store, firing("m1", 1, &[sink])).await;
    let crashed = place.crashed();
    let store = crashed.open().await;
    let kept = store.alert(id).await.unwrap().unwrap();
    assert_eq!(kept.seq, seq);
    let json: serde_json::Value = serde_json::from_slice(&kept.json).unwrap();
    assert_eq!(json["id"], id.to_string());
    assert_eq!(json["message_id"], "m1");
    assert_eq!(store.pending(sink, 0, 10).await.unwrap().len(), 1);
    assert_eq!(
        store.append(firing("m1", 1, &[sink])).await.unwrap().alerts,
        [Appending::Duplicate { conflict: false }]
    );
}

pub(crate) async fn every_kept_alert_is_readable_after_many_batches_and_a_restart<P: Place>() {
    let place = P::new();
    let store = place.open().await;
    for round in 0..10 {
        let posts = (0..200_u64).map(|n| store.append(firing(&format!("{round}-{n}"), n, &[])));
        assert!(
            futures_util::future::join_all(posts)
                .await
                .iter()
                .all(Result::is_ok)
        );
    }
    store.close().await.unwrap();
    let store = place.open().await;
    assert_eq!(store.stats().await.unwrap().alerts, 2000);
    let again = store.append(firing("3-77", 77, &[])).await.unwrap();
    assert_eq!(again.alerts, [Appending::Duplicate { conflict: false }]);
    let since = at(0) - SignedDuration::from_secs(1);
    let listed = store
        .alerts(AlertFilter {
            since: Some(since),
            limit: 5000,
            ..AlertFilter::default()
        })
        .await
        .unwrap();
    assert_eq!(listed.rows.len(), 2000);
}

pub(crate) async fn alerts_are_listed_newest_first_by_what_is_asked<P: Place>() {
    let place = P::new();
    let store = place.open().await;
    for n in 0..10_u64 {
        let status = if n % 2 == 0 {
            Status::Firing
        } else {
            Status::Resolved
        };
        accepted(
            &store,
            entry(vec![alert(&n.to_string(), n / 2, status, &[])]),
        )
        .await;
    }
    let count = |filter: AlertFilter| {
        let store = store.clone();
        async move { store.alerts(filter).await.unwrap().rows.len() }
    };
    assert_eq!(count(all()).await, 10);
    assert_eq!(
        count(AlertFilter {
            status: Some(Status::Firing),
            ..all()
        })
        .await,
        5
    );
    assert_eq!(
        count(AlertFilter {
            fingerprint: Some(Fingerprint(3)),
            ..all()
        })
        .await,
        2
    );
    assert_eq!(
        count(AlertFilter {
            source: Some("nobody/here".to_owned()),
            ..all()
        })
        .await,
        0
    );
    assert_eq!(
        count(AlertFilter {
            since: Some(at(1)),
            ..all()
        })
        .await,
        0
    );
    let page = store
        .alerts(AlertFilter { limit: 3, ..all() })
        .await
        .unwrap();
    let seqs: Vec<Seq> = page.rows.iter().map(|a| a.seq).collect();
    assert_eq!(seqs, [10, 9, 8]);
    assert_eq!(
        count(AlertFilter {
            before: Some(8),
            ..all()
        })
        .await,
        7
    );
}

pub(crate) async fn a_quarantined_callback_keeps_its_bytes_and_is_released_once<P: Place>() {
    let place = P::new();
    let store = place.open().await;
    let mut unreadable = entry(Vec::new());
    let fault = Fault {
        place: "body.AlarmTime".to_owned(),
        problem: "not a number".to_owned(),
    };
    unreadable.faults.push(fault.clone());
    let id = store
        .append(unreadable.clone())
        .await
        .unwrap()
        .quarantine
        .unwrap();
    let row = store.quarantined(id).await.unwrap().unwrap();
    assert_eq!(
        (row.callback, row.faults),
        (unreadable.callback, vec![fault])
    );
    let released = store
        .release(id, firing("m", 1, &[]), act("quarantine.retry"))
        .await
        .unwrap();
    assert_eq!(released.alerts.len(), 1);
    assert!(
        store
            .release(id, firing("n", 1, &[]), act("quarantine.retry"))
            .await
            .unwrap()
            .alerts
            .is_empty()
    );
    assert!(
        store
            .quarantine(QuarantineFilter {
                limit: 9,
                ..QuarantineFilter::default()
            })
            .await
            .unwrap()
            .is_empty()
    );
}

pub(crate) async fn pruning_removes_what_is_old_and_never_what_is_owed_or_dead<P: Place>() {
    let place = P::new();
    let store = place.open().await;
    let sink = store.sink_ids(vec!["a/a".to_owned()]).await.unwrap()[0];
    let (pending, _) = accepted(&store, firing("pending", 1, &[sink])).await;
    let (done, _) = accepted(&store, firing("done", 2, &[sink])).await;
    let (dead, _) = accepted(&store, firing("dead", 3, &[sink])).await;
    let late = Settlement {
        at: at(1000),
        ..settlement(
            sink,
            dead,
            Verdict::Dead {
                class: "poison",
                error: String::new(),
            },
        )
    };
    store
        .settle(vec![settlement(sink, done, Verdict::Delivered), late])
        .await
        .unwrap();
    while store.prune(at(10)).await.unwrap() {}
    let kept: Vec<Seq> = store
        .alerts(all())
        .await
        .unwrap()
        .rows
        .iter()
        .map(|a| a.seq)
        .collect();
    assert_eq!(kept, [dead, pending]);
    assert!(store.callback_of(pending).await.unwrap().is_some());
    assert!(store.callback_of(done).await.unwrap().is_none());
    while store.prune(at(2000)).await.unwrap() {}
    assert_eq!(
        store.alerts(all()).await.unwrap().rows.len(),
        1,
        "a pending alert is kept at any age"
    );
}

pub(crate) async fn a_reader_that_follows_meets_each_alert_once_and_in_order<P: Place>() {
    let place = P::new();
    let store = place.open().await;
    let empty = store.alerts_after(0, 10, 1_000).await.unwrap();
    assert_eq!((empty.reached, empty.newest), (0, 0));
    let (mut met, mut after) = (Vec::new(), 0);
    let writing = async {
        for round in 0..20_u64 {
            let posts = (0..30).map(|n| store.append(firing(&format!("{round}-{n}"), n, &[])));
            futures_util::future::join_all(posts).await;
        }
    };
    let reading = async {
        while met.len() < 600 {
            let page = store.alerts_after(after, 7, 100_000).await.unwrap();
            assert!(page.alerts.len() <= 7 && page.reached <= page.newest);
            met.extend(page.alerts.iter().map(|alert| alert.seq));
            after = page.reached;
            tokio::task::yield_now().await;
        }
    };
    futures_util::future::join(writing, reading).await;
    assert_eq!(met, (1..=600).collect::<Vec<Seq>>());
    let end = store.alerts_after(after, 7, 100_000).await.unwrap();
    assert_eq!((end.alerts.len(), end.reached), (0, 600));
    let small = store.alerts_after(0, 7, 1).await.unwrap();
    assert_eq!((small.alerts.len(), small.reached), (1, 1));
}
