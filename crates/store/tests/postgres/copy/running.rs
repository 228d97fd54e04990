//! A gateway that runs on the source while the copy is finished.

use campanile_model::StoreUrl;
use campanile_store::copy::{self, Progress, Step};
use campanile_store::lease::{BEAT, Member};
use campanile_store::postgres::Postgres;
use campanile_store::{Appending, Inbox as _, Membership as _, Store};
use uuid::Uuid;

use super::{FINISH, WISH, database, file, finish, open, refusal, stopped};
use crate::Database;
use crate::suite::{Place as _, firing};

/// Registers a gateway.
async fn join(store: &Postgres) -> Uuid {
    let me = Uuid::now_v7();
    let member = Member {
        id: me,
        name: "one".to_owned(),
        sinks: Vec::new(),
        parts: Vec::new(),
        config: String::new(),
    };
    store.join(member).await.unwrap();
    me
}

#[tokio::test]
async fn a_copy_is_not_finished_while_a_gateway_of_its_source_beats() {
    let folder = tempfile::tempdir().unwrap();
    let source = Database::new();
    let store = Postgres::open(&source.url()).await.unwrap();
    let me = join(&store).await;
    let (from, to) = (database(&source), file(&folder.path().join("a.db")));
    let beating = async {
        let mut beats = tokio::time::interval(BEAT / 4);
        loop {
            beats.tick().await;
            store.beat(me, String::new(), false).await.unwrap();
        }
    };
    let refused = tokio::select! {
        refused = refusal(&from, &to, FINISH) => refused,
        () = beating => unreachable!("it beats without an end"),
    };
    assert!(refused.contains("a gateway runs on"), "{refused}");
    // A database that a gateway uses is not empty.
    let path = folder.path().join("b.db");
    stopped(&path).await;
    let used = refusal(&file(&path), &from, WISH).await;
    assert!(used.contains("is not empty"), "{used}");
}

/// Finishes a copy, and does this after all callbacks were read: nothing reads them again. Returns the refusal.
async fn refusal_of(from: &StoreUrl, to: &StoreUrl, begin: impl Future<Output = ()>) -> String {
    let mut begin = Some(begin);
    let mut watch = |progress: Progress| {
        if progress.step != Step::Finishing {
            return;
        }
        if let Some(begin) = begin.take() {
            let runtime = tokio::runtime::Handle::current();
            tokio::task::block_in_place(|| runtime.block_on(begin));
        }
    };
    let refused = copy::copy(from, to, FINISH, &mut watch).await;
    assert!(begin.is_none(), "the copy has other tables");
    let refused = refused.err().unwrap().to_string();
    assert!(refused.contains("a gateway has run on"), "{refused}");
    let unfinished = campanile_store::open(to, None).await.err().unwrap();
    assert!(unfinished.to_string().contains("is an unfinished copy"));
    refused
}

async fn accept(store: &dyn Store, message: &str) {
    store.append(firing(message, 2, &[])).await.unwrap();
    store.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_that_a_gateway_accepts_during_the_end_is_not_left_behind() {
    let folder = tempfile::tempdir().unwrap();
    let (path, source) = (folder.path().join("a.db"), Database::new());
    let (from, to) = (database(&source), file(&path));
    accept(&*source.open().await, "early").await;
    let refused = refusal_of(&from, &to, async {
        accept(&*source.open().await, "late").await;
    })
    .await;
    assert!(refused.contains("run the same command again"), "{refused}");
    finish(&from, &to).await;
    let moved = open(&path).append(firing("late", 2, &[])).await.unwrap();
    let duplicate = Appending::Duplicate { conflict: false };
    assert_eq!(moved.alerts, [duplicate]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_not_finished_when_a_gateway_of_its_source_has_begun_to_beat() {
    let folder = tempfile::tempdir().unwrap();
    let source = Database::new();
    let store = Postgres::open(&source.url()).await.unwrap();
    store.append(firing("early", 2, &[])).await.unwrap();
    let (from, to) = (database(&source), file(&folder.path().join("a.db")));
    refusal_of(&from, &to, async {
        join(&store).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_not_finished_when_a_gateway_has_begun_on_a_file_without_a_lock() {
    let folder = tempfile::tempdir().unwrap();
    let (path, target) = (folder.path().join("a.db"), Database::new());
    // As somebody saved it: the file and its log, without the lock.
    let saved = folder.path().join("saved.db");
    let store = open(&saved);
    store.append(firing("early", 2, &[])).await.unwrap();
    for end in ["", "-wal"] {
        let name = |of: &str| folder.path().join(format!("{of}.db{end}"));
        std::fs::copy(name("saved"), name("a")).unwrap();
    }
    store.close().await.unwrap();
    let (from, to) = (file(&path), database(&target));
    refusal_of(&from, &to, async { accept(&*open(&path), "late").await }).await;
    finish(&from, &to).await;
    let moved = target.open().await;
    let late = moved.append(firing("late", 2, &[])).await.unwrap();
    let duplicate = Appending::Duplicate { conflict: false };
    assert_eq!(late.alerts, [duplicate]);
}

#[tokio::test]
async fn a_lock_that_cannot_be_read_is_not_taken_for_a_gateway() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    stopped(&path).await;
    let lock = folder.path().join("a.db.lock");
    std::fs::remove_file(&lock).unwrap();
    // A link to itself.
    std::os::unix::fs::symlink(&lock, &lock).unwrap();
    let to = file(&folder.path().join("b.db"));
    let refused = refusal(&file(&path), &to, FINISH).await;
    assert!(refused.contains("cannot lock"), "{refused}");
    assert!(!refused.contains("a gateway runs"), "{refused}");
}
