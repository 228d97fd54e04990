//! Plays a client of Alertmanager's API: Prometheus, vmalert, amtool.

use jiff::SignedDuration;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::bearer::with_bearer;
use super::fixture;
use crate::kinds::alertmanager_api::AlertmanagerApi;
use crate::parse::time;
use crate::provider::{Player, Stamp};
use campanile_model::Callback;

impl Player for AlertmanagerApi {
    fn refresh(&self, call: Callback, stamp: &Stamp<'_>) -> Callback {
        let Ok(Value::Array(mut items)) = call.json().cloned() else {
            return call;
        };
        let came = call.received_at.or(fixture::RECEIVED_AT.parse().ok());
        // A different time for each serial, before the end.
        let ahead = i64::try_from(stamp.serial % 1_000_000_000).unwrap_or(0);
        let starts = stamp.at - SignedDuration::new(60, 0) - SignedDuration::from_nanos(ahead);
        for item in items.iter_mut().filter_map(Value::as_object_mut) {
            let ends = time::moment(item.get("endsAt"), "").ok().flatten();
            if let Some(ends) = ends {
                let over = came.is_some_and(|came| ends <= came);
                let wait = SignedDuration::new(if over { 0 } else { 240 }, 0);
                item.insert("endsAt".to_owned(), json!(stamp.at + wait));
            }
            item.insert("startsAt".to_owned(), json!(starts));
        }
        let call = call.with_body(Value::Array(items).to_string());
        match stamp.token {
            Some(token) => with_bearer(call, token.expose_secret()),
            None => call,
        }
    }
}
