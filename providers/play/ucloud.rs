//! Plays UCloud.

use serde_json::Value;

use crate::kinds::ucloud::UCloud;
use crate::provider::{Player, Stamp};
use campanile_model::Callback;

impl Player for UCloud {
    fn refresh(&self, call: Callback, stamp: &Stamp<'_>) -> Callback {
        let Ok(Value::Object(mut body)) = call.json().cloned() else {
            return call;
        };
        for (name, value) in &mut body {
            let is = |other| name.eq_ignore_ascii_case(other);
            let is_time = is("AlarmTime") || is("RecoveryTime");
            if is("SessionID") {
                *value = session_id(stamp.serial).into();
            } else if is_time && !matches!(value.to_string().trim_matches('"'), "0" | "") {
                *value = stamp.at.as_second().into();
            }
        }
        call.with_body(Value::Object(body).to_string())
    }
}

/// An id in the form of UCloud's UUIDs. The alarm and the recovery of one serial have the same id.
fn session_id(serial: u64) -> String {
    let (high, low) = (serial >> 48, serial & 0xffff_ffff_ffff);
    format!("00000000-{high:04x}-4000-8000-{low:012x}")
}
