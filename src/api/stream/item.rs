//! What the streams share: each event is read and written as JSON once.

use std::sync::Arc;

use bytes::Bytes;
use campanile_model::{Fingerprint, Severity, Status};
use campanile_store::{NOTE_BYTES_MAX, Seq, StoredAlert};
use jiff::Timestamp;
use serde::Serialize;

use super::types::{DeliveryEnded, SinkNow};
use crate::api::types::AlertItem;
use crate::api::{Failing, alerts, sinks};
use crate::delivery::{Event, Phase, What};

/// One event for all streams.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) kind: Kind,
    /// What filters ask of the alert that it is about.
    pub(super) about: Option<Arc<About>>,
    pub(super) sink: Option<Arc<str>>,
    /// The data as JSON on one line.
    pub(super) data: Bytes,
}

/// What kind of event it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The alert at this place.
    Alert(Seq),
    Delivery,
    Sink,
    /// Events were left out, up to this place.
    Reset(Seq, &'static str),
}

/// What filters ask of an alert.
#[derive(Debug)]
pub(super) struct About {
    pub(super) seq: Seq,
    pub(super) id: String,
    pub(super) source: String,
    pub(super) severity: Severity,
    pub(super) status: Status,
    pub(super) fingerprint: Fingerprint,
}

impl Item {
    /// The event of an accepted alert.
    pub(super) fn alert(stored: &StoredAlert) -> Failing<Self> {
        let item = AlertItem {
            alert: alerts::shown(stored)?,
            episode: stored.episode,
        };
        Ok(Self {
            kind: Kind::Alert(stored.seq),
            data: json(&item),
            about: Some(Arc::new(About::of(stored.seq, item))),
            sink: None,
        })
    }

    pub(super) fn reset(up_to: Seq, message: &'static str) -> Self {
        Self {
            kind: Kind::Reset(up_to, message),
            about: None,
            sink: None,
            data: Bytes::new(),
        }
    }

    /// The event of a sink. `about` is the alert of [`seq_of`].
    pub(super) fn of(at: Timestamp, event: Event, about: Option<Arc<About>>) -> Self {
        let Event { sink, what, .. } = event;
        let alert_id = about.as_ref().map(|about| about.id.clone());
        let ended = delivery(&sink, at, &what, alert_id);
        let (kind, data) = match ended {
            Some(ended) => (Kind::Delivery, json(&ended)),
            None => (Kind::Sink, json(&state(&sink, at, what))),
        };
        Self {
            kind,
            about,
            sink: Some(sink),
            data,
        }
    }

    /// Its size in memory.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>() + self.data.len()
    }
}

impl About {
    pub(super) fn of(seq: Seq, item: AlertItem) -> Self {
        Self {
            seq,
            id: item.alert.id,
            source: item.alert.source,
            severity: item.alert.severity,
            status: item.alert.status,
            fingerprint: item.alert.fingerprint,
        }
    }
}

/// The alert that an event is about.
pub(super) fn seq_of(what: &What) -> Option<Seq> {
    match what {
        What::Delivered { seq, .. } | What::Failed { seq, .. } | What::Dead { seq, .. } => {
            Some(*seq)
        }
        _ => None,
    }
}

fn delivery(
    sink: &str,
    at: Timestamp,
    what: &What,
    alert_id: Option<String>,
) -> Option<DeliveryEnded> {
    let (outcome, attempt, class, code, note) = match what {
        What::Delivered {
            attempt, remark, ..
        } => ("delivered", attempt, None, None, remark.as_deref()),
        What::Failed {
            attempt,
            class,
            code,
            reason,
            ..
        } => (
            "failed",
            attempt,
            Some(class.as_str()),
            *code,
            Some(&**reason),
        ),
        What::Dead {
            attempts,
            class,
            reason,
            ..
        } => ("dead", attempts, Some(*class), None, Some(&**reason)),
        _ => return None,
    };
    Some(DeliveryEnded {
        alert_id,
        sink: sink.to_owned(),
        outcome: outcome.to_owned(),
        at,
        attempt: *attempt,
        class: class.map(str::to_owned),
        code,
        note: note.map(cut),
    })
}

fn state(sink: &str, at: Timestamp, what: What) -> SinkNow {
    let (state, paused_by, note, retry_at) = match what {
        What::Paused { by } => (Phase::Paused, sinks::by(Some(by)), None, None),
        What::BreakerOpened { until, reason } => {
            (Phase::Open, None, Some(cut(&reason)), Some(until))
        }
        _ => (Phase::Ok, None, None, None),
    };
    SinkNow {
        name: sink.to_owned(),
        state: state.as_str().to_owned(),
        at,
        paused_by,
        note,
        retry_at,
    }
}

fn cut(text: &str) -> String {
    let end = text.floor_char_boundary(NOTE_BYTES_MAX);
    text.get(..end).unwrap_or_default().to_owned()
}

/// It cannot fail: all keys of its maps are strings.
pub(super) fn json(data: &impl Serialize) -> Bytes {
    serde_json::to_vec(data).unwrap_or_default().into()
}
