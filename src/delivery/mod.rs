//! Sends what is pending: every sink gets every alert that is pending for it, in order within a lane, until it has it.
//!
//! ```text
//!  Delivery ──mailbox──▶ Worker (one task a sink) ──▶ Lanes    who goes next
//!   handle ◀──state────                           ──▶ Books    pages in, settlements out
//!                                                 ──▶ attempt  one send and what follows from it
//! ```
//!
//! The promise is at least once: an outcome is written after the send, so that a crash between the two sends again,
//! under the same delivery id. A lane's next delivery starts only after the outcome of the one before is committed.
//!
//! Pauses, the circuit breaker and the counts under a limit are in memory only. After a restart the sink is tried again,
//! and the receiver answers again what it wants. After a restore nobody wants that: then all sinks start paused.

mod attempt;
pub mod backoff;
mod books;
mod breaker;
mod digest;
mod event;
pub mod gate;
mod handover;
mod holding;
pub mod id;
mod lane;
mod limit;
mod mailbox;
mod refresh;
mod state;
mod worker;

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use jiff::Timestamp;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub use event::{Event, Observer, Traced, What};
pub use state::{PausedBy, Phase, SinkState};

use crate::config::Policy;
use campanile_model::Clock;
use campanile_sinks::Sink;
use campanile_store::lease::Part;
use campanile_store::{Seq, SinkId, Store};
use gate::Gate;
use mailbox::Mailbox;
use worker::{Surroundings, Worker};

/// How long in-flight sends may last when the gateway stops or a sink is replaced. Under the 30 s that container
/// runtimes give before they kill.
pub const STOP_GRACE: Duration = Duration::from_secs(25);

/// Deliveries held in memory for one sink.
const LOADED_MAX: usize = 100_000;

/// Rows read from the store at once.
const PAGE: usize = 1_000;

/// How long a worker waits when nothing else gives a time, and before it is restarted after a panic.
const POLL_NET: Duration = Duration::from_secs(1);

/// One configured sink, ready to be sent to.
#[derive(Clone)]
pub struct BuiltSink {
    /// The store's number for it, and which of its lanes are meant.
    pub part: Part,
    /// The full name, such as `webhook/oncall`.
    pub name: Arc<str>,
    /// When to try, how often, how fast.
    pub policy: Policy,
    /// The sink.
    pub sink: Arc<dyn Sink>,
}

/// Limits that tests set lower, and the seed of the jitter.
#[derive(Clone, Copy, Debug)]
pub struct Tuning {
    /// Deliveries held in memory for one sink.
    pub loaded_max: usize,
    /// Rows read from the store at once.
    pub page: usize,
    /// The seed of the jitter.
    pub seed: u64,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            loaded_max: LOADED_MAX,
            page: PAGE,
            seed: rand::random(),
        }
    }
}

/// Whether this process may start a send now. Of several gateways with one store, only the owner of a sink sends to it, and an
/// owner that was cut off from the store must stop before another gateway takes its sinks.
pub type Trusted = Arc<dyn Fn() -> bool + Send + Sync>;

/// The handle on all deliveries. Cheap to clone.
#[derive(Clone)]
pub struct Delivery(Arc<Inner>);

struct Inner {
    around: Surroundings,
    crew: Mutex<Crew>,
}

#[derive(Default)]
struct Crew {
    running: Vec<Running>,
    /// Workers of sinks that were removed from the config and still finish what is in flight.
    leaving: HashMap<Part, JoinHandle<()>>,
    stopped: bool,
}

impl Crew {
    /// The workers of a sink: one for each part that is delivered here.
    fn of(&self, sink: SinkId) -> impl Iterator<Item = &Running> {
        let running = self.running.iter();
        running.filter(move |running| running.part.sink == sink)
    }

    fn named(&self, name: &str) -> impl Iterator<Item = &Running> {
        let running = self.running.iter();
        running.filter(move |running| *running.mailbox.state().name == *name)
    }
}

struct Running {
    part: Part,
    sink: Arc<dyn Sink>,
    mailbox: Arc<Mailbox>,
    task: JoinHandle<()>,
}

impl Delivery {
    /// Starts one worker for each sink. Must be called inside a Tokio runtime.
    pub fn start(
        store: Arc<dyn Store>,
        sinks: Vec<BuiltSink>,
        clock: Clock,
        events: Arc<dyn Observer>,
        gate: Arc<dyn Gate>,
    ) -> Self {
        Self::start_tuned(store, sinks, clock, events, (gate, Tuning::default()))
    }

    /// [`Self::start`], but every sink is paused until an operator resumes it.
    pub fn start_held(
        store: Arc<dyn Store>,
        sinks: Vec<BuiltSink>,
        clock: Clock,
        events: Arc<dyn Observer>,
        gate: Arc<dyn Gate>,
    ) -> Self {
        let tuned = (gate, Tuning::default());
        let delivery = Self::start_tuned(store, Vec::new(), clock, events, tuned);
        delivery.hire_all(sinks, STOP_GRACE, true);
        delivery
    }

    /// [`Self::start`] with other limits.
    pub fn start_tuned(
        store: Arc<dyn Store>,
        sinks: Vec<BuiltSink>,
        clock: Clock,
        events: Arc<dyn Observer>,
        (gate, tuning): (Arc<dyn Gate>, Tuning),
    ) -> Self {
        let trusted: Trusted = Arc::new(|| true);
        let delivery = Self::new(Surroundings {
            store,
            clock,
            events,
            gate,
            tuning,
            trusted,
        });
        delivery.replace(sinks);
        delivery
    }

    /// Deliveries of a gateway that shares its store with others. It has no sinks until [`Self::replace`] gives it those whose
    /// lease it has.
    pub fn shared(
        store: Arc<dyn Store>,
        clock: Clock,
        events: Arc<dyn Observer>,
        (gate, trusted): (Arc<dyn Gate>, Trusted),
    ) -> Self {
        Self::new(Surroundings {
            store,
            clock,
            events,
            gate,
            tuning: Tuning::default(),
            trusted,
        })
    }

    fn new(around: Surroundings) -> Self {
        Self(Arc::new(Inner {
            around,
            crew: Mutex::default(),
        }))
    }

    /// Reports that these are pending for a sink now: after a commit, and after an operator's retry (whose places are old).
    /// Only a hint: the workers look every second in any case. False: not all parts of the sink are delivered here.
    pub fn poke(&self, sink: SinkId, seqs: &[Seq]) -> bool {
        let crew = self.crew();
        let mut missing = None;
        for running in crew.of(sink) {
            *missing.get_or_insert(running.part.of) -= 1;
            if let Some(lowest) = seqs.iter().copied().min() {
                running.mailbox.poke(lowest);
            }
        }
        missing == Some(0)
    }

    /// Has every worker read what is pending for its sink from the start.
    pub fn poke_all(&self) {
        for running in &self.crew().running {
            running.mailbox.poke(1);
        }
    }

    /// Reports that the gate has changed: what is held is asked about again.
    pub fn gate_changed(&self) {
        for running in &self.crew().running {
            running.mailbox.wake.notify_one();
        }
    }

    /// Reports that an operator dropped these from the store: they are not sent, unless they are already in flight.
    pub fn dropped(&self, sink: SinkId, seqs: &[Seq]) {
        for running in self.crew().of(sink) {
            running.mailbox.request(|mail| mail.dropped.extend(seqs));
        }
    }

    /// Attempts these pending deliveries now: they do not wait for their next attempt, the circuit breaker of the sink lets
    /// an attempt through, and a `Retry-After` of the receiver ends. A paused sink stays paused.
    pub fn hurry(&self, sink: SinkId, seqs: &[Seq]) {
        for running in self.crew().of(sink) {
            running.mailbox.request(|mail| mail.hurry.extend(seqs));
        }
    }

    /// Every sink, in the order of the config.
    pub fn states(&self) -> Vec<SinkState> {
        let crew = self.crew();
        let mut states: Vec<SinkState> = Vec::new();
        for running in &crew.running {
            let state = running.mailbox.state();
            match states.iter_mut().find(|other| other.name == state.name) {
                Some(other) => *other = other.clone().with(state),
                None => states.push(state),
            }
        }
        states
    }

    /// Sends nothing more to a sink until it is resumed. Gives its new state; none when there is no such sink.
    pub fn pause(&self, name: &str) -> Option<SinkState> {
        self.set_paused(name, true)
    }

    /// Sends to a sink again at once, whatever paused it. Gives its new state; none when there is no such sink.
    pub fn resume(&self, name: &str) -> Option<SinkState> {
        self.set_paused(name, false)
    }

    /// Replaces the set of sinks. The worker of a sink that is the same object is kept. For the others, the old worker ends
    /// what is in flight first and the new one starts after it: a sink never has two workers. An operator's pause is
    /// kept until the operator resumes the sink. A new sink is held while another one still is.
    pub fn replace(&self, sinks: Vec<BuiltSink>) {
        self.replace_within(sinks, STOP_GRACE);
    }

    /// [`Self::replace`] with another time for what is in flight. What is dropped then stays pending.
    pub fn replace_within(&self, sinks: Vec<BuiltSink>, grace: Duration) {
        let is_held = |state: &SinkState| state.paused_by == Some(PausedBy::Hold);
        let hold = self.states().iter().any(is_held);
        self.hire_all(sinks, grace, hold);
    }

    fn hire_all(&self, sinks: Vec<BuiltSink>, grace: Duration, hold: bool) {
        let mut crew = self.crew();
        if crew.stopped {
            return;
        }
        let mut before = std::mem::take(&mut crew.running);
        let deadline = later(self.0.around.clock.now(), grace);
        for sink in sinks {
            let old = before.iter().position(|running| running.part == sink.part);
            let old = old.map(|at| before.remove(at));
            let running = match old {
                Some(old) if Arc::ptr_eq(&old.sink, &sink.sink) => old,
                Some(old) => {
                    old.mailbox.request(|mail| mail.stop_by = Some(deadline));
                    self.hire(sink, Some(old.task), Some(old.mailbox.state()))
                }
                None => {
                    let leaving = crew.leaving.remove(&sink.part);
                    let state = hold.then(|| SinkState::held(sink.name.clone()));
                    self.hire(sink, leaving, state)
                }
            };
            crew.running.push(running);
        }
        crew.leaving.retain(|_, task| !task.is_finished());
        for old in before {
            old.mailbox.request(|mail| mail.stop_by = Some(deadline));
            crew.leaving.insert(old.part, old.task);
        }
    }

    /// Waits until the worker of a part that was removed has ended.
    pub async fn ended(&self, part: Part) {
        let leaving = self.crew().leaving.remove(&part);
        if let Some(task) = leaving {
            // The task of a worker catches and reports its panics.
            let _ended = task.await;
        }
    }

    /// Starts no more sends, gives those in flight this long to end, settles every outcome, and ends all workers.
    pub async fn stop(&self, grace: Duration) {
        let deadline = later(self.0.around.clock.now(), grace);
        let tasks: Vec<JoinHandle<()>> = {
            let mut crew = self.crew();
            crew.stopped = true;
            for running in &crew.running {
                running
                    .mailbox
                    .request(|mail| mail.stop_by = Some(deadline));
            }
            let leaving: Vec<_> = crew.leaving.drain().map(|(_, task)| task).collect();
            let running = crew.running.drain(..).map(|running| running.task);
            running.chain(leaving).collect()
        };
        for task in tasks {
            // The task of a worker catches and reports its panics.
            let _ended = task.await;
        }
    }

    /// Has every worker look at the store, and waits until nothing is in flight and nothing is due now.
    pub async fn idle(&self) {
        let waiting: Vec<oneshot::Receiver<()>> = {
            let crew = self.crew();
            let ask = |running: &Running| {
                let (notify, waiter) = oneshot::channel();
                running.mailbox.notify_when_idle(notify);
                waiter
            };
            crew.running.iter().map(ask).collect()
        };
        for waiter in waiting {
            // A worker that has ended is idle.
            let _ended = waiter.await;
        }
    }

    /// The sink of this name, to show what it would send or to send a test; none when there is no such sink.
    pub fn sink(&self, name: &str) -> Option<Arc<dyn Sink>> {
        let crew = self.crew();
        let running = crew.named(name).next();
        running.map(|running| Arc::clone(&running.sink))
    }

    fn set_paused(&self, name: &str, pause: bool) -> Option<SinkState> {
        let crew = self.crew();
        let states = crew
            .named(name)
            .map(|running| running.mailbox.set_paused(pause));
        states.reduce(SinkState::with)
    }

    /// Starts the worker of a sink after the one before it, if any, has ended.
    fn hire(
        &self,
        sink: BuiltSink,
        before: Option<JoinHandle<()>>,
        state: Option<SinkState>,
    ) -> Running {
        let mut state = state.unwrap_or_else(|| SinkState::new(sink.name.clone()));
        // A 410 pause ends when the settings change; the other pauses survive a reload.
        state.paused_by = state.paused_by.filter(|by| *by != PausedBy::Receiver);
        let mailbox = Arc::new(Mailbox::new(state));
        Running {
            part: sink.part,
            sink: sink.sink.clone(),
            mailbox: mailbox.clone(),
            task: tokio::spawn(work(sink, self.0.around.clone(), mailbox, before)),
        }
    }

    fn crew(&self) -> MutexGuard<'_, Crew> {
        // A panic elsewhere leaves the list whole.
        self.0.crew.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A sink's worker, restarted from the store if it panics: no sink is switched off silently.
async fn work(
    sink: BuiltSink,
    around: Surroundings,
    mailbox: Arc<Mailbox>,
    before: Option<JoinHandle<()>>,
) {
    if let Some(before) = before {
        let _ended = before.await;
    }
    loop {
        let handover = around.store.handover(sink.part).await;
        let Ok(handover) = handover.inspect_err(
            |error| tracing::debug!(%error, "what the last worker of a sink left cannot be read"),
        ) else {
            // Without it a limit could be exceeded. While the store cannot be read, nothing can be sent either.
            if mailbox.is_stopping() {
                return;
            }
            around.clock.sleep(POLL_NET).await;
            continue;
        };
        let worker = Worker::new(
            sink.clone(),
            around.clone(),
            mailbox.clone(),
            handover.as_ref(),
        );
        let worker = AssertUnwindSafe(worker.run()).catch_unwind();
        let ended = tokio::select! {
            ended = worker => ended,
            never = refresh::run(&sink, &around, &mailbox) => match never {},
        };
        if ended.is_ok() {
            return;
        }
        let sink = sink.name.clone();
        let what = What::WorkerRestarted;
        around.events.observe(Event::of(sink, what));
        around.clock.sleep(POLL_NET).await;
    }
}

/// This much later, or the end of time.
fn later(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}
