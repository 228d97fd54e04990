//! What a commit that returned is worth, with a standby.

use std::sync::Arc;

use campanile_store::{Appending, Error, Safety, StoreCopies, Verdict};

use super::pair::{Pair, accepted, ignored, signal, unreadable, until};
use super::suite::{act, firing, settlement};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_did_not_wait_for_the_standby_is_an_error_and_its_duplicate_waits() {
    let pair = Pair::start().await;
    pair.synchronous().await;
    let store = pair.open(None).await;
    let seq = accepted(&store, "settled").await;
    let other = accepted(&store, "dropped").await;
    let held = store.append(unreadable("unreadable")).await.unwrap();
    let held = held.quarantine.unwrap();
    let receiver = pair.walreceiver().await;
    signal(&receiver, "STOP");

    let outcome = || vec![settlement(1, seq, Verdict::Delivered)];
    let settled = outcome();
    let refused = [
        pair.cancelled(&store, |s| s.append(firing("m", 3, &[1])))
            .await
            .map(drop),
        // With a fault, it takes more than one statement.
        pair.cancelled(&store, |s| s.append(unreadable("unreadable")))
            .await
            .map(drop),
        pair.cancelled(&store, |s| s.settle(settled)).await,
        pair.cancelled(&store, move |s| s.drop_pending(other, 1, act("drop")))
            .await
            .map(drop),
        pair.cancelled(&store, move |s| s.retry(other, 1, act("retry")))
            .await
            .map(drop),
        pair.cancelled(&store, |s| s.record(act("test"), 1)).await,
        pair.cancelled(&store, move |s| {
            s.release(held, firing("read", 4, &[1]), act("release"))
        })
        .await
        .map(drop),
        pair.cancelled(&store, |s| s.ready()).await,
    ];
    for (number, refused) in refused.into_iter().enumerate() {
        let error = refused.expect_err(&format!("call {number}"));
        assert!(matches!(error, Error::Unreplicated(_)), "{number}: {error}");
    }

    // A backend that is ended while it waits has committed. It cannot say so.
    let recording = Arc::clone(&store);
    let recording = tokio::spawn(async move { recording.record(act("ended"), 1).await });
    pair.terminate().await;
    pair.cancel().await;
    let error = recording.await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Unreplicated(_)), "{error}");

    // The original is there, and not on the standby: its duplicate waits too.
    let again = Arc::clone(&store);
    let again = tokio::spawn(async move { again.append(firing("m", 3, &[1])).await });
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    pair.primary_says(waiting, "1").await;
    assert!(!again.is_finished());
    signal(&receiver, "CONT");
    let again = again.await.unwrap().unwrap().alerts;
    assert!(
        matches!(again[..], [Appending::Duplicate { .. }]),
        "{again:?}"
    );
    // A settlement goes out again, and changes nothing more.
    store.settle(outcome()).await.unwrap();
    assert_eq!(store.attempts_of(seq).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_two_copies_nothing_is_answered_until_a_synchronous_standby_is_named() {
    let pair = Pair::start().await;
    let store = pair.open(Some(StoreCopies::Two)).await;
    let safety = || store.replication().unwrap().safety;
    assert_eq!(safety(), Safety::Asynchronous);
    // The second one is a duplicate of the first.
    for entry in [firing("m", 1, &[]), firing("m", 1, &[]), ignored()] {
        let refused = store.append(entry).await.unwrap_err();
        assert!(
            matches!(&refused, Error::Unreplicated(said) if said.contains("copies = 2")),
            "{refused}"
        );
    }
    let refused = store.append_by(firing("n", 1, &[]), act("own")).await;
    assert!(
        matches!(refused, Err(Error::Unreplicated(_))),
        "{refused:?}"
    );
    assert!(matches!(store.ready().await, Err(Error::Unreplicated(_))));

    pair.synchronous().await;
    until("an answer", async || store.ready().await.is_ok()).await;
    let answered = store.append(firing("m", 1, &[])).await.unwrap().alerts;
    assert!(
        matches!(answered[..], [Appending::Duplicate { .. }]),
        "{answered:?}"
    );
    assert_eq!(safety(), Safety::Standby);
    // What the operator says is not looked for.
    let stated = pair.open(Some(StoreCopies::Storage)).await;
    assert_eq!(stated.replication().unwrap().safety, Safety::Storage);
}
