//! Several gateways on one database.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use campanile_store::{
    AlertFilter, Appended, Appending, AuditFilter, Entry, Fault, Seq, Store, TallyFilter,
};
use futures_util::future::join_all;

use super::Database;
use super::suite::{Place, accepted, act, all, at, firing};

const GATEWAYS: usize = 3;

async fn gateways(database: &Database) -> Vec<Arc<dyn Store>> {
    // All start together, and one of them creates the tables.
    join_all((0..GATEWAYS).map(|_| database.open())).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_hundred_that_come_at_once_to_three_gateways_one_is_accepted() {
    let database = Database::new();
    let gateways = gateways(&database).await;
    for round in 0..10 {
        let message = format!("same {round}");
        let posts = (0..100).map(|n| gateways[n % GATEWAYS].append(firing(&message, 1, &[])));
        let answers: Vec<Appended> = join_all(posts)
            .await
            .into_iter()
            .map(Result::unwrap)
            .collect();
        let accepted = answers.iter().flat_map(|answer| &answer.alerts);
        let (accepted, others): (Vec<&Appending>, Vec<&Appending>) =
            accepted.partition(|one| matches!(one, Appending::Accepted { .. }));
        assert_eq!(accepted.len(), 1);
        let duplicate = Appending::Duplicate { conflict: false };
        assert!(others.iter().all(|other| **other == duplicate));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_with_the_same_messages_in_another_order_do_not_block_each_other() {
    let database = Database::new();
    let gateways = gateways(&database).await;
    let messages: Vec<String> = (0..300).map(|n| format!("m{n}")).collect();
    let one = async |gateway: usize| {
        let mut messages = messages.clone();
        if gateway == 1 {
            messages.reverse();
        }
        messages.rotate_left(gateway * 100);
        let posts = messages
            .iter()
            .zip(0..)
            .map(|(message, problem)| gateways[gateway].append(firing(message, problem % 7, &[])));
        let answers = join_all(posts).await;
        let new = |answer: &Result<Appended, _>| {
            matches!(
                answer.as_ref().unwrap().alerts[..],
                [Appending::Accepted { .. }]
            )
        };
        answers.iter().filter(|answer| new(answer)).count()
    };
    let accepted: usize = join_all((0..GATEWAYS).map(one)).await.into_iter().sum();
    assert_eq!(accepted, messages.len());
    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    assert_eq!(database.sql(deadlocks), "0");
}

/// PostgreSQL takes a table that was never analyzed for small, and then prefers to read the whole of it to a probe for each alert.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_does_not_read_the_whole_table_of_open_problems() {
    let database = Database::new();
    let store = database.open().await;
    for round in 0..20 {
        let firing = (0..20_u64).map(|n| firing(&format!("{round}-{n}"), n, &[]));
        join_all(firing.map(|entry| store.append(entry))).await;
    }
    store.close().await.unwrap();
    // The server counts what a connection did when it ends.
    let scans = "SELECT seq_scan, idx_scan FROM pg_stat_user_tables WHERE relname = 'problem'";
    let began = Instant::now();
    let mut counted = database.sql(scans);
    while counted.ends_with("|0") && began.elapsed() < Duration::from_secs(30) {
        counted = database.sql(scans);
    }
    assert!(!counted.ends_with("|0"), "the server does not count");
    // The one is from the time when its index was made.
    assert!(counted.starts_with("1|"), "{counted}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_misses_nothing_that_other_gateways_commit_late() {
    let database = Database::new();
    let gateways = gateways(&database).await;
    let sink = gateways[0].sink_ids(vec!["a/a".to_owned()]).await.unwrap()[0];
    let writing = async {
        let one = async |gateway: usize| {
            let mut seqs = BTreeSet::new();
            for round in 0..30 {
                let posts = (0..20_u64).map(|n| {
                    accepted(
                        &gateways[gateway],
                        firing(&format!("{gateway}-{round}-{n}"), n, &[sink]),
                    )
                });
                seqs.extend(join_all(posts).await.into_iter().map(|(seq, _)| seq));
            }
            seqs
        };
        join_all((0..GATEWAYS).map(one)).await
    };
    let total = GATEWAYS * 30 * 20;
    let reading = async {
        let (mut met, mut after): (Vec<Seq>, Seq) = (Vec::new(), 0);
        let (mut pending, mut from): (Vec<Seq>, Seq) = (Vec::new(), 0);
        while met.len() < total || pending.len() < total {
            let page = gateways[1].alerts_after(after, 50, 100_000).await.unwrap();
            met.extend(page.alerts.iter().map(|alert| alert.seq));
            after = page.reached;
            let page = gateways[2].pending(sink, from, 50).await.unwrap();
            pending.extend(page.iter().map(|pending| pending.seq));
            from = pending.last().copied().unwrap_or(0);
        }
        (met, pending)
    };
    let reading = tokio::time::timeout(std::time::Duration::from_mins(1), reading);
    let (written, read) = futures_util::future::join(writing, reading).await;
    let written: Vec<Seq> = written
        .into_iter()
        .flatten()
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    let (met, pending) = read.expect("a reader waits for an alert that it skipped");
    assert_eq!(met, written);
    assert_eq!(pending, written);
}

#[tokio::test]
async fn what_one_gateway_wrote_another_reads_at_once() {
    let database = Database::new();
    let gateways = gateways(&database).await;
    let sink = gateways[0].sink_ids(vec!["a/a".to_owned()]).await.unwrap()[0];
    assert_eq!(
        gateways[2].sink_ids(vec!["a/a".to_owned()]).await.unwrap(),
        [sink]
    );
    for n in 0..20 {
        let (seq, id) = accepted(&gateways[n % GATEWAYS], firing(&n.to_string(), 1, &[sink])).await;
        let other = &gateways[(n + 1) % GATEWAYS];
        assert_eq!(
            other.alert(id).await.unwrap().map(|alert| alert.seq),
            Some(seq)
        );
        let pending = other.pending(sink, seq - 1, 9).await.unwrap();
        assert_eq!(pending.iter().map(|one| one.seq).collect::<Vec<_>>(), [seq]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_belongs_to_one_state_while_all_gateways_write() {
    let database = Database::new();
    let gateways = gateways(&database).await;
    let writing = async {
        let one = async |gateway: usize| {
            for round in 0..40 {
                let posts = (0..4_u64).map(|n| {
                    let message = format!("{gateway}-{round}-{n}");
                    gateways[gateway].append(firing(&message, n, &[]))
                });
                join_all(posts).await.into_iter().for_each(|answer| {
                    answer.unwrap();
                });
            }
        };
        join_all((0..GATEWAYS).map(one)).await;
    };
    let total = GATEWAYS * 40 * 4;
    let kept = async |gateway: usize| {
        let alerts = gateways[gateway].alerts(all()).await.unwrap();
        alerts.rows.len()
    };
    let reading = async |gateway: usize| {
        let mut met: Vec<(u64, usize)> = Vec::new();
        while met.last().is_none_or(|(_, alerts)| *alerts < total) {
            let before = gateways[gateway].version().await.unwrap();
            let alerts = kept(gateway).await;
            // Unchanged: so this is the state of this version.
            if gateways[gateway].version().await.unwrap() == before || alerts == total {
                met.push((before, alerts));
            }
        }
        met.pop();
        met
    };
    let reading = join_all((0..GATEWAYS).map(reading));
    let ((), met) = futures_util::future::join(writing, reading).await;
    let mut states: HashMap<u64, usize> = HashMap::new();
    for (version, alerts) in met.into_iter().flatten() {
        let known = *states.entry(version).or_insert(alerts);
        assert_eq!(known, alerts, "one version, two states");
    }
    // Nothing is written, so every gateway has the same version, also while workers look for deliveries and probes commit.
    let version = gateways[0].version().await.unwrap();
    for gateway in &gateways {
        assert_eq!(gateway.pending(1, 0, 9).await.unwrap(), []);
        gateway.ready().await.unwrap();
        assert_eq!(gateway.version().await.unwrap(), version);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_alert_is_counted_once_while_all_gateways_write_and_prune() {
    let database = Database::new();
    let gateways = gateways(&database).await;
    let minutes = || TallyFilter {
        source: None,
        since: at(0),
        until: at(600),
        step_minutes: 1,
    };
    let one = async |gateway: usize| {
        for n in 0..60 {
            let entry = Entry {
                received_at: at(n % 2 * 60),
                ..firing(&format!("{gateway}-{n}"), 1, &[])
            };
            accepted(&gateways[gateway], entry).await;
            if n % 10 == 0 {
                while gateways[gateway].prune(at(0)).await.unwrap() {}
            }
        }
    };
    join_all((0..GATEWAYS).map(one)).await;
    for gateway in &gateways {
        let rows = gateway.tallies(minutes()).await.unwrap();
        let counts: Vec<u64> = rows.iter().map(|row| row.count).collect();
        assert_eq!(counts, [90, 90]);
    }
    while gateways[1].prune(at(0)).await.unwrap() {}
    let left = database.sql("SELECT (SELECT count(*) FROM counted), (SELECT count(*) FROM tally)");
    assert_eq!(left, "0|2");
}

#[tokio::test]
async fn a_time_is_found_where_the_clocks_of_gateways_differ() {
    let database = Database::new();
    let gateways = gateways(&database).await;
    let mut seconds = Vec::new();
    for n in 0..60_usize {
        // The clock of each is twenty seconds ahead of the one before.
        let second = i64::try_from(n * 3 + n % GATEWAYS * 20).unwrap();
        let entry = Entry {
            received_at: at(second),
            ..firing(&n.to_string(), 1, &[])
        };
        seconds.push((accepted(&gateways[n % GATEWAYS], entry).await.0, second));
    }
    for since in (0..230).step_by(7) {
        for until in [since, since + 30, since + 100] {
            let filter = AlertFilter {
                since: Some(at(since)),
                until: Some(at(until)),
                ..all()
            };
            let found = gateways[0].alerts(filter).await.unwrap().rows;
            let found: Vec<Seq> = found.iter().rev().map(|alert| alert.seq).collect();
            let wanted = seconds
                .iter()
                .filter(|(_, second)| (since..=until).contains(second));
            let wanted: Vec<Seq> = wanted.map(|(seq, _)| *seq).collect();
            assert_eq!(found, wanted, "{since} to {until}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_operators_ask_of_two_gateways_at_once_is_done_and_written_once() {
    let database = Database::new();
    let gateways = gateways(&database).await;
    let mut faulty = firing("m", 1, &[]);
    faulty.alerts.clear();
    faulty.faults.push(Fault {
        place: "body".to_owned(),
        problem: "is not JSON".to_owned(),
    });
    let held = gateways[0].append(faulty).await.unwrap().quarantine;
    let release = |gateway: &Arc<dyn Store>| {
        let gateway = Arc::clone(gateway);
        async move {
            let act = act("quarantine.retry");
            gateway
                .release(held.unwrap(), firing("read", 1, &[]), act)
                .await
        }
    };
    let answers = join_all(gateways.iter().map(release)).await;
    let appended = answers
        .into_iter()
        .flat_map(|answer| answer.unwrap().alerts);
    assert_eq!(appended.count(), 1);
    // The parts of one act come to several gateways.
    let drop = act("dead.drop");
    join_all(
        gateways
            .iter()
            .map(|gateway| gateway.record(drop.clone(), 2)),
    )
    .await;
    let every = AuditFilter {
        limit: 9,
        ..AuditFilter::default()
    };
    let rows = gateways[2].audit(every).await.unwrap().rows;
    let rows = rows.into_iter().map(|row| (row.act.action, row.count));
    assert_eq!(
        rows.collect::<Vec<_>>(),
        [
            ("dead.drop".to_owned(), 6),
            ("quarantine.retry".to_owned(), 1)
        ]
    );
}
