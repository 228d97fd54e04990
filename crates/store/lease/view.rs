//! What a gateway sees of the tables, and what it wants to change there.

use uuid::Uuid;

use super::Part;
use crate::{Seq, SinkId};

/// What a beat that was accepted shows.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// Every gateway that is not dead, also this one.
    pub gateways: Vec<Peer>,
    /// Every lease.
    pub leases: Vec<Row>,
    /// The sinks that an operator has paused.
    pub paused: Vec<SinkId>,
    /// Own sinks of which somebody made older deliveries pending again, with the lowest place of those.
    pub look_from: Vec<(SinkId, Seq)>,
}

/// A gateway as it joins.
#[derive(Clone, Debug)]
pub struct Member {
    /// Chosen at its start.
    pub id: Uuid,
    /// What operators call it.
    pub name: String,
    /// The sinks in its configuration.
    pub sinks: Vec<SinkId>,
    /// Into how many parts each of them is divided there, in the same order. One if it does not say.
    pub parts: Vec<u16>,
    /// What others need to compare its configuration with theirs.
    pub config: String,
}

/// A gateway that is not dead.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Chosen at its start.
    pub id: Uuid,
    /// Grows while it lives.
    pub beat: i64,
    /// The sinks in its configuration.
    pub sinks: Vec<SinkId>,
    /// Into how many parts each of them is divided there, in the same order. One if it does not say.
    pub parts: Vec<u16>,
    /// It stops: it takes nothing more.
    pub leaving: bool,
    /// What operators call it.
    pub name: String,
    /// What it last said of its sinks.
    pub state: String,
    /// What it said of its configuration when it joined.
    pub config: String,
}

/// A lease as stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Row {
    /// What is delivered under it.
    pub part: Part,
    /// Who delivers. None: nobody.
    pub owner: Option<Uuid>,
    /// Grows with every change of the owner.
    pub epoch: i64,
}

/// What a gateway wants to change. The store refuses a wish if the view was too old.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Wish {
    /// Declare a gateway dead whose beat is still this.
    DeclareDead {
        /// The gateway.
        id: Uuid,
        /// Its beat.
        beat: i64,
    },
    /// Take a lease that still has this owner, who is dead, or none.
    Take(Row),
    /// Give up a lease that is above the share, or whose sink is to be divided in another way.
    GiveBack(Row),
    /// Divide a sink whose leases nobody has into another number of parts.
    Divide {
        /// The sink.
        sink: SinkId,
        /// The parts that there are.
        from: u16,
        /// The parts that there shall be.
        to: u16,
    },
}
