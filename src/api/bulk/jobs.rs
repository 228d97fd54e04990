//! Bulk actions in the background: an operator sees how far they are, and can stop them.
//!
//! A job is in memory, and a restart ends it. What its batches changed is kept: each batch is in the store before the next
//! one begins.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use jiff::Timestamp;
use tokio::runtime::Handle;
use uuid::Uuid;

use super::rows::{self, Walk};
use super::run::{self, Progress};
use super::{Act, agree, target};
use crate::api::actor::in_vain;
use crate::api::error::ApiError;
use crate::api::types::{Job, Selection};
use crate::api::{Actor, Failing};
use crate::http::Gateway;

/// Jobs that are remembered.
const JOBS_MAX: usize = 20;

/// The jobs since the start, newest first.
pub(crate) struct Jobs {
    /// A job does not run on the thread that serves the pages.
    runtime: Handle,
    known: Mutex<VecDeque<Arc<Task>>>,
}

struct Task {
    id: Uuid,
    job: run::Job,
    started_at: Timestamp,
    progress: Progress,
    ended: Mutex<Option<Ended>>,
}

/// How a job ended.
#[derive(Clone)]
struct Ended {
    at: Timestamp,
    state: &'static str,
    error: Option<String>,
}

impl Jobs {
    /// No jobs. They will run on the current runtime.
    pub(crate) fn here() -> Self {
        Self {
            runtime: Handle::current(),
            known: Mutex::default(),
        }
    }

    /// Begins an action, unless another of its kind is running.
    pub(crate) async fn begin(
        &self,
        gateway: Arc<Gateway>,
        act: Act,
        selection: Selection,
        actor: &Actor,
    ) -> Failing<Job> {
        agree(&gateway, act, &selection).await?;
        let task = Arc::new(Task {
            id: Uuid::now_v7(),
            job: run::Job {
                act,
                audited: actor.does(&gateway, act.action(), target(&selection)),
                leave_out_ended: selection.leave_out_ended,
            },
            started_at: gateway.clock.now(),
            progress: Progress::default(),
            ended: Mutex::default(),
        });
        self.add(&task)?;
        let job = task.shown();
        self.runtime.spawn(async move {
            // A job that panics ends too: one that runs without end would refuse all others of its kind.
            let running = AssertUnwindSafe(task.run(&gateway, &selection)).catch_unwind();
            let failed = |_| Err(ApiError::failed("the job panicked: the log has the panic"));
            let result = running.await.unwrap_or_else(failed);
            task.end(&gateway, result);
        });
        Ok(job)
    }

    fn add(&self, task: &Arc<Task>) -> Failing<()> {
        let mut known = self.lock();
        let same = |other: &&Arc<Task>| other.job.act == task.job.act && other.is_running();
        if let Some(running) = known.iter().find(same) {
            return Err(ApiError::job_running(task.job.act.action(), running.id));
        }
        known.push_front(Arc::clone(task));
        // There are fewer kinds of actions than remembered jobs, so this one has ended.
        if known.len() > JOBS_MAX
            && let Some(oldest) = known.iter().rposition(|task| !task.is_running())
        {
            known.remove(oldest);
        }
        Ok(())
    }

    /// All jobs, newest first.
    pub(crate) fn list(&self) -> Vec<Job> {
        self.lock().iter().map(|task| task.shown()).collect()
    }

    /// The job with this id.
    pub(crate) fn show(&self, id: &str) -> Failing<Job> {
        Ok(self.find(id)?.shown())
    }

    /// Stops a job after its current batch. A job that has ended stays as it is.
    pub(crate) async fn stop(&self, gateway: &Gateway, id: &str, actor: &Actor) -> Failing<Job> {
        let task = self.find(id)?;
        let count = u64::from(task.is_running());
        task.progress.stop();
        let act = actor.does(gateway, "jobs.stop", &*task.job.audited.action);
        gateway.store.record(act, count).await?;
        Ok(task.shown())
    }

    fn find(&self, id: &str) -> Failing<Arc<Task>> {
        let id: Option<Uuid> = id.parse().ok();
        let known = self.lock();
        let found = known.iter().find(|task| Some(task.id) == id).cloned();
        found.ok_or_else(|| {
            ApiError::not_found(
                "no job has this id; a restart ends all jobs, and then what they changed is kept and the rest is as it was",
            )
        })
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<Task>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Task {
    async fn run(&self, gateway: &Gateway, selection: &Selection) -> Failing<()> {
        let walk = Walk::of(gateway, self.job.act.of(), selection).await?;
        let (rows, _) = rows::all(walk).await?;
        run::run(gateway, &self.job, &rows, &self.progress).await?;
        let changed = self.progress.now().changed;
        in_vain(gateway, self.job.audited.clone(), changed).await
    }

    fn end(&self, gateway: &Gateway, result: Failing<()>) {
        let job = self.shown();
        let complete = job.total == Some(job.done);
        let state = match &result {
            Err(_) => "failed",
            Ok(()) if complete => "done",
            Ok(()) => "stopped",
        };
        let (who, action, changed) = (&*job.who, &*job.action, job.changed);
        tracing::info!(
            who,
            action,
            state,
            changed,
            "a bulk action in the background ended"
        );
        let ended = Ended {
            at: gateway.clock.now(),
            state,
            error: result.err().map(|error| error.to_string()),
        };
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(ended);
    }

    fn ended(&self) -> Option<Ended> {
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        ended.clone()
    }

    fn is_running(&self) -> bool {
        self.ended().is_none()
    }

    fn shown(&self) -> Job {
        let ended = self.ended();
        let state = ended.as_ref().map_or("running", |ended| ended.state);
        let done = self.progress.now();
        Job {
            id: self.id,
            action: self.job.audited.action.clone(),
            who: self.job.audited.who.clone(),
            state: state.to_owned(),
            started_at: self.started_at,
            ended_at: ended.as_ref().map(|ended| ended.at),
            total: done.total,
            done: done.looked_at,
            changed: done.changed,
            left_out: done.ended,
            results: done.results.clone(),
            error: ended.and_then(|ended| ended.error),
        }
    }
}
