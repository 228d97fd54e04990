//! What one cycle of each kind of fault does to several gateways.

use std::process::Stdio;
use std::time::{Duration, Instant};

use rand::RngExt;
use tokio::process::Child;

use super::cut::Link;
use super::{Fleet, TAKEN_OVER_WITHIN, patroni};
use crate::Trouble;
use crate::kinds::Kind;
use crate::stage::Talks;

/// Connections that send one message at once.
const AT_ONCE: usize = 100;

/// Each of the three parts of the measurement of an old snapshot.
const MEASURED_FOR: Duration = Duration::from_mins(1);

/// The ways in which the network fails.
const CUTS: [Link; 4] = [
    Link::HoldsAll,
    Link::Resets,
    Link::HoldsAnswers,
    Link::HoldsRequests,
];

/// Runs one cycle. At its end nothing is pending and every gateway runs.
pub(super) async fn cycle(fleet: &mut Fleet, kind: Kind, number: usize) -> Result<(), Trouble> {
    fleet.start_all().await?;
    match kind {
        Kind::Kill => kill(fleet).await?,
        Kind::Term => term(fleet).await?,
        Kind::Freeze => freeze(fleet).await?,
        Kind::Cut => cut(fleet, CUTS[(number - 1) % CUTS.len()]).await?,
        Kind::Database => database(fleet).await?,
        Kind::Same => same(fleet).await?,
        Kind::Snapshot => snapshot(fleet).await?,
        Kind::Patroni | Kind::PatroniAsync => patroni::cycle(fleet, number).await?,
        _ => return Err(Trouble::said("this fault is for one gateway")),
    }
    fleet.calm().await
}

/// Starts the load. Returns the gateway that fails, which is the owner of the most sinks, and one that does not.
pub(super) async fn begin(fleet: &mut Fleet) -> Result<(Talks, usize, usize), Trouble> {
    let talks = fleet.talk();
    let answers = fleet.random.random_range(100..400);
    fleet.answers(answers).await?;
    let count = fleet.places.len();
    let fails = owner(fleet).await?;
    let other = (fails + fleet.random.random_range(1..count)) % count;
    Ok((talks, fails, other))
}

/// The gateway that delivers for the most sinks. The name of a gateway ends with its process.
async fn owner(fleet: &Fleet) -> Result<usize, Trouble> {
    let most = "SELECT g.name FROM gateway g JOIN lease l ON l.owner = g.id WHERE NOT g.dead
        GROUP BY g.name ORDER BY count(*) DESC, g.name LIMIT 1";
    let name = fleet.database.sql(most).await;
    let is_owner = |number: &usize| {
        let gateway = fleet.places[*number].gateway.as_ref();
        let process = gateway.and_then(crate::gateway::Gateway::process);
        process.is_some_and(|process| name.ends_with(&format!(":{process}")))
    };
    let found = (0..fleet.places.len()).find(is_owner);
    found.ok_or_else(|| Trouble::said("no gateway delivers"))
}

pub(super) async fn kill(fleet: &mut Fleet) -> Result<(), Trouble> {
    let (talks, fails, other) = begin(fleet).await?;
    fleet.record.inject(format!("kill -9 of gateway {fails}"));
    fleet.take(fails)?.kill().await?;
    fleet.takeovers += 1;
    taken_over(fleet, other).await?;
    fleet.start(fails).await?;
    fleet.answers(50).await?;
    fleet.hush(talks).await
}

async fn term(fleet: &mut Fleet) -> Result<(), Trouble> {
    let (talks, fails, other) = begin(fleet).await?;
    fleet.record.inject(format!("SIGTERM to gateway {fails}"));
    let began = Instant::now();
    let gateway = fleet.take(fails)?;
    let (status, probed) = tokio::join!(gateway.stop(), fleet.probe(other));
    probed?;
    fleet
        .record
        .recovered(began.elapsed(), TAKEN_OVER_WITHIN, "the fault");
    fleet.stopped(status?);
    fleet.start(fails).await?;
    fleet.answers(50).await?;
    fleet.hush(talks).await
}

async fn freeze(fleet: &mut Fleet) -> Result<(), Trouble> {
    let (talks, fails, other) = begin(fleet).await?;
    fleet.record.inject(format!(
        "SIGSTOP to gateway {fails}, until it was taken over"
    ));
    fleet.gateway(fails)?.signal("STOP").await?;
    fleet.takeovers += 1;
    fleet.freezes += 1;
    taken_over(fleet, other).await?;
    fleet.gateway(fails)?.signal("CONT").await?;
    fleet.answers(50).await?;
    fleet.hush(talks).await
}

async fn cut(fleet: &mut Fleet, link: Link) -> Result<(), Trouble> {
    let (talks, fails, other) = begin(fleet).await?;
    let then = if fleet.random.random_bool(0.5) {
        Link::Resets
    } else {
        Link::Passes
    };
    fleet.record.inject(format!(
        "the network of gateway {fails} {}, then {}",
        link.shown(),
        then.shown()
    ));
    fleet.places[fails].set(link);
    fleet.takeovers += 1;
    taken_over(fleet, other).await?;
    fleet.places[fails].set(then);
    fleet.places[fails].set(Link::Passes);
    // It accepts again.
    fleet.probe(fails).await?;
    fleet.hush(talks).await
}

/// The time until every sink gets new alerts again.
async fn taken_over(fleet: &mut Fleet, other: usize) -> Result<(), Trouble> {
    let began = Instant::now();
    fleet.probe(other).await?;
    let most = TAKEN_OVER_WITHIN.max(fleet.wish.recover_within);
    fleet.record.recovered(began.elapsed(), most, "the fault");
    Ok(())
}

/// The server dies while a hundred connections send one message: at the first 2xx, if there is one.
async fn database(fleet: &mut Fleet) -> Result<(), Trouble> {
    let (talks, _, other) = begin(fleet).await?;
    fleet.record.inject("the database died, and started again");
    let message = fleet.floor.new_message()?;
    let asked = {
        let (floor, raw) = (fleet.floor.clone(), message.raw.clone());
        tokio::spawn(async move { floor.ask_at_once(&raw, AT_ONCE).await })
    };
    fleet.answers(1).await?;
    fleet.database.server()?.crash().await;
    fleet.takeovers += fleet.places.len();
    fleet.database.server()?.restart().await;
    let replies = asked.await.unwrap_or_default();
    if replies
        .iter()
        .flatten()
        .any(campanile_wire::Reply::is_success)
    {
        fleet.floor.ledger.promise(&message);
    }
    taken_over(fleet, other).await?;
    fleet.hush(talks).await
}

/// One message at once to all gateways, again and again: every answer is a success, and after the first one it is in the store.
async fn same(fleet: &mut Fleet) -> Result<(), Trouble> {
    let talks = fleet.talk();
    fleet.record.inject(format!(
        "each of 20 messages on {AT_ONCE} connections at once"
    ));
    for _ in 0..20 {
        let message = fleet.floor.new_message()?;
        let replies = fleet.floor.ask_at_once(&message.raw, AT_ONCE).await;
        let good = replies.iter().flatten().filter(|reply| reply.is_success());
        let good = good.count();
        if good != replies.len() {
            fleet.record.breach(
                "I4",
                format!("{good} of {AT_ONCE} equal callbacks were answered 2xx"),
            );
        }
        fleet.floor.ledger.promise(&message);
    }
    fleet.hush(talks).await
}

/// The rate of accepted callbacks next to a transaction that keeps an old snapshot, and without one before and after it.
async fn snapshot(fleet: &mut Fleet) -> Result<(), Trouble> {
    let talks = fleet.talk();
    fleet.answers(500).await?;
    let before = rate(fleet).await;
    let held = hold_snapshot(fleet)?;
    let during = rate(fleet).await;
    // The server notices only later that its client has gone.
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep%' AND pid <> pg_backend_pid()";
    fleet.database.sql(end).await;
    drop(held);
    let after = rate(fleet).await;
    let ratio = during * 2.0 / (before + after);
    fleet.record.inject(format!(
        "a snapshot was held: {during:.0} callbacks/s, {before:.0} before and {after:.0} after it, ratio {ratio:.2}"
    ));
    fleet.hush(talks).await
}

fn hold_snapshot(fleet: &Fleet) -> Result<Child, Trouble> {
    let mut client = fleet.database.client();
    client.kill_on_drop(true).stdout(Stdio::null());
    client.stderr(Stdio::null());
    client.args([
        "--command",
        "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM alert; SELECT pg_sleep(3600)",
    ]);
    Ok(client.spawn()?)
}

async fn rate(fleet: &Fleet) -> f64 {
    let count = || *fleet.floor.answers.borrow();
    let (began, before) = (Instant::now(), count());
    tokio::time::sleep(MEASURED_FOR).await;
    let answers = u32::try_from(count() - before).unwrap_or(u32::MAX);
    f64::from(answers) / began.elapsed().as_secs_f64()
}
