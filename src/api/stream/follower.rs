//! One stream. It holds one small piece of text at a time, so its memory does not grow with a slow reader.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use campanile_store::{Seq, StoredAlert};
use futures_util::future::BoxFuture;
use futures_util::stream::{self, Stream};
use tokio::sync::watch;

use super::buffer::Next;
use super::form::Form;
use super::hub::{BEHIND_MAX, Hub, Joined, Slot};
use super::item::{Item, Kind, json};
use super::types::{End, Reset};
use super::wanted::Wanted;

/// Bytes that are given to the connection at once. It takes more only when the reader has taken most of them.
const PIECE_BYTES: usize = 16 << 10;

/// The time between two signs of life. With them a write to a reader that is gone fails. Then it is also tested whether the reader
/// still may follow.
const BEAT: Duration = Duration::from_secs(15);

/// One stream.
pub(super) struct Follower {
    hub: Arc<Hub>,
    _slot: Slot,
    wanted: Wanted,
    form: Form,
    out: BytesMut,
    /// The client has all alerts up to this place that it wants.
    seen: Seq,
    /// Events of sinks before this number are older than the stream.
    since: u64,
    /// The number of the next event. None while alerts are read from the store.
    next: Option<u64>,
    changed: watch::Receiver<()>,
    stopping: watch::Receiver<bool>,
    /// Whether the request of the reader would be let in now.
    admitted: Box<dyn Fn() -> bool>,
    beat: BoxFuture<'static, ()>,
    ended: bool,
}

impl Follower {
    /// A stream after the last event of the client, or from the place up to which the reader of the hub has read.
    pub(super) fn new(
        hub: Arc<Hub>,
        joined: Joined,
        wanted: Wanted,
        form: Form,
        admitted: Box<dyn Fn() -> bool>,
    ) -> Self {
        let changed = hub.changed();
        let seen = wanted.after.unwrap_or(joined.place);
        let mut out = BytesMut::new();
        form.start(seen, &mut out);
        Self {
            _slot: joined.slot,
            seen,
            since: joined.end,
            next: None,
            changed,
            stopping: hub.gateway.news.stopping(),
            admitted,
            beat: hub.gateway.clock.sleep(BEAT),
            ended: false,
            hub,
            wanted,
            form,
            out,
        }
    }

    /// The client has a place that the store did not assign: it followed another database. Goes on from `place`.
    pub(super) fn lost(&mut self, place: Seq) {
        self.out.clear();
        self.form.start(place, &mut self.out);
        self.reset(place, "the last id is not of an alert of this gateway");
    }

    /// Puts alerts in front that are older than the stream, oldest first.
    pub(super) fn show_first(&mut self, newest: &[StoredAlert]) {
        let items = newest
            .iter()
            .rev()
            .filter_map(|alert| Item::alert(alert).ok());
        items.for_each(|item| self.show(&item));
    }

    /// The stream as pieces of text.
    pub(super) fn pieces(self) -> impl Stream<Item = Result<Bytes, Infallible>> {
        stream::unfold(self, |mut follower| async move {
            let piece = follower.piece().await?;
            Some((Ok(piece), follower))
        })
    }

    async fn piece(&mut self) -> Option<Bytes> {
        while self.out.is_empty() {
            if self.ended {
                return None;
            }
            if *self.stopping.borrow() {
                self.end("stopping", "the gateway stops");
            } else if let Some(next) = self.next {
                self.follow(next).await;
            } else {
                self.catch_up().await;
            }
        }
        let size = self.out.len().min(PIECE_BYTES);
        Some(self.out.split_to(size).freeze())
    }

    /// Takes what is new, or waits.
    async fn follow(&mut self, mut next: u64) {
        self.changed.mark_unchanged();
        while self.out.len() < PIECE_BYTES {
            match self.hub.buffer(|buffer| buffer.get(next)) {
                Next::Item(item) => {
                    self.meet(next, &item);
                    next += 1;
                }
                Next::Nothing => break,
                Next::Gone => {
                    return self.end("slow", "the reader did not keep up");
                }
            }
        }
        self.next = Some(next);
        if self.out.is_empty() {
            self.wait().await;
        }
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.changed.changed() => {}
            _ = self.stopping.changed() => {}
            () = &mut self.beat => self.beat(),
        }
    }

    fn beat(&mut self) {
        self.beat = self.hub.gateway.clock.sleep(BEAT);
        if (self.admitted)() {
            self.form.place(self.seen, &mut self.out);
        } else {
            self.end(
                "unauthorized",
                "the token or the session is no longer valid",
            );
        }
    }

    fn meet(&mut self, number: u64, item: &Item) {
        match item.kind {
            Kind::Alert(seq) if seq <= self.seen => {}
            Kind::Alert(seq) => {
                self.seen = seq;
                self.show(item);
            }
            Kind::Reset(place, message) if number >= self.since => {
                self.reset(place.max(self.seen), message);
            }
            _ if number >= self.since => self.show(item),
            _ => {}
        }
    }

    fn show(&mut self, item: &Item) {
        if !self.wanted.takes(item) {
            return;
        }
        let (name, id) = match item.kind {
            Kind::Alert(seq) => ("alert", Some(seq)),
            Kind::Delivery => ("delivery", None),
            Kind::Sink => ("sink", None),
            Kind::Reset(..) => return,
        };
        self.form.event(name, id, &item.data, &mut self.out);
    }

    /// Reads alerts that are older than what the streams share, until the rest is shared.
    async fn catch_up(&mut self) {
        self.next = self.hub.buffer(|buffer| buffer.after(self.seen));
        if self.next.is_some() {
            return;
        }
        let Ok(page) = self.hub.catch_up(self.seen).await else {
            return self.end("store_unreadable", "the store cannot be read");
        };
        if page.newest - self.seen > BEHIND_MAX {
            self.reset(page.newest, "more than 10,000 alerts came in the meantime");
            return;
        }
        for item in page
            .alerts
            .iter()
            .filter_map(|alert| Item::alert(alert).ok())
        {
            self.show(&item);
        }
        self.seen = page.reached;
    }

    fn reset(&mut self, place: Seq, message: &str) {
        self.seen = place;
        let reset = Reset {
            message: message.to_owned(),
            list: self.wanted.list(place),
        };
        self.form
            .event("reset", Some(place), &json(&reset), &mut self.out);
    }

    /// Ends the stream after what is not yet sent.
    fn end(&mut self, code: &str, message: &str) {
        let end = End {
            code: code.to_owned(),
            message: message.to_owned(),
        };
        self.form
            .event("end", Some(self.seen), &json(&end), &mut self.out);
        self.ended = true;
    }
}
