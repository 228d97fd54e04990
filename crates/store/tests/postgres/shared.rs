//! Several gateways on one database.

use std::collections::BTreeSet;
use std::sync::Arc;

use campanile_store::{Appended, Appending, Seq, Store};
use futures_util::future::join_all;

use super::Database;
use super::suite::{Place, accepted, firing};

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
