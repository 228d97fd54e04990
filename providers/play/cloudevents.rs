//! Plays a sender of CloudEvents.

use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::bearer::with_bearer;
use crate::kinds::cloudevents::CloudEvents;
use crate::kinds::cloudevents::Mode;
use crate::provider::{Player, Stamp};
use campanile_model::Callback;

impl Player for CloudEvents {
    fn refresh(&self, mut call: Callback, stamp: &Stamp<'_>) -> Callback {
        if let Some(token) = stamp.token {
            call = with_bearer(call, token.expose_secret());
        }
        let id = |i: usize| format!("campanile-{}-{i}", stamp.serial);
        if Mode::of(&call) == Mode::Binary {
            for (name, value) in &mut call.headers {
                match name.as_str() {
                    "ce-id" => *value = id(0),
                    "ce-time" => *value = stamp.at.to_string(),
                    _ => {}
                }
            }
            return call;
        }
        let Ok(mut body) = call.json().cloned() else {
            return call;
        };
        let events = match &mut body {
            Value::Array(events) => events.as_mut_slice(),
            one => std::slice::from_mut(one),
        };
        for (i, event) in events
            .iter_mut()
            .filter_map(Value::as_object_mut)
            .enumerate()
        {
            event.insert("id".to_owned(), json!(id(i)));
            if let Some(time) = event.get_mut("time") {
                *time = json!(stamp.at);
            }
        }
        call.with_body(body.to_string())
    }
}
