//! The worker of one sink: the one task that owns what is owed to it.
//!
//! It subscribes, then looks, then waits, with a poll as a net: whatever happens between the look and the wait rings the
//! bell, and a ring is kept. What it finds in the rows is right; a poke only says when to look.
//!
//! Claims write nothing: one process owns the whole store (SQLite: it holds the lock on the file), so that being this
//! task is the lease. With several replicas, [`Worker::new`] is where a shard's lease would come in, and
//! [`Store::settle`] where its number would be checked.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::oneshot;

use super::attempt::{self, Load, Ruling, Tried};
use super::books::{Books, Done, Outcome};
use super::breaker::{Admits, Breaker, Change};
use super::event::{Event, Observer, PausedBy, Phase, SinkState};
use super::lane::{Claim, Lanes};
use super::limit::Limits;
use super::mailbox::Mailbox;
use super::{Outlet, Tuning, digest};
use crate::clock::Clock;
use crate::sinks::{Class, Delivered, Failure, Parcel};
use crate::store::{Error, Seq, Settlement, Store, StoredAlert, Verdict};

/// What every worker of a [`super::Delivery`] shares.
#[derive(Clone)]
pub(super) struct Surroundings {
    pub(super) store: Arc<dyn Store>,
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
    sends: FuturesUnordered<BoxFuture<'static, Tried>>,
    /// The receiver asked for quiet until then.
    hold_until: Option<Timestamp>,
    paused: Option<PausedBy>,
    stop_by: Option<Timestamp>,
    /// The words of the limit that something waits for.
    held_by: Option<String>,
    /// The sink called a digest poison: it gets single alerts.
    digest_refused: bool,
    operator_told: bool,
    idle: Vec<oneshot::Sender<()>>,
}

type Fetched = (Load, Result<Vec<StoredAlert>, Error>);

/// What woke the worker.
enum Woken {
    Mail,
    Time,
    Store(Done),
    Fetched(Fetched),
    Tried(Tried),
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
            held_by: None,
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
            Some(tried) = self.sends.next() => Woken::Tried(tried),
            () = self.around.clock.sleep_until(wake_at) => Woken::Time,
        }
    }

    fn handle(&mut self, woken: Woken) {
        let now = self.around.clock.now();
        match woken {
            Woken::Mail | Woken::Time => {}
            Woken::Tried(tried) => self.tried(tried),
            Woken::Fetched((load, Ok(alerts))) => {
                self.books.recovered();
                self.send(load, alerts, now);
            }
            Woken::Fetched((load, Err(error))) => {
                self.unclaim(&load, now);
                self.books.failed(now);
                self.store_failed(&error);
            }
            Woken::Store(done) => match self.books.finish(done, &mut self.lanes, now) {
                Ok(outcomes) => self.settled(outcomes),
                Err(error) => self.store_failed(&error),
            },
        }
    }

    fn read_mail(&mut self, now: Timestamp) {
        // While a page is being read, a delivery dropped meanwhile may still be on it: that wish waits.
        let mut mail = self.mailbox.take();
        if !mail.forget.is_empty() {
            if self.books.running.is_none() {
                self.lanes.forget(&mail.forget);
            } else {
                let forget = std::mem::take(&mut mail.forget);
                self.mailbox.defer(forget);
            }
        }
        if let Some(seq) = mail.look {
            self.books.look_from(seq);
        }
        if let Some(pause) = mail.pause {
            self.set_paused(pause, now);
        }
        if let Some(by) = mail.stop_by {
            self.stop_by = Some(self.stop_by.map_or(by, |other| other.min(by)));
        }
        self.idle.extend(mail.idle);
    }

    fn set_paused(&mut self, pause: bool, now: Timestamp) {
        let sink = self.outlet.name.clone();
        let by = PausedBy::Operator;
        if pause && self.paused != Some(by) {
            self.tell(Event::Paused { sink, by });
        } else if !pause {
            // An operator who resumes has mended something: look at once whether it helped.
            self.hold_until = None;
            self.breaker.probe_wanted(now);
            if self.paused.is_some() {
                self.tell(Event::Resumed { sink });
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
        if let Some((_, words)) = self.limits.blocked(now) {
            self.held_by = Some(words);
            return;
        }
        let probe = admits == Admits::Probe;
        let digest = !probe && self.wants_digest();
        let claims = if digest {
            self.lanes.claim_all(now, digest::DIGEST_MAX)
        } else {
            self.held_by = None;
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
            && self.held_by.is_some()
            && self.lanes.ready_reaches(digest::DIGEST_MIN)
    }

    fn fetch(&mut self, load: Load) {
        let store = self.around.store.clone();
        let seqs = load.claims.iter().map(|claim| claim.item.seq).collect();
        self.fetching = Some(Box::pin(async move {
            let alerts = store.alerts_at(seqs).await;
            (load, alerts)
        }));
    }

    fn send(&mut self, load: Load, alerts: Vec<StoredAlert>, now: Timestamp) {
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
            let stored = alerts.next_if(|alert| alert.seq == claim.item.seq);
            let parcel = stored
                .ok_or_else(|| "the alert is no longer in the store".to_owned())
                .and_then(|a| attempt::parcel(a, &claim.item, &self.outlet.name, now));
            match parcel {
                Ok(parcel) => ready.push((claim, parcel)),
                Err(error) => self.lost(claim, error, now),
            }
        }
        if probe && ready.is_empty() {
            self.breaker.probe_wanted(now);
        }
        if digest {
            self.start_digest(ready, now);
        } else {
            for (claim, parcel) in ready {
                let claims = vec![claim];
                self.start(
                    parcel,
                    Load {
                        claims,
                        digest,
                        probe,
                    },
                );
            }
        }
    }

    fn start_digest(&mut self, ready: Vec<(Claim, Parcel)>, now: Timestamp) {
        let limit = self.held_by.clone().unwrap_or_default();
        let (claims, parts): (Vec<_>, Vec<_>) = ready.into_iter().unzip();
        let load = Load {
            claims,
            digest: true,
            probe: false,
        };
        match digest::parcel(&self.outlet.name, &limit, &parts, now) {
            Some(parcel) => self.start(parcel, load),
            None => self.unclaim(&load, now),
        }
    }

    fn start(&mut self, parcel: Parcel, load: Load) {
        let timeout = self.outlet.policy.timeout;
        let (sink, clock) = (self.outlet.sink.clone(), self.around.clock.clone());
        let sending = attempt::send(sink, parcel, load, timeout, clock);
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

    /// The row stands, but its alert cannot be sent by anyone: a dead letter, so that the lane goes on.
    fn lost(&mut self, claim: Claim, error: String, now: Timestamp) {
        let class = "lost";
        let event = Event::Dead {
            sink: self.outlet.name.clone(),
            seq: claim.item.seq,
            attempts: claim.item.attempts,
            class,
            cause: error.clone(),
        };
        let verdict = Verdict::Dead { class, error };
        let outcome = self.outcome(claim, now, 0, None, verdict, Some(event));
        self.books.note(outcome);
    }

    fn tried(&mut self, tried: Tried) {
        let Tried {
            load,
            result,
            at,
            took,
        } = tried;
        // A refused parcel or a farewell shows that the receiver lives.
        let healthy = !matches!(
            result.as_ref().map_err(|failure| failure.class),
            Err(Class::Transient | Class::Operator)
        );
        let change = self.breaker.record(at, healthy, load.probe);
        self.tell_breaker(change, &result);
        let took_ms = u32::try_from(took.as_millis()).unwrap_or(u32::MAX);
        match result {
            Ok(delivered) => self.delivered(load, &delivered, at, took_ms),
            Err(failure) => self.failed(load, &failure, at, took_ms),
        }
    }

    fn delivered(&mut self, load: Load, delivered: &Delivered, at: Timestamp, took_ms: u32) {
        self.operator_told = false;
        self.mailbox
            .publish(|state| state.last_success_at = Some(at));
        if load.digest {
            self.tell(Event::Digested {
                sink: self.outlet.name.clone(),
                count: load.claims.len(),
            });
        }
        for claim in load.claims {
            let event = Event::Delivered {
                sink: self.outlet.name.clone(),
                seq: claim.item.seq,
                attempt: claim.item.attempts.saturating_add(1),
                took: std::time::Duration::from_millis(took_ms.into()),
            };
            let (code, event) = (delivered.code, Some(event));
            let outcome = self.outcome(claim, at, took_ms, code, Verdict::Delivered, event);
            self.books.note(outcome);
        }
    }

    fn failed(&mut self, load: Load, failure: &Failure, at: Timestamp, took_ms: u32) {
        self.note_failure(failure, at);
        let mut failure = failure.clone();
        if load.digest && failure.class == Class::Poison {
            // The digest is refused, not the alerts in it: each gets its own chance.
            self.digest_refused = true;
            failure.class = Class::Transient;
        }
        // One draw for all, so that the parts of a digest come due together.
        let chance = self.chance.random();
        for claim in load.claims {
            self.tell_failed(claim.item.seq, claim.item.attempts + 1, &failure, took_ms);
            let ruling = attempt::rule(&failure, &claim.item, &self.outlet.policy, at, chance);
            self.hold_until = self.hold_until.max(ruling.hold_until);
            let event = self.dead_event(&claim, &ruling);
            let Ruling {
                verdict, refusals, ..
            } = ruling;
            let mut outcome = self.outcome(claim, at, took_ms, failure.code, verdict, event);
            outcome.refusals = refusals;
            self.books.note(outcome);
        }
    }

    fn note_failure(&mut self, failure: &Failure, at: Timestamp) {
        self.mailbox.publish(|state| {
            state.last_error = Some(failure.cause.clone());
            state.last_error_at = Some(at);
        });
        let sink = self.outlet.name.clone();
        if failure.class == Class::Gone && self.paused.is_none() {
            let by = PausedBy::Receiver;
            self.paused = Some(by);
            self.tell(Event::Paused { sink, by });
        } else if failure.class == Class::Operator && !self.operator_told {
            self.operator_told = true;
            let (code, cause) = (failure.code, failure.cause.clone());
            self.tell(Event::OperatorNeeded { sink, code, cause });
        }
    }

    fn outcome(
        &self,
        claim: Claim,
        at: Timestamp,
        took_ms: u32,
        code: Option<u16>,
        verdict: Verdict,
        event: Option<Event>,
    ) -> Outcome {
        let settlement = Settlement {
            sink: self.outlet.id,
            seq: claim.item.seq,
            at,
            took_ms,
            attempt: claim.item.attempts.saturating_add(1),
            code,
            verdict,
        };
        Outcome {
            refusals: claim.item.refusals,
            claim,
            settlement,
            event,
        }
    }

    fn settled(&mut self, outcomes: Vec<Outcome>) {
        for outcome in outcomes {
            outcome.apply(&mut self.lanes);
            if let Some(event) = outcome.event {
                self.tell(event);
            }
        }
    }

    /// The next time at which something changes by itself. Always after `now`, or the worker would spin.
    fn wake_at(&mut self, now: Timestamp) -> Timestamp {
        let times = [
            self.lanes.next_due(),
            self.hold_until,
            self.breaker.open_until(),
            self.limits.blocked(now).map(|(until, _)| until),
            self.stop_by,
            Some(self.books.wake_at()),
        ];
        let coming = times.into_iter().flatten().filter(|at| *at > now);
        coming
            .min()
            .unwrap_or_else(|| super::later(now, super::POLL_NET))
    }

    /// Stopping: in-flight sends may end until the deadline. What is dropped then stays owed, and is sent again after
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

    fn publish(&mut self, now: Timestamp) {
        let limited = self.limits.blocked(now).map(|(until, _)| until);
        let open = self.breaker.open_until();
        let held = self.hold_until.or(self.books.retry_at());
        let stuck = self.lanes.ready() == 0 && self.lanes.loaded() > 0 && self.sends.is_empty();
        let next_due = if stuck { self.lanes.next_due() } else { None };
        let retry_at = open.max(held).or(limited).or(next_due);
        let phase = match () {
            () if self.paused.is_some() => Phase::Paused,
            () if !self.breaker.is_closed() => Phase::Open,
            () if self.lanes.loaded() > 0 && retry_at.is_some() => Phase::Waiting,
            () => Phase::Ok,
        };
        let (in_flight, loaded) = (self.sends.len(), self.lanes.loaded());
        let paused_by = self.paused;
        self.mailbox.publish(|state: &mut SinkState| {
            state.state = phase;
            state.paused_by = paused_by;
            state.in_flight = in_flight;
            state.loaded = loaded;
            state.retry_at = retry_at.filter(|_| phase != Phase::Paused && phase != Phase::Ok);
        });
        let still = self.sends.is_empty() && self.fetching.is_none();
        if still && self.books.is_quiet(&self.lanes) {
            for waiter in self.idle.drain(..) {
                // Whoever asked may have gone.
                let _gone = waiter.send(());
            }
        }
    }

    fn tell_breaker(&self, change: Option<Change>, result: &Result<Delivered, Failure>) {
        let sink = self.outlet.name.clone();
        match change {
            Some(Change::Opened(until)) => {
                let cause = result.as_ref().err().map(|failure| failure.cause.clone());
                let cause = cause.unwrap_or_default();
                self.tell(Event::BreakerOpened { sink, until, cause });
            }
            Some(Change::Closed) => self.tell(Event::BreakerClosed { sink }),
            None => {}
        }
    }

    fn tell_failed(&self, seq: Seq, attempt: u32, failure: &Failure, took_ms: u32) {
        self.tell(Event::Failed {
            sink: self.outlet.name.clone(),
            seq,
            attempt,
            class: failure.class,
            code: failure.code,
            cause: failure.cause.clone(),
            took: std::time::Duration::from_millis(took_ms.into()),
        });
    }

    fn dead_event(&self, claim: &Claim, ruling: &Ruling) -> Option<Event> {
        let Verdict::Dead { class, error } = &ruling.verdict else {
            return None;
        };
        Some(Event::Dead {
            sink: self.outlet.name.clone(),
            seq: claim.item.seq,
            attempts: claim.item.attempts.saturating_add(1),
            class,
            cause: error.clone(),
        })
    }

    fn store_failed(&self, error: &Error) {
        self.tell(Event::StoreFailed {
            sink: self.outlet.name.clone(),
            unsettled: self.books.unsettled(),
            cause: error.to_string(),
        });
    }

    fn tell(&self, event: Event) {
        self.around.events.observe(event);
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
