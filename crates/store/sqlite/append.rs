//! Writes callbacks with their alerts and deliveries, in the open transaction.

use campanile_model::{Fingerprint, Status, failpoint};
use jiff::Timestamp;
use rusqlite::params;

use super::episodes::Episode;
use super::firing::Open;
use super::numbers::{severity_number, status_number};
use super::pending;
use super::plan;
use super::postings::{Post, group};
use super::session::Session;
use crate::arrival::Tail;
use crate::packed::{Packed, number};
use crate::{Appended, Appending, NewAlert, Seq, SinkId, codec};

/// A new pending delivery.
#[derive(Clone, Copy)]
pub(super) struct PendingRow {
    sink: SinkId,
    seq: Seq,
    lane: Fingerprint,
    since: Timestamp,
}

impl Session {
    /// Writes one callback with its alerts and deliveries.
    pub(super) fn append(&mut self, entry: &Packed) -> rusqlite::Result<Appended> {
        let source = self.source_id(&entry.entry.source)?;
        let received_ms = entry.entry.received_at.as_millisecond();
        let first_seq = self.numbers.seq + 1;
        let callback = self.numbers.callback + 1;
        let mut appended = Appended::default();
        let mut body_at = entry.entry.callback.len();
        for alert in &entry.entry.alerts {
            let received_at = entry.entry.received_at;
            let place = Place {
                source,
                callback,
                received_at,
                body_at,
                exact: entry.exact,
            };
            let pending = &mut appended.pending;
            let appending = self.append_alert(alert, place, pending)?;
            appended.alerts.push(appending);
            body_at += alert.body.len();
        }
        let new = self.numbers.seq + 1 - first_seq;
        if new > 0 || entry.entry.alerts.is_empty() && entry.entry.faults.is_empty() {
            self.numbers.callback = callback;
            let routes = self.routes_id(entry.entry.arrival.routes.as_ref())?;
            self.connection
                .prepare_cached(
                    "INSERT INTO callback VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, NULL)",
                )?
                .execute(params![
                    callback,
                    source,
                    received_ms,
                    first_seq,
                    new,
                    number(entry.entry.callback.len()),
                    entry.bytes,
                    entry.arrival_bytes,
                    routes
                ])?;
        }
        if !entry.entry.faults.is_empty() {
            let faults = serde_json::to_string(&entry.entry.faults).unwrap_or_default();
            let arrival = Tail::of(&entry.entry.arrival, &[], 0).bytes();
            self.connection
                .prepare_cached("INSERT INTO quarantine (source, received_ms, faults, raw, arrival) VALUES (?1, ?2, ?3, ?4, ?5)")?
                .execute(params![source, received_ms, faults, codec::pack(&entry.entry.callback), arrival])?;
            appended.quarantine = Some(self.connection.last_insert_rowid());
        }
        Ok(appended)
    }

    fn append_alert(
        &mut self,
        alert: &NewAlert,
        place: Place,
        pending: &mut Vec<(SinkId, Seq)>,
    ) -> rusqlite::Result<Appending> {
        let Place {
            source,
            callback,
            received_at,
            body_at,
            exact,
        } = place;
        let known = self.keys.get(&self.connection, &alert.key)?;
        if let Some(content) = known.filter(|_| !failpoint::broken("broken-no-dedup")) {
            return Ok(Appending::Duplicate {
                conflict: content != alert.content,
            });
        }
        let (seq, id) = self.next_id(received_at);
        let Episode { id: episode, plan } = self.episode((source, alert.fingerprint), alert, id)?;
        self.keys.insert(alert.key, alert.content, received_at);
        let (severity, status) = (severity_number(alert.severity), status_number(alert.status));
        self.tallies
            .insert(received_at.as_millisecond(), source, severity, status);
        self.postings.insert(Post {
            seq,
            fingerprint: alert.fingerprint,
            group: group(source, severity),
        });
        let open = Open {
            episode,
            newest: seq,
            severity: severity_number(alert.severity),
        };
        let fires = alert.status == Status::Firing;
        self.staged
            .push(((source, alert.fingerprint), fires.then_some(open)));
        let plan = plan.filter(|_| !exact);
        let sinks = plan.as_deref().unwrap_or(&alert.sinks);
        self.connection
            .prepare_cached(
                "INSERT INTO alert VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
            )?
            .execute(params![
                seq,
                callback,
                source,
                received_at.as_millisecond(),
                status_number(alert.status),
                severity_number(alert.severity),
                alert.fingerprint.0.cast_signed(),
                id.as_bytes(),
                (episode != id).then(|| *episode.as_bytes()),
                alert.key,
                alert.content.cast_signed(),
                number(body_at),
                number(alert.body.len()),
                plan::text(sinks),
            ])?;
        pending.extend(sinks.iter().map(|sink| (*sink, seq)));
        self.pending.extend(sinks.iter().map(|sink| PendingRow {
            sink: *sink,
            seq,
            lane: alert.fingerprint,
            since: received_at,
        }));
        Ok(Appending::Accepted { seq, id })
    }

    /// Writes the collected deliveries, sink by sink.
    pub(super) fn write_pending(&mut self) -> rusqlite::Result<()> {
        let mut pending = std::mem::take(&mut self.pending);
        pending.sort_by_key(|row| row.sink);
        for rows in pending.chunk_by(|a, b| a.sink == b.sink) {
            let sink = rows.first().map_or(0, |row| row.sink);
            let mut insert = pending::insert(&self.connection, sink)?;
            for PendingRow {
                seq, lane, since, ..
            } in rows
            {
                let lane = lane.0.cast_signed();
                insert.execute(params![seq, lane, since.as_millisecond(), false])?;
            }
        }
        pending.clear();
        self.pending = pending; // Keeps the allocation for the next batch.
        Ok(())
    }

    /// Makes an alert pending for a sink. False when it is already pending.
    pub(super) fn insert_pending(
        &mut self,
        sink: SinkId,
        seq: Seq,
        lane: Fingerprint,
        since: Timestamp,
        retried: bool,
    ) -> rusqlite::Result<bool> {
        let lane = lane.0.cast_signed();
        let rows = pending::insert(&self.connection, sink)?.execute(params![
            seq,
            lane,
            since.as_millisecond(),
            retried
        ])?;
        Ok(rows > 0)
    }
}

/// The place of an alert in its callback.
#[derive(Clone, Copy)]
struct Place {
    source: i64,
    callback: i64,
    received_at: Timestamp,
    /// The offset of its JSON in the decompressed callback.
    body_at: usize,
    /// It goes to its own sinks.
    exact: bool,
}
