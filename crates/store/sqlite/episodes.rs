//! Opens and closes the episodes of problems, in the open transaction.

use campanile_model::Status;
use rusqlite::{OptionalExtension, params};
use uuid::Uuid;

use super::session::{Problem, Session};

/// Entries in the cache of open problems. When it is full, it is cleared.
const PROBLEMS_MAX: usize = 65_536;

impl Session {
    /// The episode of an alert of this problem: the open one, or a new one.
    pub(super) fn episode(
        &mut self,
        problem: Problem,
        status: Status,
        id: Uuid,
    ) -> rusqlite::Result<Uuid> {
        let open = self.open_episode(problem)?;
        match (status, open) {
            (Status::Firing, Some(episode)) => return Ok(episode),
            (Status::Firing, None) => {
                self.connection
                    .prepare_cached("INSERT INTO problem VALUES (?1, ?2, ?3)")?
                    .execute(params![problem.0, problem.1.0.cast_signed(), id.as_bytes()])?;
                self.problems.insert(problem, Some(id));
            }
            (Status::Resolved, Some(_)) => {
                self.connection
                    .prepare_cached("DELETE FROM problem WHERE source = ?1 AND fingerprint = ?2")?
                    .execute(params![problem.0, problem.1.0.cast_signed()])?;
                self.problems.insert(problem, None);
            }
            (Status::Resolved, None) => {}
        }
        Ok(open.unwrap_or(id))
    }

    fn open_episode(&mut self, problem: Problem) -> rusqlite::Result<Option<Uuid>> {
        if let Some(open) = self.problems.get(&problem) {
            return Ok(*open);
        }
        let open = self
            .connection
            .prepare_cached("SELECT episode FROM problem WHERE source = ?1 AND fingerprint = ?2")?
            .query_row(params![problem.0, problem.1.0.cast_signed()], |row| {
                row.get(0).map(Uuid::from_bytes)
            })
            .optional()?;
        if self.problems.len() >= PROBLEMS_MAX {
            self.problems.clear();
        }
        self.problems.insert(problem, open);
        Ok(open)
    }
}
