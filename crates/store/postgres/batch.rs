//! The arrays of one append statement, and the answers that its rows give.

use std::collections::HashMap;

use jiff::Timestamp;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::names::Numbers;
use super::numbers::{int, severity_number, sink_number, status_number};
use super::tallies::minute;
use crate::packed::Packed;
use crate::{Appended, Appending, DedupKey, NewAlert, Seq, SinkId};

/// The parameters of `append.sql`.
#[derive(Default)]
pub(super) struct Batch<'b> {
    keys: Vec<Uuid>,
    contents: Vec<i64>,
    calls: Vec<i32>,
    sources: Vec<i32>,
    fingerprints: Vec<i64>,
    statuses: Vec<i16>,
    severities: Vec<i16>,
    body_at: Vec<i32>,
    body_bytes: Vec<i32>,
    ms: Vec<i64>,
    received: Vec<Timestamp>,
    raw_bytes: Vec<i32>,
    arrival_bytes: Vec<Option<i32>>,
    routes: Vec<Option<i32>>,
    packed: Vec<&'b [u8]>,
    call_numbers: Vec<i32>,
    due_ord: Vec<i64>,
    due_sink: Vec<i32>,
    minutes: Vec<i32>,
    exact: Vec<bool>,
    /// What each alert of each callback is: a row of the statement, or a repetition of an earlier row.
    slots: Vec<Vec<Slot>>,
}

/// One alert of a callback.
struct Slot {
    /// The row of the statement with its key, from 0.
    row: usize,
    content: i64,
    /// Its key was in an earlier alert of this batch.
    repeats: bool,
}

/// The answer for one row of the statement.
#[derive(Clone, Copy)]
pub(super) enum Outcome {
    /// It is new.
    New(Appending),
    /// Its key was known, with this content. None: it was committed after the snapshot of the statement.
    Known(Option<i64>),
}

impl<'b> Batch<'b> {
    /// Of these callbacks. `ms` is the time in the ids.
    pub(super) fn of(entries: &[&'b Packed], numbers: &[Numbers], ms: i64) -> Self {
        let mut batch = Self::default();
        let mut seen: HashMap<DedupKey, usize> = HashMap::new();
        for (call, (packed, numbers)) in entries.iter().zip(numbers).enumerate() {
            let call = int(call);
            let mut body_at = packed.entry.callback.len();
            let mut slots = Vec::with_capacity(packed.entry.alerts.len());
            for alert in &packed.entry.alerts {
                let content = alert.content.cast_signed();
                let row = batch.keys.len();
                let first = *seen.entry(alert.key).or_insert(row);
                let repeats = first != row;
                if !repeats {
                    batch.push(alert, call, numbers.source, body_at, ms);
                    batch.exact.push(packed.exact);
                }
                slots.push(Slot {
                    row: first,
                    content,
                    repeats,
                });
                body_at += alert.body.len();
            }
            batch.slots.push(slots);
            batch.received.push(packed.entry.received_at);
            batch.minutes.push(minute(packed.entry.received_at));
            batch.raw_bytes.push(int(packed.entry.callback.len()));
            batch.arrival_bytes.push(
                packed
                    .arrival_bytes
                    .map(|n| int(usize::try_from(n).unwrap_or(0))),
            );
            batch.routes.push(numbers.routes);
            batch.packed.push(&packed.bytes);
            batch.call_numbers.push(call);
        }
        batch
    }

    fn push(&mut self, alert: &NewAlert, call: i32, source: i32, body_at: usize, ms: i64) {
        let ord = i64::try_from(self.keys.len()).unwrap_or(i64::MAX) + 1;
        self.keys.push(Uuid::from_bytes(alert.key));
        self.contents.push(alert.content.cast_signed());
        self.calls.push(call);
        self.sources.push(source);
        self.fingerprints.push(alert.fingerprint.0.cast_signed());
        self.statuses.push(status_number(alert.status));
        self.severities.push(severity_number(alert.severity));
        self.body_at.push(int(body_at));
        self.body_bytes.push(int(alert.body.len()));
        self.ms.push(ms);
        for sink in &alert.sinks {
            self.due_ord.push(ord);
            self.due_sink.push(sink_number(*sink));
        }
    }

    /// Whether no callback has an alert.
    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    pub(super) fn parameters<'p>(
        &'p self,
        id_random: &'p i32,
        token: &'p i64,
    ) -> [&'p (dyn ToSql + Sync); 22] {
        [
            &self.keys,
            &self.contents,
            &self.calls,
            &self.sources,
            &self.fingerprints,
            &self.statuses,
            &self.severities,
            &self.body_at,
            &self.body_bytes,
            &self.ms,
            &self.received,
            &self.raw_bytes,
            &self.arrival_bytes,
            &self.routes,
            &self.packed,
            &self.call_numbers,
            id_random,
            token,
            &self.due_ord,
            &self.due_sink,
            &self.minutes,
            &self.exact,
        ]
    }

    /// The outcomes of the statement's rows, in the order of the batch.
    pub(super) fn outcomes(&self, rows: &[Row]) -> Vec<Outcome> {
        let mut outcomes = vec![Outcome::Known(None); self.keys.len()];
        for row in rows {
            let Some(ord) = row.get::<_, Option<i64>>(0) else {
                continue;
            };
            let at = usize::try_from(ord - 1).unwrap_or(usize::MAX);
            let outcome = match row.get::<_, Option<i64>>(1) {
                Some(seq) => Outcome::New(Appending::Accepted {
                    seq,
                    id: row.get(2),
                }),
                None => Outcome::Known(row.get(3)),
            };
            if let Some(slot) = outcomes.get_mut(at) {
                *slot = outcome;
            }
        }
        outcomes
    }

    /// The deliveries of the statement, by place.
    pub(super) fn pending(rows: &[Row]) -> Vec<(Seq, SinkId)> {
        let last = rows
            .iter()
            .find(|row| row.get::<_, Option<i64>>(0).is_none());
        let arrays = last.and_then(|row| {
            let seqs: Option<Vec<Seq>> = row.get(5);
            let sinks: Option<Vec<i32>> = row.get(6);
            seqs.zip(sinks)
        });
        let (seqs, sinks) = arrays.unwrap_or_default();
        let sinks = sinks.into_iter().map(SinkId::from);
        let mut pending: Vec<_> = seqs.into_iter().zip(sinks).collect();
        pending.sort_unstable();
        pending
    }

    /// The rows whose keys were known when the statement ran.
    pub(super) fn known(&self, outcomes: &[Outcome]) -> Vec<(usize, Uuid)> {
        let rows = outcomes.iter().zip(&self.keys).enumerate();
        rows.filter(|(_, (outcome, _))| matches!(outcome, Outcome::Known(_)))
            .map(|(row, (_, key))| (row, *key))
            .collect()
    }

    /// The answers for the callbacks. `pending`: the deliveries, by place.
    pub(super) fn answers(&self, outcomes: &[Outcome], pending: &[(Seq, SinkId)]) -> Vec<Appended> {
        let answer = |slot: &Slot| {
            let original = match outcomes.get(slot.row) {
                Some(Outcome::New(accepted)) if !slot.repeats => return *accepted,
                Some(Outcome::New(_)) => self.contents.get(slot.row).copied(),
                Some(Outcome::Known(content)) => *content,
                None => None,
            };
            Appending::Duplicate {
                conflict: original.is_some_and(|original| original != slot.content),
            }
        };
        let answers = self.slots.iter();
        answers
            .map(|slots| {
                let alerts: Vec<Appending> = slots.iter().map(answer).collect();
                Appended {
                    pending: alerts.iter().flat_map(|one| of(one, pending)).collect(),
                    alerts,
                    quarantine: None,
                }
            })
            .collect()
    }
}

/// The deliveries of one alert.
fn of<'p>(
    appending: &Appending,
    pending: &'p [(Seq, SinkId)],
) -> impl Iterator<Item = (SinkId, Seq)> + use<'p> {
    let place = match appending {
        Appending::Accepted { seq, .. } => *seq,
        Appending::Duplicate { .. } => 0,
    };
    let first = pending.partition_point(|(seq, _)| *seq < place);
    let later = pending.get(first..).unwrap_or_default().iter();
    later
        .take_while(move |(seq, _)| *seq == place)
        .map(|(seq, sink)| (*sink, *seq))
}
