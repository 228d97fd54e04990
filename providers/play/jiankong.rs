//! Plays 監控專家 / 监控宝.

use md5::{Digest, Md5};
use secrecy::ExposeSecret;
use serde_json::Value;

use crate::kinds::jiankong::Jiankong;
use crate::kinds::jiankong::{Form, Said};
use crate::provider::{Player, Stamp};
use campanile_model::Callback;

impl Player for Jiankong {
    fn refresh(&self, call: Callback, stamp: &Stamp<'_>) -> Callback {
        let fresh = |name: &str| match name {
            "msg_id" => Some(stamp.serial.to_string()),
            "fault_time" => Some(stamp.at.as_second().to_string()),
            "token" => stamp.token.map(|token| {
                let said = Said::of(&call).ok();
                let task_id = said
                    .and_then(|said| said.value("task_id"))
                    .unwrap_or_default();
                let at = stamp.at.as_second();
                let message = format!("{}{task_id}{at}{}", stamp.serial, token.expose_secret());
                hex::encode(Md5::digest(message))
            }),
            _ => None,
        };
        if let Ok(Form::Json(object)) = Said::of(&call).map(|said| said.form()) {
            let mut object = object.clone();
            for (name, value) in &mut object {
                *value = fresh(name).map_or_else(|| value.take(), Value::from);
            }
            return call.with_body(Value::Object(object).to_string());
        }
        let mut form = form_urlencoded::Serializer::new(String::new());
        for (name, value) in call.params().unwrap_or_default() {
            form.append_pair(name, fresh(name).as_deref().unwrap_or(value));
        }
        let encoded = form.finish();
        if call.method == "GET" {
            let mut call = call.clone();
            call.query = encoded;
            return call;
        }
        let mut call = call.with_body(encoded);
        call.query.clear();
        call
    }
}
