//! A store that forgets: the part of the store's contract that delivery needs, for tests that need no disk.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use campanile::store::{
    Answer, Appended, Appending, AttemptRow, DeadRow, DedupKey, DeliveryRow, Entry, Error, Filter,
    Owed, QuarantineRow, Seq, Settlement, SinkId, Stats, Store, StoredAlert, Verdict,
};
use campanile_providers::Fingerprint;
use jiff::Timestamp;
use uuid::Uuid;

/// Keeps what is owed in memory. Settlements fail while `failing_settles` is above zero.
#[derive(Default)]
pub(crate) struct MemoryStore {
    tables: Mutex<Tables>,
    pub(crate) failing_settles: AtomicU32,
}

#[derive(Default)]
struct Tables {
    sinks: Vec<String>,
    keys: BTreeMap<DedupKey, u64>,
    alerts: Vec<(StoredAlert, Fingerprint)>,
    owed: BTreeMap<(SinkId, Seq), Owed>,
    dead: BTreeMap<i64, DeadRow>,
    attempts: Vec<(Seq, AttemptRow)>,
}

impl MemoryStore {
    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn now<T: Send + 'static>(value: T) -> Answer<'static, T> {
    Box::pin(std::future::ready(Ok(value)))
}

fn not_kept<T: Send + 'static>() -> Answer<'static, T> {
    let error = Error::Stopped("the memory store keeps none of this".to_owned());
    Box::pin(std::future::ready(Err(error)))
}

impl Tables {
    fn append(&mut self, entry: Entry) -> Appended {
        let mut appended = Appended::default();
        for alert in entry.alerts {
            if let Some(content) = self.keys.get(&alert.key) {
                let conflict = *content != alert.content;
                appended.alerts.push(Appending::Duplicate { conflict });
                continue;
            }
            self.keys.insert(alert.key, alert.content);
            let seq = Seq::try_from(self.alerts.len()).unwrap() + 1;
            let id = Uuid::from_u128(seq.unsigned_abs().into());
            let mut json = format!("{{\"id\":\"{id}\",").into_bytes();
            json.extend_from_slice(&alert.body[1..]);
            let stored = StoredAlert {
                seq,
                id,
                episode: id,
                json,
            };
            self.alerts.push((stored, alert.fingerprint));
            for sink in alert.sinks {
                self.owe(sink, seq, alert.fingerprint, entry.received_at, false);
            }
            appended.alerts.push(Appending::Accepted { seq, id });
        }
        appended
    }

    fn owe(&mut self, sink: SinkId, seq: Seq, lane: Fingerprint, at: Timestamp, redriven: bool) {
        let owed = Owed {
            seq,
            fingerprint: lane,
            attempts: 0,
            due_at: None,
            owed_since: at,
            redriven,
        };
        self.owed.insert((sink, seq), owed);
    }

    fn lane_of(&self, seq: Seq) -> Option<Fingerprint> {
        let mut alerts = self.alerts.iter();
        alerts
            .find(|(alert, _)| alert.seq == seq)
            .map(|(_, lane)| *lane)
    }

    fn settle(&mut self, settled: &Settlement) {
        let key = (settled.sink, settled.seq);
        let Some(owed) = self.owed.get_mut(&key) else {
            return;
        };
        let word = match &settled.verdict {
            Verdict::Delivered => "delivered",
            Verdict::Again { due_at, .. } => {
                owed.attempts = settled.attempt;
                owed.due_at = Some(*due_at);
                "again"
            }
            Verdict::Dead { class, error } => {
                let id = i64::try_from(self.dead.len()).unwrap() + 1;
                let row = DeadRow {
                    id,
                    sink: settled.sink,
                    seq: settled.seq,
                    attempts: settled.attempt,
                    at: settled.at,
                    class: (*class).to_owned(),
                    error: error.clone(),
                    code: settled.code,
                };
                self.dead.insert(id, row);
                "dead"
            }
        };
        if word != "again" {
            self.owed.remove(&key);
        }
        let row = AttemptRow {
            sink: settled.sink,
            at: settled.at,
            took_ms: settled.took_ms,
            attempt: settled.attempt,
            code: settled.code,
            verdict: word.to_owned(),
        };
        self.attempts.push((settled.seq, row));
    }

    fn owed(&self, sink: SinkId, after: Seq) -> impl Iterator<Item = &Owed> {
        self.owed
            .range((sink, after + 1)..=(sink, Seq::MAX))
            .map(|(_, owed)| owed)
    }
}

impl Store for MemoryStore {
    fn append(&self, entry: Entry) -> Answer<'_, Appended> {
        now(self.tables().append(entry))
    }

    fn sink_ids(&self, names: Vec<String>) -> Answer<'_, Vec<SinkId>> {
        let mut tables = self.tables();
        let mut id_of = |name: String| {
            let known = tables.sinks.iter().position(|other| *other == name);
            let at = known.unwrap_or_else(|| {
                tables.sinks.push(name);
                tables.sinks.len() - 1
            });
            SinkId::try_from(at).unwrap() + 1
        };
        now(names.into_iter().map(&mut id_of).collect())
    }

    fn known_sinks(&self) -> Answer<'_, Vec<(SinkId, String)>> {
        now((1..).zip(self.tables().sinks.clone()).collect())
    }

    fn owed(&self, sink: SinkId, after: Seq, limit: usize) -> Answer<'_, Vec<Owed>> {
        now(self
            .tables()
            .owed(sink, after)
            .take(limit)
            .cloned()
            .collect())
    }

    fn owed_in_lane(
        &self,
        sink: SinkId,
        lane: Fingerprint,
        after: Seq,
        limit: usize,
    ) -> Answer<'_, Vec<Owed>> {
        let tables = self.tables();
        let in_lane = tables
            .owed(sink, after)
            .filter(|owed| owed.fingerprint == lane);
        now(in_lane.take(limit).cloned().collect())
    }

    fn settle(&self, settlements: Vec<Settlement>) -> Answer<'_, ()> {
        let failing = self.failing_settles.load(Ordering::SeqCst);
        if failing > 0 {
            self.failing_settles.store(failing - 1, Ordering::SeqCst);
            return Box::pin(std::future::ready(Err(Error::Commit(
                "disk full".to_owned(),
            ))));
        }
        let mut tables = self.tables();
        for settled in &settlements {
            tables.settle(settled);
        }
        now(())
    }

    fn alerts_at(&self, seqs: Vec<Seq>) -> Answer<'_, Vec<StoredAlert>> {
        let tables = self.tables();
        let at = |seq: Seq| tables.alerts.iter().find(|(alert, _)| alert.seq == seq);
        now(seqs
            .into_iter()
            .filter_map(at)
            .map(|(alert, _)| alert.clone())
            .collect())
    }

    fn alert(&self, id: Uuid) -> Answer<'_, Option<StoredAlert>> {
        let tables = self.tables();
        let found = tables.alerts.iter().find(|(alert, _)| alert.id == id);
        now(found.map(|(alert, _)| alert.clone()))
    }

    fn alerts(&self, _: Filter) -> Answer<'_, Vec<StoredAlert>> {
        not_kept()
    }

    fn deliveries(&self, _: Filter) -> Answer<'_, Vec<DeliveryRow>> {
        not_kept()
    }

    fn deliveries_of(&self, _: Seq) -> Answer<'_, Vec<DeliveryRow>> {
        not_kept()
    }

    fn attempts_of(&self, seq: Seq) -> Answer<'_, Vec<AttemptRow>> {
        let tables = self.tables();
        let of = tables.attempts.iter().filter(|(other, _)| *other == seq);
        now(of.map(|(_, row)| row.clone()).collect())
    }

    fn callback_of(&self, _: Seq) -> Answer<'_, Option<Vec<u8>>> {
        not_kept()
    }

    fn dead(&self, filter: Filter) -> Answer<'_, Vec<DeadRow>> {
        let tables = self.tables();
        let newest_first = tables.dead.values().rev();
        let of_sink = newest_first.filter(|row| filter.sink.is_none_or(|sink| sink == row.sink));
        now(of_sink.take(filter.limit as usize).cloned().collect())
    }

    fn redrive(&self, dead: Vec<i64>, at: Timestamp) -> Answer<'_, Vec<(SinkId, Seq)>> {
        let mut tables = self.tables();
        let mut redriven = Vec::new();
        for id in dead {
            if let Some(row) = tables.dead.remove(&id) {
                let lane = tables.lane_of(row.seq).unwrap();
                tables.owe(row.sink, row.seq, lane, at, true);
                redriven.push((row.sink, row.seq));
            }
        }
        now(redriven)
    }

    fn drop_dead(&self, _: Vec<i64>) -> Answer<'_, u64> {
        not_kept()
    }

    fn owe(&self, _: Seq, _: SinkId, _: Timestamp) -> Answer<'_, bool> {
        not_kept()
    }

    fn drop_owed(&self, seq: Seq, sink: SinkId) -> Answer<'_, bool> {
        now(self.tables().owed.remove(&(sink, seq)).is_some())
    }

    fn quarantine(&self, _: Filter) -> Answer<'_, Vec<QuarantineRow>> {
        not_kept()
    }

    fn quarantined(&self, _: i64) -> Answer<'_, Option<QuarantineRow>> {
        not_kept()
    }

    fn release(&self, _: i64, _: Entry) -> Answer<'_, Appended> {
        not_kept()
    }

    fn drop_quarantined(&self, _: Vec<i64>) -> Answer<'_, u64> {
        not_kept()
    }

    fn latest_of(&self, _: String, _: u32) -> Answer<'_, Vec<StoredAlert>> {
        not_kept()
    }

    fn prune(&self, _: Timestamp) -> Answer<'_, bool> {
        now(false)
    }

    fn stats(&self) -> Answer<'_, Stats> {
        not_kept()
    }

    fn ready(&self) -> Answer<'_, ()> {
        now(())
    }

    fn close(&self) -> Answer<'_, ()> {
        now(())
    }
}
