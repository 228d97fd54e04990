//! The kinds of faults, and what one cycle of each does.

mod kill;
mod migrate;
mod points;
mod sinks;
mod term;
mod upgrade;

use clap::ValueEnum;

use crate::Trouble;
use crate::receiver::Manner;
use crate::stage::Stage;

/// Every point at which [`Kind::Points`] makes the process abort.
pub fn points() -> impl Iterator<Item = &'static str> {
    points::names()
}

/// The fault that is injected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// `kill -9` at random moments under load, also while it starts.
    Kill,
    /// The process aborts at each named point of crates/model/failpoint.rs in turn, and in the middle of a checkpoint.
    Points,
    /// SIGTERM under load: every call is answered or its connection closed, the exit code is 0, nothing is delivered
    /// twice.
    Term,
    /// One process is stopped and the next started on the same data, while vendors continue to call.
    Upgrade,
    /// The process is killed while it creates the tables of a new file, and while it opens an old one.
    Migrate,
    /// Receivers fail at random, reset connections, are slow, refuse some alerts permanently, or are down for a time.
    Sinks,
    /// SIGSTOP to one of several gateways until the others have taken over, then SIGCONT.
    Freeze,
    /// The network between one of several gateways and the database resets, or holds what goes one way or both ways.
    Cut,
    /// The database that several gateways share dies and starts again.
    Database,
    /// One message arrives on a hundred connections at once, at all gateways.
    Same,
    /// A transaction keeps an old snapshot of the database next to the load. Its line says the ratio of the rates.
    Snapshot,
    /// A cluster that Patroni manages fails over: its primary is lost or frozen, an operator switches over, a standby stops, a
    /// gateway is killed. Commits wait for a standby.
    Patroni,
    /// The same with asynchronous standbys: what a failover loses is appended again, so an alert can come again and late.
    PatroniAsync,
    /// All kinds, one after the other.
    All,
}

impl Kind {
    /// The single kinds that this kind runs, for one gateway or for several.
    pub(crate) fn parts(self, several: bool) -> Vec<Self> {
        match self {
            Self::All if several => vec![
                Self::Kill,
                Self::Freeze,
                Self::Cut,
                Self::Term,
                Self::Database,
                Self::Same,
            ],
            Self::All => vec![
                Self::Kill,
                Self::Points,
                Self::Term,
                Self::Upgrade,
                Self::Migrate,
                Self::Sinks,
            ],
            one => vec![one],
        }
    }

    /// Its name on the command line.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Points => "points",
            Self::Term => "term",
            Self::Upgrade => "upgrade",
            Self::Migrate => "migrate",
            Self::Sinks => "sinks",
            Self::Freeze => "freeze",
            Self::Cut => "cut",
            Self::Database => "database",
            Self::Same => "same",
            Self::Snapshot => "snapshot",
            Self::Patroni => "patroni",
            Self::PatroniAsync => "patroni-async",
            Self::All => "all",
        }
    }

    /// The cycles that cover everything once.
    pub(crate) fn cycles(self) -> usize {
        match self {
            Self::Points => points::names().count(),
            Self::Cut => 4,
            Self::Snapshot => 1,
            _ => 5,
        }
    }

    /// The behaviour of the flaky and of the picky receiver.
    pub(crate) fn manners(self) -> (Manner, Manner) {
        match self {
            Self::Sinks => (Manner::Flaky(20), Manner::Picky),
            // The process dies often enough, so these receivers do not fail.
            Self::Points | Self::Migrate => (Manner::Good, Manner::Good),
            _ => (Manner::Flaky(3), Manner::Good),
        }
    }

    /// Runs one cycle. At its end nothing is pending and a gateway is running.
    pub(crate) async fn cycle(self, stage: &mut Stage, number: usize) -> Result<(), Trouble> {
        match self {
            Self::Kill => kill::cycle(stage).await,
            Self::Points => points::cycle(stage, number).await,
            Self::Term => term::cycle(stage).await,
            Self::Upgrade => upgrade::cycle(stage).await,
            Self::Migrate => migrate::cycle(stage).await,
            Self::Sinks => sinks::cycle(stage).await,
            Self::Freeze
            | Self::Cut
            | Self::Database
            | Self::Same
            | Self::Snapshot
            | Self::Patroni
            | Self::PatroniAsync => Err(Trouble::said(
                "this fault needs several gateways: add --replicas 3",
            )),
            Self::All => Err(Trouble::said("`all` is not one fault")),
        }
    }
}
