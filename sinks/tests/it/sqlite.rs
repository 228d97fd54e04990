//! The kind `sqlite` and real files.

use std::path::Path;
use std::time::Duration;

use campanile_sinks::{Class, Worth};
use rusqlite::Connection;
use tempfile::TempDir;

use super::message_of;
use super::tables::{
    assert_failure, built, definition, filled, firing, hard, id, many, resolved, send, try_built,
};

fn settings(path: &Path) -> String {
    format!("path = \"{}\"\n", path.display())
}

fn texts(path: &Path, select: &str) -> Vec<String> {
    let connection = Connection::open(path).unwrap();
    let mut select = connection.prepare(select).unwrap();
    let rows = select.query_map([], |row| row.get(0)).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

#[tokio::test]
async fn the_table_is_made_as_the_page_says_and_gets_one_row_for_each_alert() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.db");
    let sink = built("sqlite", &settings(&path));
    assert!(!path.exists(), "nothing is opened before the first alert");
    for _ in 0..2 {
        let delivered = send(&sink, hard(&id(1))).await.unwrap();
        assert_eq!(
            (delivered.worth, delivered.remark),
            (Worth::Committed, None)
        );
        send(&sink, resolved(&id(2))).await.unwrap();
        let digest = many(vec![firing(&id(3)), resolved(&id(4))]);
        sink.send(&digest).await.unwrap();
    }
    let columns = "SELECT concat_ws('|', status, resource_id, value, starts_at, ends_at) FROM campanile_alerts ORDER BY id";
    let firing = "firing|uhost-1|97.0|2016-08-10T09:51:37Z";
    let over = "resolved|uhost-1|97.0|2016-08-10T09:51:37Z|2016-08-10T10:08:17.5Z";
    assert_eq!(texts(&path, columns), [firing, over, firing, over]);
    let kept = "SELECT title FROM campanile_alerts WHERE title = alert->>'title' AND id LIKE '%1'";
    assert_eq!(texts(&path, kept), [hard("").title.as_str()]);
    let described = Connection::open_in_memory().unwrap();
    described.execute_batch(&definition("sqlite")).unwrap();
    let schema = "SELECT group_concat(name || type || \"notnull\" || pk) FROM pragma_table_info('campanile_alerts')";
    let wanted: String = described.query_row(schema, [], |row| row.get(0)).unwrap();
    assert_eq!(texts(&path, schema), [wanted]);
    let probe = sink.probe("2026-11-21T07:00:00Z".parse().unwrap()).unwrap();
    assert!(probe.await.unwrap().starts_with("SQLite 3."));
}

#[tokio::test]
async fn each_refusal_has_its_class_and_quotes_no_value() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.db");
    let made = Connection::open(&path).unwrap();
    made.execute_batch(
        "CREATE TABLE t (k TEXT PRIMARY KEY, n INT CHECK (n < 9), w INT NOT NULL) STRICT",
    )
    .unwrap();
    let with = |statement: &str| built("sqlite", &(settings(&path) + &filled(statement)));
    for (statement, class, words) in [
        (
            "INSERT INTO elsewhere VALUES (:value)",
            Class::Operator,
            "no such table",
        ),
        (
            "INSERT INTO t (missing) VALUES (:value)",
            Class::Operator,
            "missing",
        ),
        (
            "INSERT INTO t VALUES (:value",
            Class::Operator,
            "incomplete",
        ),
        ("INSERT INTO t (k) VALUES (:value)", Class::Poison, "t.w"),
        ("INSERT INTO t VALUES ('a', 10, 1)", Class::Poison, "CHECK"),
        (
            "INSERT INTO t VALUES ('a', :value, 1)",
            Class::Poison,
            "t.n",
        ),
    ] {
        assert_failure(
            send(&with(statement), firing(&id(1))).await,
            class,
            &[words],
        );
    }
    let twice = with("INSERT INTO t (k, w) VALUES (:value, 1) RETURNING k");
    assert_eq!(send(&twice, firing(&id(1))).await.unwrap().remark, None);
    let again = send(&twice, firing(&id(1))).await.unwrap();
    assert!(again.remark.unwrap().contains("already"));
    let some = with("INSERT INTO t (k, w) VALUES (:title, :metric_value)");
    let mut bad = firing(&id(2));
    bad.title = "no number".into();
    bad.metric.value = None;
    let digest = many(vec![firing(&id(1)), bad, hard(&id(3))]);
    assert_failure(some.send(&digest).await, Class::Poison, &["1 of 3 alerts"]);
    assert_eq!(texts(&path, "SELECT k FROM t WHERE k != 'x'").len(), 3);
}

#[tokio::test]
async fn a_file_that_is_not_for_alerts_is_left_as_it_is() {
    let folder = TempDir::new().unwrap();
    let text = folder.path().join("notes.txt");
    let words = "my notes, which are long enough to be the head of a database. ".repeat(20);
    std::fs::write(&text, &words).unwrap();
    let sink = built("sqlite", &settings(&text));
    assert_failure(
        send(&sink, firing(&id(1))).await,
        Class::Operator,
        &["not a database"],
    );
    assert_eq!(std::fs::read_to_string(&text).unwrap(), words);

    let store = folder.path().join("campanile.db");
    let made = Connection::open(&store).unwrap();
    made.pragma_update(None, "application_id", 0x434d_504e)
        .unwrap();
    let sink = built("sqlite", &settings(&store));
    assert_failure(
        send(&sink, firing(&id(1))).await,
        Class::Operator,
        &["store of a Campanile"],
    );

    let nowhere = folder.path().join("missing").join("a.db");
    let Err(error) = try_built("sqlite", &settings(&nowhere), Duration::from_secs(1)) else {
        panic!("a missing folder passes")
    };
    assert_eq!(error.setting, "path");
}

#[test]
fn a_locked_file_is_waited_for_and_what_is_given_up_is_not_written_later() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.db");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let sink = built("sqlite", &settings(&path));
        send(&sink, firing(&id(1))).await.unwrap();
        let other = Connection::open(&path).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let late = try_built("sqlite", &settings(&path), Duration::from_millis(200)).unwrap();
        let words = ["0.2 s"];
        assert_failure(send(&late, firing(&id(2))).await, Class::Transient, &words);
        let message = message_of(firing(&id(3)));
        let dropped = tokio::time::timeout(Duration::from_millis(100), sink.send(&message)).await;
        assert!(dropped.is_err(), "the file is locked");
        let message = message_of(firing(&id(4)));
        let unlock = async {
            tokio::task::yield_now().await;
            other.execute_batch("COMMIT").unwrap();
        };
        let (written, ()) = tokio::join!(sink.send(&message), unlock);
        written.unwrap();
    });
    // Waits for every thread: one that still writes does it now.
    drop(runtime);
    let ids = texts(&path, "SELECT id FROM campanile_alerts ORDER BY id");
    assert_eq!(ids, [id(1), id(4)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_without_end_is_interrupted_when_the_time_is_over() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.db");
    Connection::open(&path)
        .unwrap()
        .execute_batch("CREATE TABLE t (k TEXT)")
        .unwrap();
    let endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) INSERT INTO t SELECT :title FROM n WHERE x < 0";
    let settings = settings(&path) + &filled(endless);
    let sink = try_built("sqlite", &settings, Duration::from_millis(300)).unwrap();
    for _ in 0..2 {
        // The second finds the file free: the thread of the first has ended.
        assert_failure(
            send(&sink, firing(&id(1))).await,
            Class::Transient,
            &["0.3 s"],
        );
    }
    assert_eq!(texts(&path, "SELECT k FROM t").len(), 0);
}

#[tokio::test]
async fn a_file_that_was_moved_is_begun_again() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.db");
    let sink = built("sqlite", &settings(&path));
    send(&sink, firing(&id(1))).await.unwrap();
    let moved = folder.path().join("b.db");
    std::fs::rename(&path, &moved).unwrap();
    send(&sink, firing(&id(2))).await.unwrap();
    let ids = "SELECT id FROM campanile_alerts";
    assert_eq!(
        (texts(&moved, ids), texts(&path, ids)),
        (vec![id(1)], vec![id(2)])
    );
    std::fs::remove_file(&path).unwrap();
    send(&sink, firing(&id(3))).await.unwrap();
    assert_eq!(texts(&path, ids), [id(3)]);
}
