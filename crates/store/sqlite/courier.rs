//! Waking many callers of one thread with one system call.
//!
//! A commit answers dozens of callers at once, and they wait on few threads. Each wake of a task in the runtime of another
//! thread costs one write to that runtime's event descriptor. So each waiting thread has a courier: a task of its own
//! runtime. The first answer of a commit wakes the courier. The other answers only add their callers to its list. The
//! courier then wakes the callers from inside their runtime, which costs almost nothing.
//!
//! The saving: 0.98 writes to event descriptors for each alert became 0.13. The time was measured only together with
//! another change (39.5 to 38.6 µs of CPU for each alert, `docs/performance.md`), so it is at most 2 %. Delete this module
//! when a separate measurement shows less.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// The callers that the courier of one thread must wake.
#[derive(Default)]
struct Bag(Mutex<Contents>);

#[derive(Default)]
struct Contents {
    /// Callers that have an answer.
    ready: Vec<Waker>,
    courier: Option<Waker>,
    /// The runtime and its courier have ended: callers are woken directly.
    closed: bool,
}

thread_local! {
    static BAG: RefCell<Option<Arc<Bag>>> = const { RefCell::new(None) };
}

/// Waits for `answer`. The courier of this thread wakes the caller.
pub(super) async fn carried<F: Future>(answer: F) -> F::Output {
    let mut answer = pin!(answer);
    let mut waiting: Option<Arc<Caller>> = None;
    poll_fn(move |context| poll(answer.as_mut(), &mut waiting, context)).await
}

fn poll<F: Future>(
    answer: Pin<&mut F>,
    waiting: &mut Option<Arc<Caller>>,
    context: &mut Context<'_>,
) -> Poll<F::Output> {
    let same = |caller: &&Arc<Caller>| caller.waker.will_wake(context.waker());
    let caller = match waiting.as_ref().filter(same) {
        Some(caller) => Arc::clone(caller),
        None => match bag() {
            Some(bag) => Arc::new(Caller {
                bag,
                waker: context.waker().clone(),
            }),
            // Outside a runtime there is no courier.
            None => return answer.poll(context),
        },
    };
    *waiting = Some(Arc::clone(&caller));
    answer.poll(&mut Context::from_waker(&Waker::from(caller)))
}

/// The bag of this thread, with a running courier.
fn bag() -> Option<Arc<Bag>> {
    BAG.with_borrow_mut(|kept| {
        if let Some(bag) = kept.as_ref().filter(|bag| !bag.contents().closed) {
            return Some(Arc::clone(bag));
        }
        let runtime = tokio::runtime::Handle::try_current().ok()?;
        let bag = Arc::new(Bag::default());
        runtime.spawn(Courier(Arc::clone(&bag)));
        *kept = Some(Arc::clone(&bag));
        Some(bag)
    })
}

impl Bag {
    fn contents(&self) -> std::sync::MutexGuard<'_, Contents> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, caller: &Waker) {
        let mut contents = self.contents();
        if contents.closed {
            drop(contents);
            return caller.wake_by_ref();
        }
        contents.ready.push(caller.clone());
        let courier = contents.courier.take();
        drop(contents);
        // None when another answer has already woken it.
        if let Some(courier) = courier {
            courier.wake();
        }
    }
}

/// A waker that passes its caller to the courier of the caller's thread.
struct Caller {
    bag: Arc<Bag>,
    waker: Waker,
}

impl Wake for Caller {
    fn wake(self: Arc<Self>) {
        self.bag.put(&self.waker);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.bag.put(&self.waker);
    }
}

/// The task that wakes the callers of one thread until its runtime ends.
struct Courier(Arc<Bag>);

impl Future for Courier {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut contents = self.0.contents();
        contents.courier = Some(context.waker().clone());
        let ready = std::mem::take(&mut contents.ready);
        drop(contents);
        ready.into_iter().for_each(Waker::wake);
        Poll::Pending
    }
}

impl Drop for Courier {
    fn drop(&mut self) {
        let mut contents = self.0.contents();
        contents.closed = true;
        let ready = std::mem::take(&mut contents.ready);
        drop(contents);
        ready.into_iter().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::oneshot;
    use tokio::task::JoinSet;

    use super::*;

    fn runtime() -> tokio::runtime::Runtime {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.build().expect("a runtime")
    }

    #[test]
    fn every_caller_gets_its_own_answer() {
        runtime().block_on(async {
            let (senders, answers): (Vec<_>, Vec<_>) =
                (0..100).map(|_| oneshot::channel::<usize>()).unzip();
            let mut callers: JoinSet<_> = answers.into_iter().map(carried).collect();
            let writer = std::thread::spawn(move || {
                for (number, sender) in senders.into_iter().enumerate() {
                    sender.send(number).expect("the caller waits");
                }
            });
            let mut got = Vec::new();
            while let Some(answer) = callers.join_next().await {
                got.push(answer.expect("no panic").expect("an answer"));
            }
            got.sort_unstable();
            assert_eq!(got, (0..100).collect::<Vec<_>>());
            writer.join().expect("the writer ends");
        });
    }

    #[test]
    fn a_thread_whose_runtime_is_gone_is_served_in_its_next_one() {
        for number in 0..3 {
            let (sender, answer) = oneshot::channel();
            let writer = std::thread::spawn(move || sender.send(number));
            assert_eq!(runtime().block_on(carried(answer)), Ok(number));
            assert_eq!(writer.join().expect("the writer ends"), Ok(()));
        }
    }

    #[test]
    fn without_a_runtime_an_answer_comes_as_it_would_otherwise() {
        let (sender, answer) = oneshot::channel();
        sender.send(7).expect("the caller waits");
        assert_eq!(polled_to_the_end(carried(answer)), Ok(7));
    }

    fn polled_to_the_end<F: Future>(future: F) -> F::Output {
        let mut future = pin!(future);
        loop {
            if let Poll::Ready(output) = future
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()))
            {
                return output;
            }
        }
    }

    #[test]
    fn one_commit_wakes_the_courier_once() {
        struct Counted(AtomicUsize);
        impl Wake for Counted {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Ordering::SeqCst);
            }
        }
        let bag = Arc::new(Bag::default());
        let (woken, callers) = (Arc::new(Counted(AtomicUsize::new(0))), Waker::noop());
        let mut courier = Courier(Arc::clone(&bag));
        let waker = Waker::from(Arc::clone(&woken));
        let poll = |courier: &mut Courier| {
            assert!(
                Pin::new(courier)
                    .poll(&mut Context::from_waker(&waker))
                    .is_pending()
            );
        };
        poll(&mut courier);
        (0..50).for_each(|_| bag.put(callers));
        assert_eq!(woken.0.load(Ordering::SeqCst), 1);
        poll(&mut courier);
        (0..50).for_each(|_| bag.put(callers));
        assert_eq!(woken.0.load(Ordering::SeqCst), 2);
    }
}
