//! Plays a client of the Events API v2.

use jiff::SignedDuration;
use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};

use crate::kinds::pagerduty_events::PagerDutyEvents;
use crate::provider::{Player, Stamp};
use campanile_model::Callback;

impl Player for PagerDutyEvents {
    fn refresh(&self, call: Callback, stamp: &Stamp<'_>) -> Callback {
        let Ok(Value::Object(mut event)) = call.json().cloned() else {
            return call;
        };
        if let Some(token) = stamp.token {
            event.insert("routing_key".to_owned(), json!(token.expose_secret()));
        }
        let back = i64::try_from(stamp.serial % 1_000_000_000).unwrap_or(0);
        let at = stamp.at - SignedDuration::from_nanos(back);
        let payload = event
            .entry("payload")
            .or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(payload) = payload {
            payload.insert("timestamp".to_owned(), json!(at));
        }
        call.with_body(Value::Object(event).to_string())
    }
}
