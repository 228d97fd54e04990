//! The plans of open problems where several gateways write them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use campanile_model::Status::{Firing, Resolved};
use campanile_store::{Entry, SinkId, Store};
use futures_util::future::{join, join_all};

use super::Database;
use super::suite::{Place, accepted, alert, entry, firing};

fn resolved(message: &str, problem: u64) -> Entry {
    entry(vec![alert(message, problem, Resolved, &[])])
}

async fn sinks_of(store: &Arc<dyn Store>, seq: i64) -> Vec<SinkId> {
    let rows = store.deliveries_of(seq).await.unwrap();
    let mut sinks: Vec<SinkId> = rows.iter().map(|row| row.sink).collect();
    sinks.sort_unstable();
    sinks
}

async fn with_sinks(database: &Database) -> ([Arc<dyn Store>; 2], Vec<SinkId>) {
    let gateways = [database.open().await, database.open().await];
    let names = ["a/a", "b/b", "c/c"].map(str::to_owned).to_vec();
    let sinks = gateways[0].sink_ids(names).await.unwrap();
    (gateways, sinks)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recovery_goes_to_the_sinks_of_all_gateways_that_took_a_firing() {
    let database = Database::new();
    let ([one, other], sinks) = with_sinks(&database).await;
    for problem in 0..100 {
        let message = |gateway: &str| format!("{gateway} {problem}");
        join(
            accepted(&one, firing(&message("one"), problem, &sinks[..2])),
            accepted(&other, firing(&message("other"), problem, &sinks[1..])),
        )
        .await;
        let (end, _) = accepted(&one, resolved(&message("end"), problem)).await;
        assert_eq!(sinks_of(&one, end).await, sinks, "{problem}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_that_two_gateways_write_in_one_moment_has_the_sinks_of_both() {
    let database = Database::new();
    let ([one, other], sinks) = with_sinks(&database).await;
    // The commit of the one waits, so that the statement of the other cannot see its row.
    database.sql(
        "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.5); RETURN NULL; END';
         CREATE CONSTRAINT TRIGGER wait AFTER INSERT ON problem DEFERRABLE INITIALLY DEFERRED
         FOR EACH ROW EXECUTE FUNCTION wait()",
    );
    let later = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        accepted(&other, firing("other", 1, &sinks[2..])).await
    };
    join(accepted(&one, firing("one", 1, &sinks[..1])), later).await;
    let plan = database.sql("SELECT plan FROM problem");
    assert_eq!(plan, format!("{{{},{}}}", sinks[0], sinks[2]));
    let (end, _) = accepted(&one, resolved("end", 1)).await;
    assert_eq!(sinks_of(&one, end).await, [sinks[0], sinks[2]]);
}

#[tokio::test]
async fn an_episode_without_a_plan_goes_where_the_routes_say() {
    let database = Database::new();
    let ([store, _], sinks) = with_sinks(&database).await;
    accepted(&store, firing("1", 1, &sinks)).await;
    // As it is copied from a file of an older build.
    database.sql("UPDATE problem SET plan = NULL");
    let own = |message, status, sinks: &[SinkId]| alert(message, 1, status, sinks);
    let together = entry(vec![
        own("2", Firing, &sinks[..1]),
        own("3", Firing, &sinks[1..2]),
    ]);
    let appended = store.append(together).await.unwrap();
    let went: Vec<SinkId> = appended.pending.iter().map(|(sink, _)| *sink).collect();
    assert_eq!(went, sinks[..2], "each to its own");
    assert_eq!(database.sql("SELECT plan IS NULL FROM problem"), "t");
    let end = entry(vec![own("4", Resolved, &sinks[2..])]);
    let (end, _) = accepted(&store, end).await;
    assert_eq!(sinks_of(&store, end).await, sinks[2..]);
}

/// The planner does not know how many alerts a batch has. Where it joins them by loops, a storm costs the square of their number.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_one_problem_costs_each_alert_the_same() {
    let database = Database::new();
    let ([store, _], sinks) = with_sinks(&database).await;
    let alerts_of = async |name: &str, alerts: u32| {
        let alike = (0..alerts).map(|n| alert(&format!("{name} {n}"), 1, Firing, &sinks));
        let entry = entry(alike.collect());
        let began = Instant::now();
        let appended = store.append(entry).await.unwrap();
        assert_eq!(appended.pending.len(), appended.alerts.len() * sinks.len());
        began.elapsed() / alerts
    };
    alerts_of("warm", 100).await;
    let few = alerts_of("few", 500).await;
    let many = alerts_of("many", 8_000).await;
    assert!(many < few * 3, "{few:?} each of 500, {many:?} each of 8000");
    let ends = (0..2).map(|n| accepted(&store, resolved(&format!("end {n}"), 1)));
    join_all(ends).await;
}
