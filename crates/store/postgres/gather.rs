//! Which callbacks share a statement.
//!
//! A statement costs the server as much CPU time as several of its alerts, and small statements of several writers compete with each
//! other (`docs/performance.md`). So a callback waits for others, but only while another statement runs: one that comes alone goes at
//! once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard, Notify, mpsc};

/// Callbacks in one statement. Larger batches gain little, and the first callback waits longer.
const CALLBACKS_MAX: usize = 256;

/// Alerts after which no more callbacks are taken into a statement: it ends in some tens of milliseconds.
const ALERTS_MAX: usize = 1_024;

/// A statement that starts while another runs has at least so many alerts, or its first callback has waited for [`PATIENCE`].
const ALERTS_MIN: usize = 32;

/// About the time of a commit. Callbacks behind a statement that hangs wait no longer than this.
const PATIENCE: Duration = Duration::from_millis(2);

/// What waits, with its number of alerts.
pub(super) trait Weight {
    fn alerts(&self) -> usize;
}

/// What waits for a writer.
pub(super) struct Queue<T> {
    waiting: Mutex<mpsc::Receiver<T>>,
    /// Statements that run.
    running: AtomicUsize,
    ended: Notify,
}

/// A statement that runs, until it is dropped.
pub(super) struct Running<'q, T>(&'q Queue<T>);

impl<T> Drop for Running<'_, T> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::AcqRel);
        self.0.ended.notify_one();
    }
}

impl<T: Weight> Queue<T> {
    pub(super) fn new(waiting: mpsc::Receiver<T>) -> Self {
        Self {
            waiting: Mutex::new(waiting),
            running: AtomicUsize::new(0),
            ended: Notify::new(),
        }
    }

    /// The callbacks of the next statement. None when the queue is closed and empty.
    pub(super) async fn gather(&self) -> Option<(Vec<T>, Running<'_, T>)> {
        let mut waiting = self.waiting.lock().await;
        let mut batch = Batch::of(waiting.recv().await?);
        batch.fill(&mut waiting);
        self.fill_patiently(&mut batch, &mut waiting).await;
        self.running.fetch_add(1, Ordering::AcqRel);
        Some((batch.taken, Running(self)))
    }

    /// Takes more while the batch is small and another statement runs.
    async fn fill_patiently(
        &self,
        batch: &mut Batch<T>,
        waiting: &mut MutexGuard<'_, mpsc::Receiver<T>>,
    ) {
        let patience = tokio::time::sleep(PATIENCE);
        tokio::pin!(patience);
        while batch.alerts < ALERTS_MIN && self.running.load(Ordering::Acquire) > 0 {
            tokio::select! {
                one = waiting.recv() => match one {
                    Some(one) => batch.take(one),
                    None => return,
                },
                // Only one writer gathers at a time, so one of them is enough to wake.
                () = self.ended.notified() => {}
                () = &mut patience => return,
            }
            batch.fill(waiting);
        }
    }
}

struct Batch<T> {
    taken: Vec<T>,
    alerts: usize,
}

impl<T: Weight> Batch<T> {
    fn of(first: T) -> Self {
        let mut batch = Self {
            taken: Vec::new(),
            alerts: 0,
        };
        batch.take(first);
        batch
    }

    fn take(&mut self, one: T) {
        // A callback without an alert is a row too.
        self.alerts += one.alerts().max(1);
        self.taken.push(one);
    }

    /// Takes what waits now and fits.
    fn fill(&mut self, waiting: &mut mpsc::Receiver<T>) {
        while self.taken.len() < CALLBACKS_MAX
            && self.alerts < ALERTS_MAX
            && let Ok(one) = waiting.try_recv()
        {
            self.take(one);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    struct Alerts(usize);

    impl Weight for Alerts {
        fn alerts(&self) -> usize {
            self.0
        }
    }

    fn queue() -> (mpsc::Sender<Alerts>, Queue<Alerts>) {
        let (sender, receiver) = mpsc::channel(4_096);
        (sender, Queue::new(receiver))
    }

    fn send(sender: &mpsc::Sender<Alerts>, callbacks: usize, alerts: usize) {
        for _ in 0..callbacks {
            assert!(sender.try_send(Alerts(alerts)).is_ok());
        }
    }

    /// The size of a batch that is there now.
    fn now(queue: &Queue<Alerts>) -> Option<(usize, Running<'_, Alerts>)> {
        let gathered = queue.gather().now_or_never()?;
        gathered.map(|(taken, running)| (taken.len(), running))
    }

    #[tokio::test]
    async fn a_callback_goes_at_once_if_no_statement_runs() {
        let (sender, queue) = queue();
        send(&sender, 1, 1);
        let (taken, running) = now(&queue).unwrap();
        assert_eq!(taken, 1);
        drop(running);
        send(&sender, 2, 0);
        assert_eq!(now(&queue).unwrap().0, 2);
    }

    #[tokio::test]
    async fn while_a_statement_runs_callbacks_gather_until_it_ends() {
        let (sender, queue) = queue();
        send(&sender, 1, 1);
        let (_, running) = now(&queue).unwrap();
        let mut next = Box::pin(queue.gather());
        send(&sender, 1, 1);
        assert!((&mut next).now_or_never().is_none());
        send(&sender, 2, 1);
        assert!((&mut next).now_or_never().is_none());
        drop(running);
        let (taken, _running) = next.now_or_never().unwrap().unwrap();
        assert_eq!(taken.len(), 3);
    }

    #[tokio::test]
    async fn while_a_statement_runs_enough_alerts_go_at_once() {
        let (sender, queue) = queue();
        send(&sender, 1, 1);
        let _first = now(&queue).unwrap();
        send(&sender, 2, 16);
        let _second = now(&queue).unwrap();
        send(&sender, 32, 1);
        assert_eq!(now(&queue).unwrap().0, 32);
    }

    #[tokio::test]
    async fn behind_a_statement_that_hangs_callbacks_do_not_wait_for_its_end() {
        let (sender, queue) = queue();
        send(&sender, 1, 1);
        let _hangs = now(&queue).unwrap();
        send(&sender, 1, 1);
        assert_eq!(queue.gather().await.unwrap().0.len(), 1);
    }

    #[tokio::test]
    async fn a_statement_has_a_limit_of_callbacks_and_of_alerts() {
        let (sender, queue) = queue();
        send(&sender, 600, 1);
        assert_eq!(now(&queue).unwrap().0, 256);
        assert_eq!(now(&queue).unwrap().0, 256);
        assert_eq!(now(&queue).unwrap().0, 88);
        send(&sender, 100, 100);
        assert_eq!(now(&queue).unwrap().0, 11);
    }

    #[tokio::test]
    async fn what_waits_in_a_closed_queue_is_taken_before_the_end() {
        let (sender, queue) = queue();
        send(&sender, 3, 1);
        drop(sender);
        assert_eq!(now(&queue).unwrap().0, 3);
        assert!(queue.gather().await.is_none());
    }
}
