//! A primary with a standby: what a commit that returned is worth.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use campanile_receiver::postgres::Postgres;
use campanile_store::{Answer, Appending, Error, Fault, Safety, Seq, Store, StoreCopies, Verdict};

use super::server::{start_in, url};
use super::suite::{act, firing, settlement};

/// A test that waits longer has failed.
const PATIENCE: Duration = Duration::from_mins(1);

/// Looks again and again until it is so, because it happens in another process.
async fn until(what: &str, mut done: impl AsyncFnMut() -> bool) {
    let mut again = tokio::time::interval(Duration::from_millis(20));
    let looking = async {
        while !done().await {
            again.tick().await;
        }
    };
    let looked = tokio::time::timeout(PATIENCE, looking).await;
    assert!(looked.is_ok(), "{PATIENCE:?} passed without {what}");
}

/// A primary with the database `pair`, and its standby.
struct Pair {
    primary: Postgres,
    standby: Postgres,
    _folder: tempfile::TempDir,
}

impl Pair {
    /// The standby is asynchronous.
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let primary = start_in(folder.path()).await;
        let database = "CREATE DATABASE pair OWNER campanile";
        primary.sql("postgres", database).await;
        let standby = primary.standby(folder.path()).await;
        let pair = Self {
            primary,
            standby,
            _folder: folder,
        };
        pair.primary_says("SELECT count(*) FROM pg_stat_replication", "1")
            .await;
        pair
    }

    /// From now on a commit waits for the standby.
    async fn synchronous(&self) {
        let set = "ALTER SYSTEM SET synchronous_standby_names = '*'";
        self.primary.sql("postgres", set).await;
        let reload = "SELECT pg_reload_conf()";
        self.primary.sql("postgres", reload).await;
        self.primary_says("SELECT sync_state FROM pg_stat_replication", "sync")
            .await;
    }

    async fn primary_says(&self, select: &str, answer: &str) {
        until(select, async || {
            self.primary.sql("pair", select).await == answer
        })
        .await;
    }

    async fn open(&self, copies: Option<StoreCopies>) -> Arc<dyn Store> {
        let url = url(self.primary.port, "pair");
        let store = campanile_store::postgres::Postgres::open_with(&url, copies).await;
        Arc::new(store.unwrap())
    }

    /// The process of the standby that receives the log.
    async fn walreceiver(&self) -> String {
        let select = "SELECT pid FROM pg_stat_wal_receiver";
        self.standby.sql("postgres", select).await
    }

    /// A call whose commit waits for the standby, and whose wait is then cancelled.
    async fn cancelled<T: Send + 'static>(
        &self,
        store: &Arc<dyn Store>,
        call: impl for<'s> FnOnce(&'s dyn Store) -> Answer<'s, T> + Send + 'static,
    ) -> Result<T, Error> {
        let store = Arc::clone(store);
        let called = tokio::spawn(async move { call(&*store).await });
        self.cancel().await;
        called.await.unwrap()
    }

    /// Cancels the wait of the one commit that waits.
    async fn cancel(&self) {
        let cancel = "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
        self.primary_says(cancel, "1").await;
    }

    /// Ends the connection whose commit waits.
    async fn terminate(&self) {
        let waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
        let mut pid = String::new();
        until(waiting, async || {
            pid = self.primary.sql("pair", waiting).await;
            !pid.is_empty()
        })
        .await;
        let end = format!("SELECT pg_terminate_backend({pid})");
        self.primary.sql("pair", &end).await;
        let left = format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {pid}");
        self.primary_says(&left, "0").await;
    }
}

fn signal(process: &str, name: &str) {
    let sent = Command::new("kill").args(["-s", name, process]).status();
    assert!(sent.unwrap().success(), "kill -s {name} {process}");
}

async fn accepted(store: &Arc<dyn Store>, message: &str) -> Seq {
    let appended = store.append(firing(message, 1, &[1])).await.unwrap();
    let [Appending::Accepted { seq, .. }] = appended.alerts[..] else {
        panic!("{appended:?}");
    };
    seq
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_did_not_wait_for_the_standby_is_an_error_and_its_duplicate_waits() {
    let pair = Pair::start().await;
    pair.synchronous().await;
    let store = pair.open(None).await;
    let seq = accepted(&store, "settled").await;
    let other = accepted(&store, "dropped").await;
    let mut unreadable = firing("unreadable", 2, &[]);
    unreadable.faults.push(Fault {
        place: "body".to_owned(),
        problem: "is not JSON".to_owned(),
    });
    let held = store.append(unreadable.clone()).await.unwrap();
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
        pair.cancelled(&store, |s| s.append(unreadable))
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
    let mut ignored = firing("ignored", 1, &[]);
    ignored.alerts.clear();
    // The second one is a duplicate of the first.
    for entry in [firing("m", 1, &[]), firing("m", 1, &[]), ignored] {
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
