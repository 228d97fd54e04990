//! What an operator does is written with its effect, and kept.

use std::sync::Arc;

use campanile_store::{AUDIT_TEXT_BYTES_MAX, Act, AuditFilter, AuditRow, Store, Verdict};
use jiff::SignedDuration;

use super::{Place, accepted, act, at, firing, settlement};

fn every() -> AuditFilter {
    AuditFilter {
        limit: 100,
        ..AuditFilter::default()
    }
}

async fn audit(store: &Arc<dyn Store>, filter: AuditFilter) -> Vec<AuditRow> {
    store.audit(filter).await.unwrap().rows
}

/// The actions and their counts, newest first.
async fn actions(store: &Arc<dyn Store>, filter: AuditFilter) -> Vec<(String, u64)> {
    let rows = audit(store, filter).await.into_iter();
    rows.map(|row| (row.act.action, row.count)).collect()
}

fn counted(action: &str, count: u64) -> (String, u64) {
    (action.to_owned(), count)
}

pub(crate) async fn an_act_is_written_with_its_effect_or_not_at_all<P: Place>() {
    let place = P::new();
    let store = place.open().await;
    let sink = store.sink_ids(vec!["a/a".to_owned()]).await.unwrap()[0];
    let (seq, _) = accepted(&store, firing("m", 1, &[sink])).await;
    let full = Act {
        who: "鐘樓".repeat(100),
        role: "admin".to_owned(),
        via: "token".to_owned(),
        client: "cli".to_owned(),
        from: Some([203, 0, 113, 9].into()),
        target: "a/a".to_owned(),
        detail: "alert 1".to_owned(),
        ..act("delivery.drop")
    };
    assert!(store.drop_pending(seq, sink, full.clone()).await.unwrap());
    // What is not pending is not dropped, and leaves no trace.
    assert!(!store.drop_pending(seq, sink, act("again")).await.unwrap());
    let crashed = place.crashed();
    let store = crashed.open().await;
    let rows = audit(&store, every()).await;
    let (cut, _) = full.who.split_at(AUDIT_TEXT_BYTES_MAX - 2);
    let kept = Act {
        who: cut.to_owned(),
        ..full
    };
    let expected = AuditRow {
        number: 1,
        act: kept,
        count: 1,
    };
    assert_eq!(rows, [expected]);
}

pub(crate) async fn the_parts_of_one_act_are_one_row_with_their_sum<P: Place>() {
    let place = P::new();
    let store = place.open().await;
    let sink = store.sink_ids(vec!["a/a".to_owned()]).await.unwrap()[0];
    let mut settled = Vec::new();
    for n in 0..5_u64 {
        let (seq, _) = accepted(&store, firing(&n.to_string(), n, &[sink])).await;
        let verdict = Verdict::Dead {
            class: "poison",
            error: String::new(),
        };
        settled.push(settlement(sink, seq, verdict));
    }
    store.settle(settled).await.unwrap();
    let (first, other) = (act("dead.drop"), act("dead.drop"));
    for (ids, act) in [
        (vec![1, 2], &first),
        (vec![3], &other),
        (vec![4, 9], &first),
    ] {
        store.drop_dead(ids, act.clone()).await.unwrap();
    }
    assert_eq!(
        actions(&store, every()).await,
        [counted("dead.drop", 1), counted("dead.drop", 3)]
    );
}

pub(crate) async fn what_operators_did_is_listed_newest_first_by_who_what_and_when<P: Place>() {
    let place = P::new();
    let store = place.open().await;
    for (second, who, action) in [
        (1, "amy", "dead.drop"),
        (2, "bob", "dead.retry"),
        (3, "amy", "deadline.set"),
        (4, "amy", "sink.pause"),
    ] {
        let act = Act {
            who: who.to_owned(),
            ..Act::new(at(second), action)
        };
        store.record(act, 7).await.unwrap();
    }
    let of = |who: Option<&str>, action: Option<&str>| AuditFilter {
        who: who.map(str::to_owned),
        action: action.map(str::to_owned),
        ..every()
    };
    let list = |filter| actions(&store, filter);
    let drop = || counted("dead.drop", 7);
    let retry = || counted("dead.retry", 7);
    let pause = || counted("sink.pause", 7);
    assert_eq!(list(every()).await.len(), 4);
    assert_eq!(list(of(Some("bob"), None)).await, [retry()]);
    assert_eq!(list(of(None, Some("dead"))).await, [retry(), drop()]);
    assert_eq!(list(of(Some("amy"), Some("dead.drop"))).await, [drop()]);
    let since = AuditFilter {
        since: Some(at(4)),
        ..every()
    };
    assert_eq!(list(since).await, [pause()]);
    let page = AuditFilter {
        limit: 1,
        ..every()
    };
    assert_eq!(list(page).await, [pause()]);
    let rest = AuditFilter {
        before: Some(2),
        ..every()
    };
    assert_eq!(list(rest).await, [drop()]);
}

pub(crate) async fn an_act_is_kept_for_a_year_longer_than_alerts<P: Place>() {
    let place = P::new();
    let store = place.open().await;
    store.record(act("sink.pause"), 1).await.unwrap();
    let day = SignedDuration::from_hours(24);
    while store.prune(at(5) + day * 366).await.unwrap() {}
    assert_eq!(audit(&store, every()).await.len(), 1);
    while store.prune(at(6) + day * 366).await.unwrap() {}
    assert_eq!(audit(&store, every()).await, []);
}
