//! A primary with a standby: what a commit that returned is worth.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use campanile_model::Status;
use campanile_receiver::postgres::Postgres;
use campanile_store::postgres::Postgres as Gateway;
use campanile_store::{
    Answer, Appended, Appending, CallbackFilter, Entry, Error, Fault, Inbox as _, Membership as _,
    Safety, Seq, Store, StoreCopies, Verdict,
};

use uuid::Uuid;

use super::server::{start_in, url};
use super::suite::{act, alert, all, entry, firing, settlement};

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
        self.gateway(copies).await
    }

    async fn gateway(&self, copies: Option<StoreCopies>) -> Arc<Gateway> {
        Arc::new(Gateway::open_with(&self.url(), copies).await.unwrap())
    }

    /// The process of the standby that receives the log.
    async fn walreceiver(&self) -> String {
        let select = "SELECT pid FROM pg_stat_wal_receiver";
        self.standby.sql("postgres", select).await
    }

    /// The URL that names both servers.
    fn url(&self) -> String {
        let both = format!("{},127.0.0.1:{}", self.primary.port, self.standby.port);
        let url = url(0, "pair");
        url.replace(":0/", &format!(":{both}/"))
    }

    /// The standby has everything that is committed now.
    async fn replicated(&self) {
        let select = "SELECT replay_lsn = pg_current_wal_lsn() FROM pg_stat_replication";
        self.primary_says(select, "t").await;
    }

    /// The primary crashes, and the standby takes its place. What its frozen receiver has not read is lost.
    async fn fail_over(&mut self, receiver: &str) {
        self.primary.crash().await;
        self.standby.promote().await;
        // It waits for the end of its receiver, which would otherwise first read what the primary sent.
        until("an end of the receiver", async || is_asked_to_end(receiver)).await;
        signal(receiver, "CONT");
        until("a new primary", async || {
            let select = "SELECT pg_is_in_recovery()";
            self.standby.sql("pair", select).await == "f"
        })
        .await;
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

/// SIGTERM waits for the process.
fn is_asked_to_end(process: &str) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let pending = status.lines().find_map(|line| line.strip_prefix("ShdPnd:"));
    let pending = u64::from_str_radix(pending.unwrap().trim(), 16).unwrap();
    pending & (1 << (15 - 1)) != 0
}

fn unreadable(message: &str) -> Entry {
    let mut entry = firing(message, 2, &[]);
    entry.alerts.clear();
    entry.faults.push(Fault {
        place: "body".to_owned(),
        problem: "is not JSON".to_owned(),
    });
    entry
}

fn ignored() -> Entry {
    let mut entry = firing("ignored", 1, &[]);
    entry.alerts.clear();
    entry
}

/// The places of the alerts that were accepted.
fn places(appended: &Appended) -> Vec<Seq> {
    let place = |one: &Appending| match one {
        Appending::Accepted { seq, .. } => Some(*seq),
        Appending::Duplicate { .. } => None,
    };
    appended.alerts.iter().filter_map(place).collect()
}

async fn accepted(store: &Arc<dyn Store>, message: &str) -> Seq {
    let appended = store.append(firing(message, 1, &[1])).await.unwrap();
    places(&appended)[0]
}

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
