//! Plays Huawei SMN, which delivers alarms of Cloud Eye.

use serde_json::{Value, json};

use super::topic;
use crate::kinds::huawei_smn::ENVELOPE;
use crate::kinds::huawei_smn::HuaweiSmn;
use crate::parse::topic::{object, text};
use crate::provider::{Player, Stamp};
use campanile_model::Callback;
use campanile_model::body;

impl Player for HuaweiSmn {
    fn refresh(&self, call: Callback, stamp: &Stamp<'_>) -> Callback {
        let Ok(mut envelope) = object(&call).cloned() else {
            return call;
        };
        envelope.insert(
            "message_id".to_owned(),
            json!(format!("{:032x}", stamp.serial)),
        );
        envelope.insert("timestamp".to_owned(), json!(stamp.at.to_string()));
        if let Some(Ok(Value::Object(mut alarm))) =
            text(&envelope, "message").map(|m| body::json(&m))
        {
            if let Some(time) = alarm.get_mut("time") {
                *time = json!(stamp.at.as_millisecond());
            }
            envelope.insert(
                "message".to_owned(),
                json!(Value::Object(alarm).to_string()),
            );
        }
        topic::sealed(&ENVELOPE, &call, envelope)
    }
}
