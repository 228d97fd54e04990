//! The plans of open problems in the file: those of an older build, and what is written when.

use std::path::Path;

use campanile_model::Status::{Firing, Resolved};
use campanile_store::SinkId;
use rusqlite::Connection;

use super::suite::{accepted, alert, entry};
use super::{FILE, WITHOUT_MUTES, open};

fn connect(folder: &Path) -> Connection {
    Connection::open(folder.join(FILE)).unwrap()
}

async fn goes(
    store: &std::sync::Arc<dyn campanile_store::Store>,
    message: &str,
    status: campanile_model::Status,
    sinks: &[SinkId],
) -> Vec<SinkId> {
    let (seq, _) = accepted(store, entry(vec![alert(message, 1, status, sinks)])).await;
    let rows = store.deliveries_of(seq).await.unwrap();
    rows.iter().map(|row| row.sink).collect()
}

#[tokio::test]
async fn an_episode_that_an_older_build_opened_goes_where_the_routes_say() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let names = ["a/a", "b/b"].map(str::to_owned).to_vec();
    let sinks = store.sink_ids(names).await.unwrap();
    goes(&store, "1", Firing, &sinks).await;
    store.close().await.unwrap();
    // What is left is the file of schema 9.
    connect(folder.path())
        .execute_batch(&format!(
            "{WITHOUT_MUTES} ALTER TABLE problem DROP COLUMN plan; PRAGMA user_version = 9"
        ))
        .unwrap();
    let store = open(folder.path());
    assert_eq!(goes(&store, "2", Firing, &sinks[..1]).await, sinks[..1]);
    store.close().await.unwrap();
    let store = open(folder.path());
    // Both were sent the first firing, but nobody knows it any more.
    assert_eq!(goes(&store, "3", Resolved, &sinks[1..]).await, sinks[1..]);
    assert_eq!(goes(&store, "4", Firing, &sinks).await, sinks);
    assert_eq!(goes(&store, "5", Resolved, &[]).await, sinks);
}

#[tokio::test]
async fn a_plan_is_written_when_an_episode_opens_and_when_the_plan_grows() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let names = ["a/a", "b/b"].map(str::to_owned).to_vec();
    let sinks = store.sink_ids(names).await.unwrap();
    // The trigger counts writes of the table.
    connect(folder.path())
        .execute_batch(
            "CREATE TABLE writes (plan BLOB);
             CREATE TRIGGER opened AFTER INSERT ON problem BEGIN INSERT INTO writes VALUES (new.plan); END;
             CREATE TRIGGER grew AFTER UPDATE ON problem BEGIN INSERT INTO writes VALUES (new.plan); END",
        )
        .unwrap();
    for (message, of) in [
        ("1", 0..1),
        ("2", 0..1),
        ("3", 1..2),
        ("4", 0..2),
        ("5", 0..0),
    ] {
        goes(&store, message, Firing, &sinks[of]).await;
    }
    goes(&store, "6", Resolved, &sinks).await;
    let connection = connect(folder.path());
    let mut select = connection.prepare("SELECT plan FROM writes").unwrap();
    let written = select
        .query_map([], |row| row.get::<_, Vec<u8>>(0))
        .unwrap();
    let written: Vec<Vec<u8>> = written.map(Result::unwrap).collect();
    assert_eq!(written, [vec![1], vec![1, 2]]);
    let left = "SELECT count(*) FROM problem";
    let left: i64 = connection.query_row(left, [], |row| row.get(0)).unwrap();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn a_damaged_plan_stops_no_alert() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let sinks = store.sink_ids(vec!["a/a".to_owned()]).await.unwrap();
    goes(&store, "0", Firing, &sinks).await;
    store.close().await.unwrap();
    // A sink that is not there, and half of a number.
    for (message, plan) in [("1", "x'63'"), ("2", "x'81'")] {
        let update = format!("UPDATE problem SET plan = {plan}");
        connect(folder.path()).execute(&update, []).unwrap();
        let store = open(folder.path());
        assert_eq!(goes(&store, message, Firing, &sinks).await, sinks);
        store.close().await.unwrap();
    }
}
