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

/// Every point at which [`Kind::Points`] has the process die.
pub fn points() -> impl Iterator<Item = &'static str> {
    points::names()
}

/// What is injected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// `kill -9` at random moments under load, also while it starts.
    Kill,
    /// The process dies at each named point of crates/model/failpoint.rs in turn, and in the middle of a checkpoint.
    Points,
    /// SIGTERM under load: every call is answered or its connection closed, it ends with 0, nothing comes twice.
    Term,
    /// One process is stopped and the next started on the same data, while vendors go on calling.
    Upgrade,
    /// Killed while it makes the tables of a new file, and while it opens an old one.
    Migrate,
    /// Receivers that fail at random, reset, are slow, refuse some alerts for good, or are down for a while.
    Sinks,
    /// All of them, one after the other.
    All,
}

impl Kind {
    /// The kinds that this one is made of.
    pub(crate) fn parts(self) -> Vec<Self> {
        match self {
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

    /// Its word on the command line.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Points => "points",
            Self::Term => "term",
            Self::Upgrade => "upgrade",
            Self::Migrate => "migrate",
            Self::Sinks => "sinks",
            Self::All => "all",
        }
    }

    /// Cycles that show everything once.
    pub(crate) fn cycles(self) -> usize {
        match self {
            Self::Points => points::names().count(),
            _ => 5,
        }
    }

    /// How receivers behave: the flaky one and the picky one.
    pub(crate) fn manners(self) -> (Manner, Manner) {
        match self {
            Self::Sinks => (Manner::Flaky(20), Manner::Picky),
            // The process dies often enough for them to do well.
            Self::Points | Self::Migrate => (Manner::Good, Manner::Good),
            _ => (Manner::Flaky(3), Manner::Good),
        }
    }

    /// One cycle. It leaves everything calm, and a gateway running.
    pub(crate) async fn cycle(self, stage: &mut Stage, number: usize) -> Result<(), Trouble> {
        match self {
            Self::Kill => kill::cycle(stage).await,
            Self::Points => points::cycle(stage, number).await,
            Self::Term => term::cycle(stage).await,
            Self::Upgrade => upgrade::cycle(stage).await,
            Self::Migrate => migrate::cycle(stage).await,
            Self::Sinks => sinks::cycle(stage).await,
            Self::All => Err(Trouble::said("`all` is not one fault")),
        }
    }
}
