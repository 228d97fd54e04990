//! The model of a store: maps in memory, with the rules of the trait [`campanile_store::Store`] written a second time. A store
//! may choose ids, and whether it still knows a pruned key; the model takes these from the answers of the store.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use campanile_model::{Fingerprint, Status};
use campanile_store::{
    Act, Appended, Appending, Arrival, ArrivalRow, AttemptRow, AuditRow, DeadRow, DedupKey,
    DeliveryRow, Entry, NewAlert, Pending, QuarantineRow, Seq, Settlement, SinkId, Verdict,
};
use jiff::Timestamp;
use uuid::Uuid;

use super::mutes::Mutes;

/// A kept alert.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) id: Uuid,
    pub(super) episode: Uuid,
    pub(super) source: String,
    pub(super) received_at: Timestamp,
    pub(super) callback: Vec<u8>,
    pub(super) arrival: Arrival,
    /// The place of the first alert of the callback.
    pub(super) first: Seq,
    pub(super) alert: NewAlert,
}

impl Kept {
    /// Whether its title has this word. A title of the model has no character that JSON escapes.
    pub(super) fn says(&self, word: &str) -> bool {
        let body = String::from_utf8_lossy(&self.alert.body).to_lowercase();
        let (_, title) = body.split_once("\"title\":").unwrap();
        title.contains(&word.to_lowercase())
    }
}

/// An open episode.
struct Open {
    id: Uuid,
    /// The sinks that its firing alerts went to.
    plan: BTreeSet<SinkId>,
}

/// Whether the store must know a key.
enum Known {
    No,
    Saying(u64),
    /// The key was old enough to be pruned: both answers are correct.
    Perhaps,
}

/// The model.
#[derive(Default)]
pub(super) struct Memory {
    /// Whether the store counts its alerts exactly.
    pub(super) counts_alerts: bool,
    pub(super) alerts: BTreeMap<Seq, Kept>,
    pub(super) pending: BTreeMap<(SinkId, Seq), DeliveryRow>,
    pub(super) dead: BTreeMap<i64, DeadRow>,
    pub(super) quarantine: BTreeMap<i64, QuarantineRow>,
    /// Keyed by place, time in milliseconds, sink and number of the attempt: a second row with the same key replaces the first.
    pub(super) attempts: BTreeMap<(Seq, i64, SinkId, u32), AttemptRow>,
    /// Oldest first.
    pub(super) audit: Vec<AuditRow>,
    keys: HashMap<DedupKey, (u64, Timestamp)>,
    episodes: HashMap<(String, Fingerprint), Open>,
    pub(super) mutes: Mutes,
    /// What a sink returned for an episode. The store may remove a handle when no kept alert belongs to its episode.
    pub(super) handles: HashMap<(SinkId, Uuid), String>,
    pruned_before: Option<Timestamp>,
    last_seq: Seq,
    last_dead: i64,
    last_quarantined: i64,
}

impl Memory {
    /// Of an empty store. `counts_alerts`: it counts its alerts exactly.
    pub(super) fn new(counts_alerts: bool) -> Self {
        Self {
            counts_alerts,
            ..Self::default()
        }
    }

    /// Checks the store's answer to a callback, and updates the model.
    pub(super) fn append(&mut self, entry: &Entry, answer: &Appended) {
        self.append_as(entry, answer, false);
    }

    /// The same. `exact`: an operator names the sinks.
    pub(super) fn append_as(&mut self, entry: &Entry, answer: &Appended, exact: bool) {
        assert_eq!(answer.alerts.len(), entry.alerts.len());
        let first = answer.alerts.iter().find_map(|appending| match appending {
            Appending::Accepted { seq, .. } => Some(*seq),
            Appending::Duplicate { .. } => None,
        });
        let first = first.unwrap_or_default();
        let mut pending = BTreeSet::new();
        for (alert, appending) in entry.alerts.iter().zip(&answer.alerts) {
            match (self.known(&alert.key), *appending) {
                (Known::Saying(said), Appending::Duplicate { conflict }) => {
                    assert_eq!(conflict, said != alert.content, "a conflict");
                }
                (Known::Perhaps, Appending::Duplicate { .. }) => {}
                (Known::No | Known::Perhaps, Appending::Accepted { seq, id }) => {
                    let sinks = self.accept(entry, alert, first, (seq, id), exact);
                    pending.extend(sinks.into_iter().map(|sink| (sink, seq)));
                }
                (Known::No, answered) => panic!("new, but {answered:?}"),
                (Known::Saying(_), answered) => panic!("known, but {answered:?}"),
            }
        }
        let answered: BTreeSet<_> = answer.pending.iter().copied().collect();
        assert_eq!(
            (answered, answer.pending.len()),
            (pending.clone(), pending.len())
        );
        let number = (!entry.faults.is_empty()).then(|| self.last_quarantined + 1);
        assert_eq!(answer.quarantine, number, "the number in quarantine");
        if let Some(id) = number {
            self.last_quarantined = id;
            let row = QuarantineRow {
                id,
                source: entry.source.to_string(),
                received_at: entry.received_at,
                faults: entry.faults.clone(),
                callback: entry.callback.clone(),
                arrival: Arrival {
                    routes: None,
                    ..entry.arrival.clone()
                },
            };
            self.quarantine.insert(id, row);
        }
    }

    fn known(&self, key: &DedupKey) -> Known {
        match self.keys.get(key) {
            None => Known::No,
            Some((_, at)) if self.pruned_before.is_some_and(|before| *at < before) => {
                Known::Perhaps
            }
            Some((content, _)) => Known::Saying(*content),
        }
    }

    /// Gives the sinks that the alert is pending for.
    fn accept(
        &mut self,
        entry: &Entry,
        alert: &NewAlert,
        first: Seq,
        (seq, id): (Seq, Uuid),
        exact: bool,
    ) -> BTreeSet<SinkId> {
        assert!(seq > self.last_seq, "places grow and are assigned once");
        let newest = self.alerts.last_key_value().map(|(_, kept)| kept.id);
        assert!(newest < Some(id), "{id} does not sort after {newest:?}");
        self.last_seq = seq;
        self.keys
            .insert(alert.key, (alert.content, entry.received_at));
        let own: BTreeSet<SinkId> = alert.sinks.iter().copied().collect();
        let (episode, plan) = self.episode(&entry.source, alert, id);
        let sinks = plan.filter(|_| !exact).unwrap_or(own);
        for sink in &sinks {
            self.insert_pending(*sink, seq, alert.fingerprint, entry.received_at, false);
        }
        let kept = Kept {
            id,
            episode,
            source: entry.source.to_string(),
            received_at: entry.received_at,
            callback: entry.callback.clone(),
            arrival: entry.arrival.clone(),
            first,
            alert: alert.clone(),
        };
        self.alerts.insert(seq, kept);
        sinks
    }

    /// The episode of a new alert, and the plan by which it goes.
    fn episode(
        &mut self,
        source: &str,
        alert: &NewAlert,
        id: Uuid,
    ) -> (Uuid, Option<BTreeSet<SinkId>>) {
        let problem = (source.to_owned(), alert.fingerprint);
        match alert.status {
            Status::Firing => {
                let plan = BTreeSet::new();
                let open = self.episodes.entry(problem).or_insert(Open { id, plan });
                open.plan.extend(&alert.sinks);
                (open.id, Some(open.plan.clone()))
            }
            Status::Resolved => match self.episodes.remove(&problem) {
                Some(open) => (open.id, Some(open.plan)),
                None => (id, None),
            },
        }
    }

    fn insert_pending(
        &mut self,
        sink: SinkId,
        seq: Seq,
        fingerprint: Fingerprint,
        pending_since: Timestamp,
        retried: bool,
    ) {
        let pending = Pending {
            seq,
            fingerprint,
            attempts: 0,
            due_at: None,
            pending_since,
            retried,
        };
        let row = DeliveryRow {
            sink,
            pending,
            last_error: None,
            last_code: None,
        };
        self.pending.entry((sink, seq)).or_insert(row);
    }

    pub(super) fn settle(&mut self, settlement: &Settlement) {
        let Settlement {
            sink,
            seq,
            at,
            attempt,
            code,
            ..
        } = *settlement;
        match &settlement.verdict {
            Verdict::Held { reason } => return self.hold(sink, seq, at, reason),
            Verdict::Muted { reason } => return self.mute(sink, seq, at, reason),
            Verdict::Released => {
                if let Some(lane) = self.unhold(sink, seq) {
                    self.insert_pending(sink, seq, lane, at, false);
                }
                return;
            }
            Verdict::Delivered | Verdict::Again { .. } | Verdict::Dead { .. } => {}
        }
        let Some(row) = self.pending.get_mut(&(sink, seq)) else {
            return;
        };
        let (word, note) = match &settlement.verdict {
            Verdict::Delivered => ("delivered", None),
            Verdict::Again { due_at, error } => {
                row.pending.attempts = attempt;
                row.pending.due_at = Some(*due_at);
                row.last_error = Some(error.clone());
                row.last_code = code;
                ("again", Some(error.clone()))
            }
            Verdict::Dead { class, error } => {
                self.last_dead += 1;
                let letter = DeadRow {
                    id: self.last_dead,
                    sink,
                    seq,
                    attempts: attempt,
                    at,
                    class: (*class).to_owned(),
                    error: error.clone(),
                    code,
                };
                self.dead.insert(letter.id, letter);
                ("dead", Some(error.clone()))
            }
            _ => unreachable!("above"),
        };
        if word != "again" {
            self.pending.remove(&(sink, seq));
            self.passed(sink, seq, at);
        }
        let attempted = AttemptRow {
            sink,
            at,
            took_ms: settlement.took_ms,
            attempt,
            code,
            verdict: word.to_owned(),
            worth: settlement.worth,
            remark: settlement.remark.clone(),
            note,
        };
        if let Some(handle) = &settlement.handle {
            let episode = self.alerts[&seq].episode;
            self.handles.insert((sink, episode), handle.clone());
        }
        let key = (seq, at.as_millisecond(), sink, attempt);
        self.attempts.insert(key, attempted);
    }

    /// The firing that opened the episode, while it is kept.
    pub(super) fn opening(&self, kept: &Kept) -> Option<(Seq, Uuid)> {
        let opens = |(_, other): &(&Seq, &Kept)| other.id == kept.episode;
        let (seq, opening) = self.alerts.iter().find(opens)?;
        (opening.alert.status == Status::Firing).then_some((*seq, opening.id))
    }

    /// What is known of the arrival of an alert. The id in the answer and in the trace is that of the first alert, while that
    /// is kept.
    pub(super) fn arrival(&self, kept: &Kept) -> ArrivalRow {
        let mut arrival = kept.arrival.clone();
        if let Some(first) = self.alerts.get(&kept.first) {
            let id = |text: &str| text.replace(&Uuid::nil().to_string(), &first.id.to_string());
            if let Some(answer) = &mut arrival.answer {
                answer.text = id(&answer.text);
            }
            arrival.trace = arrival.trace.as_deref().map(id);
        }
        let said = kept.alert.said.clone();
        ArrivalRow { arrival, said }
    }

    /// Whether an alert is pending for a sink or was attempted.
    pub(super) fn is_for(&self, sink: SinkId, seq: Seq) -> bool {
        let mut attempts = self.attempts.keys();
        self.pending.contains_key(&(sink, seq))
            || attempts.any(|(of, _, to, _)| *of == seq && *to == sink)
    }

    /// The open episodes, newest first.
    pub(super) fn open(&self) -> Vec<Uuid> {
        let mut open: Vec<Uuid> = self.episodes.values().map(|open| open.id).collect();
        open.sort_unstable_by_key(|episode| std::cmp::Reverse(*episode));
        open
    }

    pub(super) fn is_open(&self, kept: &Kept) -> bool {
        let problem = (kept.source.clone(), kept.alert.fingerprint);
        let open = self.episodes.get(&problem);
        open.is_some_and(|open| open.id == kept.episode)
    }

    pub(super) fn retry_dead(&mut self, dead: &[i64], now: Timestamp) -> Vec<(SinkId, Seq)> {
        let mut retried = Vec::new();
        for id in dead {
            let Some(letter) = self.dead.remove(id) else {
                continue;
            };
            let lane = self.alerts[&letter.seq].alert.fingerprint;
            self.insert_pending(letter.sink, letter.seq, lane, now, true);
            retried.push((letter.sink, letter.seq));
        }
        retried
    }

    pub(super) fn retry(&mut self, seq: Seq, sink: SinkId, now: Timestamp) -> bool {
        let Some(lane) = self.alerts.get(&seq).map(|kept| kept.alert.fingerprint) else {
            return false;
        };
        let new = !self.pending.contains_key(&(sink, seq));
        if new {
            self.mutes.forget(sink, seq);
        }
        self.insert_pending(sink, seq, lane, now, true);
        new
    }

    /// An act changed these many rows. One that changed none leaves no trace.
    pub(super) fn acted(&mut self, act: Act, count: u64) {
        if count > 0 {
            self.recorded(act, count);
        }
    }

    pub(super) fn recorded(&mut self, act: Act, count: u64) {
        let number = i64::try_from(self.audit.len() + 1).unwrap();
        self.audit.push(AuditRow { number, act, count });
    }

    /// Removes what is older than `before`: dead letters and quarantine first, then alerts that are not needed, up to the first
    /// alert that is not old.
    pub(super) fn prune(&mut self, before: Timestamp) {
        self.pruned_before = self.pruned_before.max(Some(before));
        self.dead.retain(|_, letter| letter.at >= before);
        self.quarantine.retain(|_, row| row.received_at >= before);
        let young = |(_, kept): &(&Seq, &Kept)| kept.received_at >= before;
        let end = self
            .alerts
            .iter()
            .find(young)
            .map_or(Seq::MAX, |(seq, _)| *seq);
        let wanted = |seq: Seq| {
            let pending = self.pending.keys().any(|(_, pending)| *pending == seq);
            let held = self.mutes.held_places().any(|(_, held)| held == seq);
            pending || held || self.dead.values().any(|letter| letter.seq == seq)
        };
        let gone: Vec<Seq> = self.alerts.range(..end).map(|(seq, _)| *seq).collect();
        for seq in gone
            .into_iter()
            .filter(|seq| !wanted(*seq))
            .collect::<Vec<_>>()
        {
            self.alerts.remove(&seq);
            self.attempts.retain(|(of, ..), _| *of != seq);
            self.mutes.outcomes.retain(|(of, _), _| *of != seq);
        }
        let episodes = &self.episodes;
        self.mutes.prune(before, |source, fingerprint, episode| {
            let open = episodes.get(&(source.to_owned(), fingerprint));
            open.is_some_and(|open| open.id == episode)
        });
    }
}
