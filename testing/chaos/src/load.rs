//! Vendors that call at the same time, each on its own connection. A message without an answer is sent again or given
//! up. Some ids are repeated later, and some are sent several times at once.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::Trouble;
use crate::ledger::Ledger;
use crate::message::{Message, Step};
use crate::vendors::{Form, Vendors};
use campanile_wire::Wire;

/// The problems that one vendor reports at the same time.
const LANES: usize = 6;
/// The messages that one vendor may repeat.
const REMEMBERED: usize = 32;
/// The connections that send one message at the same time.
const AT_ONCE: usize = 6;
/// The attempts before a vendor without a success gives up, as UCloud does.
const TRIES_MAX: usize = 3;

/// The state that all callers share.
pub(crate) struct Floor {
    pub(crate) vendors: Arc<Vendors>,
    pub(crate) ledger: Arc<Ledger>,
    /// The address of the gateway; `None` while it does not listen.
    pub(crate) address: watch::Sender<Option<SocketAddr>>,
    /// Answers so far.
    pub(crate) answers: watch::Sender<usize>,
    /// Tells callers to finish their current call and stop.
    pub(crate) halted: watch::Sender<bool>,
    /// Answers without success.
    pub(crate) refusals: Mutex<Vec<u16>>,
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
    pub(crate) fn new(vendors: Arc<Vendors>, ledger: Arc<Ledger>) -> Self {
        Self {
            vendors,
            ledger,
            address: watch::Sender::new(None),
            answers: watch::Sender::new(0),
            halted: watch::Sender::new(false),
            refusals: Mutex::default(),
        }
    }

    fn is_halted(&self) -> bool {
        *self.halted.borrow()
    }

    /// A connection to the gateway. `None` when the gateway does not listen, or callers must not wait for it.
    async fn connect(&self, patience: Patience) -> Option<Wire> {
        let mut address = self.address.subscribe();
        let mut halted = self.halted.subscribe();
        loop {
            let now = *address.borrow_and_update();
            if let Some(now) = now
                && let Some(wire) = Wire::try_to(now).await
            {
                return Some(wire);
            }
            if patience == Patience::Leave || self.is_halted() {
                return None;
            }
            tokio::select! {
                _ = address.changed() => {}
                _ = halted.changed() => {}
            }
        }
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

    async fn talk(&mut self, floor: &Floor, patience: Patience) -> Result<(), Trouble> {
        let mut wire = None;
        while !floor.is_halted() {
            let mut open = match wire.take() {
                Some(open) => open,
                None => match floor.connect(patience).await {
                    Some(open) => open,
                    None => break,
                },
            };
            let answered = match self.unanswered.take() {
                // Some vendors give up.
                Some(_) if self.random.random_range(0..100) < 15 => true,
                Some(message) => self.send(message, &mut open, floor).await,
                None => self.speak(&mut open, floor).await?,
            };
            wire = answered.then_some(open);
            if !answered && patience == Patience::Leave {
                break;
            }
        }
        Ok(())
    }

    /// Repeats the messages without an answer, until they have one or the vendor gives up.
    pub(crate) async fn settle_up(&mut self, floor: &Floor) {
        for _ in 0..TRIES_MAX {
            let Some(message) = self.unanswered.take() else {
                return;
            };
            if self.random.random_range(0..100) < 15 {
                return;
            }
            if let Some(mut wire) = floor.connect(Patience::Leave).await {
                self.send(message, &mut wire, floor).await;
            }
        }
    }

    /// Sends a message, mostly a new one. False when the gateway is gone.
    async fn speak(&mut self, wire: &mut Wire, floor: &Floor) -> Result<bool, Trouble> {
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

    /// False when no answer came: then the connection cannot be used any more.
    async fn send(&mut self, message: Message, wire: &mut Wire, floor: &Floor) -> bool {
        let reply = wire.ask(&message.raw).await;
        let closed = reply.is_none();
        self.answered(message, reply.map(|reply| reply.status), floor);
        !closed
    }

    /// The same message on several connections at the same time.
    async fn send_at_once(&mut self, message: Message, floor: &Floor) -> bool {
        let mut calls = JoinSet::new();
        let address = *floor.address.borrow();
        for _ in 0..AT_ONCE {
            let raw = message.raw.clone();
            calls.spawn(async move {
                let mut wire = Wire::try_to(address?).await?;
                wire.ask(&raw).await
            });
        }
        let replies = calls.join_all().await;
        let statuses = || replies.iter().flatten().map(|reply| reply.status);
        let success = replies.iter().flatten().find(|reply| reply.is_success());
        let best = success.map(|reply| reply.status);
        self.answered(message, best.or(statuses().next()), floor);
        replies.iter().all(Option::is_some)
    }

    /// Records the outcome of a call.
    fn answered(&mut self, message: Message, status: Option<u16>, floor: &Floor) {
        match status {
            Some(200..=299) => {
                floor.ledger.promise(&message);
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
