//! Vendors that call at the same time, each on its own connection. A message without an answer is sent again or given
//! up. Some ids are repeated later, and some are sent several times at once.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::Trouble;
use crate::ledger::Ledger;
use crate::message::{Message, Step};
use crate::silence::Silence;
use crate::vendors::{Form, Vendors};
use campanile_wire::{Reply, Wire};

/// The problems that one vendor reports at the same time.
const LANES: usize = 6;
/// The messages that one vendor may repeat.
const REMEMBERED: usize = 32;
/// The connections that send one message at the same time.
const AT_ONCE: usize = 6;
/// A vendor waits so long before it sends again.
const AGAIN_AFTER: Duration = Duration::from_millis(50);
/// The attempts before a vendor without a success gives up, as UCloud does.
const TRIES_MAX: usize = 3;

/// The state that all callers share.
pub(crate) struct Floor {
    pub(crate) vendors: Arc<Vendors>,
    pub(crate) ledger: Arc<Ledger>,
    /// The addresses of the gateways that listen.
    pub(crate) addresses: watch::Sender<Vec<SocketAddr>>,
    /// How callers treat several gateways, and one.
    pub(crate) manner: CallerManner,
    /// Answers so far.
    pub(crate) answers: watch::Sender<usize>,
    /// Tells callers to finish their current call and stop.
    pub(crate) halted: watch::Sender<bool>,
    pub(crate) silence: Silence,
    /// Answers without success.
    pub(crate) refusals: Mutex<Vec<u16>>,
}

/// What differs when there are several gateways.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallerManner {
    /// An answer that does not come in this time is none.
    pub(crate) answer_within: Duration,
    /// Percentage of the messages without an answer that are not sent again. A gateway that was only frozen can accept such a
    /// message after later ones of its lane, so that the order would not be known.
    pub(crate) gives_up: u32,
    /// Between two messages of one vendor: a fault of several gateways lasts longer, and the load must fit into memory.
    pub(crate) pause: Duration,
}

impl CallerManner {
    pub(crate) const ONE_GATEWAY: Self = Self {
        answer_within: Duration::from_mins(1),
        gives_up: 15,
        pause: Duration::ZERO,
    };
    pub(crate) const SEVERAL_GATEWAYS: Self = Self {
        answer_within: Duration::from_secs(2),
        gives_up: 0,
        pause: Duration::from_millis(30),
    };
}

/// Whether callers wait for the gateway to come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    Leave,
    Wait,
}

/// One vendor with its connection.
pub(crate) struct Caller {
    random: StdRng,
    lanes: Vec<Lane>,
    guests: Vec<usize>,
    guest_turn: u64,
    unanswered: Option<Message>,
    answered: VecDeque<Message>,
}

struct Lane {
    form: Form,
    problem: u64,
    turn: u64,
    turns: u64,
}

impl Floor {
    pub(crate) fn new(vendors: Arc<Vendors>, ledger: Arc<Ledger>, manner: CallerManner) -> Self {
        Self {
            vendors,
            ledger,
            manner,
            addresses: watch::Sender::default(),
            answers: watch::Sender::new(0),
            halted: watch::Sender::new(false),
            silence: Silence::default(),
            refusals: Mutex::default(),
        }
    }

    fn is_halted(&self) -> bool {
        *self.halted.borrow()
    }

    /// A message of a new problem, in the ledger.
    pub(crate) fn new_message(&self) -> Result<Message, Trouble> {
        let problem = self.vendors.new_problem();
        let message = self
            .vendors
            .message(Form::UCloud(0), Step { problem, turn: 0 })?;
        self.ledger.say(&message);
        Ok(message)
    }

    /// A connection to any gateway. `None` when none listens, or callers must not wait for one.
    async fn connect(&self, patience: Patience, random: &mut StdRng) -> Option<Wire> {
        let mut addresses = self.addresses.subscribe();
        let mut halted = self.halted.subscribe();
        loop {
            let mut now = addresses.borrow_and_update().clone();
            now.shuffle(random);
            for address in now {
                if let Some(wire) = Wire::try_to(address).await {
                    return Some(wire);
                }
            }
            if patience == Patience::Leave || self.is_halted() {
                return None;
            }
            tokio::select! {
                _ = addresses.changed() => {}
                _ = halted.changed() => {}
            }
        }
    }

    /// Sends one message on many connections at once, to all gateways in turn.
    pub(crate) async fn ask_at_once(
        self: &Arc<Self>,
        raw: &[u8],
        count: usize,
    ) -> Vec<Option<Reply>> {
        let mut calls = JoinSet::new();
        let addresses = self.addresses.borrow().clone();
        for address in addresses.iter().copied().cycle().take(count) {
            let (raw, floor) = (raw.to_vec(), Arc::clone(self));
            calls.spawn(async move {
                let mut wire = Wire::try_to(address).await?;
                floor.ask(&mut wire, &raw).await
            });
        }
        calls.join_all().await
    }

    /// Asks, and waits for the answer as long as callers do.
    async fn ask(&self, wire: &mut Wire, raw: &[u8]) -> Option<Reply> {
        let answer = tokio::time::timeout(self.manner.answer_within, wire.ask(raw));
        answer.await.ok().flatten()
    }
}

/// Runs all callers until they are halted or the gateway is gone, and returns them.
pub(crate) fn begin(
    callers: Vec<Caller>,
    floor: &Arc<Floor>,
    patience: Patience,
) -> JoinSet<Result<Caller, Trouble>> {
    floor.halted.send_replace(false);
    let mut talks = JoinSet::new();
    for mut caller in callers {
        let floor = Arc::clone(floor);
        talks.spawn(async move {
            caller.talk(&floor, patience).await?;
            Ok(caller)
        });
    }
    talks
}

impl Caller {
    /// Creates this many callers. Each additional vendor belongs to one caller, so its messages are sent in order.
    pub(crate) fn crew(count: usize, guests: usize, seed: u64) -> Vec<Self> {
        let caller = |number: usize| Self {
            random: StdRng::seed_from_u64(seed.wrapping_add(number as u64)),
            lanes: Vec::new(),
            guests: (0..guests)
                .filter(|guest| guest % count == number)
                .collect(),
            guest_turn: 0,
            unanswered: None,
            answered: VecDeque::new(),
        };
        (0..count).map(caller).collect()
    }

    /// The database is empty now: a repeated message would count as new.
    pub(crate) fn forget(&mut self) {
        self.answered.clear();
    }

    async fn talk(&mut self, floor: &Arc<Floor>, patience: Patience) -> Result<(), Trouble> {
        let mut wire = None;
        while !floor.is_halted() {
            let mut open = match wire.take() {
                Some(open) => open,
                None => match floor.connect(patience, &mut self.random).await {
                    Some(open) => open,
                    None => break,
                },
            };
            let answered = match self.unanswered.take() {
                // Some vendors give up.
                Some(_) if self.gives_up(floor) => true,
                Some(message) => self.send(message, &mut open, floor).await,
                None => self.speak(&mut open, floor).await?,
            };
            wire = answered.then_some(open);
            if !answered && patience == Patience::Leave {
                break;
            }
            let pause = if answered {
                floor.manner.pause
            } else {
                AGAIN_AFTER
            };
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
        }
        Ok(())
    }

    /// Repeats the messages without an answer, until they have one or the vendor gives up.
    pub(crate) async fn settle_up(&mut self, floor: &Arc<Floor>) {
        for _ in 0..TRIES_MAX {
            let Some(message) = self.unanswered.take() else {
                return;
            };
            if self.gives_up(floor) {
                return;
            }
            if let Some(mut wire) = floor.connect(Patience::Leave, &mut self.random).await {
                self.send(message, &mut wire, floor).await;
            }
        }
    }

    fn gives_up(&mut self, floor: &Arc<Floor>) -> bool {
        self.random.random_range(0..100) < floor.manner.gives_up
    }

    /// Sends a message, mostly a new one. False when the gateway is gone.
    async fn speak(&mut self, wire: &mut Wire, floor: &Arc<Floor>) -> Result<bool, Trouble> {
        let roll = self.random.random_range(0..100);
        if roll < 8
            && let Some(message) = self.repeat()
        {
            return Ok(self.send(message, wire, floor).await);
        }
        let message = self.next(&floor.vendors)?;
        floor.ledger.say(&message);
        if roll >= 96 {
            return Ok(self.send_at_once(message, floor).await);
        }
        Ok(self.send(message, wire, floor).await)
    }

    fn repeat(&mut self) -> Option<Message> {
        if self.answered.is_empty() {
            return None;
        }
        let which = self.random.random_range(0..self.answered.len());
        self.answered.get(which).cloned()
    }

    /// The next message of one of its problems.
    fn next(&mut self, vendors: &Vendors) -> Result<Message, Trouble> {
        if !self.guests.is_empty() && self.random.random_range(0..100) < 15 {
            let which = *self.guests.choose(&mut self.random).unwrap_or(&0);
            let problem = vendors.new_problem();
            self.guest_turn += 1;
            let turn = self.guest_turn;
            return vendors.message(Form::Guest(which), Step { problem, turn });
        }
        if self.lanes.len() < LANES {
            let lane = self.new_lane(vendors);
            self.lanes.push(lane);
        }
        let which = self.random.random_range(0..self.lanes.len());
        let lane = &mut self.lanes[which];
        let Lane {
            form,
            problem,
            turn,
            turns,
        } = *lane;
        lane.turn += 1;
        if lane.turn == turns {
            self.lanes.swap_remove(which);
        }
        vendors.message(form, Step { problem, turn })
    }

    fn new_lane(&mut self, vendors: &Vendors) -> Lane {
        let form = match self.random.random_range(0..8) {
            0..=1 => Form::JiankongGet,
            2..=3 => Form::JiankongPost,
            other => Form::UCloud(other),
        };
        Lane {
            form,
            problem: vendors.new_problem(),
            turn: 0,
            turns: self.random.random_range(1..=8),
        }
    }

    /// False when no success came: then another connection is tried, to any gateway.
    async fn send(&mut self, message: Message, wire: &mut Wire, floor: &Arc<Floor>) -> bool {
        let reply = floor.ask(wire, &message.raw).await;
        let several = floor.addresses.borrow().len() > 1;
        let kept = reply
            .as_ref()
            .is_some_and(|reply| !several || reply.is_success());
        self.answered(message, reply.map(|reply| reply.status), floor);
        kept
    }

    /// The same message on several connections at the same time, to all gateways in turn.
    async fn send_at_once(&mut self, message: Message, floor: &Arc<Floor>) -> bool {
        let replies = floor.ask_at_once(&message.raw, AT_ONCE).await;
        let statuses = || replies.iter().flatten().map(|reply| reply.status);
        let success = replies.iter().flatten().find(|reply| reply.is_success());
        let best = success.map(|reply| reply.status);
        self.answered(message, best.or(statuses().next()), floor);
        replies.iter().all(Option::is_some)
    }

    /// Records the outcome of a call.
    fn answered(&mut self, message: Message, status: Option<u16>, floor: &Arc<Floor>) {
        match status {
            Some(200..=299) => {
                floor.ledger.promise(&message);
                floor.silence.ends();
                self.answered.push_back(message);
                if self.answered.len() > REMEMBERED {
                    self.answered.pop_front();
                }
                floor.answers.send_modify(|count| *count += 1);
            }
            Some(status) => {
                let refusals = &mut *floor
                    .refusals
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                refusals.push(status);
                self.unanswered = Some(message);
            }
            None => self.unanswered = Some(message),
        }
    }
}
