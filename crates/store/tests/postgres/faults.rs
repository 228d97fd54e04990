//! Connections and servers that are lost while callbacks are committed.

use std::collections::BTreeSet;
use std::sync::Arc;

use campanile_store::postgres::Postgres;
use campanile_store::{Appending, CallbackFilter, Seq, Store};
use futures_util::future::join_all;

use super::cutter::Cutter;
use super::suite::{Place, all, firing};
use super::{Database, Lone};

/// Sends messages of its own one after the other, and returns the places of those that were accepted.
async fn vendor(store: Arc<dyn Store>, name: String, messages: usize) -> BTreeSet<Seq> {
    let mut seqs = BTreeSet::new();
    for n in 0..messages {
        // An error: the server was away for longer than the budget. What became of the message is not known.
        let answer = store.append(firing(&format!("{name}-{n}"), 1, &[])).await;
        if let Ok(appended) = answer {
            let [Appending::Accepted { seq, .. }] = appended.alerts[..] else {
                panic!("{name}-{n} was sent once, and is {appended:?}");
            };
            assert!(seqs.insert(seq));
        }
    }
    seqs
}

async fn kept(store: &Arc<dyn Store>) -> BTreeSet<Seq> {
    let alerts = store.alerts(all()).await.unwrap();
    alerts.rows.iter().map(|alert| alert.seq).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_is_lost_is_answered_as_what_it_became() {
    let database = Database::new();
    let cutter = Cutter::start(database.port()).await;
    let url = database.url_by(cutter.port);
    let store: Arc<dyn Store> = Arc::new(Postgres::open(&url).await.unwrap());
    let fault = campanile_store::Fault {
        place: "body".to_owned(),
        problem: "is not JSON".to_owned(),
    };
    for n in 0..40 {
        let mut one = firing(&format!("m{n}"), 1, &[]);
        match n % 4 {
            // With a fault, and without an alert: both take more than one statement.
            1 => one.faults.push(fault.clone()),
            2 => one.alerts.clear(),
            _ => {}
        }
        let wanted = (one.alerts.len(), !one.faults.is_empty());
        // Each kind of callback loses each of its answers once.
        cutter.lose(n / 4);
        let appended = store.append(one).await.unwrap();
        cutter.lose(0);
        let new = |one: &Appending| matches!(one, Appending::Accepted { .. });
        assert!(appended.alerts.iter().all(new), "{n}: {appended:?}");
        let got = (appended.alerts.len(), appended.quarantine.is_some());
        assert_eq!(got, wanted, "{n}");
    }
    assert!(cutter.cuts() >= 16, "{}", cutter.cuts());
    assert_eq!(kept(&store).await.len(), 30);
    let callbacks = CallbackFilter {
        limit: 100,
        ..CallbackFilter::default()
    };
    assert_eq!(store.callbacks(callbacks).await.unwrap().rows.len(), 40);
    assert_eq!(store.stats().await.unwrap().quarantined, 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_is_there_after_the_server_crashed() {
    let mut server = Lone::start().await;
    let store = server.open().await;
    let vendors: Vec<_> = (0..8)
        .map(|n| tokio::spawn(vendor(Arc::clone(&store), n.to_string(), 60)))
        .collect();
    server.crash_and_restart().await;
    let seqs = join_all(vendors).await.into_iter().flat_map(Result::unwrap);
    let seqs: BTreeSet<Seq> = seqs.collect();
    let kept = kept(&store).await;
    assert!(seqs.is_subset(&kept), "lost {:?}", seqs.difference(&kept));
    // The store goes on without a restart.
    let next = store.append(firing("after", 1, &[])).await.unwrap();
    assert!(matches!(next.alerts[..], [Appending::Accepted { .. }]));
}
