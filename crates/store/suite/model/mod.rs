//! The model test: random operations and crashes, compared with maps in memory.
//!
//! It uses only the trait `Store`. A [`Place`] opens a store and copies what a crash leaves.

mod look;
mod memory;
mod mutes;
mod step;

use std::sync::Arc;

use campanile_model::Worth;
use campanile_store::{Act, Appended, Appending, Seq, Settlement, SinkId, Store, Verdict};
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::FileFailurePersistence;

use super::Place;
use memory::Memory;
use step::{Call, Crash, Outcome, SINKS};

pub(crate) use step::{Step, steps};

/// A store and its model.
struct Run<P> {
    place: P,
    /// None while the store is closed.
    store: Option<Arc<dyn Store>>,
    memory: Memory,
    sinks: Vec<SinkId>,
    now: Timestamp,
    last_seq: Seq,
}

impl<P: Place> Run<P> {
    async fn new() -> Self {
        let place = P::new();
        let store = place.open().await;
        let sinks = store.sink_ids(SINKS.map(str::to_owned).to_vec()).await;
        Self {
            place,
            store: Some(store),
            memory: Memory::new(P::COUNTS_ALERTS),
            sinks: sinks.unwrap(),
            now: Timestamp::from_second(1_800_000_000).unwrap(),
            last_seq: 0,
        }
    }

    fn store(&self) -> &dyn Store {
        self.store.as_deref().unwrap()
    }

    /// Ends the store in this way, and opens what it left.
    async fn end(&mut self, how: Crash) {
        let store = self.store.take().unwrap();
        match how {
            Crash::Closed => store.close().await.unwrap(),
            Crash::Dropped => {}
            Crash::Killed => self.place = self.place.crashed(),
        }
        drop(store);
        self.store = Some(self.place.open().await);
    }

    async fn play(&mut self, steps: &[Step]) {
        for step in steps {
            self.step(step).await;
            look::briefly(self.store(), &self.memory, &self.sinks).await;
        }
        self.crash(Crash::Killed).await;
    }

    async fn step(&mut self, step: &Step) {
        match step {
            Step::Append(calls) => self.append(calls).await,
            Step::Settle(settled) => self.settle(settled).await,
            Step::SettleAny(at, sink, outcome) => {
                let (seq, sink) = (self.any_place(*at), self.sinks[*sink]);
                self.write(vec![self.settlement(sink, seq, *outcome)]).await;
            }
            Step::Mute(at, holds) => {
                if let Some((sink, seq)) = self.any_pending(*at) {
                    let reason = format!("silence {seq}");
                    let verdict = if *holds {
                        Verdict::Held { reason }
                    } else {
                        Verdict::Muted { reason }
                    };
                    self.decide(sink, seq, verdict).await;
                }
            }
            Step::Unhold(at, ends) => {
                let held: Vec<_> = self.memory.mutes.held_places().collect();
                if held.is_empty() {
                    return;
                }
                let (sink, seq) = held[at.index(held.len())];
                let reason = "over".to_owned();
                let verdict = if *ends {
                    Verdict::Muted { reason }
                } else {
                    Verdict::Released
                };
                self.decide(sink, seq, verdict).await;
            }
            Step::Retry(at, sink) => {
                let (seq, sink) = (self.any_place(*at), self.sinks[*sink]);
                let act = self.act("alert.retry");
                let pending = self.store().retry(seq, sink, act.clone()).await.unwrap();
                assert_eq!(pending, self.memory.retry(seq, sink, self.now));
                self.memory.acted(act, u64::from(pending));
            }
            Step::DropPending(at) => {
                if let Some((sink, seq)) = self.any_pending(*at) {
                    self.drop_pending(seq, sink).await;
                }
            }
            Step::DropAny(at, sink) => {
                self.drop_pending(self.any_place(*at), self.sinks[*sink])
                    .await;
            }
            Step::RetryDead(picks) => {
                let dead = numbers(picks, self.memory.dead.keys());
                let act = self.act("dead.retry");
                let retried = self.store().retry_dead(dead.clone(), act.clone()).await;
                let expected = self.memory.retry_dead(&dead, self.now);
                assert_eq!(retried.unwrap(), expected);
                self.memory.acted(act, expected.len() as u64);
            }
            Step::DropDead(picks) => {
                let dead = numbers(picks, self.memory.dead.keys());
                let act = self.act("dead.drop");
                // In two parts, as a bulk action.
                let parts = [dead.clone(), dead.clone()];
                let mut dropped = 0;
                for part in parts {
                    dropped += self.store().drop_dead(part, act.clone()).await.unwrap();
                }
                assert_eq!(dropped, self.memory.drop_dead(&dead, self.now));
                self.memory.acted(act, dropped);
            }
            Step::Release(at, call) => self.release(*at, call).await,
            Step::AppendBy(call) => self.append_by(call).await,
            Step::Record(count) => {
                let (act, count) = (self.act("sink.pause"), (*count).into());
                self.store().record(act.clone(), count).await.unwrap();
                self.memory.recorded(act, count);
            }
            Step::DropQuarantined(picks) => {
                let ids = numbers(picks, self.memory.quarantine.keys());
                let act = self.act("quarantine.drop");
                let dropping = self.store().drop_quarantined(ids.clone(), act.clone());
                let dropped = dropping.await.unwrap();
                let gone = ids
                    .iter()
                    .filter_map(|id| self.memory.quarantine.remove(id));
                assert_eq!(dropped, gone.count() as u64);
                self.memory.acted(act, dropped);
            }
            Step::Prune(age) => {
                let before = self.now - SignedDuration::from_secs((*age).into());
                while self.store().prune(before).await.unwrap() {}
                self.memory.prune(before);
            }
            Step::Pass(seconds) => self.now += SignedDuration::from_secs((*seconds).into()),
            Step::Look(asked) => {
                let filter = asked.filter(self.now, self.last_seq, &self.sinks);
                let sink = asked.sink.map(|sink| self.sinks[sink]);
                look::page(self.store(), &self.memory, filter, sink).await;
            }
            Step::Crash(how) => self.crash(*how).await,
        }
    }

    /// All callbacks are passed to the store in this order before the first answer.
    async fn append(&mut self, calls: &[Call]) {
        let entries: Vec<_> = calls
            .iter()
            .map(|call| call.entry(self.now, &self.sinks))
            .collect();
        let answers = join_all(
            entries
                .iter()
                .map(|entry| self.store().append(entry.clone())),
        )
        .await;
        for (entry, answer) in entries.iter().zip(answers) {
            self.memory.append(entry, &answer.unwrap());
        }
        self.last_seq = self
            .last_seq
            .max(self.memory.alerts.keys().max().copied().unwrap_or(0));
    }

    async fn release(&mut self, at: Index, call: &Call) {
        let id = numbers(&[at], self.memory.quarantine.keys())[0];
        let entry = call.entry(self.now, &self.sinks);
        let act = self.act("quarantine.retry");
        let releasing = self.store().release(id, entry.clone(), act.clone());
        let released = releasing.await.unwrap();
        if self.memory.quarantine.remove(&id).is_some() {
            self.memory.append(&entry, &released);
            self.memory.acted(act, 1);
        } else {
            assert_eq!(released, Appended::default());
        }
    }

    async fn append_by(&mut self, call: &Call) {
        let (entry, act) = (call.entry(self.now, &self.sinks), self.act("simulate"));
        let appending = self.store().append_by(entry.clone(), act.clone());
        let appended = appending.await.unwrap();
        self.memory.append_as(&entry, &appended, true);
        let is_new = |alert: &&Appending| matches!(alert, Appending::Accepted { .. });
        let accepted = appended.alerts.iter().filter(is_new).count();
        self.memory.acted(act, accepted as u64);
        self.last_seq += Seq::try_from(accepted).unwrap();
    }

    fn act(&self, action: &str) -> Act {
        Act {
            who: "ops".to_owned(),
            from: Some([127, 0, 0, 1].into()),
            ..Act::new(self.now, action)
        }
    }

    async fn settle(&mut self, settled: &[(Index, Outcome)]) {
        let of = |(at, outcome): &(Index, Outcome)| {
            let (sink, seq) = self.any_pending(*at)?;
            Some(self.settlement(sink, seq, *outcome))
        };
        self.write(settled.iter().filter_map(of).collect()).await;
    }

    fn settlement(&self, sink: SinkId, seq: Seq, outcome: Outcome) -> Settlement {
        let row = self.memory.pending.get(&(sink, seq));
        Settlement {
            sink,
            seq,
            at: self.now,
            took_ms: 5,
            attempt: row.map_or(1, |row| row.pending.attempts + 1),
            code: Some(503),
            verdict: outcome.verdict(self.now),
            handle: outcome.handle(),
            worth: outcome.handle().map(|_| Worth::Accepted),
            remark: outcome.handle().map(|handle| format!("{handle}, cut")),
        }
    }

    async fn decide(&mut self, sink: SinkId, seq: Seq, verdict: Verdict) {
        let settlement = Settlement {
            verdict,
            ..self.settlement(sink, seq, Outcome::Delivered)
        };
        self.write(vec![settlement]).await;
    }

    async fn write(&mut self, settlements: Vec<Settlement>) {
        self.store().settle(settlements.clone()).await.unwrap();
        for settlement in &settlements {
            self.memory.settle(settlement);
        }
    }

    async fn drop_pending(&mut self, seq: Seq, sink: SinkId) {
        let act = self.act("delivery.drop");
        let dropping = self.store().drop_pending(seq, sink, act.clone());
        let dropped = dropping.await.unwrap();
        assert_eq!(dropped, self.memory.drop_pending(sink, seq, self.now));
        self.memory.acted(act, u64::from(dropped));
    }

    /// Everything that was answered is there after any end.
    async fn crash(&mut self, how: Crash) {
        self.end(how).await;
        let known = self.store().known_sinks().await.unwrap();
        let expected = self.sinks.iter().copied().zip(SINKS.map(str::to_owned));
        assert!(known.into_iter().eq(expected));
        look::whole(self.store(), &self.memory, &self.sinks).await;
    }

    fn any_pending(&self, at: Index) -> Option<(SinkId, Seq)> {
        let pending: Vec<_> = self.memory.pending.keys().copied().collect();
        (!pending.is_empty()).then(|| pending[at.index(pending.len())])
    }

    /// A place that was assigned, or the next one.
    fn any_place(&self, at: Index) -> Seq {
        let places = usize::try_from(self.last_seq + 1).unwrap();
        1 + Seq::try_from(at.index(places)).unwrap()
    }
}

/// Numbers of existing rows, and sometimes one that does not exist.
fn numbers<'m>(picks: &[Index], there: impl Iterator<Item = &'m i64>) -> Vec<i64> {
    let mut there: Vec<i64> = there.copied().collect();
    there.push(there.last().map_or(1, |last| last + 1));
    picks
        .iter()
        .map(|at| there[at.index(there.len())])
        .collect()
}

/// 32 cases, or the number in `CAMPANILE_CASES`. The seeds of failed cases are kept next to this file, but not when
/// `FAILPOINTS` breaks a promise on purpose.
pub(crate) fn settings() -> ProptestConfig {
    let asked = std::env::var("CAMPANILE_CASES").ok();
    let kept = std::env::var_os("FAILPOINTS").is_none();
    let seeds = || Box::new(FileFailurePersistence::WithSource("regressions")) as Box<_>;
    ProptestConfig {
        cases: asked.map_or(32, |asked| asked.parse().unwrap()),
        failure_persistence: kept.then(seeds),
        ..ProptestConfig::default()
    }
}

/// Runs these steps on a new store and on the model.
pub(crate) fn run<P: Place>(steps: &[Step]) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut run = Run::<P>::new().await;
        run.play(steps).await;
    });
}
