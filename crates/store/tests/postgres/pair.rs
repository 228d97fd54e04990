//! A primary with a standby, and the gateways on them.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use campanile_receiver::postgres::Postgres;
use campanile_store::postgres::Postgres as Gateway;
use campanile_store::{Answer, Appended, Appending, Entry, Error, Fault, Seq, Store, StoreCopies};

use super::server::{start_in, url};
use super::suite::firing;

/// A test that waits longer has failed.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// Looks again and again until it is so, because it happens in another process.
pub(crate) async fn until(what: &str, mut done: impl AsyncFnMut() -> bool) {
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
pub(crate) struct Pair {
    pub(crate) primary: Postgres,
    pub(crate) standby: Postgres,
    _folder: tempfile::TempDir,
}

impl Pair {
    /// The standby is asynchronous.
    pub(crate) async fn start() -> Self {
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
    pub(crate) async fn synchronous(&self) {
        let set = "ALTER SYSTEM SET synchronous_standby_names = '*'";
        self.primary.sql("postgres", set).await;
        let reload = "SELECT pg_reload_conf()";
        self.primary.sql("postgres", reload).await;
        self.primary_says("SELECT sync_state FROM pg_stat_replication", "sync")
            .await;
    }

    pub(crate) async fn primary_says(&self, select: &str, answer: &str) {
        until(select, async || {
            self.primary.sql("pair", select).await == answer
        })
        .await;
    }

    pub(crate) async fn open(&self, copies: Option<StoreCopies>) -> Arc<dyn Store> {
        self.gateway(copies).await
    }

    pub(crate) async fn gateway(&self, copies: Option<StoreCopies>) -> Arc<Gateway> {
        Arc::new(Gateway::open_with(&self.url(), copies).await.unwrap())
    }

    /// The process of the standby that receives the log.
    pub(crate) async fn walreceiver(&self) -> String {
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
    pub(crate) async fn replicated(&self) {
        let select = "SELECT replay_lsn = pg_current_wal_lsn() FROM pg_stat_replication";
        self.primary_says(select, "t").await;
    }

    /// The standby becomes a primary.
    pub(crate) async fn promote(&self) {
        self.standby.promote().await;
        self.is_promoted().await;
    }

    async fn is_promoted(&self) {
        until("a new primary", async || {
            let select = "SELECT pg_is_in_recovery()";
            self.standby.sql("pair", select).await == "f"
        })
        .await;
    }

    /// The primary crashes, and the standby takes its place. What its frozen receiver has not read is lost.
    pub(crate) async fn fail_over(&mut self, receiver: &str) {
        self.primary.crash().await;
        self.standby.promote().await;
        // It waits for the end of its receiver, which would otherwise first read what the primary sent.
        until("an end of the receiver", async || is_asked_to_end(receiver)).await;
        signal(receiver, "CONT");
        self.is_promoted().await;
    }

    /// A call whose commit waits for the standby, and whose wait is then cancelled.
    pub(crate) async fn cancelled<T: Send + 'static>(
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
    pub(crate) async fn cancel(&self) {
        let cancel = "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
        self.primary_says(cancel, "1").await;
    }

    /// Ends the connection whose commit waits.
    pub(crate) async fn terminate(&self) {
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

pub(crate) fn signal(process: &str, name: &str) {
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

pub(crate) fn unreadable(message: &str) -> Entry {
    let mut entry = firing(message, 2, &[]);
    entry.alerts.clear();
    entry.faults.push(Fault {
        place: "body".to_owned(),
        problem: "is not JSON".to_owned(),
    });
    entry
}

pub(crate) fn ignored() -> Entry {
    let mut entry = firing("ignored", 1, &[]);
    entry.alerts.clear();
    entry
}

/// The places of the alerts that were accepted.
pub(crate) fn places(appended: &Appended) -> Vec<Seq> {
    let place = |one: &Appending| match one {
        Appending::Accepted { seq, .. } => Some(*seq),
        Appending::Duplicate { .. } => None,
    };
    appended.alerts.iter().filter_map(place).collect()
}

pub(crate) async fn accepted(store: &Arc<dyn Store>, message: &str) -> Seq {
    let appended = store.append(firing(message, 1, &[1])).await.unwrap();
    places(&appended)[0]
}
