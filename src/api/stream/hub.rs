//! One task reads new alerts and events for all streams together.
//!
//! It reads when the gateway wakes it, at most four times a second, and once a second in a flood. It does not read while there is
//! no stream. How much it reads follows from the number of streams, so that a flood of alerts costs the gateway little: a stream that
//! cannot follow gets a reset.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use campanile_store::{Error, Following, Seq};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;

use super::buffer::Buffer;
use super::item::{About, Item, seq_of};
use crate::api::Failing;
use crate::api::error::ApiError;
use crate::http::Gateway;
use crate::http::news::Happened;

/// The largest number of streams.
pub(super) const STREAMS_MAX: usize = 64;

/// A stream that is further behind gets a reset in place of the alerts.
pub(super) const BEHIND_MAX: Seq = 10_000;

/// The time between two reads.
const PACE: Duration = Duration::from_millis(250);

/// The time between two reads while alerts come faster than streams show them: each read ends in a reset.
const PACE_OF_FLOODS: Duration = Duration::from_secs(1);

/// The time until the next read after one that failed.
const PACE_OF_FAILURES: Duration = Duration::from_secs(2);

/// The largest number of alerts that one read sends to all streams together, and the bytes that it reads.
const SENDS_MAX: usize = 1024;
const READ_BYTES: usize = 1 << 20;

/// A read for a stream that comes back is small, because the stream keeps it until its reader has it.
const CATCH_UP_ROWS: u32 = 32;
const CATCH_UP_BYTES: usize = 16 << 10;

/// The pause after such a read. Only one stream reads at a time.
const CATCH_UP_PAUSE: Duration = Duration::from_millis(2);

/// Deliveries that were left out are reported at most once in this time.
const LEFT_OUT_EVERY: Duration = Duration::from_secs(5);

/// What all streams share.
pub(crate) struct Hub {
    pub(super) gateway: Arc<Gateway>,
    slots: Arc<Semaphore>,
    state: Mutex<State>,
    changed: watch::Sender<()>,
    catching_up: Semaphore,
    /// The runtime of the deliveries. The thread of the admin listener does not read.
    runtime: Handle,
}

#[derive(Default)]
struct State {
    buffer: Buffer,
    reading: bool,
}

/// The right to a stream. The reader ends after the last one.
pub(super) struct Slot {
    gateway: Arc<Gateway>,
    permit: Option<OwnedSemaphorePermit>,
}

/// A slot, and where the others are.
pub(super) struct Joined {
    pub(super) slot: Slot,
    /// The place up to which the reader has read.
    pub(super) place: Seq,
    /// The number of the next event.
    pub(super) end: u64,
    /// The highest place in the store.
    pub(super) newest: Seq,
}

/// What a read left.
struct Looked {
    /// There is more to read.
    more: bool,
    /// Alerts were skipped, because they came too fast.
    flood: bool,
}

impl Drop for Slot {
    fn drop(&mut self) {
        drop(self.permit.take());
        self.gateway.news.wake();
    }
}

impl Hub {
    /// Must be called inside a Tokio runtime.
    pub(crate) fn new(gateway: Arc<Gateway>) -> Self {
        Self {
            gateway,
            slots: Arc::new(Semaphore::new(STREAMS_MAX)),
            state: Mutex::default(),
            changed: watch::Sender::new(()),
            catching_up: Semaphore::new(1),
            runtime: Handle::current(),
        }
    }

    /// Gives a slot.
    pub(super) async fn join(self: &Arc<Self>) -> Failing<Joined> {
        let permit = Arc::clone(&self.slots).try_acquire_owned();
        let permit = permit.map_err(|_| ApiError::too_many_streams(STREAMS_MAX))?;
        let slot = Slot {
            gateway: Arc::clone(&self.gateway),
            permit: Some(permit),
        };
        let newest = self.gateway.store.alerts_after(0, 0, 0).await?.newest;
        let mut state = self.locked();
        if !state.reading {
            state.reading = true;
            state.buffer.restart(newest);
            self.gateway.news.set_followed(true);
            // Alerts between the read and this moment did not wake it.
            self.gateway.news.wake();
            self.runtime.spawn(Arc::clone(self).read());
        }
        Ok(Joined {
            slot,
            place: state.buffer.place(),
            end: state.buffer.end(),
            newest,
        })
    }

    /// Looks at the newest events.
    pub(super) fn buffer<T>(&self, look: impl FnOnce(&Buffer) -> T) -> T {
        look(&self.locked().buffer)
    }

    /// Changes when there are new events.
    pub(super) fn changed(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// A few alerts after this place, for one stream.
    pub(super) async fn catch_up(&self, after: Seq) -> Result<Following, Error> {
        let _one_at_a_time = self.catching_up.acquire().await;
        let store = &self.gateway.store;
        let page = store
            .alerts_after(after, CATCH_UP_ROWS, CATCH_UP_BYTES)
            .await;
        tokio::time::sleep(CATCH_UP_PAUSE).await;
        page
    }

    async fn read(self: Arc<Self>) {
        let mut left_out = LeftOut::default();
        loop {
            self.gateway.news.woken().await;
            if self.ends() {
                return;
            }
            let pace = match self.look(&mut left_out).await {
                Ok(looked) => {
                    if looked.more {
                        self.gateway.news.wake();
                    }
                    if looked.flood { PACE_OF_FLOODS } else { PACE }
                }
                Err(error) => {
                    tracing::debug!(%error, "the streams of operators wait: the store cannot be read");
                    self.gateway.news.wake();
                    PACE_OF_FAILURES
                }
            };
            tokio::time::sleep(pace).await;
        }
    }

    /// Ends the reading after the last stream.
    fn ends(&self) -> bool {
        let mut state = self.locked();
        if self.streams() > 0 {
            return false;
        }
        self.gateway.news.set_followed(false);
        state.reading = false;
        true
    }

    fn streams(&self) -> usize {
        STREAMS_MAX - self.slots.available_permits()
    }

    /// Reads what is new.
    async fn look(&self, left_out: &mut LeftOut) -> Result<Looked, Error> {
        let place = self.buffer(Buffer::place);
        let rows = u32::try_from(SENDS_MAX / self.streams().max(1)).unwrap_or(u32::MAX);
        let store = &self.gateway.store;
        let page = store.alerts_after(place, rows, READ_BYTES).await?;
        let (newest, mut reached) = (page.newest, page.reached);
        let mut items: Vec<Item> = page.alerts.iter().filter_map(alert).collect();
        let flood = newest - reached > BEHIND_MAX;
        if flood {
            reached = newest;
            items.push(Item::reset(
                newest,
                "alerts came faster than streams show them",
            ));
        }
        let happened = self.gateway.news.take();
        left_out.pending |= happened.left_out;
        match self.events(happened, &items).await {
            Ok(events) => items.extend(events),
            Err(error) => {
                left_out.pending = true;
                return Err(error);
            }
        }
        if left_out.is_due() {
            items.push(Item::reset(
                reached,
                "deliveries ended faster than streams show them",
            ));
        }
        let more = reached < newest || left_out.pending;
        if !items.is_empty() || reached > place {
            self.locked().buffer.put(items, reached);
            self.changed.send_replace(());
        }
        Ok(Looked { more, flood })
    }

    /// The events of delivery, each with what is known of its alert.
    async fn events(&self, happened: Happened, new: &[Item]) -> Result<Vec<Item>, Error> {
        let new = new.iter().filter_map(|item| item.about.clone());
        let mut known: HashMap<Seq, Arc<About>> = new.map(|about| (about.seq, about)).collect();
        let mut missing = Vec::new();
        self.buffer(|buffer| {
            for seq in happened.events.iter().filter_map(|(_, e)| seq_of(&e.what)) {
                if known.contains_key(&seq) {
                    continue;
                }
                match buffer.about(seq) {
                    Some(about) => drop(known.insert(seq, about)),
                    None => missing.push(seq),
                }
            }
        });
        missing.sort_unstable();
        missing.dedup();
        if !missing.is_empty() {
            let stored = self.gateway.store.alerts_by_seq(missing).await?;
            let found = stored
                .iter()
                .filter_map(alert)
                .filter_map(|item| item.about);
            known.extend(found.map(|about| (about.seq, about)));
        }
        let events = happened.events.into_iter();
        let item = |(at, event): (_, crate::delivery::Event)| {
            let about = seq_of(&event.what).and_then(|seq| known.get(&seq).cloned());
            Item::of(at, event, about)
        };
        Ok(events.map(item).collect())
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The alert as an event. One that this version cannot read is left out, as in the lists of the sinks.
fn alert(stored: &campanile_store::StoredAlert) -> Option<Item> {
    let item = Item::alert(stored);
    item.inspect_err(|error| tracing::debug!(%error, "a stream leaves an alert out"))
        .ok()
}

/// Whether deliveries were left out, and when that was last reported.
#[derive(Default)]
struct LeftOut {
    pending: bool,
    reported: Option<Instant>,
}

impl LeftOut {
    fn is_due(&mut self) -> bool {
        let recent = self
            .reported
            .is_some_and(|at| at.elapsed() < LEFT_OUT_EVERY);
        if !self.pending || recent {
            return false;
        }
        self.pending = false;
        self.reported = Some(Instant::now());
        true
    }
}
