//! The newest events, in order, shared by all streams. It is bounded, and a stream that falls behind it ends.

use std::collections::VecDeque;
use std::sync::Arc;

use campanile_store::Seq;

use super::item::{About, Item, Kind};

/// Events that are kept.
const ITEMS_MAX: usize = 4096;

/// Bytes of the events that are kept. The newest is kept in any case.
const BYTES_MAX: usize = 4 * 1024 * 1024;

/// The newest events.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    /// Each with its place: that of the newest alert up to it.
    items: VecDeque<(Seq, Arc<Item>)>,
    bytes: usize,
    /// The number of the first event.
    first: u64,
    /// All alerts after this place, up to [`Self::place`], are here.
    base: Seq,
    /// The place up to which the store was read.
    place: Seq,
}

/// What a stream finds.
pub(super) enum Next {
    Item(Arc<Item>),
    /// There is nothing new.
    Nothing,
    /// The event is no longer kept.
    Gone,
}

impl Buffer {
    /// An empty buffer whose next alert is the one after this place. Numbers go on.
    pub(super) fn restart(&mut self, place: Seq) {
        self.first = self.end();
        self.items.clear();
        self.bytes = 0;
        (self.base, self.place) = (place, place);
    }

    /// The number of the next event.
    pub(super) fn end(&self) -> u64 {
        self.first + self.items.len() as u64
    }

    pub(super) fn place(&self) -> Seq {
        self.place
    }

    /// Adds events. Every alert up to `place` is among them or here already.
    pub(super) fn put(&mut self, items: Vec<Item>, place: Seq) {
        self.place = place;
        for item in items {
            let before = self.items.back().map_or(self.base, |(place, _)| *place);
            let at = match item.kind {
                Kind::Alert(seq) => seq,
                Kind::Reset(up_to, _) => {
                    self.base = self.base.max(up_to);
                    up_to.max(before)
                }
                _ => before,
            };
            self.bytes += item.bytes();
            self.items.push_back((at, Arc::new(item)));
        }
        while self.items.len() > ITEMS_MAX || self.bytes > BYTES_MAX && self.items.len() > 1 {
            self.drop_first();
        }
    }

    fn drop_first(&mut self) {
        let Some((place, item)) = self.items.pop_front() else {
            return;
        };
        self.first += 1;
        self.bytes -= item.bytes();
        self.base = self.base.max(place);
    }

    pub(super) fn get(&self, number: u64) -> Next {
        if number < self.first {
            return Next::Gone;
        }
        let at = usize::try_from(number - self.first).unwrap_or(usize::MAX);
        self.items
            .get(at)
            .map_or(Next::Nothing, |(_, item)| Next::Item(Arc::clone(item)))
    }

    /// The number of an event from which a stream that has all alerts up to `seen` goes on. Alerts that it has can follow. None
    /// if alerts in between are not here.
    pub(super) fn after(&self, seen: Seq) -> Option<u64> {
        let at = self.items.partition_point(|(place, _)| *place < seen);
        (seen >= self.base).then_some(self.first + at as u64)
    }

    /// What is known of an alert.
    pub(super) fn about(&self, seq: Seq) -> Option<Arc<About>> {
        let at = self.items.partition_point(|(place, _)| *place < seq);
        let (_, item) = self.items.get(at)?;
        item.about.clone().filter(|_| item.kind == Kind::Alert(seq))
    }
}
