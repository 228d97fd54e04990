//! What operators do with the database file: copy, check and migrate it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use campanile_model::Status;
use campanile_store::sqlite::Sqlite;
use campanile_store::sqlite::file::{self, Damage, StoreFile};
use campanile_store::{Store, Verdict};

use super::suite::{accepted, alert, all, at, entry, firing, settlement};
use super::{WITHOUT_MUTES, open};

/// A database with alerts, pending deliveries and a dead letter.
async fn filled(folder: &Path) -> (Arc<dyn Store>, PathBuf) {
    let store = open(folder);
    let names = vec!["webhook/a".to_owned(), "webhook/b".to_owned()];
    let sinks = store.sink_ids(names).await.unwrap();
    for n in 0..40 {
        accepted(&store, firing(&format!("message {n}"), n, &sinks)).await;
    }
    let dead = Verdict::Dead {
        class: "poison",
        error: "no".to_owned(),
    };
    store
        .settle(vec![settlement(sinks[0], 1, dead)])
        .await
        .unwrap();
    (store, folder.join("campanile.db"))
}

fn names(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

fn verify(path: &Path) -> Damage {
    let file = StoreFile::open(path).unwrap();
    let mut damage = file.check_pages().unwrap();
    damage.add(file.check_bodies(&mut |_| ()).unwrap());
    damage.add(file.check_places().unwrap());
    file.check_still().unwrap();
    damage
}

/// Every alert as JSON.
async fn texts(store: &Arc<dyn Store>) -> Vec<Vec<u8>> {
    let rows = store.alerts(all()).await.unwrap().rows;
    rows.into_iter().map(|row| row.json).collect()
}

fn sql(path: &Path, sql: &str) {
    let file = rusqlite::Connection::open(path).unwrap();
    file.execute_batch(sql).unwrap();
}

fn rows(file: &StoreFile, table: &str) -> u64 {
    let tables = file.tables().unwrap();
    let found = tables.iter().find(|found| found.table == table);
    found.unwrap().rows
}

#[tokio::test]
async fn a_copy_of_an_open_store_has_everything_that_was_answered() {
    let folder = tempfile::tempdir().unwrap();
    let (store, path) = filled(folder.path()).await;
    let kept = texts(&store).await;
    let to = folder.path().join("with space & 100%?.db");
    let copied = StoreFile::open(&path).unwrap().copy_to(&to).unwrap();
    let tables = |name: &str| copied.tables.iter().find(|t| t.table == name).unwrap();
    assert_eq!((tables("alert").rows, tables("dead").rows), (40, 1));
    let pending = tables("delivery_2");
    assert_eq!(
        (pending.sink.as_deref(), pending.rows),
        (Some("webhook/b"), 40)
    );
    // The store has noticed nothing.
    accepted(&store, firing("later", 99, &[1])).await;
    assert!(verify(&to).is_none(), "{:?}", verify(&to));
    let left = names(folder.path());
    assert!(
        left.iter().all(|name| !name.contains("partial")),
        "{left:?}"
    );

    let copy = Sqlite::open(&to).unwrap();
    let copy: Arc<dyn Store> = Arc::new(copy);
    assert_eq!(texts(&copy).await, kept);
    assert_eq!(copy.pending(1, 0, 100).await.unwrap().len(), 39);
    assert_eq!(fs::metadata(&to).unwrap().len(), copied.bytes);
}

#[tokio::test]
async fn a_copy_replaces_no_file_and_says_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let (_store, path) = filled(folder.path()).await;
    let file = StoreFile::open(&path).unwrap();
    let kept = folder.path().join("kept.db");
    fs::write(&kept, "older").unwrap();
    let before = names(folder.path());
    for (to, words) in [
        (kept.clone(), "exists already"),
        (folder.path().join("none/x.db"), "none of"),
    ] {
        let refused = file.copy_to(&to).unwrap_err().to_string();
        assert!(refused.contains(words), "{refused}");
    }
    assert_eq!(fs::read(&kept).unwrap(), b"older");
    assert_eq!(names(folder.path()), before);
}

#[tokio::test]
async fn a_stopped_copy_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let (_store, path) = filled(folder.path()).await;
    sql(
        &path,
        "CREATE TABLE big (x); INSERT INTO big VALUES (zeroblob(40000000));",
    );
    let before = names(folder.path());
    let file = StoreFile::open(&path).unwrap();
    let stop = file.interrupt_handle();
    let to = folder.path().join("copy.db");
    let copying = std::thread::spawn(move || file.copy_to(&to));
    let has_begun = || {
        names(folder.path())
            .iter()
            .any(|name| name.contains("partial"))
    };
    while !copying.is_finished() && !has_begun() {
        std::thread::yield_now();
    }
    while !copying.is_finished() {
        stop.interrupt();
        std::thread::yield_now();
    }
    let stopped = copying.join().unwrap().unwrap_err().to_string();
    assert!(stopped.contains("stopped"), "{stopped}");
    assert_eq!(names(folder.path()), before);
}

#[tokio::test]
async fn reading_changes_nothing_next_to_a_closed_store() {
    let folder = tempfile::tempdir().unwrap();
    let (store, path) = filled(folder.path()).await;
    store.close().await.unwrap();
    drop(store);
    let before = (names(folder.path()), fs::read(&path).unwrap());
    assert!(verify(&path).is_none());
    let file = StoreFile::open(&path).unwrap();
    assert_eq!(rows(&file, "alert"), 40);
    drop(file);
    assert_eq!((names(folder.path()), fs::read(&path).unwrap()), before);
}

#[tokio::test]
async fn the_log_of_a_killed_gateway_is_read_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let left = tempfile::tempdir().unwrap();
    let (_store, path) = filled(folder.path()).await;
    for name in ["campanile.db", "campanile.db-wal", "campanile.db.lock"] {
        fs::copy(folder.path().join(name), left.path().join(name)).unwrap();
    }
    let copy = left.path().join("campanile.db");
    let log = left.path().join("campanile.db-wal");
    let before = fs::read(&log).unwrap();
    assert!(verify(&copy).is_none());
    assert_eq!(rows(&StoreFile::open(&copy).unwrap(), "alert"), 40);
    assert_eq!(fs::read(&log).unwrap(), before);
    assert_eq!(rows(&StoreFile::open(&path).unwrap(), "alert"), 40);

    // A flipped bit, which SQLite takes for the end of the log. At first, in the frame of the first page.
    let flipped = |at: usize| {
        let mut bytes = before.clone();
        bytes[at] ^= 1;
        fs::write(&log, bytes).unwrap();
    };
    flipped(5_000);
    let refused = StoreFile::open(&copy).err().unwrap().to_string();
    assert!(refused.contains("log is damaged in frame"), "{refused}");
    flipped(before.len() / 2);
    let damage = verify(&copy);
    assert!(
        damage.found[0].contains("log is damaged in frame"),
        "{damage:?}"
    );
}

#[tokio::test]
async fn every_kind_of_damage_is_found() {
    for (change, words) in [
        (
            "UPDATE callback SET packed = x'0102030405' WHERE id = 7",
            "callback 7 cannot be decompressed",
        ),
        (
            "UPDATE callback SET raw_bytes = 999999 WHERE id = 7",
            "callback 7 is cut short",
        ),
        (
            "UPDATE alert SET body_bytes = body_bytes - 1 WHERE seq = 9",
            "alert at place 9 cannot be read",
        ),
        (
            "DELETE FROM callback WHERE id = 7",
            "alerts without their callback: 1, the first at place 7",
        ),
        (
            "DELETE FROM alert WHERE seq = 9",
            "pending deliveries for webhook/b without their alert: 1, the first at place 9",
        ),
        (
            "DELETE FROM alert WHERE seq = 1",
            "dead letters without their alert: 1, the first at place 1",
        ),
        (
            "INSERT INTO quarantine VALUES (1, 1, 0, '[]', x'01020304', NULL)",
            "quarantined callback 1 cannot",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let (store, path) = filled(folder.path()).await;
        store.close().await.unwrap();
        drop(store);
        sql(&path, change);
        let damage = verify(&path);
        let found = damage.found.join("\n");
        assert!(found.contains(words), "{change}: {found}");
    }
}

#[tokio::test]
async fn a_damaged_page_is_found_and_ends_no_check() {
    let folder = tempfile::tempdir().unwrap();
    let (store, path) = filled(folder.path()).await;
    store.close().await.unwrap();
    drop(store);
    let page = "SELECT rootpage FROM sqlite_schema WHERE name = 'callback'";
    let file = rusqlite::Connection::open(&path).unwrap();
    let page: usize = file
        .query_row(page, [], |row| row.get::<_, u32>(0))
        .unwrap() as usize;
    drop(file);
    let mut bytes = fs::read(&path).unwrap();
    bytes[(page - 1) * 4096] ^= 0xff;
    fs::write(&path, bytes).unwrap();
    let damage = verify(&path);
    assert!(damage.count >= 2, "{damage:?}");
    let copy = StoreFile::open(&path)
        .unwrap()
        .copy_to(&folder.path().join("copy.db"));
    let refused = copy.unwrap_err().to_string();
    assert!(refused.contains("malformed"), "{refused}");
}

#[tokio::test]
async fn a_file_of_another_program_or_of_a_newer_one_is_refused_untouched() {
    let folder = tempfile::tempdir().unwrap();
    let (store, path) = filled(folder.path()).await;
    store.close().await.unwrap();
    drop(store);
    sql(&path, "PRAGMA user_version = 99");
    let before = (names(folder.path()), fs::read(&path).unwrap());
    for refused in [
        file::migrate(&path).err(),
        file::migration(&path).err(),
        StoreFile::open(&path).err(),
    ] {
        let refused = refused.unwrap().to_string();
        assert!(refused.contains("newer Campanile (schema 99"), "{refused}");
    }
    assert_eq!((names(folder.path()), fs::read(&path).unwrap()), before);

    let text = folder.path().join("text");
    fs::write(&text, "not a database").unwrap();
    let other = folder.path().join("other.db");
    sql(&other, "CREATE TABLE theirs (x)");
    for (path, words) in [
        (text, "not a SQLite database"),
        (other, "of another program"),
        (folder.path().join("none.db"), "cannot read"),
        (folder.path().to_owned(), "is not a file"),
    ] {
        let refused = StoreFile::open(&path).err().unwrap().to_string();
        assert!(refused.contains(words), "{refused}");
    }
}

#[tokio::test]
async fn a_migration_is_shown_and_made_only_while_no_gateway_runs() {
    let folder = tempfile::tempdir().unwrap();
    let (store, path) = filled(folder.path()).await;
    let done = file::migration(&path).unwrap();
    assert_eq!((done.from, done.steps.len()), (done.to, 0));
    assert_eq!(
        file::migrate(&path).unwrap(),
        done,
        "nothing to do needs no lock"
    );
    // As a store of schema 7, still open.
    sql(
        &path,
        &format!(
            "{WITHOUT_MUTES} DROP TABLE tally; DELETE FROM meta WHERE name = 'tallied_to';
             ALTER TABLE callback DROP COLUMN last_seq; ALTER TABLE problem DROP COLUMN plan; PRAGMA user_version = 7;"
        ),
    );
    let planned = file::migration(&path).unwrap();
    assert_eq!(
        (planned.from, planned.to, planned.steps.len()),
        (7, done.to, 4)
    );
    assert!(
        planned.steps[0].contains("CREATE TABLE tally"),
        "{planned:?}"
    );
    let refused = file::migrate(&path).unwrap_err().to_string();
    assert!(
        refused.contains("in use by another Campanile process"),
        "{refused}"
    );
    assert_eq!(StoreFile::open(&path).unwrap().schema().unwrap(), 7);

    store.close().await.unwrap();
    drop(store);
    assert_eq!(file::migrate(&path).unwrap(), planned);
    assert!(verify(&path).is_none());
    assert_eq!(file::migration(&path).unwrap().steps.len(), 0);
    let store = open(folder.path());
    let resolved = entry(vec![alert("end", 3, Status::Resolved, &[])]);
    accepted(&store, resolved).await;
    assert_eq!(store.alerts(all()).await.unwrap().rows.len(), 41);
    while store.prune(at(0)).await.unwrap() {}
}
