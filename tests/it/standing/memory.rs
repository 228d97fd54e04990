//! A store in memory: what the HTTP side needs to be seen, without promises.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use campanile::store::{
    Answer, Appended, Appending, AttemptRow, DeadRow, DedupKey, DeliveryRow, Entry, Error, Filter,
    Owed, QuarantineRow, Seq, Settlement, SinkId, Stats, Store, StoredAlert,
};
use campanile_providers::Fingerprint;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::Notify;
use uuid::Uuid;

/// What the store does with the next commits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mood {
    #[default]
    Well,
    Busy,
    Failing,
    /// Commits only when let go.
    Stuck,
}

#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) rows: Mutex<Rows>,
    pub(crate) mood: Mutex<Mood>,
    pub(crate) go: Notify,
}

#[derive(Default)]
pub(crate) struct Rows {
    pub(crate) entries: Vec<Entry>,
    pub(crate) alerts: Vec<(StoredAlert, DedupKey, u64, usize)>,
    pub(crate) owed: Vec<DeliveryRow>,
    pub(crate) dead: Vec<DeadRow>,
    pub(crate) quarantine: BTreeMap<i64, QuarantineRow>,
    sinks: Vec<String>,
    numbers: i64,
}

impl Memory {
    pub(crate) fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap()
    }

    pub(crate) fn set(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    /// The number of a sink.
    pub(crate) fn sink(&self, name: &str) -> SinkId {
        let mut rows = self.rows();
        if !rows.sinks.iter().any(|known| known == name) {
            rows.sinks.push(name.to_owned());
        }
        let at = rows.sinks.iter().position(|known| known == name).unwrap();
        i64::try_from(at).unwrap() + 1
    }

    /// Gives up on what is owed: a dead letter for each.
    pub(crate) fn kill_all(&self) {
        let mut rows = self.rows();
        for row in std::mem::take(&mut rows.owed) {
            rows.numbers += 1;
            let id = rows.numbers;
            rows.dead.push(DeadRow {
                id,
                sink: row.sink,
                seq: row.owed.seq,
                attempts: 3,
                at: Timestamp::UNIX_EPOCH,
                class: "poison".into(),
                error: "400 Bad Request".into(),
                code: Some(400),
            });
        }
    }

    async fn ready_to_commit(&self) -> Result<(), Error> {
        let mood = *self.mood.lock().unwrap();
        match mood {
            Mood::Well => Ok(()),
            Mood::Busy => Err(Error::Busy),
            Mood::Failing => Err(Error::Commit("disk full".into())),
            Mood::Stuck => {
                self.go.notified().await;
                Ok(())
            }
        }
    }
}

impl Rows {
    fn append(&mut self, entry: Entry) -> Appended {
        let alerts = entry.alerts.iter().map(|alert| {
            if let Some(known) = self.alerts.iter().find(|a| a.1 == alert.key) {
                return Appending::Duplicate {
                    conflict: known.2 != alert.content,
                };
            }
            let (seq, id) = (
                i64::try_from(self.alerts.len()).unwrap() + 1,
                Uuid::now_v7(),
            );
            let Ok(Value::Object(body)) = serde_json::from_slice(&alert.body) else {
                panic!("no JSON")
            };
            assert!(!body.contains_key("id"));
            let mut json = json!({"id": id});
            json.as_object_mut().unwrap().extend(body);
            let json = json.to_string().into_bytes();
            let stored = StoredAlert {
                seq,
                id,
                episode: id,
                json,
            };
            self.alerts
                .push((stored, alert.key, alert.content, self.entries.len()));
            for sink in &alert.sinks {
                self.owe(*sink, seq, alert.fingerprint);
            }
            Appending::Accepted { seq, id }
        });
        let alerts = alerts.collect();
        let quarantine = (!entry.faults.is_empty()).then(|| {
            self.numbers += 1;
            let row = QuarantineRow {
                id: self.numbers,
                source: entry.source.to_string(),
                received_at: entry.received_at,
                faults: entry.faults.clone(),
                callback: entry.callback.clone(),
            };
            self.quarantine.insert(row.id, row);
            self.numbers
        });
        self.entries.push(entry);
        Appended { alerts, quarantine }
    }

    fn owe(&mut self, sink: SinkId, seq: Seq, fingerprint: Fingerprint) {
        let owed_since = Timestamp::UNIX_EPOCH;
        let owed = Owed {
            seq,
            fingerprint,
            attempts: 0,
            due_at: None,
            owed_since,
            redriven: false,
        };
        self.owed.push(DeliveryRow {
            sink,
            owed,
            last_error: None,
            last_code: None,
        });
    }

    fn alert(&self, seq: Seq) -> Option<StoredAlert> {
        self.alerts
            .iter()
            .find(|a| a.0.seq == seq)
            .map(|a| a.0.clone())
    }
}

fn limit(filter: &Filter) -> usize {
    usize::try_from(filter.limit).unwrap()
}

fn before(filter: &Filter, place: i64) -> bool {
    filter.before.is_none_or(|before| place < before)
}

fn done<'a, T: Send + 'a>(value: T) -> Answer<'a, T> {
    Box::pin(async { Ok(value) })
}

impl Store for Memory {
    fn append(&self, entry: Entry) -> Answer<'_, Appended> {
        Box::pin(async move {
            self.ready_to_commit().await?;
            Ok(self.rows().append(entry))
        })
    }
    fn sink_ids(&self, names: Vec<String>) -> Answer<'_, Vec<SinkId>> {
        done(names.iter().map(|name| self.sink(name)).collect())
    }
    fn known_sinks(&self) -> Answer<'_, Vec<(SinkId, String)>> {
        done((1..).zip(self.rows().sinks.clone()).collect())
    }
    fn owed(&self, _: SinkId, _: Seq, _: usize) -> Answer<'_, Vec<Owed>> {
        done(vec![])
    }
    fn owed_in_lane(&self, _: SinkId, _: Fingerprint, _: Seq, _: usize) -> Answer<'_, Vec<Owed>> {
        done(vec![])
    }
    fn settle(&self, _: Vec<Settlement>) -> Answer<'_, ()> {
        done(())
    }
    fn alerts_at(&self, seqs: Vec<Seq>) -> Answer<'_, Vec<StoredAlert>> {
        let rows = self.rows();
        done(seqs.iter().filter_map(|seq| rows.alert(*seq)).collect())
    }
    fn alert(&self, id: Uuid) -> Answer<'_, Option<StoredAlert>> {
        done(
            self.rows()
                .alerts
                .iter()
                .find(|a| a.0.id == id)
                .map(|a| a.0.clone()),
        )
    }
    fn alerts(&self, filter: Filter) -> Answer<'_, Vec<StoredAlert>> {
        let rows = self.rows();
        let fits = |stored: &&StoredAlert| {
            let alert: campanile_providers::Alert = serde_json::from_slice(&stored.json).unwrap();
            before(&filter, stored.seq)
                && filter.source.as_ref().is_none_or(|s| *s == alert.source)
                && filter.status.is_none_or(|s| s == alert.status)
                && filter.severity.is_none_or(|s| s == alert.severity)
                && filter.fingerprint.is_none_or(|f| f == alert.fingerprint)
                && filter.since.is_none_or(|t| alert.received_at >= t)
        };
        let alerts = rows.alerts.iter().rev().map(|a| &a.0).filter(fits);
        done(alerts.take(limit(&filter)).cloned().collect())
    }
    fn deliveries(&self, filter: Filter) -> Answer<'_, Vec<DeliveryRow>> {
        let fits = |row: &&DeliveryRow| {
            before(&filter, row.owed.seq) && filter.sink.is_none_or(|s| s == row.sink)
        };
        let rows = self.rows();
        done(
            rows.owed
                .iter()
                .rev()
                .filter(fits)
                .take(limit(&filter))
                .cloned()
                .collect(),
        )
    }
    fn deliveries_of(&self, seq: Seq) -> Answer<'_, Vec<DeliveryRow>> {
        done(
            self.rows()
                .owed
                .iter()
                .filter(|row| row.owed.seq == seq)
                .cloned()
                .collect(),
        )
    }
    fn attempts_of(&self, _: Seq) -> Answer<'_, Vec<AttemptRow>> {
        let row = AttemptRow {
            sink: 1,
            at: Timestamp::UNIX_EPOCH,
            took_ms: 12,
            attempt: 1,
            code: Some(500),
            verdict: "again".into(),
        };
        done(vec![row])
    }
    fn callback_of(&self, seq: Seq) -> Answer<'_, Option<Vec<u8>>> {
        let rows = self.rows();
        let entry = rows.alerts.iter().find(|a| a.0.seq == seq).map(|a| a.3);
        done(entry.map(|at| rows.entries[at].callback.clone()))
    }
    fn dead(&self, filter: Filter) -> Answer<'_, Vec<DeadRow>> {
        let fits =
            |row: &&DeadRow| before(&filter, row.id) && filter.sink.is_none_or(|s| s == row.sink);
        let rows = self.rows();
        done(
            rows.dead
                .iter()
                .rev()
                .filter(fits)
                .take(limit(&filter))
                .cloned()
                .collect(),
        )
    }
    fn redrive(&self, dead: Vec<i64>, _: Timestamp) -> Answer<'_, Vec<(SinkId, Seq)>> {
        let mut rows = self.rows();
        let (gone, kept) = std::mem::take(&mut rows.dead)
            .into_iter()
            .partition(|row| dead.contains(&row.id));
        rows.dead = kept;
        let gone: Vec<DeadRow> = gone;
        for row in &gone {
            rows.owe(row.sink, row.seq, Fingerprint(0));
        }
        done(gone.iter().map(|row| (row.sink, row.seq)).collect())
    }
    fn drop_dead(&self, dead: Vec<i64>) -> Answer<'_, u64> {
        let mut rows = self.rows();
        let count = rows.dead.len();
        rows.dead.retain(|row| !dead.contains(&row.id));
        done((count - rows.dead.len()) as u64)
    }
    fn owe(&self, seq: Seq, sink: SinkId, _: Timestamp) -> Answer<'_, bool> {
        let mut rows = self.rows();
        let owed = rows
            .owed
            .iter()
            .any(|row| row.owed.seq == seq && row.sink == sink);
        if !owed {
            rows.owe(sink, seq, Fingerprint(0));
        }
        done(!owed)
    }
    fn drop_owed(&self, seq: Seq, sink: SinkId) -> Answer<'_, bool> {
        let mut rows = self.rows();
        let count = rows.owed.len();
        rows.owed
            .retain(|row| row.owed.seq != seq || row.sink != sink);
        done(count > rows.owed.len())
    }
    fn quarantine(&self, filter: Filter) -> Answer<'_, Vec<QuarantineRow>> {
        let fits = |row: &&QuarantineRow| {
            before(&filter, row.id) && filter.source.as_ref().is_none_or(|s| *s == row.source)
        };
        let rows = self.rows();
        done(
            rows.quarantine
                .values()
                .rev()
                .filter(fits)
                .take(limit(&filter))
                .cloned()
                .collect(),
        )
    }
    fn quarantined(&self, id: i64) -> Answer<'_, Option<QuarantineRow>> {
        done(self.rows().quarantine.get(&id).cloned())
    }
    fn release(&self, id: i64, entry: Entry) -> Answer<'_, Appended> {
        let mut rows = self.rows();
        rows.quarantine.remove(&id);
        done(rows.append(entry))
    }
    fn drop_quarantined(&self, ids: Vec<i64>) -> Answer<'_, u64> {
        let mut rows = self.rows();
        done(
            ids.iter()
                .filter(|id| rows.quarantine.remove(id).is_some())
                .count() as u64,
        )
    }
    fn latest_of(&self, _: String, _: u32) -> Answer<'_, Vec<StoredAlert>> {
        done(
            self.rows()
                .alerts
                .iter()
                .rev()
                .map(|a| a.0.clone())
                .collect(),
        )
    }
    fn prune(&self, _: Timestamp) -> Answer<'_, bool> {
        done(false)
    }
    fn stats(&self) -> Answer<'_, Stats> {
        let rows = self.rows();
        done(Stats {
            alerts: rows.alerts.len() as u64,
            owed: vec![(1, rows.owed.len() as u64)],
            dead: vec![(1, rows.dead.len() as u64)],
            quarantined: rows.quarantine.len() as u64,
            bytes: 4096,
        })
    }
    fn ready(&self) -> Answer<'_, ()> {
        Box::pin(self.ready_to_commit())
    }
    fn close(&self) -> Answer<'_, ()> {
        done(())
    }
}
