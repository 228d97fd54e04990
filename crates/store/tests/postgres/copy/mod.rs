//! A store that is copied between SQLite and PostgreSQL.

mod life;
mod running;
mod seen;

use std::path::Path;
use std::sync::Arc;

use campanile_model::{Status, StoreUrl};
use campanile_store::copy::{self, Wish};
use campanile_store::sqlite::file::StoreFile;
use campanile_store::sqlite::{Runs, Sqlite};
use campanile_store::{AlertFilter, Appending, Entry, Seq, Store};
use futures_util::future::join_all;
use jiff::Timestamp;

use self::life::Life;
use self::seen::seen;
use super::Database;
use super::suite::{Place as _, accepted, alert, all, at, entry, firing};

fn file(path: &Path) -> StoreUrl {
    StoreUrl::Sqlite(path.to_owned())
}

fn database(database: &Database) -> StoreUrl {
    StoreUrl::Postgres(database.url().into())
}

fn open(path: &Path) -> Arc<dyn Store> {
    Arc::new(Sqlite::open_with(path, RUNS).unwrap())
}

const RUNS: Runs = Runs {
    keys: 16,
    places: 8,
};

/// In small chunks and runs.
const WISH: Wish = Wish {
    finish: false,
    rows: 7,
    runs: RUNS,
};

const FINISH: Wish = Wish {
    finish: true,
    ..WISH
};

async fn bulk(from: &StoreUrl, to: &StoreUrl) {
    copy::copy(from, to, WISH, &mut |_| {}).await.unwrap();
}

async fn finish(from: &StoreUrl, to: &StoreUrl) {
    let copied = copy::copy(from, to, FINISH, &mut |_| {}).await.unwrap();
    let report = copied.report.unwrap();
    assert_eq!(report.found, Vec::<String>::new());
    assert!(report.bodies > 0 && report.is_same());
}

async fn refusal(from: &StoreUrl, to: &StoreUrl, wish: Wish) -> String {
    let refused = copy::copy(from, to, wish, &mut |_| {}).await;
    refused.err().unwrap().to_string()
}

#[track_caller]
fn same(one: &[String], other: &[String]) {
    for (one, other) in one.iter().zip(other) {
        assert!(one == other, "\n{one}\n{other}");
    }
    assert_eq!(one.len(), other.len());
}

#[tokio::test]
async fn tables_that_refuse_this_program_are_not_read_or_written_by_a_copy() {
    let folder = tempfile::tempdir().unwrap();
    let (path, new) = (folder.path().join("a.db"), folder.path().join("new.db"));
    open(&path).close().await.unwrap();
    let tables = Database::new();
    tables.open().await.close().await.unwrap();
    tables.sql("UPDATE meta SET oldest = 98");
    let url = database(&tables);
    for (from, to) in [(&url, &file(&new)), (&file(&path), &url)] {
        let said = refusal(from, to, WISH).await;
        assert!(said.contains("needs level 98 or newer"), "{said}");
    }
    let begun = tables.sql("SELECT to_regclass('copy') IS NOT NULL");
    assert_eq!(begun, "f");
}

#[tokio::test]
async fn a_copy_shows_the_same_as_its_source_and_so_does_the_copy_back() {
    let folder = tempfile::tempdir().unwrap();
    let (path, back) = (folder.path().join("a.db"), folder.path().join("back.db"));
    let target = Database::new();
    let mut life = Life::of(open(&path), 0).await;
    life.go_on(120).await;
    let (from, to) = (file(&path), database(&target));
    // Next to the gateway. Then it accepts, delivers and prunes more.
    bulk(&from, &to).await;
    life.go_on(60).await;
    let before = at(life.second * 8);
    while life.store.prune(before).await.unwrap() {}
    bulk(&from, &to).await;
    life.go_on(20).await;
    life.store.close().await.unwrap();
    finish(&from, &to).await;

    let source = open(&path);
    let expected = seen(&source).await;
    source.close().await.unwrap();
    let moved = target.open().await;
    same(&expected, &seen(&moved).await);
    all_known(&moved, before).await;
    moved.close().await.unwrap();

    finish(&to, &file(&back)).await;
    let returned = open(&back);
    same(&expected, &seen(&returned).await);
    all_known(&returned, before).await;
    check(&back);
}

/// Every message that has not expired is a duplicate.
async fn all_known(store: &Arc<dyn Store>, since: Timestamp) {
    let filter = AlertFilter {
        since: Some(since),
        ..all()
    };
    let kept = store.alerts(filter).await.unwrap().rows;
    assert!(kept.len() > 20, "{}", kept.len());
    let known = kept.iter().map(|row| {
        let alert: serde_json::Value = serde_json::from_slice(&row.json).unwrap();
        store.append(firing(alert["message_id"].as_str().unwrap(), 1, &[]))
    });
    for appended in join_all(known).await {
        let duplicate = Appending::Duplicate { conflict: false };
        assert_eq!(appended.unwrap().alerts, [duplicate]);
    }
}

/// The file is sound.
fn check(path: &Path) {
    let file = StoreFile::open(path).unwrap();
    for damage in [
        file.check_pages(),
        file.check_bodies(&mut |_| {}),
        file.check_places(),
    ] {
        assert_eq!(damage.unwrap().found, Vec::<String>::new());
    }
}

#[tokio::test]
async fn places_with_gaps_in_several_partitions_are_kept_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let (path, source) = (folder.path().join("a.db"), Database::new());
    let (from, to) = (database(&source), file(&path));
    let store = source.open().await;
    let mut life = Life::of(Arc::clone(&store), 2).await;
    life.go_on(80).await;
    // Near the end of the first partition.
    source.sql("SELECT setval('place', 1048570)");
    life.go_on(40).await;
    bulk(&from, &to).await;
    life.go_on(40).await;
    // Two callbacks whose places were drawn in turn: the second one begins before the first one ends.
    let alerts = |names: [&str; 2]| {
        entry(
            names
                .map(|name| alert(name, 3, Status::Firing, &life.sinks))
                .into(),
        )
    };
    let one = last_of(&store, alerts(["x1", "x2"])).await - 1;
    let other = last_of(&store, alerts(["y1", "y2"])).await;
    source.sql(&format!(
        "UPDATE callback SET last = {other}, alerts = 3 WHERE seq = {one};
         UPDATE callback SET last = seq, alerts = 1 WHERE last = {other} AND alerts = 2;
         UPDATE alert SET callback = {one} WHERE seq = {other}"
    ));
    let expected = seen(&store).await;
    store.close().await.unwrap();
    finish(&from, &to).await;
    check(&path);
    let moved = open(&path);
    same(&expected, &seen(&moved).await);
    // What is pending keeps its callback, which ends after the next one begins.
    while moved.prune(at(1_000_000)).await.unwrap() {}
    check(&path);
    let raw = moved.callback_of(other).await.unwrap();
    assert!(raw.is_some());
}

/// The last place of an entry whose alerts are all new.
async fn last_of(store: &Arc<dyn Store>, entry: Entry) -> Seq {
    let appended = store.append(entry).await.unwrap();
    match appended.alerts.last() {
        Some(Appending::Accepted { seq, .. }) => *seq,
        other => panic!("not accepted: {other:?}"),
    }
}

/// A filled file whose gateway has stopped, and the places of two alerts that are pending for `webhook/one`.
async fn stopped(path: &Path) -> [Seq; 2] {
    let store = open(path);
    let sink = store
        .sink_ids(vec!["webhook/one".to_owned()])
        .await
        .unwrap()[0];
    let (first, _) = accepted(&store, firing("a", 1, &[sink])).await;
    let (second, _) = accepted(&store, firing("b", 1, &[sink])).await;
    store.close().await.unwrap();
    [first, second]
}

#[tokio::test]
async fn messages_stay_known_and_numbers_go_on_in_both_directions() {
    let folder = tempfile::tempdir().unwrap();
    let (path, back) = (folder.path().join("a.db"), folder.path().join("back.db"));
    let pending = stopped(&path).await;
    let target = Database::new();
    let (mut from, mut to) = (file(&path), database(&target));
    for round in 0..2 {
        finish(&from, &to).await;
        let store = campanile_store::open(&to, None).await.unwrap().store;
        let again = store.append(firing("a", 1, &[])).await.unwrap();
        let duplicate = Appending::Duplicate { conflict: false };
        assert_eq!(again.alerts, [duplicate]);
        let ids = store
            .sink_ids(vec!["webhook/one".to_owned()])
            .await
            .unwrap();
        let found = store.pending(ids[0], 0, 9).await.unwrap();
        let places: Vec<Seq> = found.iter().map(|pending| pending.seq).collect();
        assert_eq!(places[..2], pending);
        let (next, _) = accepted(&store, firing(&format!("new {round}"), 1, &ids)).await;
        assert!(next > pending[1]);
        store.close().await.unwrap();
        (from, to) = (to, file(&back));
    }
}

#[tokio::test]
async fn a_copy_refuses_what_would_lose_or_mix_alerts_and_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    stopped(&path).await;
    let (target, other) = (Database::new(), Database::new());
    let (from, to) = (file(&path), database(&target));

    let missing = refusal(&file(&folder.path().join("none.db")), &to, WISH).await;
    assert!(
        missing.contains("none.db") && missing.contains("Check the path"),
        "{missing}"
    );
    let swapped = refusal(&to, &from, WISH).await;
    assert!(swapped.contains("The first argument is read"), "{swapped}");

    let running = open(&path);
    bulk(&from, &to).await;
    let early = refusal(&from, &to, FINISH).await;
    assert!(
        early.contains("a gateway runs on") && early.contains("Stop it before --finish"),
        "{early}"
    );
    let used = campanile_store::open(&to, None)
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(
        used.contains("is an unfinished copy") && used.contains("--finish"),
        "{used}"
    );
    let source = refusal(&to, &database(&other), WISH).await;
    assert!(source.contains("is an unfinished copy"), "{source}");
    // Another source.
    let second = folder.path().join("b.db");
    stopped(&second).await;
    let mixed = refusal(&file(&second), &to, WISH).await;
    assert!(
        mixed.contains("unfinished copy of") && mixed.contains("a.db"),
        "{mixed}"
    );
    let busy = refusal(&file(&second), &from, WISH).await;
    assert!(
        busy.contains("in use by another Campanile process"),
        "{busy}"
    );
    running.close().await.unwrap();

    finish(&from, &to).await;
    let full = refusal(&from, &to, FINISH).await;
    assert!(
        full.contains("is not empty") && full.contains("Name an empty target"),
        "{full}"
    );
    // Into a file, which an older program refuses too.
    let copy = file(&folder.path().join("c.db"));
    bulk(&to, &copy).await;
    let used = campanile_store::open(&copy, None)
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(used.contains("is an unfinished copy"), "{used}");
    let full = refusal(&to, &from, WISH).await;
    assert!(full.contains("is not empty"), "{full}");
}

#[tokio::test]
async fn a_recovery_in_the_copy_goes_where_its_firing_went_and_a_lost_plan_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let (path, back) = (folder.path().join("a.db"), folder.path().join("back.db"));
    let (target, file_url) = (Database::new(), file(&back));
    let (from, to) = (file(&path), database(&target));
    let store = open(&path);
    let names = ["a/a", "b/b", "c/c"].map(str::to_owned).to_vec();
    let sinks = store.sink_ids(names).await.unwrap();
    for problem in 1..4 {
        let firing = firing(&format!("fires {problem}"), problem, &sinks[1..]);
        accepted(&store, firing).await;
    }
    accepted(&store, firing("fires 4", 4, &[])).await;
    store.close().await.unwrap();
    // As if an older build had opened this one.
    let connection = rusqlite::Connection::open(&path).unwrap();
    let unknown = "UPDATE problem SET plan = NULL WHERE fingerprint = 3";
    connection.execute(unknown, []).unwrap();
    drop(connection);
    finish(&from, &to).await;

    let plan = |sinks: &str| format!("UPDATE problem SET plan = '{sinks}' WHERE fingerprint = 2");
    target.sql(&plan("{1}"));
    let report = copy::compare(&from, &to, &mut |_| {}).await.unwrap();
    assert!(!report.is_same());
    let found = report.found.join("\n");
    assert!(found.contains("open problems of"), "{found}");
    target.sql(&plan("{2,3}"));

    let ends = async |url: &StoreUrl, problem: u64| {
        let store = campanile_store::open(url, None).await.unwrap().store;
        let message = format!("ends {problem}");
        let end = entry(vec![alert(
            &message,
            problem,
            Status::Resolved,
            &sinks[..1],
        )]);
        let appended = store.append(end).await.unwrap();
        store.close().await.unwrap();
        let went = appended.pending.iter().map(|(sink, _)| *sink);
        went.collect::<Vec<_>>()
    };
    assert_eq!(ends(&to, 1).await, sinks[1..]);
    finish(&to, &file_url).await;
    assert_eq!(ends(&file_url, 2).await, sinks[1..]);
    assert_eq!(
        ends(&file_url, 3).await,
        sinks[..1],
        "its plan is not known"
    );
    assert_eq!(ends(&file_url, 4).await, sinks[..0], "it went nowhere");
}

#[tokio::test]
async fn every_difference_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let [first, second] = stopped(&path).await;
    let target = Database::new();
    let (from, to) = (file(&path), database(&target));
    finish(&from, &to).await;
    target.sql(&format!(
        "DELETE FROM pending WHERE seq = {first}; UPDATE pending SET attempts = 7; UPDATE callback SET packed = '\\x00' WHERE seq = {second};
         INSERT INTO dead (seq, lane, at, sink, attempts, class, error) VALUES ({first}, 1, now(), 1, 1, 'poison', 'x')"
    ));
    let report = copy::compare(&from, &to, &mut |_| {}).await.unwrap();
    assert!(!report.is_same());
    let found = report.found.join("\n");
    for difference in [
        "callbacks of ucloud/prod, numbers 0 to 99999: 2 rows on both sides, with other contents"
            .to_owned(),
        "pending, numbers 0 to 99999: 2 rows in the source, 1 in the target".to_owned(),
        format!("pending: place {first} for sink 1 is missing in the target"),
        format!("pending: place {second} for sink 1 differs"),
        "dead letters: number 1 is not in the source".to_owned(),
        format!("alerts: the one at place {second} reads differently"),
    ] {
        assert!(found.contains(&difference), "{difference}\n{found}");
    }
}
