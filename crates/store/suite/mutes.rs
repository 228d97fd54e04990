//! What a sink does not get now is held, at most one alert for a problem. What it never gets has an outcome.

use campanile_model::Status::{Firing, Resolved};
use campanile_store::{End, HeldPlace, Seq, Silence, SilenceFilter, SinkId, Store, Verdict};

use super::{Place, accepted, act, alert, at, entry, firing, settlement};

fn held() -> Verdict {
    let reason = "silence 1".to_owned();
    Verdict::Held { reason }
}

async fn sink(store: &dyn Store) -> SinkId {
    store.sink_ids(vec!["a/a".to_owned()]).await.unwrap()[0]
}

async fn settle(store: &dyn Store, sink: SinkId, seq: Seq, verdict: Verdict) {
    let settlement = settlement(sink, seq, verdict);
    store.settle(vec![settlement]).await.unwrap();
}

async fn is_untold(store: &dyn Store, sink: SinkId, seq: Seq) -> bool {
    store.alerts_at(sink, vec![seq]).await.unwrap()[0].untold
}

async fn ends(store: &dyn Store, seq: Seq) -> Vec<(End, String)> {
    let rows = store.outcomes_of(seq).await.unwrap().into_iter();
    rows.map(|row| (row.end, row.reason)).collect()
}

pub(crate) async fn of_two_held_alerts_of_a_problem_the_newer_stays_also_after_a_crash<P: Place>() {
    let place = P::new();
    let store = place.open().await;
    let sink = sink(&*store).await;
    let (first, _) = accepted(&store, firing("1", 1, &[sink])).await;
    let (second, _) = accepted(&store, firing("2", 1, &[sink])).await;
    settle(&*store, sink, first, held()).await;
    settle(&*store, sink, second, held()).await;
    let crashed = place.crashed();
    let store = crashed.open().await;
    let rows = store
        .held_of(sink.into(), HeldPlace::START, 10)
        .await
        .unwrap();
    let places: Vec<Seq> = rows.iter().map(|held| held.seq).collect();
    assert_eq!(places, [second]);
    assert_eq!(rows[0].reason, "silence 1");
    let folded = (End::Folded, format!("alert {second}"));
    assert_eq!(ends(&*store, first).await, [folded]);
    assert!(store.pending(sink, 0, 10).await.unwrap().is_empty());
    let released = Verdict::Released;
    settle(&*store, sink, second, released).await;
    let pending = store.pending(sink, 0, 10).await.unwrap();
    assert_eq!((pending.len(), pending[0].seq), (1, second));
    assert!(store.misplaced(10).await.unwrap().is_empty());
}

pub(crate) async fn a_sink_is_told_of_an_episode_by_the_first_firing_that_it_gets<P: Place>() {
    let place = P::new();
    let store = place.open().await;
    let sink = sink(&*store).await;
    let (first, _) = accepted(&store, firing("1", 1, &[sink])).await;
    settle(&*store, sink, first, held()).await;
    let (second, _) = accepted(&store, firing("2", 1, &[sink])).await;
    assert!(is_untold(&*store, sink, second).await);
    settle(&*store, sink, second, Verdict::Delivered).await;
    assert!(!is_untold(&*store, sink, second).await);
    let folded = (End::Folded, format!("alert {second}"));
    assert_eq!(ends(&*store, first).await, [folded]);
    // What is muted afterwards does not make it untold.
    let (third, _) = accepted(&store, firing("3", 1, &[sink])).await;
    settle(&*store, sink, third, held()).await;
    assert!(!is_untold(&*store, sink, third).await);
    // The next episode is another one.
    let end = accepted(&store, entry(vec![alert("4", 1, Resolved, &[])]))
        .await
        .0;
    settle(&*store, sink, end, Verdict::Delivered).await;
    let (again, _) = accepted(&store, firing("5", 1, &[sink])).await;
    settle(&*store, sink, again, held()).await;
    assert!(is_untold(&*store, sink, again).await);
    assert!(store.misplaced(10).await.unwrap().is_empty());
}

pub(crate) async fn the_end_of_an_episode_ends_what_is_held_of_it<P: Place>() {
    let place = P::new();
    let store = place.open().await;
    let sink = sink(&*store).await;
    let both = vec![alert("1", 1, Firing, &[sink]), alert("2", 1, Resolved, &[])];
    let appended = store.append(entry(both)).await.unwrap();
    let [(_, fired), (_, resolved)] = appended.pending[..] else {
        panic!("{appended:?}")
    };
    settle(&*store, sink, fired, held()).await;
    let reason = "not informed of its firing".to_owned();
    settle(&*store, sink, resolved, Verdict::Muted { reason }).await;
    assert!(store.held(None, 10).await.unwrap().is_empty());
    let muted = |reason: &str| [(End::Muted, reason.to_owned())];
    assert_eq!(ends(&*store, fired).await, muted("silence 1"));
    assert_eq!(
        ends(&*store, resolved).await,
        muted("not informed of its firing")
    );
    assert!(!is_untold(&*store, sink, fired).await);
    // An operator can ask for it all the same.
    assert!(store.retry(fired, sink, act("retry")).await.unwrap());
    assert_eq!(ends(&*store, fired).await, []);
    assert!(store.drop_pending(fired, sink, act("drop")).await.unwrap());
    assert_eq!(ends(&*store, fired).await, [(End::Dropped, String::new())]);
    assert!(store.misplaced(10).await.unwrap().is_empty());
}

pub(crate) async fn a_held_alert_is_kept_however_old_it_is<P: Place>() {
    let place = P::new();
    let store = place.open().await;
    let sink = sink(&*store).await;
    let (seq, _) = accepted(&store, firing("1", 1, &[sink])).await;
    settle(&*store, sink, seq, held()).await;
    while store.prune(at(1_000_000)).await.unwrap() {}
    assert_eq!(store.alerts_by_seq(vec![seq]).await.unwrap().len(), 1);
    let reason = "over".to_owned();
    settle(&*store, sink, seq, Verdict::Muted { reason }).await;
    while store.prune(at(1_000_000)).await.unwrap() {}
    assert!(store.alerts_by_seq(vec![seq]).await.unwrap().is_empty());
    assert_eq!(ends(&*store, seq).await, []);
}

pub(crate) async fn a_silence_is_listed_until_it_ends_and_ends_once<P: Place>() {
    let place = P::new();
    let store = place.open().await;
    let silence = |until| Silence {
        from: at(0),
        until: at(until),
        matching: r#"{"match":{"labels.team":["db"]}}"#.to_owned(),
        after: "tell".to_owned(),
        who: "ann".to_owned(),
        comment: "disk replaced".to_owned(),
    };
    let make = |until| store.make_silence(silence(until), act("silences.make"));
    let (first, second) = (make(100).await.unwrap(), make(200).await.unwrap());
    assert!(second > first);
    let listed = async |second| {
        let filter = SilenceFilter {
            not_ended_at: Some(at(second)),
            limit: 10,
            ..SilenceFilter::default()
        };
        let rows = store.silences(filter).await.unwrap();
        rows.iter().map(|row| row.id).collect::<Vec<_>>()
    };
    assert_eq!(listed(99).await, [second, first]);
    assert_eq!(listed(100).await, [second]);
    let later = at(300);
    assert!(
        store
            .extend_silence(first, later, act("silences.extend"))
            .await
            .unwrap()
    );
    assert_eq!(listed(299).await, [first]);
    assert!(store.end_silence(first, act("silences.end")).await.unwrap());
    assert!(!store.end_silence(first, act("silences.end")).await.unwrap());
    assert!(
        !store
            .extend_silence(first, later, act("silences.extend"))
            .await
            .unwrap()
    );
    assert!(!store.end_silence(99, act("silences.end")).await.unwrap());
    assert_eq!(listed(5).await, [second]);
    let all = SilenceFilter {
        limit: 10,
        ..SilenceFilter::default()
    };
    let rows = store.silences(all).await.unwrap();
    assert_eq!((rows[1].ended_at, rows[1].ends_at()), (Some(at(5)), at(5)));
    assert_eq!(rows[0].silence, silence(200));
    while store.prune(at(150)).await.unwrap() {}
    let left: Vec<i64> = store
        .silences(all)
        .await
        .unwrap()
        .iter()
        .map(|row| row.id)
        .collect();
    assert_eq!(left, [second]);
}
