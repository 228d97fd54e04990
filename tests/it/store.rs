//! What every store must do, asked of each one that there is.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use campanile::store::sqlite::Sqlite;
use campanile::store::{
    Appending, Entry, Error, Fault, Filter, NewAlert, Seq, Settlement, Store, Verdict,
};
use campanile_providers::{Fingerprint, Severity, Status};
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

fn open(folder: &Path) -> Arc<dyn Store> {
    Arc::new(Sqlite::open(&folder.join("campanile.db")).unwrap())
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn alert(message: &str, problem: u64, status: Status, sinks: &[i64]) -> NewAlert {
    NewAlert {
        key: Sha256::digest(message).first_chunk().copied().unwrap(),
        content: 7,
        fingerprint: Fingerprint(problem),
        status,
        severity: Severity::Warning,
        body: format!(r#"{{"source":"ucloud/prod","message_id":"{message}"}}"#).into_bytes(),
        sinks: sinks.to_vec(),
    }
}

fn entry(alerts: Vec<NewAlert>) -> Entry {
    let callback = b"POST /callback/ucloud/prod/*** HTTP/1.1\r\n\r\n{}".to_vec();
    Entry {
        source: "ucloud/prod".into(),
        received_at: at(0),
        callback,
        alerts,
        faults: Vec::new(),
    }
}

fn firing(message: &str, problem: u64, sinks: &[i64]) -> Entry {
    entry(vec![alert(message, problem, Status::Firing, sinks)])
}

fn all() -> Filter {
    Filter {
        limit: 1000,
        ..Filter::default()
    }
}

fn settlement(sink: i64, seq: Seq, verdict: Verdict) -> Settlement {
    Settlement {
        sink,
        seq,
        at: at(1),
        took_ms: 5,
        attempt: 1,
        code: Some(200),
        verdict,
    }
}

async fn accepted(store: &Arc<dyn Store>, entry: Entry) -> (Seq, uuid::Uuid) {
    match store.append(entry).await.unwrap().alerts[..] {
        [Appending::Accepted { seq, id }] => (seq, id),
        ref other => panic!("not accepted: {other:?}"),
    }
}

#[tokio::test]
async fn an_alert_is_there_after_the_process_died_without_closing() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let sink = store
        .sink_ids(vec!["webhook/oncall".to_owned()])
        .await
        .unwrap()[0];
    let (seq, id) = accepted(&store, firing("m1", 1, &[sink])).await;
    // The file as a crash would leave it: with its log, not closed.
    let crashed = tempfile::tempdir().unwrap();
    for name in ["campanile.db", "campanile.db-wal"] {
        std::fs::copy(folder.path().join(name), crashed.path().join(name)).unwrap();
    }
    let store = open(crashed.path());
    let kept = store.alert(id).await.unwrap().unwrap();
    assert_eq!(kept.seq, seq);
    let json: serde_json::Value = serde_json::from_slice(&kept.json).unwrap();
    assert_eq!(json["id"], id.to_string());
    assert_eq!(json["message_id"], "m1");
    assert_eq!(store.owed(sink, 0, 10).await.unwrap().len(), 1);
    assert_eq!(
        store.append(firing("m1", 1, &[sink])).await.unwrap().alerts,
        [Appending::Duplicate { conflict: false }]
    );
}

#[tokio::test]
async fn of_a_hundred_that_come_at_once_one_is_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let posts = (0..100).map(|_| store.append(firing("same", 1, &[])));
    let answers = futures_util::future::join_all(posts).await;
    let accepted = answers
        .into_iter()
        .flat_map(|answer| answer.unwrap().alerts)
        .filter(|appending| matches!(appending, Appending::Accepted { .. }));
    assert_eq!(accepted.count(), 1);
}

#[tokio::test]
async fn a_message_twice_in_one_callback_is_one_alert() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let twice = || alert("same", 1, Status::Firing, &[]);
    let appended = store.append(entry(vec![twice(), twice()])).await.unwrap();
    assert!(matches!(
        appended.alerts[..],
        [
            Appending::Accepted { .. },
            Appending::Duplicate { conflict: false }
        ]
    ));
}

#[tokio::test]
async fn a_known_message_that_says_something_else_is_a_conflict() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    accepted(&store, firing("m", 1, &[])).await;
    let mut other = firing("m", 1, &[]);
    other.alerts[0].content = 8;
    assert_eq!(
        store.append(other).await.unwrap().alerts,
        [Appending::Duplicate { conflict: true }]
    );
}

#[tokio::test]
async fn ids_sort_by_acceptance_even_when_the_clock_steps_back() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let mut ids = Vec::new();
    for n in 0..200_i64 {
        let mut entry = firing(&n.to_string(), 1, &[]);
        entry.received_at = at(if n % 2 == 0 { 100 } else { 0 });
        ids.push(accepted(&store, entry).await.1);
    }
    assert!(ids.is_sorted());
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
    assert!(ids.iter().all(|id| id.get_version_num() == 7));
}

#[tokio::test]
async fn an_id_that_was_never_given_finds_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let (_, id) = accepted(&store, firing("m", 1, &[])).await;
    let forged = uuid::Uuid::from_u128(id.as_u128() ^ 1);
    assert!(store.alert(forged).await.unwrap().is_none());
    assert!(store.alert(uuid::Uuid::nil()).await.unwrap().is_none());
}

#[tokio::test]
async fn an_episode_runs_from_firing_to_resolved_and_a_later_firing_begins_a_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let states = [
        Status::Firing,
        Status::Firing,
        Status::Resolved,
        Status::Firing,
    ];
    let mut episodes = Vec::new();
    for (n, status) in states.into_iter().enumerate() {
        let (_, id) = accepted(&store, entry(vec![alert(&n.to_string(), 1, status, &[])])).await;
        episodes.push(store.alert(id).await.unwrap().unwrap().episode);
    }
    assert_eq!(episodes[0], episodes[1]);
    assert_eq!(episodes[0], episodes[2]);
    assert_ne!(episodes[0], episodes[3]);
}

#[tokio::test]
async fn what_is_owed_is_listed_in_order_of_acceptance_until_it_is_settled() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let sinks = store
        .sink_ids(vec!["a/a".to_owned(), "b/b".to_owned()])
        .await
        .unwrap();
    let mut seqs = Vec::new();
    for n in 0..5_u64 {
        seqs.push(
            accepted(&store, firing(&n.to_string(), n % 2, &sinks))
                .await
                .0,
        );
    }
    let owed = |sink| {
        let store = store.clone();
        async move {
            store
                .owed(sink, 0, 10)
                .await
                .unwrap()
                .iter()
                .map(|o| o.seq)
                .collect::<Vec<_>>()
        }
    };
    assert_eq!(owed(sinks[0]).await, seqs);
    let due_at = at(60);
    let again = Verdict::Again {
        due_at,
        error: "503".to_owned(),
    };
    let dead = Verdict::Dead {
        class: "poison",
        error: "400".to_owned(),
    };
    store
        .settle(vec![
            settlement(sinks[0], seqs[0], Verdict::Delivered),
            settlement(sinks[0], seqs[1], again),
            settlement(sinks[0], seqs[2], dead),
        ])
        .await
        .unwrap();
    assert_eq!(owed(sinks[0]).await, [seqs[1], seqs[3], seqs[4]]);
    assert_eq!(owed(sinks[1]).await, seqs);
    let first = &store.owed(sinks[0], 0, 1).await.unwrap()[0];
    assert_eq!((first.attempts, first.due_at), (1, Some(due_at)));
    let lane = store
        .owed_in_lane(sinks[0], Fingerprint(1), seqs[1], 10)
        .await
        .unwrap();
    assert_eq!(lane.iter().map(|o| o.seq).collect::<Vec<_>>(), [seqs[3]]);
    let verdicts: Vec<String> = store
        .attempts_of(seqs[2])
        .await
        .unwrap()
        .into_iter()
        .map(|a| a.verdict)
        .collect();
    assert_eq!(verdicts, ["dead"]);
}

#[tokio::test]
async fn a_dead_letter_is_kept_with_its_reason_and_can_be_sent_again_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let sink = store.sink_ids(vec!["a/a".to_owned()]).await.unwrap()[0];
    let (seq, _) = accepted(&store, firing("m", 1, &[sink])).await;
    let verdict = Verdict::Dead {
        class: "expired",
        error: "too old".to_owned(),
    };
    store
        .settle(vec![settlement(sink, seq, verdict)])
        .await
        .unwrap();
    let letter = store.dead(all()).await.unwrap().remove(0);
    assert_eq!(
        (letter.class.as_str(), letter.error.as_str(), letter.seq),
        ("expired", "too old", seq)
    );
    assert_eq!(
        store.redrive(vec![letter.id], at(5)).await.unwrap(),
        [(sink, seq)]
    );
    assert_eq!(store.redrive(vec![letter.id], at(5)).await.unwrap(), []);
    let owed = store.owed(sink, 0, 10).await.unwrap();
    assert!(owed[0].redriven && owed[0].attempts == 0 && owed[0].owed_since == at(5));
    assert_eq!(store.drop_dead(vec![letter.id]).await.unwrap(), 0);
}

#[tokio::test]
async fn settling_what_an_operator_dropped_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let sink = store.sink_ids(vec!["a/a".to_owned()]).await.unwrap()[0];
    let (seq, _) = accepted(&store, firing("m", 1, &[sink])).await;
    assert!(store.drop_owed(seq, sink).await.unwrap());
    assert!(!store.drop_owed(seq, sink).await.unwrap());
    let verdict = Verdict::Dead {
        class: "expired",
        error: String::new(),
    };
    store
        .settle(vec![settlement(sink, seq, verdict)])
        .await
        .unwrap();
    assert!(store.dead(all()).await.unwrap().is_empty());
    assert!(store.attempts_of(seq).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_quarantined_callback_keeps_its_bytes_and_is_released_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let mut unreadable = entry(Vec::new());
    let fault = Fault {
        place: "body.AlarmTime".to_owned(),
        problem: "not a number".to_owned(),
    };
    unreadable.faults.push(fault.clone());
    let id = store
        .append(unreadable.clone())
        .await
        .unwrap()
        .quarantine
        .unwrap();
    let row = store.quarantined(id).await.unwrap().unwrap();
    assert_eq!(
        (row.callback, row.faults),
        (unreadable.callback, vec![fault])
    );
    let released = store.release(id, firing("m", 1, &[])).await.unwrap();
    assert_eq!(released.alerts.len(), 1);
    assert!(
        store
            .release(id, firing("n", 1, &[]))
            .await
            .unwrap()
            .alerts
            .is_empty()
    );
    assert!(store.quarantine(all()).await.unwrap().is_empty());
}

#[tokio::test]
async fn alerts_are_listed_newest_first_by_what_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    for n in 0..10_u64 {
        let status = if n % 2 == 0 {
            Status::Firing
        } else {
            Status::Resolved
        };
        accepted(
            &store,
            entry(vec![alert(&n.to_string(), n / 2, status, &[])]),
        )
        .await;
    }
    let count = |filter: Filter| {
        let store = store.clone();
        async move { store.alerts(filter).await.unwrap().len() }
    };
    assert_eq!(count(all()).await, 10);
    assert_eq!(
        count(Filter {
            status: Some(Status::Firing),
            ..all()
        })
        .await,
        5
    );
    assert_eq!(
        count(Filter {
            fingerprint: Some(Fingerprint(3)),
            ..all()
        })
        .await,
        2
    );
    assert_eq!(
        count(Filter {
            source: Some("nobody/here".to_owned()),
            ..all()
        })
        .await,
        0
    );
    assert_eq!(
        count(Filter {
            since: Some(at(1)),
            ..all()
        })
        .await,
        0
    );
    let page = store.alerts(Filter { limit: 3, ..all() }).await.unwrap();
    let seqs: Vec<Seq> = page.iter().map(|a| a.seq).collect();
    assert_eq!(seqs, [10, 9, 8]);
    assert_eq!(
        count(Filter {
            before: Some(8),
            ..all()
        })
        .await,
        7
    );
}

#[tokio::test]
async fn pruning_removes_what_is_old_and_never_what_is_owed_or_dead() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let sink = store.sink_ids(vec!["a/a".to_owned()]).await.unwrap()[0];
    let (owed, _) = accepted(&store, firing("owed", 1, &[sink])).await;
    let (done, _) = accepted(&store, firing("done", 2, &[sink])).await;
    let (dead, _) = accepted(&store, firing("dead", 3, &[sink])).await;
    let late = Settlement {
        at: at(1000),
        ..settlement(
            sink,
            dead,
            Verdict::Dead {
                class: "poison",
                error: String::new(),
            },
        )
    };
    store
        .settle(vec![settlement(sink, done, Verdict::Delivered), late])
        .await
        .unwrap();
    while store.prune(at(10)).await.unwrap() {}
    let kept: Vec<Seq> = store
        .alerts(all())
        .await
        .unwrap()
        .iter()
        .map(|a| a.seq)
        .collect();
    assert_eq!(kept, [dead, owed]);
    assert!(store.callback_of(owed).await.unwrap().is_some());
    assert!(store.callback_of(done).await.unwrap().is_none());
    while store.prune(at(2000)).await.unwrap() {}
    assert_eq!(
        store.alerts(all()).await.unwrap().len(),
        1,
        "what is owed outlives any retention"
    );
}

#[tokio::test]
async fn a_place_is_never_given_twice_even_when_every_alert_was_pruned() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let (first, _) = accepted(&store, firing("a", 1, &[])).await;
    while store.prune(at(10)).await.unwrap() {}
    store.close().await.unwrap();
    let store = open(folder.path());
    let (second, _) = accepted(&store, firing("b", 1, &[])).await;
    assert!(second > first);
}

#[tokio::test]
async fn a_place_is_never_given_twice_where_an_older_alert_outlives_newer_ones() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let sink = store.sink_ids(vec!["a/a".to_owned()]).await.unwrap()[0];
    accepted(&store, firing("owed", 1, &[sink])).await;
    let (newer, _) = accepted(&store, firing("done", 2, &[])).await;
    // The first round takes the newer one away, the second finds only what is owed.
    for _ in 0..2 {
        while store.prune(at(10)).await.unwrap() {}
    }
    store.close().await.unwrap();
    let store = open(folder.path());
    let (next, _) = accepted(&store, firing("next", 3, &[])).await;
    assert!(next > newer, "{newer} is given again as {next}");
}

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

#[tokio::test]
async fn a_closed_store_refuses_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    store.close().await.unwrap();
    assert!(matches!(
        store.append(firing("m", 1, &[])).await,
        Err(Error::Stopped(_))
    ));
    assert!(matches!(store.ready().await, Err(Error::Stopped(_))));
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
async fn every_kept_alert_is_readable_after_many_batches_and_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    for round in 0..10 {
        let posts = (0..200_u64).map(|n| store.append(firing(&format!("{round}-{n}"), n, &[])));
        assert!(
            futures_util::future::join_all(posts)
                .await
                .iter()
                .all(Result::is_ok)
        );
    }
    store.close().await.unwrap();
    let store = open(folder.path());
    assert_eq!(store.stats().await.unwrap().alerts, 2000);
    let again = store.append(firing("3-77", 77, &[])).await.unwrap();
    assert_eq!(again.alerts, [Appending::Duplicate { conflict: false }]);
    let since = at(0) - SignedDuration::from_secs(1);
    let listed = store
        .alerts(Filter {
            since: Some(since),
            limit: 5000,
            ..Filter::default()
        })
        .await
        .unwrap();
    assert_eq!(listed.len(), 2000);
}

#[tokio::test]
async fn a_file_of_the_first_schema_keeps_what_it_owed() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let names = ["webhook/a", "webhook/b"].map(str::to_owned).to_vec();
    let sinks = store.sink_ids(names).await.unwrap();
    store.append(firing("one", 1, &sinks)).await.unwrap();
    store.append(firing("two", 2, &sinks[1..])).await.unwrap();
    let mut owed = Vec::new();
    for sink in &sinks {
        owed.push(store.owed(*sink, 0, 10).await.unwrap());
    }
    store.close().await.unwrap();
    drop(store);
    // As it was: one table for all.
    let file = rusqlite::Connection::open(folder.path().join("campanile.db")).unwrap();
    file.execute_batch(
        "CREATE TABLE delivery (
             sink INTEGER NOT NULL, seq INTEGER NOT NULL, fingerprint INTEGER NOT NULL, attempts INTEGER NOT NULL,
             owed_ms INTEGER NOT NULL, due_ms INTEGER, redriven INTEGER NOT NULL, code INTEGER, error TEXT,
             PRIMARY KEY (sink, seq)
         ) WITHOUT ROWID;
         PRAGMA user_version = 1;",
    )
    .unwrap();
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
        kept.push(store.owed(*sink, 0, 10).await.unwrap());
    }
    assert_eq!(kept, owed);
    assert_eq!(owed.iter().map(Vec::len).sum::<usize>(), 3);
}
