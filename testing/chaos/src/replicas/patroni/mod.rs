//! A cluster that Patroni manages: what one cycle does to it, and to the gateways.

mod cluster;
mod node;
mod settings;

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

pub(super) use cluster::Cluster;

use super::Fleet;
use super::faults::{begin, kill};
use crate::Trouble;

/// A new alert must be at all its receivers within this time after the primary was lost. Patroni waits 20 s before it promotes a
/// standby, and looks each 5 s.
const FAILED_OVER_WITHIN: Duration = Duration::from_secs(45);

/// What happens. Each round of five cycles has each of them once, in an order that the seed chooses.
#[derive(Clone, Copy, Debug)]
enum Blow {
    /// kill -9 of the primary and its Patroni.
    Loss,
    /// An operator switches over.
    Switchover,
    /// A standby stops.
    Standby,
    /// kill -9 of a gateway.
    Gateway,
    /// Patroni of the primary is frozen. Its server goes on until Patroni wakes.
    Freeze,
}

const BLOWS: [Blow; 5] = [
    Blow::Loss,
    Blow::Switchover,
    Blow::Standby,
    Blow::Gateway,
    Blow::Freeze,
];

pub(super) async fn cycle(fleet: &mut Fleet, number: usize) -> Result<(), Trouble> {
    match blow(fleet.wish.seed, number) {
        Blow::Loss => lose(fleet).await?,
        Blow::Switchover => switch_over(fleet).await?,
        Blow::Standby => stop_standby(fleet).await?,
        Blow::Gateway => kill(fleet).await?,
        Blow::Freeze => freeze(fleet).await?,
    }
    fleet.database.cluster()?.whole().await
}

fn blow(seed: u64, number: usize) -> Blow {
    let (round, nth) = ((number - 1) / BLOWS.len(), (number - 1) % BLOWS.len());
    let mut blows = BLOWS;
    blows.shuffle(&mut StdRng::seed_from_u64(seed.wrapping_add(round as u64)));
    blows[nth]
}

/// The number of the primary.
async fn primary(fleet: &mut Fleet) -> Result<usize, Trouble> {
    let seen = fleet.database.cluster()?.seen().await;
    let seen = seen.ok_or_else(|| Trouble::said("the cluster has no primary"))?;
    Ok(seen.primary)
}

async fn lose(fleet: &mut Fleet) -> Result<(), Trouble> {
    let (talks, _, other) = begin(fleet).await?;
    let lost = primary(fleet).await?;
    fleet
        .record
        .inject(format!("kill -9 of the primary {lost} and its Patroni"));
    fleet.takeovers += fleet.places.len();
    fleet.database.cluster()?.node(lost).kill();
    failed_over(fleet, other).await?;
    fleet.database.cluster()?.node(lost).start().await;
    fleet.answers(50).await?;
    fleet.hush(talks).await
}

async fn switch_over(fleet: &mut Fleet) -> Result<(), Trouble> {
    let (talks, _, other) = begin(fleet).await?;
    let cluster = fleet.database.cluster()?;
    let seen = cluster.seen().await;
    let seen = seen.ok_or_else(|| Trouble::said("the cluster has no primary"))?;
    let turn = fleet.random.random_range(0..2);
    let cluster = fleet.database.cluster()?;
    let to = seen
        .synchronous
        .unwrap_or(cluster.other_than(seen.primary, turn));
    fleet
        .record
        .inject(format!("a switchover from {} to {to}", seen.primary));
    fleet.takeovers += fleet.places.len();
    fleet
        .database
        .cluster()?
        .switch_over(seen.primary, to)
        .await;
    failed_over(fleet, other).await?;
    fleet.answers(50).await?;
    fleet.hush(talks).await
}

async fn stop_standby(fleet: &mut Fleet) -> Result<(), Trouble> {
    let (talks, _, other) = begin(fleet).await?;
    let turn = fleet.random.random_range(0..2);
    let primary = primary(fleet).await?;
    let cluster = fleet.database.cluster()?;
    let standby = cluster.other_than(primary, turn);
    fleet
        .record
        .inject(format!("a stop of the standby {standby}"));
    fleet.takeovers += fleet.places.len();
    fleet.database.cluster()?.node(standby).stop().await;
    failed_over(fleet, other).await?;
    fleet.database.cluster()?.node(standby).start().await;
    fleet.answers(50).await?;
    fleet.hush(talks).await
}

async fn freeze(fleet: &mut Fleet) -> Result<(), Trouble> {
    let (talks, _, other) = begin(fleet).await?;
    let frozen = primary(fleet).await?;
    fleet.record.inject(format!(
        "SIGSTOP to Patroni of the primary {frozen}, until another node was the primary"
    ));
    fleet.takeovers += fleet.places.len();
    fleet.database.cluster()?.node(frozen).signal("STOP");
    fleet.database.cluster()?.failed_over(frozen).await?;
    let failed = failed_over(fleet, other).await;
    fleet.database.cluster()?.node(frozen).signal("CONT");
    failed?;
    fleet.answers(50).await?;
    fleet.hush(talks).await
}

/// The time until every receiver gets new alerts again.
async fn failed_over(fleet: &mut Fleet, other: usize) -> Result<(), Trouble> {
    let began = Instant::now();
    fleet.probe(other).await?;
    let most = FAILED_OVER_WITHIN.max(fleet.wish.recover_within);
    fleet.record.recovered(began.elapsed(), most, "the fault");
    Ok(())
}
