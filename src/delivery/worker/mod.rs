//! The worker of one sink: the one task that owns what is pending for it.
//!
//! It subscribes, then looks, then waits, with a poll as a net: whatever happens between the look and the wait rings the
//! bell, and a ring is kept. What it finds in the rows is right; a poke only says when to look.
//!
//! Claims write nothing: one process owns the whole store (SQLite: it holds the lock on the file), so that being this
//! task is the lease. With several replicas, [`Worker::new`] is where a shard's lease would come in, and
//! [`Store::settle`] where its number would be checked.

mod outcome;
mod reporting;

use std::collections::HashSet;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use jiff::Timestamp;
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::attempt::{self, Attempted, Load};
use super::books::{Books, Done};
use super::breaker::{Admits, Breaker};
use super::event::{Observer, What};
use super::lane::{Claim, Lanes};
use super::limit::Limits;
use super::mailbox::{Mailbox, Waiter};
use super::state::PausedBy;
use super::{Outlet, Tuning, digest};
use campanile_model::Clock;
use campanile_sinks::Message;
use campanile_store::{AlertToSend, Error, Outbox, Seq};

/// What every worker of a [`super::Delivery`] shares.
#[derive(Clone)]
pub(super) struct Surroundings {
    pub(super) store: Arc<dyn Outbox>,
    pub(super) clock: Clock,
    pub(super) events: Arc<dyn Observer>,
    pub(super) tuning: Tuning,
}

/// The worker of one sink.
pub(super) struct Worker {
    outlet: Outlet,
    around: Surroundings,
    mailbox: Arc<Mailbox>,
    lanes: Lanes,
    books: Books,
    breaker: Breaker,
    limits: Limits,
    chance: StdRng,
    /// Bodies that are being read for what was claimed.
    fetching: Option<BoxFuture<'static, Fetched>>,
    sends: FuturesUnordered<BoxFuture<'static, Attempted>>,
    /// The receiver asked for quiet until then.
    hold_until: Option<Timestamp>,
    paused: Option<PausedBy>,
    stop_by: Option<Timestamp>,
    /// A limit held something back since the last send.
    held_back: bool,
    /// The sink called a digest poison: it gets single alerts.
    digest_refused: bool,
    operator_told: bool,
    idle: Vec<Waiter>,
}

type Fetched = (Load, Result<Vec<AlertToSend>, Error>);

/// What woke the worker.
enum Woken {
    Mail,
    Time,
    Store(Done),
    Fetched(Fetched),
    Attempted(Attempted),
}

impl Worker {
    pub(super) fn new(outlet: Outlet, around: Surroundings, mailbox: Arc<Mailbox>) -> Self {
        let now = around.clock.now();
        let tuning = around.tuning;
        let books = Books::new(around.store.clone(), outlet.id, tuning.page, now);
        let seed = tuning.seed ^ u64::from_ne_bytes(outlet.id.to_ne_bytes());
        Self {
            lanes: Lanes::new(tuning.loaded_max),
            books,
            breaker: Breaker::new(),
            limits: Limits::new(&outlet.policy),
            chance: StdRng::seed_from_u64(seed),
            fetching: None,
            sends: FuturesUnordered::new(),
            hold_until: None,
            paused: mailbox.state().paused_by,
            stop_by: None,
            held_back: false,
            digest_refused: false,
            operator_told: false,
            idle: Vec::new(),
            outlet,
            around,
            mailbox,
        }
    }

    /// Runs until it is told to stop and all outcomes are settled.
    pub(super) async fn run(mut self) {
        loop {
            self.idle.extend(self.mailbox.waiters());
            let now = self.around.clock.now();
            self.read_mail(now);
            self.lanes.wake(now);
            self.hold_until = self.hold_until.filter(|until| *until > now);
            self.books.begin(now, &self.lanes, self.stop_by.is_none());
            self.dispatch(now);
            self.publish(now);
            if self.is_over(now) {
                return;
            }
            let woken = self.wait(now).await;
            self.handle(woken);
        }
    }

    async fn wait(&mut self, now: Timestamp) -> Woken {
        let wake_at = self.wake_at(now);
        tokio::select! {
            () = self.mailbox.bell.notified() => Woken::Mail,
            done = slot(&mut self.books.running) => Woken::Store(done),
            fetched = slot(&mut self.fetching) => Woken::Fetched(fetched),
            Some(attempted) = self.sends.next() => Woken::Attempted(attempted),
            () = self.around.clock.sleep_until(wake_at) => Woken::Time,
        }
    }

    fn handle(&mut self, woken: Woken) {
        let now = self.around.clock.now();
        match woken {
            Woken::Mail | Woken::Time => {}
            Woken::Attempted(attempted) => self.attempted(attempted),
            Woken::Fetched((load, Ok(alerts))) => {
                self.books.recovered();
                self.send(load, alerts, now);
            }
            Woken::Fetched((load, Err(error))) => {
                self.unclaim(&load, now);
                self.books.failed(now, true);
                self.store_failed(&error);
            }
            Woken::Store(done) => match self.books.finish(done, &mut self.lanes, now) {
                Ok(outcomes) => self.settled(outcomes),
                Err(error) => self.store_failed(&error),
            },
        }
    }

    fn read_mail(&mut self, now: Timestamp) {
        let mut mail = self.mailbox.take();
        let forget = std::mem::take(&mut mail.forget);
        let hurry = std::mem::take(&mut mail.hurry);
        if !(forget.is_empty() && hurry.is_empty()) {
            self.change(forget, hurry, now);
        }
        if let Some(pause) = mail.pause {
            self.set_paused(pause, now);
        }
        if let Some(by) = mail.stop_by {
            self.stop_by = Some(self.stop_by.map_or(by, |other| other.min(by)));
        }
        // Only now: a sink that was resumed is hungry again.
        if self.is_hungry(now)
            && let Some(seq) = self.mailbox.take_look()
        {
            self.books.look_from(seq);
        }
    }

    /// Carries out what an operator wants for single deliveries.
    fn change(&mut self, forget: HashSet<Seq>, hurry: HashSet<Seq>, now: Timestamp) {
        // While a page is being read, a delivery dropped meanwhile may still be on it: that wish waits.
        if self.books.running.is_some() {
            return self.mailbox.defer(forget, hurry);
        }
        self.lanes.forget(&forget);
        if !hurry.is_empty() {
            self.lanes.hurry(&hurry);
            self.hold_until = None;
            self.breaker.mended(now);
        }
    }

    /// Whether it could send more than what it has seen.
    fn is_hungry(&self, now: Timestamp) -> bool {
        let plenty = self.lanes.ready() >= self.around.tuning.page;
        let held = self.hold_until.is_some_and(|until| until > now);
        let open = self.breaker.admits(now) == Admits::Nothing;
        !(plenty || held || open || self.paused.is_some())
    }

    fn set_paused(&mut self, pause: bool, now: Timestamp) {
        let by = PausedBy::Operator;
        if pause && self.paused != Some(by) {
            self.report(What::Paused { by });
        } else if !pause {
            // An operator resumes after a fix: check at once whether it helped.
            self.hold_until = None;
            self.breaker.mended(now);
            if self.paused.is_some() {
                self.report(What::Resumed);
            }
        }
        self.paused = pause.then_some(by);
    }

    /// Claims what may go now and has its bodies read.
    fn dispatch(&mut self, now: Timestamp) {
        let closed = self.paused.is_some() || self.hold_until.is_some() || self.stop_by.is_some();
        let free = self
            .outlet
            .policy
            .in_flight_max
            .max(1)
            .saturating_sub(self.sends.len());
        let busy = self.fetching.is_some() || free == 0;
        if closed || busy || self.lanes.ready() == 0 || !self.books.lets_send() {
            return;
        }
        let admits = self.breaker.admits(now);
        if admits == Admits::Nothing {
            return;
        }
        if self.limits.blocked(now).is_some() {
            self.held_back = true;
            return;
        }
        let probe = admits == Admits::Probe;
        let digest = !probe && self.wants_digest();
        let claims = if digest {
            self.lanes.claim_all(now, digest::DIGEST_MAX)
        } else {
            self.held_back = false;
            let count = if probe {
                1
            } else {
                free.min(self.limits.room(now))
            };
            std::iter::from_fn(|| self.lanes.claim())
                .take(count)
                .collect()
        };
        if probe {
            self.breaker.probe_sent();
        }
        self.limits.take(now, if digest { 1 } else { claims.len() });
        self.fetch(Load {
            claims,
            digest,
            probe,
        });
    }

    fn wants_digest(&self) -> bool {
        self.outlet.policy.digest
            && !self.digest_refused
            && self.held_back
            && self.lanes.ready_reaches(digest::DIGEST_MIN)
    }

    fn fetch(&mut self, load: Load) {
        let (store, sink) = (self.around.store.clone(), self.outlet.id);
        let seqs = load.claims.iter().map(|claim| claim.item.seq).collect();
        self.fetching = Some(Box::pin(async move {
            let alerts = store.alerts_at(sink, seqs).await;
            (load, alerts)
        }));
    }

    fn send(&mut self, load: Load, alerts: Vec<AlertToSend>, now: Timestamp) {
        if self.stop_by.is_some() {
            return self.unclaim(&load, now);
        }
        let Load {
            claims,
            digest,
            probe,
        } = load;
        let mut alerts = alerts.into_iter().peekable();
        let mut ready = Vec::with_capacity(claims.len());
        for claim in claims {
            // They come in the order of the claims; what is missing is left out.
            let stored = alerts.next_if(|found| found.alert.seq == claim.item.seq);
            let message = stored
                .ok_or_else(|| "the alert is no longer in the store, or damaged there".to_owned())
                .and_then(|a| attempt::message(a, &claim.item, &self.outlet.name, now));
            match message {
                Ok(message) => ready.push((claim, message)),
                Err(error) => self.lost(claim, error, now),
            }
        }
        if probe && ready.is_empty() {
            self.breaker.probe_wanted(now);
        }
        if digest {
            self.start_digest(ready, now);
        } else {
            for (claim, message) in ready {
                let claims = vec![claim];
                self.start(
                    message,
                    Load {
                        claims,
                        digest,
                        probe,
                    },
                );
            }
        }
    }

    fn start_digest(&mut self, ready: Vec<(Claim, Message)>, now: Timestamp) {
        let (claims, parts): (Vec<_>, Vec<_>) = ready.into_iter().unzip();
        let load = Load {
            claims,
            digest: true,
            probe: false,
        };
        match digest::message(&self.outlet.name, &parts, now) {
            Some(message) => self.start(message, load),
            None => self.unclaim(&load, now),
        }
    }

    fn start(&mut self, message: Message, load: Load) {
        let timeout = self.outlet.policy.timeout;
        let (sink, clock) = (self.outlet.sink.clone(), self.around.clock.clone());
        let sending = attempt::send(sink, message, load, timeout, clock);
        self.sends.push(Box::pin(sending));
    }

    fn unclaim(&mut self, load: &Load, now: Timestamp) {
        for claim in &load.claims {
            self.lanes.release(claim);
        }
        if load.probe {
            self.breaker.probe_wanted(now);
        }
    }

    /// The next time at which something changes by itself. Always after `now`, or the worker would spin.
    fn wake_at(&mut self, now: Timestamp) -> Timestamp {
        let times = [
            self.lanes.next_due(),
            self.hold_until,
            self.breaker.open_until(),
            self.limits.blocked(now),
            self.stop_by,
            Some(self.books.wake_at()),
        ];
        let coming = times.into_iter().flatten().filter(|at| *at > now);
        coming
            .min()
            .unwrap_or_else(|| super::later(now, super::POLL_NET))
    }

    /// Stopping: in-flight sends may end until the deadline. What is dropped then stays pending, and is sent again after
    /// the next start. Outcomes get one more commit after the deadline, whether the store likes it or not.
    fn is_over(&mut self, now: Timestamp) -> bool {
        let Some(by) = self.stop_by else {
            return false;
        };
        let late = by <= now;
        if late {
            self.sends.clear();
            self.fetching = None;
        }
        let settled = self.books.unsettled() == 0 || late && self.books.retry_at().is_some();
        self.sends.is_empty() && self.fetching.is_none() && settled
    }
}

/// Waits for what runs in the slot and empties it; for ever when nothing does. Dropping this loses nothing.
async fn slot<T>(slot: &mut Option<BoxFuture<'static, T>>) -> T {
    match slot {
        Some(running) => {
            let done = running.await;
            *slot = None;
            done
        }
        None => std::future::pending().await,
    }
}
