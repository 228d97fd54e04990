//! Delivery with a store on disk, a clock that the test moves, and sinks with scripted answers. One log records every call and
//! event in order.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use campanile::config::Policy;
use campanile::delivery::gate::Open;
use campanile::delivery::{BuiltSink, Delivery, Event, Observer, SinkState, Tuning};
use campanile_model::Clock;
use campanile_model::Status;
use campanile_sinks::{Class, Delivered, Failure, Message, Sink};
use campanile_store::{Act, Appending, DeadFilter, DeadRow, Seq, Store};
use futures_util::future::BoxFuture;
use jiff::Timestamp;

use crate::message;
use crate::moody::Moody;
use crate::patience::idle;

/// One line of the log.
#[derive(Clone, Debug)]
pub(crate) enum Note {
    /// A sink was called, with the answer that it will give.
    Sent(Sent),
    /// The worker reported an event.
    Reported(Event),
}

/// One call of a sink.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) sink: usize,
    /// None for a digest, which is a message of its own.
    pub(crate) seq: Option<Seq>,
    pub(crate) attempt: u32,
    pub(crate) retried: bool,
    pub(crate) at: Timestamp,
    pub(crate) delivery_id: String,
    pub(crate) answer: Whim,
}

/// What a sink does with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whim {
    Takes,
    Fails(Class),
    /// 429 with a `Retry-After` of this number of seconds.
    AsksForQuiet(u16),
}

/// The log, with the time of each line.
#[derive(Default)]
pub(crate) struct Log {
    lines: Mutex<Vec<(Timestamp, Note)>>,
    places: Mutex<HashMap<String, Seq>>,
}

impl Log {
    /// The place of the message's alert. None for a digest.
    fn place(&self, message: &Message) -> Option<Seq> {
        let places = self.places.lock().unwrap();
        places.get(&message.only()?.message_id).copied()
    }

    fn write(&self, at: Timestamp, note: Note) {
        self.lines.lock().unwrap().push((at, note));
    }

    /// The lines since the last call.
    pub(crate) fn take(&self) -> Vec<(Timestamp, Note)> {
        std::mem::take(&mut *self.lines.lock().unwrap())
    }
}

/// Records the events of workers.
struct Scribe(Arc<Log>, Clock);

impl Observer for Scribe {
    fn observe(&self, event: Event) {
        self.0.write(self.1.now(), Note::Reported(event));
    }
}

/// A sink with scripted answers. After the last one it accepts everything.
struct Moodily {
    number: usize,
    log: Arc<Log>,
    whims: Arc<Mutex<VecDeque<Whim>>>,
    down: Arc<Mutex<bool>>,
}

impl Sink for Moodily {
    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<Delivered, Failure>> {
        Box::pin(async move {
            let answer = if *self.down.lock().unwrap() {
                Whim::Fails(Class::Transient)
            } else {
                let next = self.whims.lock().unwrap().pop_front();
                next.unwrap_or(Whim::Takes)
            };
            let sent = Sent {
                sink: self.number,
                seq: self.log.place(message),
                attempt: message.attempt,
                retried: message.retried_by_operator,
                at: message.at,
                delivery_id: message.delivery_id.clone(),
                answer,
            };
            self.log.write(message.at, Note::Sent(sent));
            answer.given()
        })
    }

    fn render(&self, _: &Message) -> Result<String, Failure> {
        Ok(String::new())
    }
}

impl Whim {
    fn given(self) -> Result<Delivered, Failure> {
        match self {
            Self::Takes => Ok(Delivered::with_code(200)),
            Self::Fails(class) => Err(Failure::new(class, "as the test wants it")),
            Self::AsksForQuiet(seconds) => Err(Failure {
                retry_after: Some(Duration::from_secs(seconds.into())),
                ..Failure::new(Class::Transient, "429")
            }),
        }
    }
}

/// Delivery, with its store, clock, log and sinks.
pub(crate) struct Rig {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Clock,
    pub(crate) log: Arc<Log>,
    pub(crate) delivery: Delivery,
    pub(crate) sinks: Vec<BuiltSink>,
    down: Vec<Arc<Mutex<bool>>>,
    tuning: Tuning,
}

impl Rig {
    /// A sink for each of these, `test/0` and so on.
    pub(crate) async fn new(sinks: Vec<(Policy, Vec<Whim>)>, tuning: Tuning) -> Self {
        Self::on(Arc::new(Moody::new()), sinks, tuning).await
    }

    /// The same on this store.
    pub(crate) async fn on(
        store: Arc<dyn Store>,
        sinks: Vec<(Policy, Vec<Whim>)>,
        tuning: Tuning,
    ) -> Self {
        let clock = Clock::manual("2026-01-01T00:00:00Z".parse().unwrap());
        let log = Arc::new(Log::default());
        let names: Vec<String> = (0..sinks.len()).map(|n| format!("test/{n}")).collect();
        let ids = store.sink_ids(names.clone()).await.unwrap();
        let down: Vec<Arc<Mutex<bool>>> = sinks.iter().map(|_| Arc::default()).collect();
        let built = |(number, (policy, whims)): (usize, (Policy, Vec<Whim>))| BuiltSink {
            part: ids[number].into(),
            name: names[number].as_str().into(),
            policy,
            sink: Arc::new(Moodily {
                number,
                log: Arc::clone(&log),
                whims: Arc::new(Mutex::new(whims.into())),
                down: Arc::clone(&down[number]),
            }),
        };
        let sinks: Vec<BuiltSink> = sinks.into_iter().enumerate().map(built).collect();
        let delivery = start(&store, &sinks, &clock, &log, tuning);
        Self {
            store,
            clock,
            log,
            delivery,
            sinks,
            down,
            tuning,
        }
    }

    /// While a sink is down, every call of it fails.
    pub(crate) fn set_down(&self, sink: usize, down: bool) {
        *self.down[sink].lock().unwrap() = down;
    }

    /// A vendor's callback with one message, pending for every sink. None when the message is known.
    pub(crate) async fn post(&self, message: &str, lane: u64, status: Status) -> Option<Seq> {
        let sinks = self.sinks.iter().map(|sink| sink.part.sink).collect();
        let at = self.clock.now();
        let alert = message::alert(message, lane, status, at, sinks);
        let entry = message::entry(vec![alert], at);
        let appended = self.store.append(entry).await.unwrap();
        let Appending::Accepted { seq, .. } = appended.alerts[0] else {
            return None;
        };
        self.log
            .places
            .lock()
            .unwrap()
            .insert(message.to_owned(), seq);
        for sink in &self.sinks {
            self.delivery.poke(sink.part.sink, &[seq]);
        }
        Some(seq)
    }

    fn act(&self) -> Act {
        Act::new(self.clock.now(), "test")
    }

    /// An operator sends an alert again. False when it is pending.
    pub(crate) async fn retry(&self, sink: usize, seq: Seq) -> bool {
        let id = self.sinks[sink].part.sink;
        let pending = self.store.retry(seq, id, self.act()).await.unwrap();
        self.delivery.poke(id, &[seq]);
        pending
    }

    /// An operator sends a dead letter again.
    pub(crate) async fn retry_dead(&self, dead: i64) {
        let retried = self.store.retry_dead(vec![dead], self.act()).await.unwrap();
        for (sink, seq) in &retried {
            self.delivery.poke(*sink, &[*seq]);
        }
    }

    /// An operator drops what is pending. False when it is not.
    pub(crate) async fn drop_pending(&self, sink: usize, seq: Seq) -> bool {
        let id = self.sinks[sink].part.sink;
        let dropped = self.store.drop_pending(seq, id, self.act()).await.unwrap();
        self.delivery.dropped(id, &[seq]);
        dropped
    }

    /// Moves the clock in steps and waits at each step until everything due is done.
    pub(crate) async fn pass(&self, whole: Duration, step: Duration) {
        let end = self.clock.now() + whole;
        while self.clock.now() < end {
            self.clock.advance(step);
            idle(&self.delivery).await;
        }
    }

    /// Stops and starts again, as a new process would.
    pub(crate) async fn restart(&mut self) {
        self.delivery.stop(Duration::ZERO).await;
        self.delivery = start(
            &self.store,
            &self.sinks,
            &self.clock,
            &self.log,
            self.tuning,
        );
    }

    /// What is pending for a sink.
    pub(crate) async fn pending(&self, sink: usize) -> Vec<Seq> {
        let pending = self
            .store
            .pending(self.sinks[sink].part.sink, 0, 1_000_000)
            .await
            .unwrap();
        pending.into_iter().map(|pending| pending.seq).collect()
    }

    /// Dead letters of a sink, oldest first.
    pub(crate) async fn dead(&self, sink: usize) -> Vec<DeadRow> {
        let filter = DeadFilter {
            sink: Some(self.sinks[sink].part.sink),
            limit: 1_000_000,
            ..DeadFilter::default()
        };
        let mut dead = self.store.dead(filter).await.unwrap();
        dead.reverse();
        dead
    }

    pub(crate) fn state(&self, sink: usize) -> SinkState {
        self.delivery.states().swap_remove(sink)
    }
}

fn start(
    store: &Arc<dyn Store>,
    sinks: &[BuiltSink],
    clock: &Clock,
    log: &Arc<Log>,
    tuning: Tuning,
) -> Delivery {
    Delivery::start_tuned(
        Arc::clone(store),
        sinks.to_vec(),
        clock.clone(),
        Arc::new(Scribe(Arc::clone(log), clock.clone())),
        (Arc::new(Open), tuning),
    )
}
