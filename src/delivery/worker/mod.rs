//! The worker of one sink, or of one part of it: the only task that owns what is pending there.
//!
//! It subscribes, then looks, then waits, and polls the store every second: whatever happens between the look and the wait
//! wakes the worker, and a wake is kept. The rows of the store are the truth; a poke only says when to look.
//!
//! [`Dispatch`] decides what may go, [`Settle`] what follows from an attempt, [`Books`] talks to the store. The worker
//! only carries things from one to the other.
//!
//! Claims write nothing: one process owns the sink, and this task owns it in the process. SQLite holds the lock on the whole file.
//! With several gateways on one store, a sink has a lease: only its owner has a worker, a send starts only while the owner is
//! [`Trusted`], and the store's `settle` takes nothing from anyone else.

mod dispatch;
mod gating;
mod report;
mod settle;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use jiff::Timestamp;

use super::attempt::{self, Attempted, Load};
use super::books::{Books, Done, Outcome};
use super::breaker::Admission;
use super::event::{Observer, Traced, What};
use super::gate::Gate;
use super::holding::Holding;
use super::lane::Claim;
use super::mailbox::{Mailbox, Waiter};
use super::state::{PausedBy, SinkState};
use super::{BuiltSink, Trusted, Tuning, digest};
use campanile_model::Clock;
use campanile_sinks::{Class, Failure, Message};
use campanile_store::{AlertToSend, Error, Handover, Outbox, Seq};
use dispatch::Dispatch;
use report::Report;
use settle::{Ended, Settle};

/// A held alert whose lane was busy is looked at again after this time.
pub(super) const RECHECK: Duration = Duration::from_secs(1);

/// What every worker of a [`super::Delivery`] shares.
#[derive(Clone)]
pub(super) struct Surroundings {
    pub(super) store: Arc<dyn Outbox>,
    pub(super) clock: Clock,
    pub(super) events: Arc<dyn Observer>,
    pub(super) gate: Arc<dyn Gate>,
    pub(super) tuning: Tuning,
    pub(super) trusted: Trusted,
}

/// The worker of one sink.
pub(super) struct Worker {
    built: BuiltSink,
    around: Surroundings,
    mailbox: Arc<Mailbox>,
    books: Books,
    dispatch: Dispatch,
    holding: Holding,
    settle: Settle,
    report: Report,
    /// Bodies that are being read for what was claimed.
    fetching: Option<BoxFuture<'static, Fetched>>,
    sends: FuturesUnordered<BoxFuture<'static, Attempted>>,
    stop_by: Option<Timestamp>,
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
    /// Goes on from the rows of the store, and from what the last worker left.
    pub(super) fn new(
        built: BuiltSink,
        around: Surroundings,
        mailbox: Arc<Mailbox>,
        handover: Option<&Handover>,
    ) -> Self {
        let now = around.clock.now();
        let Tuning {
            loaded_max,
            page,
            seed,
        } = around.tuning;
        let report = Report {
            sink: built.name.clone(),
            events: around.events.clone(),
        };
        let paused = mailbox.state().paused_by;
        let mut dispatch = Dispatch::new(&built.policy, loaded_max, paused);
        if let Some(handover) = handover {
            dispatch.inherit(now, handover);
        }
        Self {
            books: Books::new(around.store.clone(), built.part, page, now, handover),
            dispatch,
            holding: Holding::new(),
            settle: Settle::new(built.part.sink, built.policy.clone(), report.clone(), seed),
            report,
            fetching: None,
            sends: FuturesUnordered::new(),
            stop_by: None,
            idle: Vec::new(),
            built,
            around,
            mailbox,
        }
    }

    /// Runs until it is asked to stop and all outcomes are settled.
    pub(super) async fn run(mut self) {
        loop {
            self.idle.extend(self.mailbox.waiters());
            let now = self.around.clock.now();
            self.read_mail(now);
            self.dispatch.wake(now);
            let load = self.stop_by.is_none();
            self.holding.wake(&*self.around.gate, now);
            let look = self
                .holding
                .look()
                .filter(|_| load && (self.around.trusted)());
            let Self {
                books, dispatch, ..
            } = &mut self;
            books.begin(now, &dispatch.lanes, (load, look), || dispatch.left(now));
            self.claim(now);
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
            () = self.mailbox.wake.notified() => Woken::Mail,
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
                self.dispatch.release(&load, now);
                self.books.failed(now, true);
                self.store_failed(&error);
            }
            Woken::Store(Done::Held(Ok(page))) => self.judge(&page, now),
            Woken::Store(done) => match self.books.finish(done, &mut self.dispatch.lanes, now) {
                Ok(outcomes) => self.settled(outcomes),
                Err(error) => self.store_failed(&error),
            },
        }
    }

    /// These outcomes are committed: their lanes go on.
    fn settled(&mut self, outcomes: Vec<Outcome>) {
        for outcome in outcomes {
            outcome.apply(&mut self.dispatch.lanes);
            if let Some(what) = outcome.what {
                self.report.say_of(what, outcome.claim.trace);
            }
        }
    }

    fn read_mail(&mut self, now: Timestamp) {
        let mut mail = self.mailbox.take();
        let dropped = std::mem::take(&mut mail.dropped);
        let hurry = std::mem::take(&mut mail.hurry);
        if !(dropped.is_empty() && hurry.is_empty()) {
            self.change(dropped, hurry, now);
        }
        match mail.pause {
            Some(true) => self.pause(PausedBy::Operator),
            Some(false) => self.resume(now),
            None => {}
        }
        if let Some(by) = mail.stop_by {
            self.stop_by = Some(self.stop_by.map_or(by, |other| other.min(by)));
        }
        // Only now: a sink that was resumed can send more.
        let plenty = self.dispatch.lanes.ready() >= self.around.tuning.page;
        if !plenty
            && !self.dispatch.is_closed(now)
            && let Some(seq) = self.mailbox.take_look()
        {
            self.books.look_from(seq);
        }
    }

    /// Applies what an operator requested for single deliveries.
    fn change(&mut self, dropped: HashSet<Seq>, hurry: HashSet<Seq>, now: Timestamp) {
        // While a page is being read, a delivery dropped meanwhile may still be on it: that waits.
        if self.books.running.is_some() {
            return self.mailbox.defer(dropped, hurry);
        }
        self.dispatch.lanes.remove(&dropped);
        if !hurry.is_empty() {
            self.dispatch.hurry(&hurry, now);
        }
    }

    fn pause(&mut self, by: PausedBy) {
        if self.dispatch.pause(by) {
            self.report.say(What::Paused { by });
        }
    }

    fn resume(&mut self, now: Timestamp) {
        if self.dispatch.resume(now) {
            self.report.say(What::Resumed);
        }
    }

    /// Claims what may go now and has its bodies read.
    fn claim(&mut self, now: Timestamp) {
        let busy = self.stop_by.is_some() || self.fetching.is_some();
        if busy || !self.books.lets_send() || !(self.around.trusted)() {
            return;
        }
        // What is sent and not settled is all that the next owner of a limited sink cannot know.
        let unknown = if self.books.hands_over() && self.dispatch.is_limited() {
            self.books.unsettled()
        } else {
            0
        };
        let in_flight = self.sends.len() + unknown;
        let Some(load) = self.dispatch.next(now, in_flight) else {
            return;
        };
        let (store, sink) = (self.around.store.clone(), self.built.part.sink);
        let seqs = load.claims.iter().map(|claim| claim.item.seq).collect();
        self.fetching = Some(Box::pin(async move {
            let alerts = store.alerts_at(sink, seqs).await;
            (load, alerts)
        }));
    }

    fn send(&mut self, load: Load, alerts: Vec<AlertToSend>, now: Timestamp) {
        // Asked again: the process can have been suspended while the alerts were read.
        if self.stop_by.is_some() || !(self.around.trusted)() {
            return self.dispatch.release(&load, now);
        }
        let (digest, admission) = (load.digest, load.admission);
        let ready = self.messages(load.claims, alerts, now);
        let sends = if digest { 1 } else { ready.len() };
        self.dispatch.sends(now, sends.min(ready.len()));
        if admission.probe && ready.is_empty() {
            self.dispatch.probe_again(now);
        }
        if digest {
            return self.start_digest(ready, admission, now);
        }
        for (claim, message) in ready {
            let load = Load {
                claims: vec![claim],
                digest,
                admission,
            };
            self.start(message, load);
        }
    }

    /// The place of this attempt in the trace of the callback.
    fn traced(&self, stored: &AlertToSend, now: Timestamp) -> Option<Arc<Traced>> {
        let callback = self.around.events.trace(stored.trace.as_deref()?)?;
        Some(Arc::new(Traced {
            callback,
            attempt: callback.with_span(rand::random()),
            alert: stored.alert.id,
            began: now,
        }))
    }

    fn start_digest(&mut self, ready: Vec<(Claim, Message)>, admission: Admission, now: Timestamp) {
        let (claims, parts): (Vec<_>, Vec<_>) = ready.into_iter().unzip();
        let load = Load {
            claims,
            digest: true,
            admission,
        };
        match digest::message(&self.built.name, &parts, now) {
            Some(message) => self.start(message, load),
            None => self.dispatch.release(&load, now),
        }
    }

    fn start(&mut self, message: Message, load: Load) {
        let timeout = self.built.policy.timeout;
        let (sink, clock) = (self.built.sink.clone(), self.around.clock.clone());
        let sending = attempt::send(sink, message, load, timeout, clock);
        self.sends.push(Box::pin(sending));
    }

    fn attempted(&mut self, attempted: Attempted) {
        let Attempted {
            load,
            result,
            at,
            took,
        } = attempted;
        // A receiver that refuses a message, or asks to stop, works.
        let healthy = !matches!(
            result.as_ref().map_err(|failure| failure.class),
            Err(Class::Transient | Class::Operator)
        );
        let change = self.dispatch.record(at, healthy, load.admission);
        self.report.breaker(change, &result);
        let ended = Ended { at, took };
        let outcomes = match result {
            Ok(delivered) => {
                self.mailbox
                    .publish(|state| state.last_success_at = Some(at));
                self.settle.delivered(load, &delivered, ended)
            }
            Err(failure) => self.failed(load, failure, ended),
        };
        for outcome in outcomes {
            self.books.note(outcome);
        }
    }

    fn failed(&mut self, load: Load, mut failure: Failure, ended: Ended) -> Vec<Outcome> {
        self.mailbox.publish(|state| {
            state.last_error = Some(failure.reason.clone());
            state.last_error_at = Some(ended.at);
        });
        if failure.class == Class::Gone {
            self.pause(PausedBy::Receiver);
        }
        if load.digest && failure.class.is_refusal() {
            // The digest is refused, not the alerts in it: each is sent again.
            let count = load.claims.len();
            self.dispatch.digest_refused(failure.class, count, ended.at);
            failure.class = Class::Transient;
        }
        let (outcomes, hold_until) = self.settle.failed(load, &failure, ended);
        self.dispatch.hold(hold_until);
        outcomes
    }

    /// Shows the state after this step, and answers those that wait until nothing is in flight and nothing is due.
    fn publish(&mut self, now: Timestamp) {
        let (in_flight, store_at) = (self.sends.len(), self.books.retry_at());
        let (phase, retry_at) = self.dispatch.phase(now, store_at, in_flight);
        let (loaded, paused_by) = (self.dispatch.lanes.loaded(), self.dispatch.paused());
        self.mailbox.publish(|state: &mut SinkState| {
            state.state = phase;
            state.paused_by = paused_by;
            state.in_flight = in_flight;
            state.loaded = loaded;
            state.retry_at = retry_at;
        });
        let still = self.sends.is_empty() && self.fetching.is_none();
        let look = self.holding.look().is_some() && store_at.is_none() && (self.around.trusted)();
        if still && !look && self.books.is_quiet(&self.dispatch.lanes) {
            for waiter in self.idle.drain(..) {
                // The one that asked may be gone.
                let _gone = waiter.send(());
            }
        }
    }

    fn store_failed(&self, error: &Error) {
        self.report.say(What::StoreFailed {
            unsettled: self.books.unsettled(),
            reason: error.to_string(),
        });
    }

    /// The next time at which something changes without an event. Always after `now`, or the worker would spin.
    fn wake_at(&mut self, now: Timestamp) -> Timestamp {
        let others = [
            self.stop_by,
            Some(self.books.wake_at()),
            self.holding.next_at(),
        ];
        let times = self.dispatch.times(now).into_iter().chain(others);
        let coming = times.flatten().filter(|at| *at > now);
        coming
            .min()
            .unwrap_or_else(|| super::later(now, super::POLL_NET))
    }

    /// Stopping: in-flight sends may end until the deadline. What is dropped then stays pending, and is sent again after
    /// the next start. Outcomes get one more commit after the deadline, even if the store fails.
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

/// Waits for what runs in the slot and empties it; without end when nothing does. Dropping this loses nothing.
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
