//! Hints to and from the other gateways: what each would see with its next look, it sees at once.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use campanile_store::{Hint, Seq, SinkId};
use tokio::sync::Notify;

use super::Replica;

/// After hints were sent, the next ones are gathered for this long: a notification costs the server a lock.
const GATHER: Duration = Duration::from_millis(50);

/// Hints of operators that wait. More are left out.
const WAITING_MAX: usize = 256;

/// Places in one hint: a longer list would not fit into a notification.
const PLACES_MAX: usize = 300;

/// Hints that wait to be sent.
#[derive(Default)]
pub(super) struct Outgoing {
    waiting: Mutex<Waiting>,
    wake: Notify,
}

#[derive(Default)]
struct Waiting {
    /// The lowest place of each sink.
    pending: BTreeMap<SinkId, Seq>,
    others: Vec<Hint>,
}

impl Outgoing {
    fn add(&self, hint: Hint) {
        let mut waiting = self.lock();
        match hint {
            Hint::Pending(sink, seq) => {
                let lowest = waiting.pending.entry(sink).or_insert(seq);
                *lowest = seq.min(*lowest);
            }
            hint if waiting.others.len() < WAITING_MAX && !waiting.others.contains(&hint) => {
                waiting.others.push(hint);
            }
            _ => {}
        }
        drop(waiting);
        self.wake.notify_one();
    }

    fn take(&self) -> Vec<Hint> {
        let Waiting { pending, others } = std::mem::take(&mut *self.lock());
        let pending = pending.into_iter();
        let pending = pending.map(|(sink, seq)| Hint::Pending(sink, seq));
        pending.chain(others).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Replica {
    /// Sends a hint soon. It does not block.
    pub(in crate::app) fn hint(&self, hint: Hint) {
        self.0.hints.add(hint);
    }

    /// Sends a hint about these places of a sink.
    pub(in crate::app) fn hint_of(
        &self,
        sink: SinkId,
        seqs: &[Seq],
        hint: fn(SinkId, Vec<Seq>) -> Hint,
    ) {
        for seqs in seqs.chunks(PLACES_MAX) {
            self.hint(hint(sink, seqs.to_vec()));
        }
    }

    /// Resumes a sink that is delivered for here. Not if an operator has paused it since.
    fn resume(&self, sink: SinkId) {
        let state = self.state();
        let mut resumed = state.sinks.iter().filter(|built| built.part.sink == sink);
        let named = resumed.find(|_| !state.view.paused.contains(&sink));
        let name = named.map(|built| built.name.clone());
        drop(state);
        if let Some(name) = name {
            let _state = self.0.delivery.resume(&name);
        }
    }

    /// Sends the hints until it is dropped.
    pub(super) async fn send_hints(&self) {
        loop {
            self.0.hints.wake.notified().await;
            let hints = self.0.hints.take();
            if let Err(error) = self.0.store.hint(hints).await {
                tracing::debug!(%error, "hints to the other gateways were not sent");
            }
            tokio::time::sleep(GATHER).await;
        }
    }

    /// Follows the hints of all gateways until it is dropped.
    pub(super) async fn hear_hints(&self) {
        let mut hints = self.0.store.hints();
        while let Some(hint) = hints.recv().await {
            let delivery = &self.0.delivery;
            match hint {
                Hint::Pending(sink, seq) => drop(delivery.poke(sink, &[seq])),
                Hint::Dropped(sink, seqs) => delivery.dropped(sink, &seqs),
                Hint::Hurry(sink, seqs) => delivery.hurry(sink, &seqs),
                Hint::Resume(sink) => self.resume(sink),
                Hint::Leases => self.round().await,
            }
        }
    }
}
