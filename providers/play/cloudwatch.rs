//! Plays AWS SNS, which delivers alarms of CloudWatch.

use serde_json::{Value, json};

use super::topic;
use crate::kinds::cloudwatch::CloudWatch;
use crate::kinds::cloudwatch::ENVELOPE;
use crate::parse::topic::{object, text};
use crate::provider::{Player, Stamp};
use campanile_model::Callback;
use campanile_model::body;

impl Player for CloudWatch {
    fn refresh(&self, call: Callback, stamp: &Stamp<'_>) -> Callback {
        let Ok(mut envelope) = object(&call).cloned() else {
            return call;
        };
        let (high, low) = (stamp.serial >> 48, stamp.serial & 0xffff_ffff_ffff);
        let id = format!("00000000-{high:04x}-5000-8000-{low:012x}");
        envelope.insert("MessageId".to_owned(), json!(id));
        envelope.insert("Timestamp".to_owned(), json!(stamp.at.to_string()));
        if let Some(Ok(Value::Object(mut alarm))) =
            text(&envelope, "Message").map(|m| body::json(&m))
        {
            alarm.insert("StateChangeTime".to_owned(), json!(stamp.at.to_string()));
            envelope.insert(
                "Message".to_owned(),
                json!(Value::Object(alarm).to_string()),
            );
        }
        envelope.insert("SignatureVersion".to_owned(), json!("2"));
        topic::sealed(&ENVELOPE, &call, envelope)
    }
}
