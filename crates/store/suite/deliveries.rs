//! A pending delivery stays pending until it is settled, and a dead letter can be sent again.

use campanile_model::Fingerprint;
use campanile_store::{DeadFilter, NOTE_BYTES_MAX, Settlement, Verdict};

use super::{Place, accepted, act, at, firing, settlement};

pub(crate) async fn every_write_changes_the_version_and_a_restart_too<P: Place>() {
    let place = P::new();
    let mut versions = Vec::new();
    let store = place.open().await;
    versions.push(store.version().await.unwrap());
    let sinks = store.sink_ids(vec!["a/a".to_owned()]).await.unwrap();
    versions.push(store.version().await.unwrap());
    let (seq, _) = accepted(&store, firing("1", 1, &sinks)).await;
    versions.push(store.version().await.unwrap());
    let dropped = store.drop_pending(seq, sinks[0], act("drop")).await;
    assert!(dropped.unwrap());
    versions.push(store.version().await.unwrap());
    store.alerts_by_seq(vec![seq]).await.unwrap();
    assert_eq!(versions.last(), Some(&store.version().await.unwrap()));
    store.close().await.unwrap();
    drop(store);
    let store = place.open().await;
    versions.push(store.version().await.unwrap());
    versions.sort_unstable();
    versions.dedup();
    assert_eq!(versions.len(), 5);
}

pub(crate) async fn what_is_owed_is_listed_in_order_of_acceptance_until_it_is_settled<P: Place>() {
    let place = P::new();
    let store = place.open().await;
    let sinks = store
        .sink_ids(vec!["a/a".to_owned(), "b/b".to_owned()])
        .await
        .unwrap();
    let mut seqs = Vec::new();
    for n in 0..5_u64 {
        seqs.push(
            accepted(&store, firing(&n.to_string(), n % 2, &sinks))
                .await
                .0,
        );
    }
    let pending = |sink| {
        let store = store.clone();
        async move {
            store
                .pending(sink, 0, 10)
                .await
                .unwrap()
                .iter()
                .map(|o| o.seq)
                .collect::<Vec<_>>()
        }
    };
    assert_eq!(pending(sinks[0]).await, seqs);
    let due_at = at(60);
    let again = Verdict::Again {
        due_at,
        error: "503".to_owned(),
    };
    let dead = Verdict::Dead {
        class: "poison",
        error: "400".to_owned(),
    };
    store
        .settle(vec![
            settlement(sinks[0], seqs[0], Verdict::Delivered),
            settlement(sinks[0], seqs[1], again),
            settlement(sinks[0], seqs[2], dead),
        ])
        .await
        .unwrap();
    assert_eq!(pending(sinks[0]).await, [seqs[1], seqs[3], seqs[4]]);
    assert_eq!(pending(sinks[1]).await, seqs);
    let first = &store.pending(sinks[0], 0, 1).await.unwrap()[0];
    assert_eq!((first.attempts, first.due_at), (1, Some(due_at)));
    let lane = store
        .pending_in_lane(sinks[0], Fingerprint(1), seqs[1], 10)
        .await
        .unwrap();
    assert_eq!(lane.iter().map(|o| o.seq).collect::<Vec<_>>(), [seqs[3]]);
    let verdicts: Vec<String> = store
        .attempts_of(seqs[2])
        .await
        .unwrap()
        .into_iter()
        .map(|a| a.verdict)
        .collect();
    assert_eq!(verdicts, ["dead"]);
}

pub(crate) async fn a_dead_letter_is_kept_with_its_reason_and_can_be_sent_again_once<P: Place>() {
    let place = P::new();
    let store = place.open().await;
    let sink = store.sink_ids(vec!["a/a".to_owned()]).await.unwrap()[0];
    let (seq, _) = accepted(&store, firing("m", 1, &[sink])).await;
    let verdict = Verdict::Dead {
        class: "expired",
        error: "too old".to_owned(),
    };
    store
        .settle(vec![settlement(sink, seq, verdict)])
        .await
        .unwrap();
    let letter = store
        .dead(DeadFilter {
            limit: 9,
            ..DeadFilter::default()
        })
        .await
        .unwrap()
        .remove(0);
    assert_eq!(
        (letter.class.as_str(), letter.error.as_str(), letter.seq),
        ("expired", "too old", seq)
    );
    assert_eq!(
        store
            .retry_dead(vec![letter.id], act("dead.retry"))
            .await
            .unwrap(),
        [(sink, seq)]
    );
    assert_eq!(
        store
            .retry_dead(vec![letter.id], act("dead.retry"))
            .await
            .unwrap(),
        []
    );
    let pending = store.pending(sink, 0, 10).await.unwrap();
    assert!(pending[0].retried && pending[0].attempts == 0 && pending[0].pending_since == at(5));
    assert_eq!(
        store
            .drop_dead(vec![letter.id], act("dead.drop"))
            .await
            .unwrap(),
        0
    );
}

pub(crate) async fn settling_what_an_operator_dropped_changes_nothing<P: Place>() {
    let place = P::new();
    let store = place.open().await;
    let sink = store.sink_ids(vec!["a/a".to_owned()]).await.unwrap()[0];
    let (seq, _) = accepted(&store, firing("m", 1, &[sink])).await;
    assert!(
        store
            .drop_pending(seq, sink, act("delivery.drop"))
            .await
            .unwrap()
    );
    assert!(
        !store
            .drop_pending(seq, sink, act("delivery.drop"))
            .await
            .unwrap()
    );
    let verdict = Verdict::Dead {
        class: "expired",
        error: String::new(),
    };
    store
        .settle(vec![settlement(sink, seq, verdict)])
        .await
        .unwrap();
    assert!(
        store
            .dead(DeadFilter {
                limit: 9,
                ..DeadFilter::default()
            })
            .await
            .unwrap()
            .is_empty()
    );
    assert!(store.attempts_of(seq).await.unwrap().is_empty());
}

pub(crate) async fn an_attempt_keeps_the_first_200_bytes_of_its_reason_and_cuts_no_character<
    P: Place,
>() {
    let place = P::new();
    let store = place.open().await;
    let sink = store.sink_ids(vec!["a/a".to_owned()]).await.unwrap()[0];
    let (seq, _) = accepted(&store, firing("m", 1, &[sink])).await;
    let again = |error: String| Verdict::Again {
        due_at: at(60),
        error,
    };
    let long = format!("503:{}", "鐘".repeat(99));
    let verdicts = [
        again("503".to_owned()),
        again(long.clone()),
        Verdict::Delivered,
    ];
    for (attempt, verdict) in (1..).zip(verdicts) {
        let settlement = settlement(sink, seq, verdict);
        let settled = Settlement {
            attempt,
            ..settlement
        };
        store.settle(vec![settled]).await.unwrap();
    }
    store.close().await.unwrap();
    let store = place.open().await;
    let attempts = store.attempts_of(seq).await.unwrap();
    let notes: Vec<_> = attempts.iter().map(|a| a.note.as_deref()).collect();
    let (cut, _) = long.split_at(NOTE_BYTES_MAX - 1);
    assert_eq!(notes, [Some("503"), Some(cut), None]);
}
