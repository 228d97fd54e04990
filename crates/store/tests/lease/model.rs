//! The model: which actions are possible, and what each of them does. What a gateway concludes from a view, and how long it may
//! send, is the code of the program; the statements of the database and the steps around them are written again here.

use campanile_store::SinkId;
use campanile_store::lease::{Row, Wish};
use stateright::{Model, Property};

use super::action::{Action, Fate, PATIENCE, actions_of};
use super::world::{
    Answer, Beat, Database, Faults, GATEWAYS, Gateway, Giving, GivingStep, Process, Request, Step,
    TIMES, What, Worker, World, clock,
};

/// A rule of the leases that is left out, to see that the model finds what it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// A gateway is declared dead although its beat has changed since the view.
    DeadWithoutCompare,
    /// Trust counts from the answer to the beat.
    TrustFromAnswer,
    /// An owner sends as long as it believes to be one.
    NoDeadline,
    /// Every settlement is written.
    NoFence,
    /// The silence of others counts from when the own beat was sent. They can have beaten until the view was read.
    SilenceFromSend,
    /// A view that was asked for before a lease was given back says who owns it.
    OldViewAfterGivingBack,
    /// A lease counts as given back, or not, before that is known.
    GivesBackOnce,
    /// A sink is divided while a gateway delivers for it.
    DividesOwned,
}

/// The leases, with these bounds.
pub(crate) struct Leases {
    pub(crate) flaw: Option<Flaw>,
    pub(crate) ticks: u8,
    /// The deliveries are of the last one. With two, the first gateway has begun to give the last one back, and the second
    /// gateway joins again.
    pub(crate) sinks: SinkId,
    /// Into how many parts all gateways divide each sink from the first tick on. Before, no sink is divided.
    pub(crate) parts: u16,
    pub(crate) faults: Faults,
}

pub(crate) const ONE_SENDS: &str = "at most one gateway may start a send";
pub(crate) const NOTHING_STALE: &str = "no settlement of an old epoch is written";
pub(crate) const IN_ORDER: &str = "sends of a lane start in order";
pub(crate) const TAKEN: &str = "the other gateway sends";

impl Model for Leases {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let gateways = [0, 1].map(|number| Gateway::new(number, self.all_sinks()));
        let mut world = World {
            now: 0,
            database: Database::of(&gateways, &self.all_sinks()),
            gateways,
            wire: [].into(),
            left: self.faults,
            started: 0,
            order_is_broken: false,
            stale_was_settled: false,
            was_taken_over: false,
        };
        for gateway in 0..GATEWAYS {
            self.beat(&mut world, gateway, Fate::Prompt);
        }
        if self.sinks > 1 {
            self.begin_giving_back(&mut world);
        }
        vec![world]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        if world.now < self.ticks {
            actions.push(Action::Tick);
        }
        for number in 0..GATEWAYS {
            actions_of(world, number, actions);
        }
        for request in &world.wire {
            actions.push(Action::Execute(*request));
            let loses = world.left.losses > 0 && !matches!(request.what, What::Beat { .. });
            if loses {
                actions.push(Action::ExecuteInVain(*request));
            }
        }
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut next = world.clone();
        self.act(&mut next, action);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(ONE_SENDS, |model: &Self, world: &World| {
                let may = (0..GATEWAYS).filter(|number| model.may_start(world, *number));
                may.count() <= 1
            }),
            Property::always(NOTHING_STALE, |_, world: &World| !world.stale_was_settled),
            Property::always(IN_ORDER, |_, world: &World| !world.order_is_broken),
            Property::sometimes(TAKEN, |_, world: &World| world.was_taken_over),
        ]
    }
}

impl Leases {
    fn all_sinks(&self) -> Vec<SinkId> {
        (1..=self.sinks).collect()
    }

    /// While the owner ends its worker, the other gateway is declared dead. So there is no calm when it is back.
    fn begin_giving_back(&self, world: &mut World) {
        self.act(world, Action::Tick);
        self.beat(world, 0, Fate::Prompt);
        let other = &mut world.gateways[1];
        let rows = world.database.registered.iter_mut();
        rows.for_each(|row| row.dead = row.id == other.id);
        other.join_again(self.all_sinks());
    }

    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    fn may_start(&self, world: &World, number: usize) -> bool {
        let gateway = &world.gateways[number];
        let trusted = gateway.trust.holds(world.clock(number)) || self.has(Flaw::NoDeadline);
        let alive = gateway.process != Process::Killed;
        alive && trusted && gateway.worker.is_some() && gateway.giving.is_none()
    }

    fn act(&self, world: &mut World, action: Action) {
        match action {
            Action::Tick => {
                world.now += 1;
                let gateways = world.gateways.iter_mut();
                gateways.for_each(|gateway| gateway.has_beaten = false);
            }
            Action::Kill(number) => {
                world.left.kills -= 1;
                world.gateways[number].process = Process::Killed;
            }
            Action::Freeze(number) => {
                world.left.freezes -= 1;
                world.gateways[number].process = Process::Frozen;
            }
            Action::Wake(number) => world.gateways[number].process = Process::Runs,
            Action::Beat(number, fate) => self.beat(world, number, fate),
            Action::Answer(number) => self.answer(world, number),
            Action::NoAnswer(number) => {
                let beat = world.gateways[number].beat.take();
                let early = beat.is_some_and(|beat| world.now < beat.sent + PATIENCE);
                world.left.losses -= u8::from(early);
            }
            Action::StartSend(number) => self.start_send(world, number),
            Action::EndSend(number, fate) => self.end_send(world, number, fate),
            Action::GiveBack(number, fate) => self.give_back(world, number, fate),
            Action::GiveBackFails(number) => {
                world.left.losses -= 1;
                self.give_back_fails(world, number);
            }
            Action::Execute(request) => {
                world.wire.remove(&request);
                self.execute(world, request, true);
            }
            Action::ExecuteInVain(request) => {
                world.left.losses -= 1;
                world.wire.remove(&request);
                self.execute(world, request, false);
            }
        }
        self.end_without_trust(world);
        self.drop_what_is_void(world);
    }

    /// What can change nothing any more is the same as nothing.
    fn drop_what_is_void(&self, world: &mut World) {
        let database = &world.database;
        let may_apply = |request: &Request| match request.what {
            What::Fulfil(Wish::Take(row) | Wish::GiveBack(row)) => database.leases.contains(&row),
            What::Fulfil(Wish::Divide { sink, from, .. }) => database.parts_of(sink) == from,
            What::Fulfil(Wish::DeclareDead { id, beat }) => {
                let mut registered = database.registered.iter();
                let row = registered.find(|row| row.id == id && !row.dead);
                row.is_some_and(|row| row.beat == beat || self.has(Flaw::DeadWithoutCompare))
            }
            What::Beat { .. } | What::Settle { .. } => true,
        };
        world.wire.retain(may_apply);
    }

    /// A worker ends when its gateway sees that its time is over.
    fn end_without_trust(&self, world: &mut World) {
        if self.has(Flaw::NoDeadline) {
            return;
        }
        for number in 0..GATEWAYS {
            let now = world.clock(number);
            let gateway = &mut world.gateways[number];
            if gateway.runs() && !gateway.trust.holds(now) {
                gateway.worker = None;
            }
        }
    }

    /// Asks the database for something.
    fn ask(&self, world: &mut World, number: usize, what: What, fate: Fate) {
        let request = world.request(number, what);
        let (delays, losses) = match fate {
            Fate::Prompt => (0, 0),
            Fate::LateRequest | Fate::LateAnswer => (1, 0),
            Fate::LostAnswer => (0, 1),
        };
        world.left.delays -= delays;
        world.left.losses -= losses;
        if fate == Fate::LateRequest {
            world.wire.insert(request);
        } else {
            self.execute(world, request, fate != Fate::LostAnswer);
        }
    }

    fn beat(&self, world: &mut World, number: usize, fate: Fate) {
        let sent = world.now;
        let gateway = &mut world.gateways[number];
        world.left.hints -= u8::from(gateway.has_beaten);
        gateway.beat = Some(Beat { sent, answer: None });
        gateway.has_beaten = true;
        let over = |giving: Giving| giving.step == GivingStep::Over;
        if gateway.giving.is_some_and(over) && !self.has(Flaw::OldViewAfterGivingBack) {
            gateway.giving = None;
        }
        self.ask(world, number, What::Beat { sent }, fate);
        match fate {
            Fate::Prompt => self.answer(world, number),
            Fate::LostAnswer => world.gateways[number].beat = None,
            Fate::LateRequest | Fate::LateAnswer => {}
        }
    }

    /// `Replica::round`, from the answer on.
    fn answer(&self, world: &mut World, number: usize) {
        let Some(Beat {
            sent,
            answer: Some(answer),
        }) = world.gateways[number].beat.take()
        else {
            return;
        };
        let Answer::Accepted(seen) = answer else {
            return world.gateways[number].join_again(self.all_sinks());
        };
        let parts = if sent == 0 { 1 } else { self.parts };
        let (sent, answered) = (clock(number, sent), world.clock(number));
        let gateway = &mut world.gateways[number];
        gateway.trust = TIMES.trust(match self.flaw {
            Some(Flaw::TrustFromAnswer) => answered,
            _ => sent,
        });
        let view = seen.view(&self.all_sinks(), parts);
        let now = match self.flaw {
            Some(Flaw::SilenceFromSend) => sent,
            _ => answered,
        };
        let mut wishes = gateway.watch.look(now, &view);
        if self.has(Flaw::DividesOwned) {
            let (from, to) = (seen.parts_of(self.sinks), parts);
            let sink = self.sinks;
            wishes.extend((from != to).then_some(Wish::Divide { sink, from, to }));
        }
        for wish in wishes {
            Self::wish(world, number, wish);
        }
        if let Some(lease) = seen.leases.last() {
            self.hire(world, number, lease);
        }
    }

    fn wish(world: &mut World, number: usize, wish: Wish) {
        match wish {
            Wish::GiveBack(row) if world.has_deliveries(row.part) => {
                let gateway = &mut world.gateways[number];
                let step = GivingStep::Ending;
                gateway.giving.get_or_insert(Giving { row, step });
                stop_worker(gateway);
            }
            // Another sink or part, without deliveries.
            Wish::GiveBack(_) => {}
            Wish::Take(_) | Wish::DeclareDead { .. } | Wish::Divide { .. } => {
                let request = world.request(number, What::Fulfil(wish));
                world.wire.insert(request);
            }
        }
    }

    /// Has a worker if the lease is its own.
    fn hire(&self, world: &mut World, number: usize, lease: &Row) {
        let now = world.clock(number);
        let next = world.database.first_pending();
        let gateway = &mut world.gateways[number];
        let trusted = gateway.trust.holds(now) || self.has(Flaw::NoDeadline);
        if !trusted || gateway.giving.is_some() {
            return;
        }
        let owns = lease.owner == Some(gateway.id);
        let epoch = lease.epoch;
        gateway.worker = gateway
            .worker
            .filter(|worker| owns && worker.epoch == epoch);
        if owns && gateway.worker.is_none() {
            let step = Step::Ready;
            gateway.worker = Some(Worker { epoch, next, step });
        }
    }

    fn start_send(&self, world: &mut World, number: usize) {
        if !self.may_start(world, number) {
            return;
        }
        let Some(worker) = &mut world.gateways[number].worker else {
            return;
        };
        worker.step = Step::Sending;
        world.order_is_broken |= worker.next < world.started;
        world.started = worker.next;
        world.was_taken_over |= number == 1;
    }

    fn end_send(&self, world: &mut World, number: usize, fate: Fate) {
        if let Some(worker) = &mut world.gateways[number].worker {
            worker.step = Step::Settling;
            let (epoch, delivery) = (worker.epoch, worker.next);
            self.ask(world, number, What::Settle { epoch, delivery }, fate);
        }
    }

    fn give_back(&self, world: &mut World, number: usize, fate: Fate) {
        if let Some(giving) = &mut world.gateways[number].giving {
            giving.step = GivingStep::Asked;
            let wish = Wish::GiveBack(giving.row);
            self.ask(world, number, What::Fulfil(wish), fate);
        }
    }

    fn give_back_fails(&self, world: &mut World, number: usize) {
        if let Some(giving) = &mut world.gateways[number].giving {
            giving.step = match self.flaw {
                Some(Flaw::GivesBackOnce) => GivingStep::Over,
                _ => GivingStep::Ending,
            };
        }
    }

    /// The database executes a request. Its answer arrives at once, or never; only the answer to a beat can be late.
    fn execute(&self, world: &mut World, request: Request, answered: bool) {
        let Request { of, id, what } = request;
        let here = world.gateways[of].runs() && world.gateways[of].id == id;
        let answered = answered && here;
        match what {
            What::Beat { sent } => {
                let answer = world.database.beat(id);
                let awaited = world.gateways[of].beat.as_mut();
                if let Some(beat) = awaited.filter(|beat| beat.sent == sent) {
                    beat.answer = Some(answer);
                }
            }
            What::Fulfil(Wish::DeclareDead { id, beat }) => {
                let compare = !self.has(Flaw::DeadWithoutCompare);
                for row in &mut world.database.registered {
                    row.dead |= row.id == id && (row.beat == beat || !compare);
                }
            }
            What::Fulfil(Wish::Take(row)) => {
                let taken = world.database.take(id, row);
                let taken = taken.filter(|lease| answered && world.has_deliveries(lease.part));
                if let Some(lease) = taken {
                    self.hire(world, of, &lease);
                }
            }
            What::Fulfil(Wish::GiveBack(row)) => {
                world.database.change(row, None);
                match &mut world.gateways[of].giving {
                    Some(giving) if answered => giving.step = GivingStep::Over,
                    Some(_) if here => self.give_back_fails(world, of),
                    _ => {}
                }
                self.forget(world, of);
            }
            What::Fulfil(Wish::Divide { sink, from, to }) => {
                let looks = !self.has(Flaw::DividesOwned);
                world.database.divide(sink, (from, to), looks);
            }
            What::Settle { epoch, delivery } => {
                let written = self.settle(world, id, epoch, delivery);
                if here {
                    settled(&mut world.gateways[of], delivery, answered, written);
                }
            }
        }
    }

    /// With this flaw, a gateway forgets at once that it has given a lease back.
    fn forget(&self, world: &mut World, number: usize) {
        let over = |giving: Giving| giving.step == GivingStep::Over;
        let gateway = &mut world.gateways[number];
        if self.has(Flaw::OldViewAfterGivingBack) && gateway.giving.is_some_and(over) {
            gateway.giving = None;
        }
    }

    fn settle(&self, world: &mut World, id: uuid::Uuid, epoch: i64, delivery: u8) -> bool {
        let lease = world.lease().copied();
        let current = lease.is_some_and(|lease| lease.owner == Some(id) && lease.epoch == epoch);
        let written = current || self.has(Flaw::NoFence);
        if written {
            world.database.settled.insert(delivery);
        }
        world.stale_was_settled |= written && !current;
        written
    }
}

/// A worker that ends finishes what it sends.
fn stop_worker(gateway: &mut Gateway) {
    gateway.worker = gateway.worker.filter(|worker| worker.step != Step::Ready);
}

/// The worker learns what became of its settlement. Without an answer it sends the settlement again.
fn settled(gateway: &mut Gateway, delivery: u8, answered: bool, written: bool) {
    let mine = |worker: &&mut Worker| worker.next == delivery && worker.step == Step::Settling;
    let Some(worker) = gateway.worker.as_mut().filter(mine) else {
        return;
    };
    match (answered, written) {
        (true, true) => {
            worker.step = Step::Ready;
            worker.next += 1;
            if gateway.giving.is_some() {
                stop_worker(gateway);
            }
        }
        (true, false) => gateway.worker = None,
        (false, _) => worker.step = Step::Sending,
    }
}
