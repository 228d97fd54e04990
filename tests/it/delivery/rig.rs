//! Delivery with a store, a clock that the test moves, and scripted sinks.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use campanile::config::Policy;
use campanile::delivery::gate::{Answer, Asked, Gate};
use campanile::delivery::{BuiltSink, Delivery, Event, Observer, SinkState, Tuning};
use campanile::pipeline::gate;
use campanile::snapshot::silences::{Silence, Silences};
use campanile_model::Clock;
use campanile_model::Status;
use jiff::Timestamp;

use campanile_store::{Appending, DeadFilter, DeadRow, Seq, SinkId, Store};

use super::scripted::Scripted;
use crate::message;
use crate::moody::Moody;
use crate::patience::idle;

/// Records every event.
#[derive(Default)]
pub(crate) struct Notes(pub(crate) Mutex<Vec<Event>>);

impl Notes {
    pub(crate) fn has(&self, wanted: impl Fn(&Event) -> bool) -> bool {
        self.0.lock().unwrap().iter().any(wanted)
    }
}

impl Observer for Notes {
    fn observe(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

/// A gate that a test changes: silences of problems, each with its end.
#[derive(Default)]
pub(crate) struct Mutable {
    silences: Mutex<Silences>,
    version: AtomicU64,
}

impl Mutable {
    /// These silences are in force from now on.
    pub(crate) fn set(&self, silences: Vec<Silence>) {
        *self.silences.lock().unwrap() = Silences::of(silences);
        self.version.fetch_add(1, Ordering::SeqCst);
    }
}

impl Gate for Mutable {
    fn ask(&self, asked: &Asked<'_>) -> Answer {
        gate::answer(asked, None, [&*self.silences.lock().unwrap()])
    }

    fn version(&self) -> u64 {
        self.version.load(Ordering::SeqCst)
    }

    fn next_change(&self, after: Timestamp) -> Option<Timestamp> {
        self.silences.lock().unwrap().next_change(after)
    }
}

/// A delivery with its store, clock and sinks `test/0`, `test/1` ...
pub(crate) struct Rig {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Clock,
    pub(crate) notes: Arc<Notes>,
    pub(crate) sinks: Vec<BuiltSink>,
    pub(crate) gate: Arc<Mutable>,
    pub(crate) tuning: Tuning,
    pub(crate) delivery: Delivery,
}

impl Rig {
    pub(crate) async fn new(sinks: &[(Arc<Scripted>, Policy)]) -> Self {
        Self::with(store(), sinks, tuning()).await
    }

    pub(crate) async fn with(
        store: Arc<dyn Store>,
        sinks: &[(Arc<Scripted>, Policy)],
        tuning: Tuning,
    ) -> Self {
        let clock = Clock::manual("2026-01-01T00:00:00Z".parse().unwrap());
        let names: Vec<String> = (0..sinks.len()).map(|n| format!("test/{n}")).collect();
        let ids = store.sink_ids(names.clone()).await.unwrap();
        let built = |((id, name), (sink, policy)): ((SinkId, String), &(Arc<Scripted>, Policy))| {
            BuiltSink {
                part: id.into(),
                name: name.into(),
                policy: policy.clone(),
                sink: sink.clone(),
            }
        };
        let sinks: Vec<_> = ids.into_iter().zip(names).zip(sinks).map(built).collect();
        let notes = Arc::new(Notes::default());
        let gate = Arc::new(Mutable::default());
        let delivery = Delivery::start_tuned(
            store.clone(),
            sinks.clone(),
            clock.clone(),
            notes.clone(),
            (gate.clone(), tuning),
        );
        Self {
            store,
            clock,
            notes,
            sinks,
            gate,
            tuning,
            delivery,
        }
    }

    /// Makes a message of a lane pending for every sink.
    pub(crate) async fn accept(&self, message: &str, lane: u64) -> Seq {
        let status = if message.starts_with("resolved") {
            Status::Resolved
        } else {
            Status::Firing
        };
        let sinks = self.sinks.iter().map(|sink| sink.part.sink).collect();
        let at = self.clock.now();
        let alert = message::alert(message, lane, status, at, sinks);
        let entry = message::entry(vec![alert], at);
        let appended = self.store.append(entry).await.unwrap();
        let Appending::Accepted { seq, .. } = appended.alerts[0] else {
            panic!("{message} is not new");
        };
        for sink in &self.sinks {
            self.delivery.poke(sink.part.sink, &[seq]);
        }
        seq
    }

    /// Moves the clock in steps; at each step all that is due is done.
    pub(crate) async fn pass(&self, whole: Duration, step: Duration) {
        let end = self.clock.now() + whole;
        while self.clock.now() < end {
            self.clock.advance(step);
            idle(&self.delivery).await;
        }
    }

    pub(crate) async fn restart(&mut self) {
        self.delivery.stop(Duration::ZERO).await;
        self.delivery = Delivery::start_tuned(
            self.store.clone(),
            self.sinks.clone(),
            self.clock.clone(),
            self.notes.clone(),
            (self.gate.clone(), self.tuning),
        );
    }

    pub(crate) async fn pending(&self) -> usize {
        let mut pending = 0;
        for sink in &self.sinks {
            pending += self
                .store
                .pending(sink.part.sink, 0, 10_000)
                .await
                .unwrap()
                .len();
        }
        pending
    }

    pub(crate) async fn dead(&self) -> Vec<DeadRow> {
        let filter = DeadFilter {
            limit: 10_000,
            ..DeadFilter::default()
        };
        self.store.dead(filter).await.unwrap()
    }

    pub(crate) fn state(&self, sink: usize) -> SinkState {
        self.delivery.states().swap_remove(sink)
    }
}

pub(crate) fn store() -> Arc<dyn Store> {
    Arc::new(Moody::new())
}

pub(crate) fn tuning() -> Tuning {
    Tuning {
        seed: 7,
        ..Tuning::default()
    }
}

pub(crate) fn policy() -> Policy {
    Policy::default()
}
