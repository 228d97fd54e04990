//! What the model of the leases consists of: a database, two gateways, and the requests between them.

use std::collections::BTreeSet;
use std::time::Duration;

use campanile_store::SinkId;
use campanile_store::lease::{Part, Peer, Row, Times, Trust, View, Watch, Wish};
use uuid::Uuid;

/// The gateways. The first owns every lease at the start.
pub(crate) const GATEWAYS: usize = 2;

/// The deliveries of one lane.
pub(crate) const DELIVERIES: u8 = 2;

/// One tick is the time between two beats. All clocks have the same rate, so the leases must be safe without a margin.
pub(crate) const TIMES: Times = Times {
    beat: Duration::from_secs(1),
    ttl: Duration::from_secs(3),
    margin: Duration::ZERO,
    calm: Duration::from_secs(1),
};

/// Everything at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct World {
    pub(crate) now: u8,
    pub(crate) database: Database,
    pub(crate) gateways: [Gateway; GATEWAYS],
    /// Requests that the database has not executed. The network keeps each of them as long as it wants.
    pub(crate) wire: BTreeSet<Request>,
    /// What may still happen.
    pub(crate) left: Faults,
    /// The last delivery whose send was started, by any gateway.
    pub(crate) started: u8,
    pub(crate) order_is_broken: bool,
    pub(crate) stale_was_settled: bool,
    pub(crate) was_taken_over: bool,
}

/// How often each fault may still happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Faults {
    pub(crate) kills: u8,
    pub(crate) freezes: u8,
    /// Answers that are lost, and connections that are lost with a request on the way.
    pub(crate) losses: u8,
    /// Requests and answers that are not delivered at once.
    pub(crate) delays: u8,
    /// A gateway beats again at once, because another one has sent it a notification.
    pub(crate) hints: u8,
}

/// The tables.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Database {
    pub(crate) registered: Vec<Registered>,
    pub(crate) leases: Vec<Row>,
    /// The deliveries that are no longer pending.
    pub(crate) settled: BTreeSet<u8>,
}

/// The row of a gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Registered {
    pub(crate) id: Uuid,
    pub(crate) beat: i64,
    pub(crate) dead: bool,
}

/// A gateway's process.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Gateway {
    pub(crate) process: Process,
    pub(crate) id: Uuid,
    pub(crate) watch: Watch,
    pub(crate) trust: Trust,
    pub(crate) beat: Option<Beat>,
    /// It has sent a beat in this tick.
    pub(crate) has_beaten: bool,
    pub(crate) worker: Option<Worker>,
    pub(crate) giving: Option<Giving>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Process {
    Runs,
    Frozen,
    Killed,
}

/// A beat whose answer is awaited.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Beat {
    pub(crate) sent: u8,
    pub(crate) answer: Option<Answer>,
}

/// What the database has answered to a beat.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Answer {
    Accepted(Database),
    Dead,
}

/// Sends the deliveries of the last sink, one after the other: the next one after the settlement of the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Worker {
    pub(crate) epoch: i64,
    pub(crate) next: u8,
    pub(crate) step: Step,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    Ready,
    Sending,
    Settling,
}

/// A lease that is above the share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Giving {
    pub(crate) row: Row,
    pub(crate) step: GivingStep,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum GivingStep {
    Ending,
    Asked,
    Over,
}

/// A request on its way to the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Request {
    pub(crate) of: usize,
    pub(crate) id: Uuid,
    pub(crate) what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum What {
    Beat { sent: u8 },
    Fulfil(Wish),
    Settle { epoch: i64, delivery: u8 },
}

impl World {
    /// The clock of a gateway. No two show the same time.
    pub(crate) fn clock(&self, gateway: usize) -> Duration {
        clock(gateway, self.now)
    }

    /// The lease that has deliveries: of the sink that is given back first when there are several, and there of the last part.
    pub(crate) fn lease(&self) -> Option<&Row> {
        self.database.leases.last()
    }

    /// Whether the deliveries are of this part.
    pub(crate) fn has_deliveries(&self, part: Part) -> bool {
        self.lease().is_some_and(|lease| lease.part == part)
    }

    /// A request of a gateway.
    pub(crate) fn request(&self, of: usize, what: What) -> Request {
        let id = self.gateways[of].id;
        Request { of, id, what }
    }
}

pub(crate) fn clock(gateway: usize, at: u8) -> Duration {
    Duration::from_secs(u64::from(at) + 1_000 * gateway as u64)
}

impl Gateway {
    pub(crate) fn new(number: usize, sinks: Vec<SinkId>) -> Self {
        let id = Uuid::from_u128(number as u128);
        Self {
            process: Process::Runs,
            id,
            watch: Watch::timed(id, sinks, TIMES),
            trust: Trust::default(),
            beat: None,
            has_beaten: false,
            worker: None,
            giving: None,
        }
    }

    pub(crate) fn runs(&self) -> bool {
        self.process == Process::Runs
    }

    /// Begins again under another id, after it was declared dead.
    pub(crate) fn join_again(&mut self, sinks: Vec<SinkId>) {
        self.id = Uuid::from_u128(self.id.as_u128() + GATEWAYS as u128);
        self.watch = Watch::timed(self.id, sinks, TIMES);
        self.trust = Trust::default();
        self.worker = None;
        self.giving = None;
    }
}

impl Database {
    /// Every gateway has joined, and the first one owns every lease.
    pub(crate) fn of(gateways: &[Gateway], sinks: &[SinkId]) -> Self {
        let joined = |gateway: &Gateway| Registered {
            id: gateway.id,
            beat: 0,
            dead: false,
        };
        let owned = |sink: &SinkId| Row {
            part: Part::whole(*sink),
            owner: gateways.first().map(|gateway| gateway.id),
            epoch: 1,
        };
        Self {
            registered: gateways.iter().map(joined).collect(),
            leases: sinks.iter().map(owned).collect(),
            settled: BTreeSet::new(),
        }
    }

    pub(crate) fn is_alive(&self, id: Uuid) -> bool {
        let mut registered = self.registered.iter();
        registered.any(|row| row.id == id && !row.dead)
    }

    /// The first delivery that is pending.
    pub(crate) fn first_pending(&self) -> u8 {
        let pending = |delivery: &u8| !self.settled.contains(delivery);
        (1..=DELIVERIES).find(pending).unwrap_or(DELIVERIES + 1)
    }

    pub(crate) fn view(&self, sinks: &[SinkId], parts: u16) -> View {
        let living = self.registered.iter().filter(|row| !row.dead);
        let peer = |row: &Registered| Peer {
            id: row.id,
            beat: row.beat,
            sinks: sinks.to_vec(),
            parts: vec![parts; sinks.len()],
            leaving: false,
            name: String::new(),
            state: String::new(),
            config: String::new(),
        };
        View {
            gateways: living.map(peer).collect(),
            leases: self.leases.clone(),
            ..View::default()
        }
    }

    /// Counts up a beat, or joins.
    pub(crate) fn beat(&mut self, id: Uuid) -> Answer {
        let mut registered = self.registered.iter_mut();
        match registered.find(|row| row.id == id) {
            Some(row) if row.dead => return Answer::Dead,
            Some(row) => row.beat += 1,
            None => self.registered.push(Registered {
                id,
                beat: 1,
                dead: false,
            }),
        }
        Answer::Accepted(self.clone())
    }

    pub(crate) fn take(&mut self, id: Uuid, row: Row) -> Option<Row> {
        let free = !row.owner.is_some_and(|owner| self.is_alive(owner));
        if free && self.is_alive(id) {
            return self.change(row, Some(id));
        }
        None
    }

    /// How many parts a sink has.
    pub(crate) fn parts_of(&self, sink: SinkId) -> u16 {
        let mut leases = self.leases.iter();
        let lease = leases.find(|lease| lease.part.sink == sink);
        lease.map_or(0, |lease| lease.part.of)
    }

    /// Divides a sink into other parts, if nobody who lives has one.
    pub(crate) fn divide(&mut self, sink: SinkId, (from, of): (u16, u16), looks: bool) {
        let old = self.leases.iter().filter(|lease| lease.part.sink == sink);
        let mut owners = old.clone().filter_map(|lease| lease.owner);
        let owned = looks && owners.any(|owner| self.is_alive(owner));
        let epoch = old.map(|lease| lease.epoch).max();
        if let Some(epoch) = epoch.filter(|_| !owned && self.parts_of(sink) == from) {
            self.leases.retain(|lease| lease.part.sink != sink);
            let row = |number| Row {
                part: Part { sink, number, of },
                owner: None,
                epoch: epoch + 1,
            };
            self.leases.extend((0..of).map(row));
            self.leases.sort_unstable();
        }
    }

    /// Changes the owner of a lease that is still as expected.
    pub(crate) fn change(&mut self, row: Row, owner: Option<Uuid>) -> Option<Row> {
        let lease = self.leases.iter_mut().find(|lease| **lease == row)?;
        (lease.owner, lease.epoch) = (owner, row.epoch + 1);
        Some(*lease)
    }
}
