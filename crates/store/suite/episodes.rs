//! What a worker gets with an alert: the firing that opened its episode, the state of the episode, and the sink's handle.

use std::sync::Arc;

use campanile_model::{Severity, Status, Worth};
use campanile_store::{
    Entry, FiringFilter, HANDLE_BYTES_MAX, NewAlert, Settlement, Store, Verdict,
};

use super::{Place, accepted, alert, at, entry, firing, settlement};

fn resolved(message: &str, problem: u64, sinks: &[i64]) -> campanile_store::Entry {
    entry(vec![alert(message, problem, Status::Resolved, sinks)])
}

fn returned(sink: i64, seq: i64, handle: &str) -> Settlement {
    Settlement {
        handle: Some(handle.to_owned()),
        worth: Some(Worth::Accepted),
        remark: Some("cut after 2000 characters".to_owned()),
        ..settlement(sink, seq, Verdict::Delivered)
    }
}

pub(crate) async fn an_alert_comes_with_the_firing_that_opened_its_episode_and_whether_that_is_open<
    P: Place,
>() {
    let place = P::new();
    let store = place.open().await;
    let sink = store.sink_ids(vec!["a/a".to_owned()]).await.unwrap()[0];
    let (first, _) = accepted(&store, firing("1", 1, &[sink])).await;
    let (again, _) = accepted(&store, firing("2", 1, &[sink])).await;
    let (lone, _) = accepted(&store, resolved("3", 2, &[sink])).await;
    let seen = async |seqs: Vec<i64>| {
        let alerts = store.alerts_at(sink, seqs).await.unwrap();
        let opened = |a: &campanile_store::AlertToSend| a.opened.as_ref().map(|o| o.seq);
        alerts
            .iter()
            .map(|a| (a.alert.seq, opened(a), a.episode_open))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        seen(vec![again, first, lone]).await,
        [
            (again, Some(first), true),
            (first, Some(first), true),
            (lone, None, false)
        ]
    );
    let (end, _) = accepted(&store, resolved("4", 1, &[sink])).await;
    let (next, _) = accepted(&store, firing("5", 1, &[sink])).await;
    assert_eq!(
        seen(vec![first, end, next]).await,
        [
            (first, Some(first), false),
            (end, Some(first), false),
            (next, Some(next), true)
        ]
    );
}

pub(crate) async fn a_handle_comes_back_with_later_alerts_of_its_sink_and_episode_only<P: Place>() {
    let place = P::new();
    let store = place.open().await;
    let names = ["a/a", "b/b"].map(str::to_owned).to_vec();
    let sinks = store.sink_ids(names).await.unwrap();
    let (first, _) = accepted(&store, firing("1", 1, &sinks)).await;
    store
        .settle(vec![returned(sinks[0], first, "om_1")])
        .await
        .unwrap();
    store.close().await.unwrap();
    let store = place.open().await;
    let (end, _) = accepted(&store, resolved("2", 1, &sinks)).await;
    let (next, _) = accepted(&store, firing("3", 1, &sinks)).await;
    let handles = async |sink| {
        let alerts = store.alerts_at(sink, vec![end, next]).await.unwrap();
        alerts.into_iter().map(|a| a.handle).collect::<Vec<_>>()
    };
    assert_eq!(handles(sinks[0]).await, [Some("om_1".to_owned()), None]);
    assert_eq!(handles(sinks[1]).await, [None, None]);
    store
        .settle(vec![returned(sinks[0], end, "om_2")])
        .await
        .unwrap();
    assert_eq!(handles(sinks[0]).await, [Some("om_2".to_owned()), None]);
    let attempt = &store.attempts_of(end).await.unwrap()[0];
    assert_eq!(attempt.worth, Some(Worth::Accepted));
    assert_eq!(attempt.remark.as_deref(), Some("cut after 2000 characters"));
}

pub(crate) async fn a_handle_outlives_its_opening_while_the_episode_is_open_or_its_end_is_pending<
    P: Place,
>() {
    let place = P::new();
    let store = place.open().await;
    let sink = store.sink_ids(vec!["a/a".to_owned()]).await.unwrap()[0];
    let (first, _) = accepted(&store, firing("1", 1, &[sink])).await;
    store
        .settle(vec![returned(sink, first, "om_1")])
        .await
        .unwrap();
    let prune = async || while store.prune(at(100)).await.unwrap() {};
    prune().await;
    let (end, _) = accepted(&store, resolved("2", 1, &[sink])).await;
    for _ in 0..2 {
        prune().await;
        let alerts = store.alerts_at(sink, vec![end]).await.unwrap();
        assert_eq!(alerts[0].handle.as_deref(), Some("om_1"));
        assert!(alerts[0].opened.is_none(), "the opening was pruned");
    }
}

pub(crate) async fn a_handle_that_is_too_long_is_not_kept_and_holds_up_nothing<P: Place>() {
    let place = P::new();
    let store = place.open().await;
    let sink = store.sink_ids(vec!["a/a".to_owned()]).await.unwrap()[0];
    for (message, bytes, kept) in [
        ("1", HANDLE_BYTES_MAX, true),
        ("2", HANDLE_BYTES_MAX + 1, false),
    ] {
        let problem = bytes as u64;
        let (seq, _) = accepted(&store, firing(message, problem, &[sink])).await;
        let long = "x".repeat(bytes);
        store
            .settle(vec![returned(sink, seq, &long)])
            .await
            .unwrap();
        let alerts = store.alerts_at(sink, vec![seq]).await.unwrap();
        assert_eq!(alerts[0].handle.is_some(), kept, "{bytes}");
        assert!(store.pending(sink, 0, 9).await.unwrap().is_empty());
    }
}

pub(crate) async fn open_episodes_are_those_with_a_handle_that_have_not_ended<P: Place>() {
    let place = P::new();
    let store = place.open().await;
    let names = ["a/a", "b/b"].map(str::to_owned).to_vec();
    let sinks = store.sink_ids(names).await.unwrap();
    let mut sent = Vec::new();
    for (message, problem) in [("1", 1), ("2", 2), ("3", 3)] {
        let (seq, _) = accepted(&store, firing(message, problem, &sinks)).await;
        store
            .settle(vec![returned(sinks[0], seq, message)])
            .await
            .unwrap();
        sent.push(seq);
    }
    accepted(&store, firing("4", 4, &sinks)).await;
    accepted(&store, resolved("5", 2, &sinks)).await;
    let open = async |sink, after, limit| {
        let open = store.open_episodes(sink, after, limit).await.unwrap();
        open.into_iter()
            .map(|it| (it.place, it.opening.alert.seq, it.opening.handle))
            .collect::<Vec<_>>()
    };
    let all = open(sinks[0], None, 9).await;
    let handle = |it: &(_, i64, Option<String>)| (it.1, it.2.clone());
    assert_eq!(
        all.iter().map(handle).collect::<Vec<_>>(),
        [
            (sent[0], Some("1".to_owned())),
            (sent[2], Some("3".to_owned()))
        ]
    );
    assert_eq!(open(sinks[0], None, 1).await, all[..1]);
    assert_eq!(open(sinks[0], Some(all[0].0), 9).await, all[1..]);
    assert!(open(sinks[1], None, 9).await.is_empty());
}

pub(crate) async fn an_open_episode_whose_opening_was_removed_does_not_end_the_list<P: Place>() {
    let place = P::new();
    let store = place.open().await;
    let sink = store.sink_ids(vec!["a/a".to_owned()]).await.unwrap()[0];
    for (message, problem, second) in [("1", 1, 0), ("2", 2, 200)] {
        let entry = campanile_store::Entry {
            received_at: at(second),
            ..firing(message, problem, &[sink])
        };
        let (seq, _) = accepted(&store, entry).await;
        store
            .settle(vec![returned(sink, seq, message)])
            .await
            .unwrap();
    }
    while store.prune(at(100)).await.unwrap() {}
    let open = store.open_episodes(sink, None, 1).await.unwrap();
    assert_eq!(open.len(), 1);
    assert_eq!(open[0].opening.handle.as_deref(), Some("2"));
}

fn of_severity(message: &str, problem: u64, severity: Severity) -> Entry {
    entry(vec![NewAlert {
        severity,
        ..alert(message, problem, Status::Firing, &[])
    }])
}

/// The message ids of what fires, and the counts that are not zero.
async fn fires(
    store: &Arc<dyn Store>,
    filter: FiringFilter,
) -> (Vec<String>, Vec<(Severity, u64)>) {
    let filter = FiringFilter { limit: 9, ..filter };
    let firing = store.firing(filter).await.unwrap();
    let message = |json: &[u8]| {
        let json: serde_json::Value = serde_json::from_slice(json).unwrap();
        json["message_id"].as_str().unwrap().to_owned()
    };
    let rows = firing.rows.iter();
    let shown = rows.map(|row| message(&row.newest.as_ref().unwrap().json));
    let counts = firing.counts.into_iter().filter(|(_, count)| *count > 0);
    (shown.collect(), counts.collect())
}

pub(crate) async fn what_fires_is_listed_by_its_newest_alert_and_counted_by_severity<P: Place>() {
    let place = P::new();
    let store = place.open().await;
    let (first, _) = accepted(&store, of_severity("1", 1, Severity::Warning)).await;
    accepted(&store, of_severity("2", 2, Severity::Info)).await;
    accepted(&store, of_severity("3", 3, Severity::Info)).await;
    accepted(&store, of_severity("4", 1, Severity::Critical)).await;
    accepted(&store, resolved("5", 2, &[])).await;
    let (messages, counts) = fires(&store, FiringFilter::default()).await;
    assert_eq!(messages, ["3", "4"]);
    assert_eq!(counts, [(Severity::Critical, 1), (Severity::Info, 1)]);
    let severity = Some(Severity::Critical);
    let critical = FiringFilter {
        severity,
        ..FiringFilter::default()
    };
    assert_eq!(fires(&store, critical).await.0, ["4"]);
    let source = Some("nobody/here".to_owned());
    let elsewhere = FiringFilter {
        source,
        ..FiringFilter::default()
    };
    assert!(fires(&store, elsewhere).await.0.is_empty());
    let page = FiringFilter {
        limit: 1,
        ..FiringFilter::default()
    };
    let newest = store.firing(page).await.unwrap().rows.remove(0);
    let before = Some(newest.episode);
    let rest = FiringFilter {
        before,
        ..FiringFilter::default()
    };
    assert_eq!(fires(&store, rest.clone()).await.0, ["4"]);
    let row = store
        .firing(FiringFilter { limit: 9, ..rest })
        .await
        .unwrap()
        .rows
        .remove(0);
    assert_eq!(row.started_at, at(0));
    let opening = store.alert(row.episode).await.unwrap().unwrap();
    assert_eq!(opening.seq, first);
}

pub(crate) async fn what_fires_is_the_same_after_a_crash<P: Place>() {
    let place = P::new();
    let store = place.open().await;
    for (message, problem) in [("1", 1), ("2", 2), ("3", 1), ("4", 3)] {
        accepted(&store, of_severity(message, problem, Severity::Error)).await;
    }
    accepted(&store, resolved("5", 3, &[])).await;
    let before = fires(&store, FiringFilter::default()).await;
    assert_eq!(before.0, ["2", "3"]);
    let crashed = place.crashed();
    let store = crashed.open().await;
    assert_eq!(fires(&store, FiringFilter::default()).await, before);
}
