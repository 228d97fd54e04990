//! Opens and closes the episodes of problems, in the open transaction, and decides which sinks get an alert.

use campanile_model::{Status, failpoint};
use rusqlite::{OptionalExtension, params};
use uuid::Uuid;

use super::plan::{self, Plan};
use super::read;
use super::session::{Problem, Session};
use crate::{NewAlert, SinkId};

/// Entries in the cache of open problems. When it is full, it is cleared.
const PROBLEMS_MAX: usize = 65_536;

/// An open episode.
#[derive(Clone)]
pub(super) struct Episode {
    /// The id of the alert that opened it.
    pub(super) id: Uuid,
    /// None: an older build opened it, so the plan is not known.
    pub(super) plan: Option<Plan>,
}

impl Session {
    /// The episode of an alert with this new id: the open one, or a new one. Its plan says where the alert goes; without one the
    /// alert goes to its own sinks.
    pub(super) fn episode(
        &mut self,
        problem: Problem,
        alert: &NewAlert,
        id: Uuid,
    ) -> rusqlite::Result<Episode> {
        match (alert.status, self.open_episode(problem)?) {
            (Status::Firing, Some(open)) => self.fires_again(problem, open, alert),
            (Status::Firing, None) => self.open(problem, alert, id),
            (Status::Resolved, Some(open)) => {
                self.connection
                    .prepare_cached("DELETE FROM problem WHERE source = ?1 AND fingerprint = ?2")?
                    .execute(params![problem.0, problem.1.0.cast_signed()])?;
                self.problems.insert(problem, None);
                let routed = failpoint::broken("broken-recovery-re-routed");
                let plan = open.plan.filter(|_| !routed);
                Ok(Episode { plan, ..open })
            }
            (Status::Resolved, None) => Ok(Episode { id, plan: None }),
        }
    }

    fn open(&mut self, problem: Problem, alert: &NewAlert, id: Uuid) -> rusqlite::Result<Episode> {
        self.connection
            .prepare_cached("INSERT INTO problem VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![
                problem.0,
                problem.1.0.cast_signed(),
                id.as_bytes(),
                plan::bytes(&alert.sinks)
            ])?;
        let plan = Some(self.plans.of(&alert.sinks));
        let episode = Episode { id, plan };
        self.problems.insert(problem, Some(episode.clone()));
        Ok(episode)
    }

    /// Another firing alert of an open episode. A plan that is not known stays so: what was sent before is not known.
    fn fires_again(
        &mut self,
        problem: Problem,
        open: Episode,
        alert: &NewAlert,
    ) -> rusqlite::Result<Episode> {
        let known = open.plan.as_deref();
        let Some(grown) = known.and_then(|known| plan::grown(known, &alert.sinks)) else {
            return Ok(open);
        };
        self.connection
            .prepare_cached("UPDATE problem SET plan = ?3 WHERE source = ?1 AND fingerprint = ?2")?
            .execute(params![
                problem.0,
                problem.1.0.cast_signed(),
                plan::bytes(&grown)
            ])?;
        let plan = Some(self.plans.of(&grown));
        let episode = Episode { plan, ..open };
        self.problems.insert(problem, Some(episode.clone()));
        Ok(episode)
    }

    fn open_episode(&mut self, problem: Problem) -> rusqlite::Result<Option<Episode>> {
        if let Some(open) = self.problems.get(&problem) {
            return Ok(open.clone());
        }
        let open = self
            .connection
            .prepare_cached(
                "SELECT episode, plan FROM problem WHERE source = ?1 AND fingerprint = ?2",
            )?
            .query_row(params![problem.0, problem.1.0.cast_signed()], |row| {
                let plan: Option<Vec<u8>> = row.get(1)?;
                Ok((Uuid::from_bytes(row.get(0)?), plan))
            })
            .optional()?;
        let open = match open {
            Some((id, plan)) => Some(Episode {
                id,
                plan: self.stored_plan(plan)?,
            }),
            None => None,
        };
        if self.problems.len() >= PROBLEMS_MAX {
            self.problems.clear();
        }
        self.problems.insert(problem, open.clone());
        Ok(open)
    }

    /// A plan from the file. One that names a sink without a table is damaged, and every alert of its problem would fail.
    fn stored_plan(&mut self, stored: Option<Vec<u8>>) -> rusqlite::Result<Option<Plan>> {
        let Some(sinks) = stored.and_then(|stored| plan::read(&stored)) else {
            return Ok(None);
        };
        if !self.plans.has(&sinks) {
            let known = read::known_sinks(&self.connection)?;
            let is_known = |sink: &SinkId| known.iter().any(|(id, _)| id == sink);
            if !sinks.iter().all(is_known) {
                return Ok(None);
            }
        }
        Ok(Some(self.plans.of(&sinks)))
    }
}
