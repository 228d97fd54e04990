//! Searches alerts, newest first.
//!
//! Times become places by bisection ([`super::places`]). A problem, a source and a severity have postings. All else is looked at
//! in parts, so that the search can end when its patience is over: then it says how far it looked.

use jiff::Timestamp;
use rusqlite::{CachedStatement, Connection, OptionalExtension, params};

use super::alerts::{ALERT, Unpacker, bounds};
use super::{known_sinks, places, source_number, time};
use crate::sqlite::numbers::{severity_number, status_number};
use crate::sqlite::pending;
use crate::sqlite::postings::{self, Want};
use crate::text::Wanted;
use crate::{AlertFilter, Listed, Searched, Seq, SinkId, StoredAlert};

/// Rows that one query may scan. A longer search takes several queries: a long read would stop SQLite from emptying the WAL.
const SCAN_ROWS: i64 = 20_000;

pub(crate) fn alerts(
    connection: &Connection,
    recent: &postings::Shared,
    filter: &AlertFilter,
) -> rusqlite::Result<Listed<StoredAlert>> {
    let mut search = Search::new(connection, filter)?;
    let range = if search.can_match {
        range(connection, filter)?
    } else {
        None
    };
    let reached = match (range, search.want()) {
        (None, _) => None,
        (Some(range), None) => search.scan(range)?,
        (Some(range), Some(want)) => search.probe(connection, recent, &want, range)?,
    };
    let searched = match reached {
        Some(before) => searched(connection, before)?,
        None => None,
    };
    Ok(Listed {
        rows: search.found,
        searched,
    })
}

/// The places to look at: the lowest, and the one after the highest.
fn range(connection: &Connection, filter: &AlertFilter) -> rusqlite::Result<Option<(Seq, Seq)>> {
    let Some((lowest, highest)) = bounds(connection)? else {
        return Ok(None);
    };
    let all = (lowest, highest);
    let since = filter.since.map(|at| places::since(connection, all, at));
    let until = filter.until.map(|at| places::until(connection, all, at));
    let lowest = since.transpose()?.unwrap_or(lowest);
    let before = until.transpose()?.unwrap_or(highest + 1);
    let before = before.min(filter.before.unwrap_or(Seq::MAX));
    Ok((lowest < before).then_some((lowest, before)))
}

/// How far a search looked that ended before this place.
fn searched(connection: &Connection, before: Seq) -> rusqlite::Result<Option<Searched>> {
    let at = connection
        .prepare_cached("SELECT received_ms FROM alert WHERE seq >= ?1 ORDER BY seq LIMIT 1")?
        .query_row([before], |row| row.get(0))
        .optional()?;
    Ok(at.map(|at| Searched {
        before,
        at: time(at),
    }))
}

/// A search that is under way.
struct Search<'c, 'f> {
    filter: &'f AlertFilter,
    source: Option<i64>,
    /// The sink is known, or none is asked for.
    can_match: bool,
    wanted: Option<Wanted<'f>>,
    select: CachedStatement<'c>,
    unpacker: Unpacker<'c>,
    found: Vec<StoredAlert>,
}

impl<'c, 'f> Search<'c, 'f> {
    fn new(connection: &'c Connection, filter: &'f AlertFilter) -> rusqlite::Result<Self> {
        let known = known_sinks(connection)?;
        let is_known = |sink: SinkId| known.iter().any(|(id, _)| *id == sink);
        let sink = filter.sink.filter(|sink| is_known(*sink));
        let of_sink = sink.map(of_sink).unwrap_or_default();
        let select = connection.prepare_cached(&format!(
            "{ALERT} WHERE seq < ?1 AND seq >= ?2 AND (?3 IS NULL OR source = ?3) AND (?4 IS NULL OR status = ?4)
             AND (?5 IS NULL OR severity = ?5) AND (?6 IS NULL OR fingerprint = ?6) AND (?7 IS NULL OR received_ms >= ?7)
             AND (?8 IS NULL OR received_ms <= ?8) {of_sink} ORDER BY seq DESC"
        ))?;
        Ok(Self {
            filter,
            source: source_number(connection, filter.source.as_deref())?,
            can_match: sink == filter.sink,
            wanted: Wanted::of(filter),
            select,
            unpacker: Unpacker::new(connection)?,
            found: Vec::new(),
        })
    }

    fn is_full(&self) -> bool {
        self.found.len() >= self.filter.limit as usize
    }

    /// Looks at all places from `lowest` to the one before `before`. Returns the lowest place that it looked at if it ended early.
    fn scan(&mut self, (lowest, mut before): (Seq, Seq)) -> rusqlite::Result<Option<Seq>> {
        while before > lowest && !self.is_full() {
            let from = (before - SCAN_ROWS).max(lowest);
            if let Some(reached) = self.look(from, before)? {
                return Ok(Some(reached));
            }
            before = from;
            if before > lowest && !self.is_full() && self.filter.patience.is_over() {
                return Ok(Some(before));
            }
        }
        Ok(None)
    }

    /// What has postings of what is asked for.
    fn want(&self) -> Option<Want> {
        let severity = self.filter.severity.map(severity_number);
        match self.filter.fingerprint {
            Some(fingerprint) => Some(Want::Problem(fingerprint)),
            None if self.source.is_none() && severity.is_none() => None,
            None => Some(Want::Group(self.source, severity)),
        }
    }

    /// Looks at the places that the postings name, then at those before the first run. Returns the lowest place that it looked at
    /// if it ended early.
    fn probe(
        &mut self,
        connection: &Connection,
        recent: &postings::Shared,
        want: &Want,
        (lowest, before): (Seq, Seq),
    ) -> rusqlite::Result<Option<Seq>> {
        let within = |seq: &Seq| (lowest..before).contains(seq);
        // A run that is completed after this begins here or later.
        let (from, seqs) = postings::recent(recent, want);
        let mut covered = from.min(before);
        if let Some(reached) = self.look_at(seqs.into_iter().filter(within))? {
            return Ok(Some(reached));
        }
        while covered > lowest && !self.is_full() {
            let Some(run) = postings::run_before(connection, covered, want)? else {
                return self.scan((lowest, covered));
            };
            if run.last < lowest {
                return Ok(None);
            }
            let seqs = run.seqs.into_iter().filter(|seq| *seq < covered);
            if let Some(reached) = self.look_at(seqs.filter(within))? {
                return Ok(Some(reached));
            }
            covered = run.first;
            if covered > lowest && !self.is_full() && self.filter.patience.is_over() {
                return Ok(Some(covered));
            }
        }
        Ok(None)
    }

    /// Looks at these places. Returns the lowest one if it ended early.
    fn look_at(&mut self, seqs: impl Iterator<Item = Seq>) -> rusqlite::Result<Option<Seq>> {
        let mut seqs = seqs.peekable();
        while let Some(seq) = seqs.next() {
            self.look(seq, seq + 1)?;
            if self.is_full() {
                return Ok(None);
            }
            if seqs.peek().is_some() && self.filter.patience.is_over() {
                return Ok(Some(seq));
            }
        }
        Ok(None)
    }

    /// Looks at the places from `from` to the one before `before`. Returns the lowest place that it looked at if it ended early.
    fn look(&mut self, from: Seq, before: Seq) -> rusqlite::Result<Option<Seq>> {
        let filter = self.filter;
        let mut rows = self.select.query(params![
            before,
            from,
            self.source,
            filter.status.map(status_number),
            filter.severity.map(severity_number),
            filter.fingerprint.map(|f| f.0.cast_signed()),
            filter.since.map(Timestamp::as_millisecond),
            filter.until.map(Timestamp::as_millisecond),
        ])?;
        while self.found.len() < filter.limit as usize {
            let Some(row) = rows.next()? else {
                break;
            };
            let alert = self.unpacker.alert(row)?;
            let Some(wanted) = &self.wanted else {
                self.found.push(alert);
                continue;
            };
            let reached = alert.seq;
            if wanted.is_in(&alert.json) {
                self.found.push(alert);
            }
            if reached > from && filter.patience.is_over() {
                return Ok((self.found.len() < filter.limit as usize).then_some(reached));
            }
        }
        Ok(None)
    }
}

/// Whether an alert is pending for a sink, or was attempted.
fn of_sink(sink: SinkId) -> String {
    let pending = pending::table(sink);
    format!(
        "AND (EXISTS (SELECT 1 FROM attempt t WHERE t.seq = a.seq AND t.sink = {sink})
              OR EXISTS (SELECT 1 FROM {pending} p WHERE p.seq = a.seq))"
    )
}
