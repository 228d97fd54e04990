//! The problems that fire now, in memory: counted by severity without a read, listed without a scan of the alerts.
//!
//! The writer stages the effect of each alert and applies it after the commit. At a start the map is made from the table of
//! open problems, and from the newest alerts.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use campanile_model::{Fingerprint, Severity};
use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::session::Problem;
use crate::{FiringFilter, Seq, id};

/// Problems in the map. More are not counted, and a list says that there are more.
const OPEN_MAX: usize = 100_000;

/// Alerts that a start reads to find the newest alert of each problem. For a problem that has none among them, the alert that
/// opened it is taken.
const LOOK_ROWS: i64 = 200_000;

/// A problem that fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Open {
    /// The id of the alert that opened the episode.
    pub(super) episode: Uuid,
    /// The place of its newest alert.
    pub(super) newest: Seq,
    /// The stored form of the severity of its newest alert.
    pub(super) severity: i64,
}

/// The problems that fire.
#[derive(Default)]
pub(super) struct Firing {
    open: HashMap<Problem, Open>,
    /// By episode, which grows with time: a page of the newest looks at its own rows only.
    episodes: BTreeMap<Uuid, Problem>,
    counts: [u64; Severity::ALL.len()],
    /// There were more than [`OPEN_MAX`].
    full: bool,
}

/// What the writer and the readers share.
pub(super) type Shared = Arc<Mutex<Firing>>;

pub(super) fn lock(shared: &Shared) -> MutexGuard<'_, Firing> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Firing {
    /// The open problems of the file.
    pub(super) fn load(connection: &Connection) -> rusqlite::Result<Self> {
        let mut firing = Self::default();
        let mut opening = connection.prepare("SELECT severity FROM alert WHERE seq = ?1")?;
        let mut problems =
            connection.prepare("SELECT source, fingerprint, episode FROM problem LIMIT ?1")?;
        let mut rows = problems.query([i64::try_from(OPEN_MAX + 1).unwrap_or(i64::MAX)])?;
        while let Some(row) = rows.next()? {
            let episode = Uuid::from_bytes(row.get(2)?);
            let newest = id::seq_of(episode);
            let severity = opening.query_row([newest], |row| row.get(0)).optional()?;
            let open = Open {
                episode,
                newest,
                severity: severity.unwrap_or(UNKNOWN),
            };
            firing.set((row.get(0)?, fingerprint(row.get(1)?)), Some(open));
        }
        firing.find_newest(connection)?;
        Ok(firing)
    }

    fn find_newest(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let sql = "SELECT seq, source, fingerprint, severity FROM alert ORDER BY seq DESC LIMIT ?1";
        let mut select = connection.prepare(sql)?;
        let mut rows = select.query(params![if self.open.is_empty() { 0 } else { LOOK_ROWS }])?;
        let mut found: HashSet<Problem> = HashSet::new();
        while let Some(row) = rows.next()? {
            let problem = (row.get(1)?, fingerprint(row.get(2)?));
            let newest: Seq = row.get(0)?;
            let Some(open) = self.open.get(&problem).copied() else {
                continue;
            };
            if found.insert(problem) && newest > open.newest {
                let severity = row.get(3)?;
                let open = Open {
                    newest,
                    severity,
                    ..open
                };
                self.set(problem, Some(open));
            }
            if found.len() == self.open.len() {
                break;
            }
        }
        Ok(())
    }

    /// The problem fires as described, or no longer.
    pub(super) fn set(&mut self, problem: Problem, open: Option<Open>) {
        let before = match open {
            Some(_) if self.open.len() >= OPEN_MAX && !self.open.contains_key(&problem) => {
                self.full = true;
                return;
            }
            Some(open) => self.open.insert(problem, open),
            None => self.open.remove(&problem),
        };
        // Most alerts of a problem belong to its open episode.
        let (ended, begun) = (before.map(|old| old.episode), open.map(|new| new.episode));
        if ended != begun {
            if let Some(episode) = ended {
                self.episodes.remove(&episode);
            }
            self.episodes
                .extend(begun.map(|episode| (episode, problem)));
        }
        if let Some(before) = before {
            *self.count(before.severity) -= 1;
        }
        if let Some(open) = open {
            *self.count(open.severity) += 1;
        }
    }

    fn count(&mut self, severity: i64) -> &mut u64 {
        let last = self.counts.len() - 1;
        let at = usize::try_from(severity).unwrap_or(last).min(last);
        &mut self.counts[at]
    }

    /// The number of problems of each severity.
    pub(super) fn counts(&self) -> Vec<(Severity, u64)> {
        Severity::ALL.iter().copied().zip(self.counts).collect()
    }

    /// Whether there were more problems than are kept here.
    pub(super) fn is_full(&self) -> bool {
        self.full
    }

    /// The problems that match, the episode that opened last first.
    pub(super) fn list(
        &self,
        filter: &FiringFilter,
        source: Option<i64>,
        severity: Option<i64>,
    ) -> Vec<(Problem, Open)> {
        let end = filter.before.map_or(Bound::Unbounded, Bound::Excluded);
        let newest_first = self.episodes.range((Bound::Unbounded, end)).rev();
        newest_first
            .filter_map(|(_, problem)| Some((*problem, *self.open.get(problem)?)))
            .filter(|((of, _), open)| {
                source.is_none_or(|source| *of == source)
                    && severity.is_none_or(|severity| open.severity == severity)
            })
            .take(filter.limit as usize)
            .collect()
    }
}

/// The stored form of [`Severity::Unknown`].
const UNKNOWN: i64 = 4;

fn fingerprint(stored: i64) -> Fingerprint {
    Fingerprint(stored.cast_unsigned())
}
