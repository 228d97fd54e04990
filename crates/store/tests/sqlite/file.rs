//! The database file: its owner, its schema version, and its lock.

use std::path::Path;

use campanile_store::sqlite::Sqlite;

use campanile_model::Status;
use campanile_store::{Settlement, Verdict};
use futures_util::future::{join, join_all};
use sha2::{Digest, Sha256};

use super::suite::{accepted, alert, at, entry, firing, settlement};
use super::{WITHOUT_MUTES, open};

#[tokio::test]
async fn a_second_gateway_on_the_same_file_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let refused = Sqlite::open(&folder.path().join("campanile.db"))
        .err()
        .unwrap()
        .to_string();
    assert!(refused.contains("in use by another Campanile"), "{refused}");
    store.close().await.unwrap();
    Sqlite::open(&folder.path().join("campanile.db")).unwrap();
}

#[test]
fn a_file_that_is_not_ours_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("campanile.db");
    let refusal = || Sqlite::open(&path).err().unwrap().to_string();

    std::fs::write(
        &path,
        b"this is a text, not a database, and it is long enough to be read as a header of one....",
    )
    .unwrap();
    let before = std::fs::read(&path).unwrap();
    assert!(
        refusal().contains("not that of a SQLite database"),
        "{}",
        refusal()
    );
    assert_eq!(std::fs::read(&path).unwrap(), before);

    std::fs::remove_file(&path).unwrap();
    let other = rusqlite::Connection::open(&path).unwrap();
    other
        .execute_batch("CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1);")
        .unwrap();
    assert!(refusal().contains("of another program"), "{}", refusal());
    let rows: i64 = other
        .query_row("SELECT count(*) FROM theirs", [], |row| row.get(0))
        .unwrap();
    assert_eq!(rows, 1);
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("campanile.db");
    open(folder.path()).close().await.unwrap();
    rusqlite::Connection::open(&path)
        .unwrap()
        .pragma_update(None, "user_version", 999)
        .unwrap();
    let refused = Sqlite::open(&path).err().unwrap().to_string();
    assert!(refused.contains("newer Campanile"), "{refused}");
}

#[test]
fn a_missing_folder_is_named() {
    let refused = Sqlite::open(Path::new("/nonexistent/campanile.db"))
        .err()
        .unwrap()
        .to_string();
    assert!(
        refused.contains("/nonexistent") && refused.contains("folder must exist"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_file_of_the_first_schema_keeps_what_it_owed() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let names = ["webhook/a", "webhook/b"].map(str::to_owned).to_vec();
    let sinks = store.sink_ids(names).await.unwrap();
    store.append(firing("one", 1, &sinks)).await.unwrap();
    store.append(firing("two", 2, &sinks[1..])).await.unwrap();
    let mut pending = Vec::new();
    for sink in &sinks {
        pending.push(store.pending(*sink, 0, 10).await.unwrap());
    }
    store.close().await.unwrap();
    drop(store);
    // The first schema: one table for all sinks.
    let file = rusqlite::Connection::open(folder.path().join("campanile.db")).unwrap();
    file.execute_batch(
        "CREATE TABLE delivery (
             sink INTEGER NOT NULL, seq INTEGER NOT NULL, fingerprint INTEGER NOT NULL, attempts INTEGER NOT NULL,
             owed_ms INTEGER NOT NULL, due_ms INTEGER, redriven INTEGER NOT NULL, code INTEGER, error TEXT,
             PRIMARY KEY (sink, seq)
         ) WITHOUT ROWID;
         DROP TABLE handle;
         ALTER TABLE attempt DROP COLUMN worth;
         ALTER TABLE attempt DROP COLUMN remark;
         ALTER TABLE attempt DROP COLUMN note;
         ALTER TABLE callback DROP COLUMN arrival_bytes;
         ALTER TABLE callback DROP COLUMN routes;
         ALTER TABLE callback DROP COLUMN last_seq;
         ALTER TABLE problem DROP COLUMN plan;
         ALTER TABLE quarantine DROP COLUMN arrival;
         DROP TABLE routes;
         DROP TABLE audit;
         DROP TABLE posting;
         DROP TABLE posting_run;
         DROP TABLE tally;
         DELETE FROM meta WHERE name IN ('posted_from', 'tallied_to');
         PRAGMA user_version = 1;",
    )
    .unwrap();
    file.execute_batch(WITHOUT_MUTES).unwrap();
    for sink in &sinks {
        file.execute_batch(&format!(
            "INSERT INTO delivery SELECT {sink}, seq, fingerprint, attempts, owed_ms, due_ms, redriven, code, error
               FROM delivery_{sink};
             DROP TABLE delivery_{sink};"
        ))
        .unwrap();
    }
    drop(file);
    let store = open(folder.path());
    let mut kept = Vec::new();
    for sink in &sinks {
        kept.push(store.pending(*sink, 0, 10).await.unwrap());
    }
    assert_eq!(kept, pending);
    assert_eq!(pending.iter().map(Vec::len).sum::<usize>(), 3);
}

#[tokio::test]
async fn a_handle_is_removed_with_the_last_alert_of_its_episode() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let sink = store.sink_ids(vec!["a/a".to_owned()]).await.unwrap()[0];
    let handled = |seq| Settlement {
        handle: Some("om_1".to_owned()),
        ..settlement(sink, seq, Verdict::Delivered)
    };
    let resolved = entry(vec![alert("2", 1, Status::Resolved, &[sink])]);
    for callback in [firing("1", 1, &[sink]), resolved] {
        let (seq, _) = accepted(&store, callback).await;
        store.settle(vec![handled(seq)]).await.unwrap();
    }
    // The first round finds the episode closed, the second finds none of its alerts.
    for _ in 0..2 {
        while store.prune(at(100)).await.unwrap() {}
    }
    store.close().await.unwrap();
    let file = rusqlite::Connection::open(folder.path().join("campanile.db")).unwrap();
    let count = |table: &str| -> i64 {
        let sql = format!("SELECT count(*) FROM {table}");
        file.query_row(&sql, [], |row| row.get(0)).unwrap()
    };
    assert_eq!((count("alert"), count("handle")), (0, 0));
}

#[tokio::test]
async fn a_write_that_meets_a_damaged_page_fails_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    for n in 0..60 {
        let mut old = firing(&format!("old {n}"), n, &[]);
        // Text that compresses badly, so the callbacks take several pages.
        old.callback = (0..64_u8)
            .flat_map(|i| Sha256::digest([n.to_be_bytes()[7], i]))
            .collect();
        accepted(&store, old).await;
    }
    store.close().await.unwrap();
    let path = folder.path().join("campanile.db");
    let leaf = "SELECT min(pageno) FROM dbstat WHERE name = 'callback' AND pagetype = 'leaf'";
    let leaf: u32 = {
        let connection = rusqlite::Connection::open(&path).unwrap();
        connection.query_row(leaf, [], |row| row.get(0)).unwrap()
    };
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[(leaf as usize - 1) * 4096] ^= 0xff;
    std::fs::write(&path, bytes).unwrap();

    let store = open(folder.path());
    let append = |n: u64| {
        let mut new = firing(&format!("new {n}"), n, &[]);
        new.received_at = at(100);
        store.append(new)
    };
    // The alerts go first, then the callbacks, of which one is on the damaged page.
    let mut refused = 0;
    for round in 0..20 {
        let before = join_all((0..10).map(|n| append(round * 20 + n)));
        let after = join_all((10..20).map(|n| append(round * 20 + n)));
        let (before, (pruned, after)) = join(before, join(store.prune(at(10)), after)).await;
        let answers = before.into_iter().chain(after);
        assert!({ answers }.all(|answer| answer.is_ok()));
        refused += usize::from(pruned.is_err());
    }
    assert!(refused > 0, "nothing met the damaged page");
}
