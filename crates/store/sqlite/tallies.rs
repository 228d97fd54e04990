//! How many alerts arrived in each minute, by source, severity and status.
//!
//! The counts of the last two days are in memory. The writer adds to them after each commit, and writes those of a minute with
//! the first commit of the next one, so accepting an alert needs no statement. A crash loses what was not yet written; a start
//! counts it again from the newest alerts. Older minutes are read from the table.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::numbers::{severity_of, status_of};
use super::postings::{group, source_and_severity};
use crate::{Seq, TallyFilter, TallyRow};

const MINUTE_MS: i64 = 60_000;

/// Minutes in memory.
const MINUTES_MAX: i64 = 2 * 24 * 60;

/// Counts in memory. Of a gateway with many sources, fewer minutes are.
const COUNTS_MAX: usize = 200_000;

/// Alerts that a start has to count again, at most about.
const UNWRITTEN_MAX: u64 = 65_536;

/// Steps of so many minutes are also counted as a whole, so that a chart of a day reads few counts: with 20 sources a day has 160,000
/// counts of a minute. The longest first.
const STEPS: [i64; 2] = [60, 5];

/// A minute since 1970; source, severity and status as one number.
type Place = (i64, i64);

/// The counts in memory.
#[derive(Default)]
pub(super) struct Minutes {
    /// All counts from this minute on are here.
    from: i64,
    counts: BTreeMap<Place, u64>,
    /// The sums of `counts` by step, one map for each of [`STEPS`].
    sums: [BTreeMap<Place, u64>; STEPS.len()],
}

/// What the writer and the readers share.
pub(super) type Shared = Arc<Mutex<Minutes>>;

fn lock(shared: &Shared) -> MutexGuard<'_, Minutes> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The counts of one store, for its writer.
pub(super) struct Tallies {
    shared: Shared,
    /// Alerts of the open transaction.
    staged: Vec<Place>,
    /// Committed alerts that are not yet in the table, up to this place.
    unwritten: BTreeMap<Place, u64>,
    unwritten_to: Seq,
    /// The minute of the last commit with alerts.
    minute: i64,
    /// The open transaction writes `unwritten`.
    writing: bool,
    /// The open transaction removes the minutes before this one.
    pruning: Option<i64>,
}

fn place(received_ms: i64, source: i64, severity: i64, status: i64) -> Place {
    let minute = received_ms.div_euclid(MINUTE_MS);
    (minute, tally(source, severity, status))
}

/// What a count is of, as one number.
pub(crate) fn tally(source: i64, severity: i64, status: i64) -> i64 {
    group(source, severity) * 2 + status
}

/// The source, the severity and the status of a [`tally`].
pub(crate) fn tally_of(number: i64) -> (i64, i64, i64) {
    let (source, severity) = source_and_severity(number.div_euclid(2));
    (source, severity, number.rem_euclid(2))
}

impl Tallies {
    /// Reads the newest minutes, and counts the alerts that are not in the table.
    pub(super) fn load(connection: &Connection, last_seq: Seq) -> rusqlite::Result<Self> {
        let written: Seq = connection.query_row(
            "SELECT value FROM meta WHERE name = 'tallied_to'",
            [],
            |row| row.get(0),
        )?;
        let mut unwritten = BTreeMap::new();
        let sql = "SELECT received_ms, source, severity, status FROM alert WHERE seq > ?1";
        let mut select = connection.prepare(sql)?;
        let rows = select.query_map([written], |row| {
            Ok(place(row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })?;
        for place in rows {
            *unwritten.entry(place?).or_default() += 1;
        }
        let newest: Option<i64> =
            connection.query_row("SELECT max(minute) FROM tally", [], |row| row.get(0))?;
        let last = unwritten.last_key_value().map(|((minute, _), _)| *minute);
        let minute = newest.max(last).unwrap_or(0);
        let mut minutes = Minutes {
            from: minute - MINUTES_MAX,
            ..Minutes::default()
        };
        let sql = "SELECT minute, of, count FROM tally WHERE minute >= ?1 ORDER BY minute DESC, of LIMIT ?2";
        let mut select = connection.prepare(sql)?;
        let most = i64::try_from(COUNTS_MAX).unwrap_or(i64::MAX);
        let rows = select.query_map(params![minutes.from, most], |row| {
            Ok((
                (row.get(0)?, row.get(1)?),
                row.get::<_, i64>(2)?.cast_unsigned(),
            ))
        })?;
        for row in rows {
            let (place, count) = row?;
            minutes.add(place, count);
        }
        if minutes.counts.len() >= COUNTS_MAX {
            minutes.drop_first();
        }
        for (place, count) in &unwritten {
            minutes.add(*place, *count);
        }
        Ok(Self {
            shared: Arc::new(Mutex::new(minutes)),
            staged: Vec::new(),
            unwritten,
            unwritten_to: last_seq,
            minute,
            writing: false,
            pruning: None,
        })
    }

    pub(super) fn shared(&self) -> Shared {
        Arc::clone(&self.shared)
    }

    /// The file was opened again: the readers keep their part, which gets the counts of this session.
    pub(super) fn share(&mut self, shared: Shared) {
        *lock(&shared) = std::mem::take(&mut *lock(&self.shared));
        self.shared = shared;
    }

    /// Counts an alert of the open transaction.
    pub(super) fn insert(&mut self, received_ms: i64, source: i64, severity: i64, status: i64) {
        self.staged
            .push(place(received_ms, source, severity, status));
    }

    /// Writes what was committed before, in the open transaction, when another minute has begun or when it is much. After the
    /// clock was set back, the other minute is an earlier one.
    pub(super) fn write_some(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let newest = self.staged.iter().map(|(minute, _)| *minute).max();
        let much = || self.unwritten.values().sum::<u64>() >= UNWRITTEN_MAX;
        let due = newest.is_some_and(|newest| newest != self.minute) || much();
        if !due || self.unwritten.is_empty() {
            return Ok(());
        }
        let mut add = connection.prepare_cached(
            "INSERT INTO tally VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET count = count + excluded.count",
        )?;
        for ((minute, of), count) in &self.unwritten {
            add.execute(params![minute, of, count.cast_signed()])?;
        }
        connection
            .prepare_cached("UPDATE meta SET value = ?1 WHERE name = 'tallied_to'")?
            .execute([self.unwritten_to])?;
        self.writing = true;
        Ok(())
    }

    /// The open transaction is durable, and `last_seq` is its last place.
    pub(super) fn committed(&mut self, last_seq: Seq) {
        if std::mem::take(&mut self.writing) {
            self.unwritten.clear();
        }
        let mut minutes = lock(&self.shared);
        if let Some(before) = self.pruning.take() {
            self.unwritten = self.unwritten.split_off(&(before, i64::MIN));
            minutes.remove_before(before);
        }
        self.unwritten_to = last_seq;
        if self.staged.is_empty() {
            return;
        }
        self.staged.sort_unstable();
        for same in self.staged.chunk_by(|a, b| a == b) {
            if let Some(place) = same.first() {
                *self.unwritten.entry(*place).or_default() += same.len() as u64;
                minutes.add(*place, same.len() as u64);
                self.minute = place.0;
            }
        }
        self.staged.clear();
        minutes.shorten(self.minute - MINUTES_MAX);
    }

    /// The open transaction was rolled back.
    pub(super) fn rolled_back(&mut self) {
        self.staged.clear();
        self.writing = false;
        self.pruning = None;
    }

    /// Removes some minutes that ended before `before_ms`. True if it did.
    pub(super) fn prune(
        &mut self,
        connection: &Connection,
        before_ms: i64,
        rows: i64,
    ) -> rusqlite::Result<bool> {
        let before = before_ms.div_euclid(MINUTE_MS);
        self.pruning = Some(before);
        let sql = "DELETE FROM tally WHERE (minute, of) IN (SELECT minute, of FROM tally WHERE minute < ?1 LIMIT ?2)";
        let removed = connection.prepare_cached(sql)?.execute([before, rows])?;
        Ok(removed > 0)
    }
}

impl Minutes {
    fn add(&mut self, place: Place, count: u64) {
        if place.0 < self.from {
            return;
        }
        *self.counts.entry(place).or_default() += count;
        for (sums, step) in self.sums.iter_mut().zip(STEPS) {
            *sums.entry(begin(place, step)).or_default() += count;
        }
    }

    fn remove_before(&mut self, minute: i64) {
        let later = self.counts.split_off(&(minute, i64::MIN));
        for (place, count) in std::mem::replace(&mut self.counts, later) {
            for (sums, step) in self.sums.iter_mut().zip(STEPS) {
                if let Entry::Occupied(mut sum) = sums.entry(begin(place, step)) {
                    *sum.get_mut() -= count;
                    if *sum.get() == 0 {
                        sum.remove();
                    }
                }
            }
        }
    }

    /// Removes the minutes before this one, and more while there are too many counts.
    fn shorten(&mut self, from: i64) {
        if from > self.from {
            self.from = from;
            self.remove_before(from);
        }
        while self.counts.len() > COUNTS_MAX {
            self.drop_first();
        }
    }

    fn drop_first(&mut self) {
        if let Some(((first, _), _)) = self.counts.first_key_value() {
            self.from = first + 1;
            self.remove_before(self.from);
        }
    }

    /// The counts of these minutes, summed by steps if `step` and `since` allow it.
    fn between(&self, since: i64, until: i64, step: i64) -> Vec<(Place, u64)> {
        let from = since.max(self.from);
        let until = until.max(from);
        let whole = STEPS.iter().zip(&self.sums);
        let mut whole = whole.filter(|(whole, _)| step % **whole == 0 && since % **whole == 0);
        let Some((whole, sums)) = whole.next() else {
            return copied(&self.counts, from, until);
        };
        // The first step has no count of a minute before `from`. The last one can have counts after `until`.
        let (first, last) = (
            from - from.rem_euclid(*whole),
            until - until.rem_euclid(*whole),
        );
        let mut counts = copied(sums, first, last.max(first));
        counts.extend(copied(&self.counts, last.max(from), until));
        counts
    }
}

/// The place of a count in the sums by step.
fn begin((minute, of): Place, step: i64) -> Place {
    (minute - minute.rem_euclid(step), of)
}

fn copied(counts: &BTreeMap<Place, u64>, from: i64, until: i64) -> Vec<(Place, u64)> {
    let range = (from, i64::MIN)..(until, i64::MIN);
    let counts = counts.range(range);
    counts.map(|(place, count)| (*place, *count)).collect()
}

/// The counts that match, by step, in the order of time.
pub(super) fn rows(
    connection: &Connection,
    shared: &Shared,
    source: Option<i64>,
    filter: &TallyFilter,
) -> rusqlite::Result<Vec<TallyRow>> {
    let mut sums: BTreeMap<Place, u64> = BTreeMap::new();
    visit(connection, shared, filter, |begin, of, count| {
        let (source_of, severity, status) = tally_of(of);
        if source.is_none_or(|source| source == source_of) {
            *sums.entry((begin, severity * 2 + status)).or_default() += count;
        }
    })?;
    let sums = sums.into_iter();
    Ok(sums
        .map(|((minute, of), count)| TallyRow {
            at: at(minute),
            severity: severity_of(of.div_euclid(2)),
            status: status_of(of.rem_euclid(2)),
            count,
        })
        .collect())
}

/// The counts that match by step and by the number of the source, in the order of time.
pub(super) fn by_source(
    connection: &Connection,
    shared: &Shared,
    source: Option<i64>,
    filter: &TallyFilter,
) -> rusqlite::Result<Vec<(Timestamp, i64, u64)>> {
    let mut sums: BTreeMap<Place, u64> = BTreeMap::new();
    visit(connection, shared, filter, |begin, of, count| {
        let (source_of, ..) = tally_of(of);
        if source.is_none_or(|source| source == source_of) {
            *sums.entry((begin, source_of)).or_default() += count;
        }
    })?;
    let sums = sums.into_iter();
    Ok(sums
        .map(|((minute, source), count)| (at(minute), source, count))
        .collect())
}

/// Calls `add` for each count of the time, with the minute in which its step begins, and what it is of.
fn visit(
    connection: &Connection,
    shared: &Shared,
    filter: &TallyFilter,
    mut add: impl FnMut(i64, i64, u64),
) -> rusqlite::Result<()> {
    let minute = |at: Timestamp| at.as_millisecond().div_euclid(MINUTE_MS);
    let (since, until) = (minute(filter.since), minute(filter.until));
    let step = i64::from(filter.step_minutes.max(1));
    let begin = |minute: i64| minute - (minute - since).rem_euclid(step);
    // The writer waits for this lock before it answers a commit, so the counts are only copied under it.
    let (kept_from, kept) = {
        let minutes = lock(shared);
        (minutes.from, minutes.between(since, until, step))
    };
    for ((minute, of), count) in kept {
        add(begin(minute), of, count);
    }
    if since < kept_from {
        let mut select = connection.prepare_cached(
            "SELECT minute, of, count FROM tally WHERE minute >= ?1 AND minute < ?2",
        )?;
        let mut rows = select.query([since, until.min(kept_from)])?;
        while let Some(row) = rows.next()? {
            let count = row.get::<_, i64>(2)?.cast_unsigned();
            add(begin(row.get(0)?), row.get(1)?, count);
        }
    }
    Ok(())
}

fn at(minute: i64) -> Timestamp {
    Timestamp::from_millisecond(minute.saturating_mul(MINUTE_MS)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlite::schema;

    #[test]
    fn after_the_clock_was_set_back_the_present_is_counted() {
        let mut connection = Connection::open_in_memory().unwrap();
        schema::migrate(&mut connection).unwrap();
        let mut tallies = Tallies::load(&connection, 0).unwrap();
        let day = 24 * 60;
        for (seq, minute) in (1..).zip([10 * day, day, day + 1]) {
            tallies.insert(minute * MINUTE_MS, 1, 0, 0);
            tallies.write_some(&connection).unwrap();
            tallies.committed(seq);
        }
        let at = |minute: i64| Timestamp::from_millisecond(minute * MINUTE_MS).unwrap();
        let filter = TallyFilter {
            source: None,
            since: at(day),
            until: at(2 * day),
            step_minutes: 1,
        };
        let found = rows(&connection, &tallies.shared(), None, &filter).unwrap();
        let found: Vec<_> = found.iter().map(|row| (row.at, row.count)).collect();
        // The last minute is written when the next one begins.
        assert_eq!(found, [(at(day), 1)]);
    }

    /// Sums the counts by step, as the readers do.
    fn summed(
        counts: impl IntoIterator<Item = (Place, u64)>,
        since: i64,
        step: i64,
    ) -> BTreeMap<Place, u64> {
        let mut sums = BTreeMap::new();
        for ((minute, of), count) in counts {
            let first = minute - (minute - since).rem_euclid(step);
            *sums.entry((first, of)).or_default() += count;
        }
        sums
    }

    #[test]
    fn counts_of_longer_steps_are_the_sums_of_their_minutes() {
        const DAY: i64 = 24 * 60;
        let mut minutes = Minutes::default();
        let compare = |minutes: &Minutes| {
            for step in [1, 5, 7, 15, 60, DAY] {
                for (since, until) in [(0, DAY), (60, 61), (65, 1_003), (3, DAY), (600, 599)] {
                    let between = minutes.between(since, until, step);
                    let range = since.max(minutes.from)..until.max(since.max(minutes.from));
                    let counts = minutes.counts.iter().map(|(place, count)| (*place, *count));
                    let each = counts.filter(|((minute, _), _)| range.contains(minute));
                    let (whole, each) = (summed(between, since, step), summed(each, since, step));
                    assert_eq!(
                        whole, each,
                        "{since} to {until} by {step} from {}",
                        minutes.from
                    );
                }
            }
        };
        for number in 0..5_000 {
            minutes.add(
                (number * 7_919 % DAY, number % 3),
                1 + number.cast_unsigned() % 4,
            );
        }
        compare(&minutes);
        minutes.remove_before(62);
        compare(&minutes);
        minutes.shorten(127);
        minutes.add((126, 0), 9);
        minutes.add((128, 0), 9);
        compare(&minutes);
        minutes.drop_first();
        compare(&minutes);
        minutes.remove_before(2 * DAY);
        assert!(minutes.counts.is_empty() && minutes.sums.iter().all(BTreeMap::is_empty));
    }
}
