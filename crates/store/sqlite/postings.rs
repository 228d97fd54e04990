//! The places of the alerts of each problem, and of each source and severity.
//!
//! An index by fingerprint would change one page for each alert. So the newest places are in memory, in their order. The oldest of
//! them become a run: sorted by key, cut into [`block`]s, and appended, some blocks with each later commit, as the dedup keys are
//! ([`super::keys`]). A crash loses the memory and the incomplete run; a start reads them back from the newest alerts.
//!
//! Alerts before the first run have no postings: those of a build without them, and the few that outlive their run. A search
//! scans them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use campanile_model::Fingerprint;
use rusqlite::{Connection, OptionalExtension, params};

use super::block::{self, Key};
use crate::Seq;

/// The number of a block is that of its run times this, plus its place in the run.
const BLOCKS_MAX: i64 = 1 << 20;

/// The place of an alert, with what it can be searched by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Post {
    pub(super) seq: Seq,
    pub(super) fingerprint: Fingerprint,
    pub(super) group: i64,
}

/// Which places are wanted.
#[derive(Clone, Debug)]
pub(super) enum Want {
    Problem(Fingerprint),
    /// Of a source, or with a severity, or both.
    Group(Option<i64>, Option<i64>),
}

impl Want {
    /// The only key that is wanted. None: several can be.
    fn exact(&self) -> Option<Key> {
        match self {
            Self::Problem(fingerprint) => Some(Key::Problem(*fingerprint)),
            Self::Group(..) => None,
        }
    }

    fn is_of(&self, key: Key) -> bool {
        match (self, key) {
            (Self::Problem(wanted), Key::Problem(of)) => *wanted == of,
            (Self::Group(source, severity), Key::Group(of)) => {
                let (of_source, of_severity) = source_and_severity(of);
                source.is_none_or(|source| source == of_source)
                    && severity.is_none_or(|severity| severity == of_severity)
            }
            _ => false,
        }
    }
}

/// More than there are severities.
const SEVERITIES: i64 = 8;

/// A source and a severity as one number.
pub(super) fn group(source: i64, severity: i64) -> i64 {
    source * SEVERITIES + severity
}

/// The source and the severity of a [`group`].
pub(super) fn source_and_severity(group: i64) -> (i64, i64) {
    (group.div_euclid(SEVERITIES), group.rem_euclid(SEVERITIES))
}

/// The newest places, which are not yet in a run.
#[derive(Default)]
pub(super) struct Recent {
    /// All kept alerts from this place on are in `posts`.
    from: Seq,
    posts: Vec<Post>,
}

/// What the writer and the readers share.
pub(super) type Shared = Arc<Mutex<Recent>>;

fn lock(shared: &Shared) -> MutexGuard<'_, Recent> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A run that is being written.
struct Frozen {
    run: i64,
    first: Seq,
    last: Seq,
    newest_ms: i64,
    sorted: block::Run,
    /// Committed blocks, and blocks in the open transaction.
    written: usize,
    writing: usize,
}

/// The postings of one store, for its writer.
pub(super) struct Postings {
    recent: Shared,
    /// Alerts of the open transaction.
    staged: Vec<Post>,
    frozen: Option<Frozen>,
    next_run: i64,
    run_size: usize,
}

impl Postings {
    /// Removes a run that was incomplete when the process ended, and reads the newest places from the table of alerts.
    pub(super) fn load(connection: &Connection, run_size: usize) -> rusqlite::Result<Self> {
        let last = connection
            .query_row(
                "SELECT run, last_seq FROM posting_run ORDER BY run DESC LIMIT 1",
                [],
                |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Seq>(1)?)),
            )
            .optional()?;
        let next_run = last.map_or(0, |(run, _)| run + 1);
        connection.execute(
            "DELETE FROM posting WHERE id >= ?1",
            [next_run * BLOCKS_MAX],
        )?;
        let from = match last {
            Some((_, last)) => last + 1,
            None => connection.query_row(
                "SELECT value FROM meta WHERE name = 'posted_from'",
                [],
                |row| row.get(0),
            )?,
        };
        let sql = "SELECT seq, fingerprint, source, severity FROM alert WHERE seq >= ?1";
        let mut select = connection.prepare(sql)?;
        let posts = select.query_map([from], |row| {
            Ok(Post {
                seq: row.get(0)?,
                fingerprint: Fingerprint(row.get::<_, i64>(1)?.cast_unsigned()),
                group: group(row.get(2)?, row.get(3)?),
            })
        })?;
        let posts = posts.collect::<rusqlite::Result<_>>()?;
        Ok(Self {
            recent: Arc::new(Mutex::new(Recent { from, posts })),
            staged: Vec::new(),
            frozen: None,
            next_run,
            run_size,
        })
    }

    pub(super) fn shared(&self) -> Shared {
        Arc::clone(&self.recent)
    }

    /// The file was opened again: the readers keep their part, which gets the places of this session.
    pub(super) fn share(&mut self, recent: Shared) {
        *lock(&recent) = std::mem::take(&mut *lock(&self.recent));
        self.recent = recent;
    }

    /// Adds an alert of the open transaction.
    pub(super) fn insert(&mut self, post: Post) {
        self.staged.push(post);
    }

    /// Writes some blocks of the current run in the open transaction: one, and so many that all are written before half as many
    /// alerts arrive as are in the run. A run has a block or more for each group, so their number is not known before.
    pub(super) fn write_some(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let Some(frozen) = &mut self.frozen else {
            return Ok(());
        };
        let blocks = &frozen.sorted.blocks;
        let some = 1 + 2 * blocks.len() * self.staged.len() / self.run_size.max(1);
        let until = (frozen.written + some).min(blocks.len());
        let mut insert = connection.prepare_cached("INSERT INTO posting VALUES (?1, ?2)")?;
        let first = frozen.run * BLOCKS_MAX;
        for (id, block) in (first..).zip(blocks).take(until).skip(frozen.written) {
            insert.execute(params![id, block])?;
        }
        frozen.writing = until - frozen.written;
        if until == blocks.len() {
            connection
                .prepare_cached("INSERT INTO posting_run VALUES (?1, ?2, ?3, ?4, ?5)")?
                .execute(params![
                    frozen.run,
                    frozen.first,
                    frozen.last,
                    frozen.newest_ms,
                    frozen.sorted.directory
                ])?;
        }
        Ok(())
    }

    /// The open transaction is durable. A complete run is read from the table from now on. None of the places that were ever
    /// assigned has a time after `newest_ms`.
    pub(super) fn committed(&mut self, newest_ms: i64) {
        let mut recent = lock(&self.recent);
        recent.posts.append(&mut self.staged);
        if let Some(mut frozen) = self.frozen.take() {
            frozen.written += frozen.writing;
            frozen.writing = 0;
            if frozen.written < frozen.sorted.blocks.len() {
                self.frozen = Some(frozen);
            } else {
                let end = recent.posts.partition_point(|post| post.seq <= frozen.last);
                recent.posts.drain(..end);
                recent.from = frozen.last + 1;
            }
        }
        if self.frozen.is_some() || recent.posts.len() < self.run_size {
            return;
        }
        // Pruned alerts can leave gaps. A block has room for the distance of a place from the first one.
        let posts = recent.posts.iter().take(self.run_size);
        let first = recent.posts.first().map_or(0, |post| post.seq);
        let near = posts.take_while(|post| post.seq - first <= i64::from(u16::MAX));
        let posts: Vec<Post> = near.copied().collect();
        drop(recent);
        self.frozen = Some(Frozen {
            run: self.next_run,
            first,
            last: posts.last().map_or(first, |post| post.seq),
            newest_ms,
            sorted: block::Run::of(first, &posts),
            written: 0,
            writing: 0,
        });
        self.next_run += 1;
    }

    /// The open transaction was rolled back.
    pub(super) fn rolled_back(&mut self) {
        self.staged.clear();
        if let Some(frozen) = &mut self.frozen {
            frozen.writing = 0;
        }
    }
}

/// Removes the oldest run if all its alerts are older than `before_ms`. True if it did. Alerts of it that are still kept are
/// scanned from now on.
pub(super) fn prune(connection: &Connection, before_ms: i64) -> rusqlite::Result<bool> {
    let oldest = connection
        .prepare_cached("SELECT run, newest_ms FROM posting_run ORDER BY run LIMIT 1")?
        .query_row([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))
        .optional()?;
    let Some((run, _)) = oldest.filter(|(_, newest_ms)| *newest_ms < before_ms) else {
        return Ok(false);
    };
    let first = run * BLOCKS_MAX;
    connection
        .prepare_cached("DELETE FROM posting WHERE id >= ?1 AND id < ?2")?
        .execute([first, first + BLOCKS_MAX])?;
    connection
        .prepare_cached("DELETE FROM posting_run WHERE run = ?1")?
        .execute([run])?;
    Ok(true)
}

/// The wanted places in memory, newest first, and the place from which on that is all.
pub(super) fn recent(shared: &Shared, want: &Want) -> (Seq, Vec<Seq>) {
    let recent = lock(shared);
    let wanted = recent.posts.iter().rev().filter(|post| {
        want.is_of(Key::Problem(post.fingerprint)) || want.is_of(Key::Group(post.group))
    });
    (recent.from, wanted.map(|post| post.seq).collect())
}

/// The wanted places of one run.
pub(super) struct Found {
    pub(super) first: Seq,
    pub(super) last: Seq,
    /// Newest first.
    pub(super) seqs: Vec<Seq>,
}

/// The newest run that begins before this place. None when what is before is in no run.
pub(super) fn run_before(
    connection: &Connection,
    before: Seq,
    want: &Want,
) -> rusqlite::Result<Option<Found>> {
    // A run that is pruned meanwhile is read as a whole or not at all.
    let connection = &*connection.unchecked_transaction()?;
    let run = connection
        .prepare_cached(
            "SELECT run, first_seq, last_seq, directory FROM posting_run WHERE first_seq < ?1 ORDER BY run DESC LIMIT 1",
        )?
        .query_row([before], |row| {
            let directory: Vec<u8> = row.get(3)?;
            Ok((row.get::<_, i64>(0)?, row.get(1)?, row.get(2)?, directory))
        })
        .optional()?;
    let Some((run, first, last, directory)) = run else {
        return Ok(None);
    };
    let mut select = connection.prepare_cached("SELECT block FROM posting WHERE id = ?1")?;
    let mut seqs = Vec::new();
    for number in block::candidates(&directory, |key| want.is_of(key), want.exact()) {
        let block = select.query_row([run * BLOCKS_MAX + number], |row| row.get::<_, Vec<u8>>(0));
        let distances = block::distances(&block?, |key| want.is_of(key));
        seqs.extend(
            distances
                .into_iter()
                .map(|distance| first + i64::from(distance)),
        );
    }
    seqs.sort_unstable_by_key(|seq| std::cmp::Reverse(*seq));
    Ok(Some(Found { first, last, seqs }))
}

#[cfg(test)]
#[path = "postings_tests.rs"]
mod tests;
