//! The stored form of what happened when a callback arrived. It follows the alerts in the compressed bytes of the callback,
//! with short names: it is kept for every callback.

use std::borrow::Cow;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{ANSWER_BYTES_MAX, Answered, Arrival, NewAlert};

/// The arrival of one callback. The routes are not in it: [`Arrival::routes`] has its own table, because it is the same for
/// all callbacks under one configuration.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Tail<'t> {
    /// The trace. It comes first: see [`Tail::trace`].
    #[serde(rename = "t", borrow, skip_serializing_if = "Option::is_none")]
    trace: Option<Cow<'t, str>>,
    /// The address of the caller.
    #[serde(rename = "f", skip_serializing_if = "Option::is_none")]
    from: Option<IpAddr>,
    /// The status and the text of the answer.
    #[serde(rename = "a", borrow, skip_serializing_if = "Option::is_none")]
    answer: Option<(u16, Cow<'t, str>)>,
    /// What the routes said of an alert, by the place of its JSON.
    #[serde(rename = "r", borrow, skip_serializing_if = "Vec::is_empty")]
    said: Vec<(usize, Cow<'t, str>)>,
}

impl<'t> Tail<'t> {
    /// Of a callback with these alerts. The JSON of the first alert is at `body_at`.
    pub(crate) fn of(arrival: &'t Arrival, alerts: &'t [NewAlert], body_at: usize) -> Self {
        let mut at = body_at;
        let said = alerts.iter().map(|alert| {
            let place = at;
            at += alert.body.len();
            (place, Cow::from(&alert.said))
        });
        let answer = arrival.answer.as_ref().map(|answer| {
            let end = answer.text.floor_char_boundary(ANSWER_BYTES_MAX);
            let text = answer.text.get(..end).unwrap_or_default();
            (answer.status, Cow::from(text))
        });
        Self {
            trace: arrival.trace.as_deref().map(Cow::from),
            from: arrival.from,
            answer,
            said: said.filter(|(_, said)| !said.is_empty()).collect(),
        }
    }

    /// The bytes to store. Empty when nothing is known.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let known = [
            self.trace.is_some(),
            self.from.is_some(),
            self.answer.is_some(),
            !self.said.is_empty(),
        ];
        if !known.contains(&true) {
            return Vec::new();
        }
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// The arrival, without its routes, and what they said of the alert whose JSON is at `body_at`.
    pub(crate) fn read(bytes: &'t [u8], body_at: usize) -> (Arrival, String) {
        let tail: Self = serde_json::from_slice(bytes).unwrap_or_default();
        let mut said = tail.said.into_iter();
        let said = said.find_map(|(at, said)| (at == body_at).then_some(said));
        let answer = tail.answer.map(|(status, text)| Answered {
            status,
            text: text.into_owned(),
        });
        let arrival = Arrival {
            from: tail.from,
            answer,
            routes: None,
            trace: tail.trace.map(Cow::into_owned),
        };
        (arrival, said.unwrap_or_default().into_owned())
    }

    /// The trace alone. A worker asks for it with every alert: bytes without a trace are not parsed.
    pub(crate) fn trace(bytes: &'t [u8]) -> Option<Cow<'t, str>> {
        if !bytes.starts_with(br#"{"t":"#) {
            return None;
        }
        serde_json::from_slice::<Self>(bytes).ok()?.trace
    }
}

/// Puts the id of the first alert in the place of the nil UUID.
pub(crate) fn put_first(arrival: &mut Arrival, first: Uuid) {
    let nil = Uuid::nil().to_string();
    let answer = arrival.answer.as_mut().map(|answer| &mut answer.text);
    for text in answer.into_iter().chain(&mut arrival.trace) {
        *text = text.replace(&nil, &first.to_string());
    }
}
