//! The rows that a selection names.

use std::collections::{BTreeMap, BTreeSet};

use campanile_model::Status;
use jiff::Timestamp;
use serde::Deserialize;

use super::{Of, ROWS_MAX};
use crate::api::query::LIMIT_MAX;
use crate::api::types::Selection;
use crate::api::{Failing, Names, deliveries};
use crate::http::Gateway;
use campanile_store::{
    DeadFilter, DeadRow, DeliveryFilter, DeliveryRow, QuarantineFilter, QuarantineRow, Seq, SinkId,
};

/// A reason is cut in a group, in characters.
const REASON_CHARACTERS_MAX: usize = 100;

/// A row that an action can change.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    /// The number of a dead letter or a callback, the place of the alert of a delivery. Newer rows have larger numbers.
    pub(super) id: i64,
    /// Zero for a callback.
    pub(super) sink: SinkId,
    /// The place of the alert. Zero for a callback.
    pub(super) seq: Seq,
}

/// A row with what a dry run says of it.
pub(super) struct Seen {
    pub(super) row: Row,
    pub(super) at: Timestamp,
    /// The name of its sink or source.
    pub(super) name: String,
    pub(super) reason: String,
}

/// Goes through the selected rows, newest first.
pub(super) struct Walk<'g> {
    gateway: &'g Gateway,
    of: Of,
    names: Names,
    sink: Option<SinkId>,
    source: Option<String>,
    /// The numbers that the selection names, in rising order.
    ids: Option<Vec<i64>>,
    before: Option<i64>,
    over: bool,
}

impl<'g> Walk<'g> {
    pub(super) async fn of(gateway: &'g Gateway, of: Of, selection: &Selection) -> Failing<Self> {
        let names = Names::load(gateway).await?;
        let sink = selection.sink.as_deref();
        let ids = selection.ids.as_ref();
        let most = selection.seen_to.unwrap_or(i64::MAX);
        let ids = ids.map(|ids| ids.iter().copied().filter(|id| *id <= most));
        Ok(Self {
            gateway,
            of,
            sink: sink.map(|name| names.id_of_body(name)).transpose()?,
            names,
            source: selection.source.clone(),
            ids: ids.map(|ids| ids.collect::<BTreeSet<_>>().into_iter().collect()),
            before: selection.seen_to.and_then(|seen| seen.checked_add(1)),
            over: false,
        })
    }

    /// The next rows. None after the last.
    pub(super) async fn next(&mut self) -> Failing<Option<Vec<Seen>>> {
        if self.over {
            return Ok(None);
        }
        if let Some(ids) = &mut self.ids {
            let most = usize::try_from(LIMIT_MAX).unwrap_or(1);
            let ids = ids.split_off(ids.len().saturating_sub(most));
            self.over = ids.is_empty();
            return self.named(ids).await.map(Some);
        }
        let rows = match self.of {
            Of::Dead => self.dead(self.before, LIMIT_MAX).await?,
            Of::Quarantine => self.quarantine(self.before).await?,
            Of::Deliveries => return self.deliveries().await.map(Some),
        };
        self.before = rows.last().map(|seen| seen.row.id);
        self.over = rows.is_empty();
        Ok(Some(rows))
    }

    /// The rows with these numbers that exist, newest first.
    async fn named(&self, ids: Vec<i64>) -> Failing<Vec<Seen>> {
        let mut found = Vec::new();
        for id in ids.into_iter().rev() {
            if self.of == Of::Quarantine {
                let row = self.gateway.store.quarantined(id).await?;
                found.extend(row.map(|row| callback(&row)));
            } else {
                let rows = self.dead(id.checked_add(1), 1).await?;
                found.extend(rows.into_iter().filter(|seen| seen.row.id == id));
            }
        }
        Ok(found)
    }

    async fn dead(&self, before: Option<i64>, limit: u32) -> Failing<Vec<Seen>> {
        let filter = DeadFilter {
            sink: self.sink,
            before,
            limit,
        };
        let rows = self.gateway.store.dead(filter).await?;
        Ok(rows.iter().map(|row| letter(row, &self.names)).collect())
    }

    async fn quarantine(&self, before: Option<i64>) -> Failing<Vec<Seen>> {
        let filter = QuarantineFilter {
            source: self.source.clone(),
            before,
            limit: LIMIT_MAX,
        };
        let rows = self.gateway.store.quarantine(filter).await?;
        Ok(rows.iter().map(callback).collect())
    }

    /// A page never ends inside an alert, so that the next one begins with the alert before.
    async fn deliveries(&mut self) -> Failing<Vec<Seen>> {
        let filter = DeliveryFilter {
            sink: self.sink,
            before: self.before,
            limit: LIMIT_MAX,
        };
        let (rows, next) = deliveries::page(self.gateway, &self.names, filter).await?;
        self.before = next;
        self.over = next.is_none();
        Ok(rows.iter().map(|row| delivery(row, &self.names)).collect())
    }
}

fn letter(row: &DeadRow, names: &Names) -> Seen {
    Seen {
        row: Row {
            id: row.id,
            sink: row.sink,
            seq: row.seq,
        },
        at: row.at,
        name: names.of(row.sink).to_owned(),
        reason: cut(&row.class),
    }
}

fn callback(row: &QuarantineRow) -> Seen {
    let fault = row.faults.first();
    Seen {
        row: Row {
            id: row.id,
            sink: 0,
            seq: 0,
        },
        at: row.received_at,
        name: row.source.clone(),
        reason: fault
            .map(|fault| cut(&fault.to_string()))
            .unwrap_or_default(),
    }
}

fn delivery(row: &DeliveryRow, names: &Names) -> Seen {
    let seq = row.pending.seq;
    Seen {
        row: Row {
            id: seq,
            sink: row.sink,
            seq,
        },
        at: row.pending.pending_since,
        name: names.of(row.sink).to_owned(),
        reason: match row.last_code {
            Some(code) => code.to_string(),
            None if row.pending.attempts == 0 => "not attempted".to_owned(),
            None => "no response".to_owned(),
        },
    }
}

fn cut(reason: &str) -> String {
    reason.chars().take(REASON_CHARACTERS_MAX).collect()
}

/// All rows, oldest first, and whether there are more than an action changes.
pub(super) async fn all(mut walk: Walk<'_>) -> Failing<(Vec<Row>, bool)> {
    let mut rows: Vec<Row> = Vec::new();
    while let Some(some) = walk.next().await? {
        rows.extend(some.iter().map(|seen| seen.row));
        if rows.len() > ROWS_MAX {
            break;
        }
    }
    let more = rows.len() > ROWS_MAX;
    rows.truncate(ROWS_MAX);
    rows.reverse();
    Ok((rows, more))
}

/// The places of those alerts that fire but whose problem was resolved since.
pub(super) async fn ended(gateway: &Gateway, rows: &[Row]) -> Failing<BTreeSet<Seq>> {
    #[derive(Deserialize)]
    struct Fires {
        status: Status,
    }
    let mut by_sink: BTreeMap<SinkId, Vec<Seq>> = BTreeMap::new();
    for row in rows {
        by_sink.entry(row.sink).or_default().push(row.seq);
    }
    let mut ended = BTreeSet::new();
    for (sink, seqs) in by_sink {
        for found in gateway.store.alerts_at(sink, seqs).await? {
            let fires = serde_json::from_slice::<Fires>(&found.alert.json);
            let fires = fires.is_ok_and(|alert| alert.status == Status::Firing);
            if fires && !found.episode_open {
                ended.insert(found.alert.seq);
            }
        }
    }
    Ok(ended)
}
