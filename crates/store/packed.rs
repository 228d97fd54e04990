//! An entry as it is stored.

use jiff::Timestamp;

use crate::arrival::Tail;
use crate::{Arrival, Entry, NewAlert, codec};

/// An entry with its compressed bytes. Compression runs on the caller's thread, not on the writer.
pub(crate) struct Packed {
    pub(crate) entry: Entry,
    pub(crate) bytes: Vec<u8>,
    /// Its alerts go to their own sinks, whatever the plans of their episodes are.
    pub(crate) exact: bool,
    /// The length of the arrival at the end. None when nothing is known of it.
    pub(crate) arrival_bytes: Option<i64>,
}

impl Packed {
    pub(crate) fn new(entry: Entry) -> Self {
        let bodies = entry
            .alerts
            .iter()
            .map(|alert| alert.body.len())
            .sum::<usize>();
        let mut plain = Vec::with_capacity(entry.callback.len() + bodies);
        plain.extend_from_slice(&entry.callback);
        entry
            .alerts
            .iter()
            .for_each(|alert| plain.extend_from_slice(&alert.body));
        let arrival = Tail::of(&entry.arrival, &entry.alerts, entry.callback.len()).bytes();
        plain.extend_from_slice(&arrival);
        Self {
            arrival_bytes: (!arrival.is_empty()).then(|| number(arrival.len())),
            bytes: codec::pack(&plain),
            exact: false,
            entry,
        }
    }

    /// Of an operator, who names the sinks.
    pub(crate) fn exact(entry: Entry) -> Self {
        Self {
            exact: true,
            ..Self::new(entry)
        }
    }
}

/// A packed entry without the bytes that are in its compressed ones too.
pub(crate) struct Slim {
    packed: Packed,
    callback_bytes: usize,
    body_bytes: Vec<usize>,
}

impl Packed {
    pub(crate) fn slim(mut self) -> Slim {
        let callback_bytes = std::mem::take(&mut self.entry.callback).len();
        let bodies = self.entry.alerts.iter_mut();
        let body_bytes = bodies
            .map(|alert| {
                alert.said = String::new();
                std::mem::take(&mut alert.body).len()
            })
            .collect();
        self.entry.arrival = Arrival {
            routes: self.entry.arrival.routes.take(),
            ..Arrival::default()
        };
        // The buffer was as long as the worst case.
        self.bytes.shrink_to_fit();
        Slim {
            packed: self,
            callback_bytes,
            body_bytes,
        }
    }
}

impl Slim {
    /// Bytes in memory, about.
    pub(crate) fn bytes(&self) -> usize {
        let alerts = self.packed.entry.alerts.iter();
        let alerts = alerts.map(|alert| size_of::<NewAlert>() + size_of_val(&*alert.sinks) + 8);
        size_of::<Self>() + self.packed.bytes.len() + alerts.sum::<usize>()
    }

    pub(crate) fn received_at(&self) -> Timestamp {
        self.packed.entry.received_at
    }

    /// The whole entry. None: the bytes in memory are damaged.
    pub(crate) fn whole(&self) -> Option<Packed> {
        let plain = codec::unpack(&self.packed.bytes)?;
        let (callback, mut rest) = plain.split_at_checked(self.callback_bytes)?;
        let mut entry = self.packed.entry.clone();
        entry.callback = callback.to_vec();
        for (alert, bytes) in entry.alerts.iter_mut().zip(&self.body_bytes) {
            let (body, after) = rest.split_at_checked(*bytes)?;
            (alert.body, rest) = (body.to_vec(), after);
        }
        entry.arrival = Arrival {
            routes: entry.arrival.routes.take(),
            ..Tail::read(rest, 0).0
        };
        Some(Packed {
            entry,
            bytes: self.packed.bytes.clone(),
            exact: self.packed.exact,
            arrival_bytes: self.packed.arrival_bytes,
        })
    }
}

/// A length as it is stored.
pub(crate) fn number(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
