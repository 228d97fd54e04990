//! The model of what a sink does not get now, or never.

use std::collections::BTreeMap;

use campanile_model::{Fingerprint, Status};
use campanile_store::{End, Seq, SinkId};
use jiff::Timestamp;
use uuid::Uuid;

use super::memory::{Kept, Memory};

/// A sink and a problem.
type Key = (SinkId, String, Fingerprint);

/// A held alert: its place, since when, and why.
pub(super) type Holding = (Seq, Timestamp, String);

/// What is muted.
#[derive(Default)]
pub(super) struct Mutes {
    held: BTreeMap<Key, Holding>,
    untold: BTreeMap<Key, Uuid>,
    pub(super) outcomes: BTreeMap<(Seq, SinkId), (Timestamp, End, String)>,
}

impl Mutes {
    /// The places of what is held.
    pub(super) fn held_places(&self) -> impl Iterator<Item = (SinkId, Seq)> {
        self.held
            .iter()
            .map(|((sink, ..), (seq, ..))| (*sink, *seq))
    }

    /// What is held for a sink, by place.
    pub(super) fn held(&self, sink: SinkId) -> Vec<Holding> {
        let held = self.held.iter().filter(|((of, ..), _)| *of == sink);
        let mut held: Vec<Holding> = held.map(|(_, holding)| holding.clone()).collect();
        held.sort_unstable();
        held
    }

    fn end(&mut self, (sink, seq): (SinkId, Seq), at: Timestamp, end: End, reason: &str) {
        self.outcomes
            .insert((seq, sink), (at, end, reason.to_owned()));
    }

    /// An operator decides about this alert. True if it was held.
    pub(super) fn forget(&mut self, sink: SinkId, seq: Seq) -> bool {
        self.outcomes.remove(&(seq, sink));
        self.unhold(sink, seq)
    }

    pub(super) fn unhold(&mut self, sink: SinkId, seq: Seq) -> bool {
        let before = self.held.len();
        self.held
            .retain(|(of, ..), (held, ..)| (*of, *held) != (sink, seq));
        self.held.len() < before
    }

    /// Rows of episodes that are over and old.
    pub(super) fn prune(
        &mut self,
        before: Timestamp,
        is_open: impl Fn(&str, Fingerprint, Uuid) -> bool,
    ) {
        let old = |episode: &Uuid| {
            let (seconds, nanos) = episode.get_timestamp().unwrap().to_unix();
            Timestamp::new(seconds.cast_signed(), nanos.cast_signed()).unwrap() < before
        };
        self.untold.retain(|(_, source, fingerprint), episode| {
            is_open(source, *fingerprint, *episode) || !old(episode)
        });
    }
}

fn key(sink: SinkId, kept: &Kept) -> Key {
    (sink, kept.source.clone(), kept.alert.fingerprint)
}

impl Memory {
    pub(super) fn is_untold(&self, sink: SinkId, kept: &Kept) -> bool {
        self.mutes.untold.get(&key(sink, kept)) == Some(&kept.episode)
    }

    pub(super) fn hold(&mut self, sink: SinkId, seq: Seq, at: Timestamp, reason: &str) {
        if self.pending.remove(&(sink, seq)).is_none() {
            return;
        }
        let kept = self.alerts[&seq].clone();
        let key = key(sink, &kept);
        let other = self.mutes.held.get(&key).map(|(other, ..)| *other);
        match other {
            Some(newer) if newer > seq => {
                let reason = format!("alert {newer}");
                self.mutes.end((sink, seq), at, End::Folded, &reason);
            }
            other => {
                if let Some(older) = other {
                    let reason = format!("alert {seq}");
                    self.mutes.end((sink, older), at, End::Folded, &reason);
                }
                self.mutes.held.insert(key, (seq, at, reason.to_owned()));
            }
        }
        self.note_untold(sink, seq, &kept);
    }

    pub(super) fn mute(&mut self, sink: SinkId, seq: Seq, at: Timestamp, reason: &str) {
        let held = self.mutes.unhold(sink, seq);
        if self.pending.remove(&(sink, seq)).is_none() && !held {
            return;
        }
        self.mutes.end((sink, seq), at, End::Muted, reason);
        let kept = self.alerts[&seq].clone();
        if kept.alert.status == Status::Firing {
            return self.note_untold(sink, seq, &kept);
        }
        let key = key(sink, &kept);
        if let Some((older, _, reason)) = self.mutes.held.get(&key).cloned()
            && older < seq
        {
            self.mutes.held.remove(&key);
            self.mutes.end((sink, older), at, End::Muted, &reason);
        }
        self.informed(sink, &kept);
    }

    /// Gives the fingerprint of what was held.
    pub(super) fn unhold(&mut self, sink: SinkId, seq: Seq) -> Option<Fingerprint> {
        let held = self.mutes.unhold(sink, seq);
        held.then(|| self.alerts[&seq].alert.fingerprint)
    }

    /// The sink has got the alert, or may have got it.
    pub(super) fn passed(&mut self, sink: SinkId, seq: Seq, at: Timestamp) {
        let kept = self.alerts[&seq].clone();
        let key = key(sink, &kept);
        if let Some((older, ..)) = self.mutes.held.get(&key).cloned()
            && older < seq
        {
            self.mutes.held.remove(&key);
            let reason = format!("alert {seq}");
            self.mutes.end((sink, older), at, End::Folded, &reason);
        }
        self.informed(sink, &kept);
    }

    fn informed(&mut self, sink: SinkId, kept: &Kept) {
        if self.is_untold(sink, kept) {
            self.mutes.untold.remove(&key(sink, kept));
        }
    }

    fn note_untold(&mut self, sink: SinkId, seq: Seq, kept: &Kept) {
        if kept.alert.status != Status::Firing {
            return;
        }
        let opens = kept.id == kept.episode;
        let opening_is_kept = self.alerts.values().any(|other| other.id == kept.episode);
        let was_sent = self
            .attempts
            .values()
            .zip(self.attempts.keys())
            .any(|(row, (of, ..))| {
                let sent = row.sink == sink && ["delivered", "dead"].contains(&&*row.verdict);
                let other = &self.alerts[of];
                sent && *of < seq
                    && other.episode == kept.episode
                    && other.alert.status == Status::Firing
            });
        if opens || self.is_untold(sink, kept) || opening_is_kept && !was_sent {
            self.mutes.untold.insert(key(sink, kept), kept.episode);
        }
    }

    pub(super) fn drop_pending(&mut self, sink: SinkId, seq: Seq, now: Timestamp) -> bool {
        let held = self.mutes.unhold(sink, seq);
        let dropped = self.pending.remove(&(sink, seq)).is_some() || held;
        if dropped {
            self.mutes.end((sink, seq), now, End::Dropped, "ops");
        }
        dropped
    }

    pub(super) fn drop_dead(&mut self, dead: &[i64], now: Timestamp) -> u64 {
        let gone: Vec<_> = dead.iter().filter_map(|id| self.dead.remove(id)).collect();
        for letter in &gone {
            let delivery = (letter.sink, letter.seq);
            self.mutes.end(delivery, now, End::Dropped, "ops");
        }
        gone.len() as u64
    }
}
