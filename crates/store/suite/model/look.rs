//! Compares what the store returns with the model.

use std::collections::BTreeMap;

use campanile_model::{Fingerprint, Severity};
use campanile_store::{
    AlertFilter, AlertToSend, AttemptRow, AuditFilter, DeadFilter, DeliveryFilter, DeliveryRow,
    FiringFilter, HeldPlace, Pending, Progress, QuarantineFilter, Seq, SinkId, Stats, Store,
    StoredAlert,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::memory::{Kept, Memory};
use super::step::{Look, PROBLEMS, SOURCES, WORDS, status};

const MANY: u32 = 10_000;

/// Compares what any step can change.
pub(super) async fn briefly(store: &dyn Store, memory: &Memory, sinks: &[SinkId]) {
    for sink in sinks {
        let shown = store.pending(*sink, 0, MANY as usize).await.unwrap();
        assert_eq!(shown, pending(memory, *sink), "pending for {sink}");
        held(store, memory, *sink).await;
    }
    let everything = AlertFilter {
        limit: MANY,
        ..AlertFilter::default()
    };
    page(store, memory, everything, None).await;
    firing(store, memory).await;
    audit(store, memory).await;
    stats(store, memory).await;
}

/// Compares what is held for a sink.
async fn held(store: &dyn Store, memory: &Memory, sink: SinkId) {
    let mut shown = Vec::new();
    let mut after = HeldPlace::START;
    loop {
        let page = store.held_of(sink.into(), after, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        after = last.place;
        shown.extend(
            page.into_iter()
                .map(|held| (held.seq, held.since, held.reason)),
        );
    }
    shown.sort_unstable();
    assert_eq!(shown, memory.mutes.held(sink), "held for {sink}");
}

/// Compares what operators did.
async fn audit(store: &dyn Store, memory: &Memory) {
    let filter = AuditFilter {
        limit: MANY,
        ..AuditFilter::default()
    };
    let shown = store.audit(filter).await.unwrap();
    assert!(shown.rows.iter().eq(memory.audit.iter().rev()), "{shown:?}");
}

/// Compares what fires.
async fn firing(store: &dyn Store, memory: &Memory) {
    let filter = FiringFilter {
        limit: MANY,
        ..FiringFilter::default()
    };
    let shown = store.firing(filter).await.unwrap();
    let episodes: Vec<_> = shown.rows.iter().map(|row| row.episode).collect();
    assert_eq!(episodes, memory.open(), "what fires");
    let count: u64 = shown.counts.iter().map(|(_, count)| count).sum();
    assert_eq!(count, episodes.len() as u64);
}

/// Compares everything, with every method.
pub(super) async fn whole(store: &dyn Store, memory: &Memory, sinks: &[SinkId]) {
    briefly(store, memory, sinks).await;
    for sink in sinks {
        pages_of_pending(store, memory, *sink).await;
    }
    let misplaced = store.misplaced(MANY).await.unwrap();
    assert!(misplaced.is_empty(), "in no place: {misplaced:?}");
    // No alert is at the place before the first or after the last.
    let last = memory.alerts.keys().max().copied().unwrap_or(0);
    for seq in 0..=last + 1 {
        of_one(store, memory, seq).await;
    }
    let all: Vec<Seq> = (0..=last + 1).rev().collect();
    let at = store.alerts_by_seq(all.clone()).await.unwrap();
    same_alerts(&at, memory.alerts.iter().rev());
    for sink in sinks {
        let at = store.alerts_at(*sink, all.clone()).await.unwrap();
        same_to_send(&at, memory, *sink);
    }
}

/// Compares each alert with the opening, the state and the handle of its episode.
fn same_to_send(shown: &[AlertToSend], memory: &Memory, sink: SinkId) {
    let alerts: Vec<StoredAlert> = shown.iter().map(|s| (*s.alert).clone()).collect();
    same_alerts(&alerts, memory.alerts.iter().rev());
    for (shown, kept) in shown.iter().zip(memory.alerts.values().rev()) {
        let opened = shown.opened.as_ref().map(|opened| (opened.seq, opened.id));
        assert_eq!(opened, memory.opening(kept), "{shown:?}");
        assert_eq!(shown.episode_open, memory.is_open(kept), "{shown:?}");
        assert_eq!(shown.untold, memory.is_untold(sink, kept), "{shown:?}");
        assert_eq!(
            shown.handle.as_ref(),
            memory.handles.get(&(sink, kept.episode)),
            "{shown:?}"
        );
        assert_eq!(shown.trace, memory.arrival(kept).arrival.trace, "{shown:?}");
    }
}

async fn pages_of_pending(store: &dyn Store, memory: &Memory, sink: SinkId) {
    let expected = pending(memory, sink);
    let mut paged: Vec<Pending> = Vec::new();
    loop {
        let after = paged.last().map_or(0, |pending| pending.seq);
        let page = store.pending(sink, after, 3).await.unwrap();
        if page.is_empty() {
            break;
        }
        assert!(page.len() <= 3);
        paged.extend(page);
    }
    assert_eq!(paged, expected);
    for lane in (0..PROBLEMS).map(Fingerprint) {
        let mut of_lane: Vec<Pending> = expected.clone();
        of_lane.retain(|pending| pending.fingerprint == lane);
        let after = of_lane.first().map_or(0, |pending| pending.seq);
        let rest = store.pending_in_lane(sink, lane, after, 2).await.unwrap();
        let expected: Vec<Pending> = of_lane.into_iter().skip(1).take(2).collect();
        assert_eq!(rest, expected);
    }
}

async fn of_one(store: &dyn Store, memory: &Memory, seq: Seq) {
    let kept = memory.alerts.get(&seq);
    let callback = store.callback_of(seq).await.unwrap();
    assert_eq!(callback.as_ref(), kept.map(|kept| &kept.callback));
    let arrival = store.arrival_of(seq).await.unwrap();
    assert_eq!(arrival, kept.map(|kept| memory.arrival(kept)));
    let attempts = store.attempts_of(seq).await.unwrap();
    let expected = memory
        .attempts
        .range((seq, i64::MIN, 0, 0)..(seq + 1, i64::MIN, 0, 0));
    assert!(
        attempts.iter().eq(expected.map(|(_, row)| row)),
        "{attempts:?}"
    );
    let deliveries = store.deliveries_of(seq).await.unwrap();
    let expected = memory.pending.values().filter(|row| row.pending.seq == seq);
    assert!(deliveries.iter().eq(expected), "{deliveries:?}");
    let outcomes = store.outcomes_of(seq).await.unwrap();
    let shown = outcomes
        .iter()
        .map(|row| ((seq, row.sink), (row.at, row.end, row.reason.clone())));
    let expected = memory.mutes.outcomes.clone().into_iter();
    let expected = expected.filter(|((of, _), _)| *of == seq);
    assert!(shown.eq(expected), "{outcomes:?}");
    let held = store.held_alert(seq).await.unwrap();
    let holding: Vec<SinkId> = held.iter().map(|held| held.sink).collect();
    let places = memory.mutes.held_places().filter(|(_, of)| *of == seq);
    assert_eq!(holding, places.map(|(sink, _)| sink).collect::<Vec<_>>());
    let progress = store.progress_of(vec![Seq::MAX, seq]).await.unwrap();
    let ended: Vec<SinkId> = outcomes.iter().map(|row| row.sink).collect();
    let idle = [holding, ended].concat();
    let counted = progress_of(&deliveries, &attempts, &idle);
    let counted = Progress {
        held: held.len(),
        ended: outcomes.len(),
        ..counted
    };
    let expected = [Progress::default(), counted];
    assert_eq!(progress, expected);
    if let Some(kept) = kept {
        let shown = store.alert(kept.id).await.unwrap().unwrap();
        same_alert(&shown, seq, kept);
    }
}

/// The last attempt of each sink that has nothing to do. `idle` sinks do not get the alert.
fn progress_of(deliveries: &[DeliveryRow], attempts: &[AttemptRow], idle: &[SinkId]) -> Progress {
    let mut last = BTreeMap::new();
    for attempt in attempts {
        last.insert(attempt.sink, attempt.verdict.as_str());
    }
    last.retain(|sink, _| deliveries.iter().all(|row| row.sink != *sink) && !idle.contains(sink));
    let number = |verdict| last.values().filter(|last| **last == verdict).count();
    Progress {
        delivered: number("delivered"),
        pending: deliveries.len(),
        dead: number("dead"),
        ..Progress::default()
    }
}

async fn stats(store: &dyn Store, memory: &Memory) {
    let span = |first: Seq, last: Seq| u64::try_from(last - first + 1).unwrap();
    let (first, last) = (memory.alerts.keys().min(), memory.alerts.keys().max());
    let shown = store.stats().await.unwrap();
    assert!(shown.bytes > 0);
    // Removed alerts between the first and the last can be counted, and places that no alert got.
    let most = first
        .zip(last)
        .map_or(0, |(first, last)| span(*first, *last));
    let kept = memory.alerts.len() as u64;
    let most = if memory.counts_alerts { kept } else { most };
    assert!((kept..=most).contains(&shown.alerts));
    let expected = Stats {
        alerts: shown.alerts,
        pending: counted(memory.pending.keys().map(|(sink, _)| *sink)),
        held: counted(memory.mutes.held_places().map(|(sink, _)| sink)),
        dead: counted(memory.dead.values().map(|letter| letter.sink)),
        quarantined: memory.quarantine.len() as u64,
        bytes: 0,
    };
    assert_eq!(Stats { bytes: 0, ..shown }, expected);
}

fn counted(sinks: impl Iterator<Item = SinkId>) -> Vec<(SinkId, u64)> {
    let mut counts = std::collections::BTreeMap::new();
    sinks.for_each(|sink| *counts.entry(sink).or_default() += 1);
    counts.into_iter().collect()
}

/// Compares one page of each list. Each list uses the fields of the filter that it has.
pub(super) async fn page(
    store: &dyn Store,
    memory: &Memory,
    filter: AlertFilter,
    sink: Option<SinkId>,
) {
    let limit = filter.limit as usize;
    let before = filter.before.unwrap_or(i64::MAX);
    let wanted = |(seq, kept): &(&Seq, &Kept)| {
        **seq < before
            && filter
                .source
                .as_ref()
                .is_none_or(|source| kept.source == *source)
            && filter
                .status
                .is_none_or(|status| kept.alert.status == status)
            && filter
                .severity
                .is_none_or(|severity| kept.alert.severity == severity)
            && filter
                .fingerprint
                .is_none_or(|lane| kept.alert.fingerprint == lane)
            && filter.since.is_none_or(|since| kept.received_at >= since)
            && filter.until.is_none_or(|until| kept.received_at <= until)
            && filter.words.iter().all(|word| kept.says(word))
            && filter.sink.is_none_or(|sink| memory.is_for(sink, **seq))
    };
    let alerts = store.alerts(filter.clone()).await.unwrap().rows;
    same_alerts(
        &alerts,
        memory.alerts.iter().rev().filter(wanted).take(limit),
    );

    let to_sink = |of: SinkId| sink.is_none_or(|wanted| wanted == of);
    let pending = memory
        .pending
        .values()
        .filter(|row| row.pending.seq < before);
    let pending = pending.filter(|row| to_sink(row.sink));
    let mut pending: Vec<_> = pending.cloned().collect();
    pending.sort_by_key(|row| std::cmp::Reverse((row.pending.seq, row.sink)));
    pending.truncate(limit);
    let of_sink = DeliveryFilter {
        sink,
        before: filter.before,
        limit: filter.limit,
    };
    assert_eq!(store.deliveries(of_sink).await.unwrap(), pending);

    let dead = memory
        .dead
        .values()
        .rev()
        .filter(|letter| letter.id < before);
    let dead = dead.filter(|letter| to_sink(letter.sink));
    let of_sink = DeadFilter {
        sink,
        before: filter.before,
        limit: filter.limit,
    };
    let shown = store.dead(of_sink).await.unwrap();
    assert!(shown.iter().eq(dead.take(limit)), "{shown:?}");

    let quarantine = memory
        .quarantine
        .values()
        .rev()
        .filter(|row| row.id < before);
    let of_source =
        quarantine.filter(|row| filter.source.as_ref().is_none_or(|s| row.source == *s));
    let filter = QuarantineFilter {
        source: filter.source.clone(),
        before: filter.before,
        limit: filter.limit,
    };
    let shown = store.quarantine(filter).await.unwrap();
    assert!(shown.iter().eq(of_source.take(limit)), "{shown:?}");
}

impl Look {
    pub(super) fn filter(&self, now: Timestamp, last: Seq, sinks: &[SinkId]) -> AlertFilter {
        let back = |seconds: u8| now - SignedDuration::from_secs(seconds.into());
        let below = usize::try_from(last + 2).unwrap();
        AlertFilter {
            source: self.source.map(|source| SOURCES[source].to_owned()),
            status: self.resolved.map(status),
            severity: self.severity.map(|severity| Severity::ALL[severity]),
            fingerprint: self.problem.map(Fingerprint),
            since: self.seconds.filter(|_| !self.until).map(back),
            until: self.seconds.filter(|_| self.until).map(back),
            words: self
                .word
                .iter()
                .map(|word| WORDS[*word].to_owned())
                .collect(),
            sink: self.sink.filter(|_| self.until).map(|sink| sinks[sink]),
            before: self
                .before
                .map(|at| i64::try_from(at.index(below)).unwrap()),
            limit: self.limit.into(),
            ..AlertFilter::default()
        }
    }
}

fn pending(memory: &Memory, sink: SinkId) -> Vec<Pending> {
    let rows = memory.pending.range((sink, Seq::MIN)..=(sink, Seq::MAX));
    rows.map(|(_, row)| row.pending.clone()).collect()
}

fn same_alerts<'m>(shown: &[StoredAlert], kept: impl Iterator<Item = (&'m Seq, &'m Kept)>) {
    let kept: Vec<_> = kept.collect();
    let places = |all: &[StoredAlert]| all.iter().map(|alert| alert.seq).collect::<Vec<_>>();
    let expected: Vec<Seq> = kept.iter().map(|(seq, _)| **seq).collect();
    assert_eq!(places(shown), expected);
    for (shown, (seq, kept)) in shown.iter().zip(kept) {
        same_alert(shown, *seq, kept);
    }
}

fn same_alert(shown: &StoredAlert, seq: Seq, kept: &Kept) {
    assert_eq!(
        (shown.seq, shown.id, shown.episode),
        (seq, kept.id, kept.episode)
    );
    let mut json: Value = serde_json::from_slice(&shown.json).unwrap();
    let id = json.as_object_mut().unwrap().shift_remove("id");
    assert_eq!(id, Some(kept.id.to_string().into()));
    assert_eq!(
        json,
        serde_json::from_slice::<Value>(&kept.alert.body).unwrap()
    );
}
