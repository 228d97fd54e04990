//! The names that the templates and conditions of a recipe use.

use std::fmt;

use campanile_language::{Facts, Shared, sample_alerts};
use campanile_model::Secret;
use campanile_settings::{Setting, Values};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::form::Text;
use crate::{Message, digest, words};

/// Names the ids that are made of delivery ids.
const NAMESPACE: Uuid = Uuid::from_u128(0x6361_6d70_616e_696c_6500_0000_0000_0000);

/// The names of one sink. `settings` and `words` are the same for all its messages and are converted once.
pub(super) struct Names {
    /// Samples of all names, with which templates and conditions are compiled.
    samples: Map<String, Value>,
    shared: Shared,
    /// The setting `mention`.
    mention: Vec<Value>,
}

/// What the templates see in addition to the message.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Extra<'a> {
    /// The full name of the sink.
    pub(super) sink: &'a str,
    pub(super) token: Option<&'a Secret>,
    pub(super) plain: bool,
    pub(super) without_handle: bool,
}

/// What costs time to prepare, and whether a template names it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wants {
    /// `alerts`, the JSON of each alert.
    alerts: bool,
    /// `opening`, the JSON of the first alert of the episode.
    opening: bool,
}

impl Wants {
    /// What is named in one of these texts.
    pub(super) fn of<'t>(texts: &(impl Iterator<Item = &'t Text> + Clone)) -> Self {
        let named = |word| texts.clone().any(|text| text.get_ref().contains(word));
        Self {
            alerts: named("alerts"),
            opening: named("opening"),
        }
    }
}

/// Settings can be secret.
impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Names")
    }
}

impl Names {
    pub(super) fn of(settings: Value, words: Value) -> Self {
        let mention = settings.get("mention").and_then(Value::as_array);
        let mention = mention.cloned().unwrap_or_default();
        let shared = [("settings", settings), ("words", words)];
        let shared: Map<String, Value> = named(shared).collect();
        Self {
            shared: Shared::of(&shared),
            samples: shared.into_iter().chain(sample()).collect(),
            mention,
        }
    }

    pub(super) fn samples(&self) -> &Map<String, Value> {
        &self.samples
    }

    /// What templates and conditions see of a message with this text.
    pub(super) fn facts(
        &self,
        message: &Message,
        text: Map<String, Value>,
        extra: &Extra<'_>,
        wants: Wants,
    ) -> Facts {
        let mut more = more(message, extra, wants);
        more.insert("mentions".to_owned(), self.mentions(&text));
        more.insert("message".to_owned(), Value::Object(text));
        digest::facts(message).sharing(&self.shared).with(&more)
    }

    /// The setting `mention`, for a critical firing.
    fn mentions(&self, text: &Map<String, Value>) -> Value {
        let urgent = text.get("urgent").and_then(Value::as_bool) == Some(true);
        Value::Array(if urgent {
            self.mention.clone()
        } else {
            Vec::new()
        })
    }
}

fn named<const N: usize>(names: [(&str, Value); N]) -> impl Iterator<Item = (String, Value)> {
    names
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
}

/// What the templates see of each message. The alerts themselves are samples, so that their parts are known.
fn sample() -> Map<String, Value> {
    let [alert, _] = sample_alerts();
    let message = Message::of(alert, "dlv_0", Timestamp::UNIX_EPOCH);
    let all = Wants {
        alerts: true,
        opening: true,
    };
    let mut seen = more(&message, &Extra::default(), all);
    let message = words::Wording::default().seen();
    seen.insert("message".to_owned(), Value::Object(message));
    seen.insert("mentions".to_owned(), json!(["somebody"]));
    seen
}

/// What the templates see in addition to the alert, the settings and the text.
fn more(message: &Message, extra: &Extra<'_>, wants: Wants) -> Map<String, Value> {
    let handle = message.handle.as_deref().filter(|_| !extra.without_handle);
    let opening = message.opened.as_ref().or(message.alerts.first());
    let opened_by = opening.map(|alert| alert.id.as_str()).unwrap_or_default();
    let token = extra.token.map(ExposeSecret::expose_secret);
    let delivery = Uuid::new_v5(&NAMESPACE, message.delivery_id.as_bytes());
    let episode = hashed(&format!("{}/{opened_by}", extra.sink));
    let mut more: Map<_, _> = named([
        ("timestamp", message.at.as_second().into()),
        ("timestamp_ms", message.at.as_millisecond().into()),
        ("handle", handle.unwrap_or_default().into()),
        ("episode", episode.into()),
        ("delivery_uuid", delivery.to_string().into()),
        ("plain", extra.plain.into()),
        ("episode_open", message.episode_open.into()),
        ("token", token.unwrap_or_default().into()),
    ])
    .collect();
    if wants.alerts {
        let alerts = message.alerts.iter().map(|alert| json!(alert));
        more.insert("alerts".to_owned(), alerts.collect());
    }
    if wants.opening {
        more.insert("opening".to_owned(), json!(opening));
    }
    more
}

/// 32 hex digits: a key that tells nothing about what it is made of.
fn hashed(text: &str) -> String {
    hex::encode(&Sha256::digest(text.as_bytes())[..16])
}

/// The settings as templates see them, each with a value or null. An address has no `/` at its end.
pub(super) fn seen(settings: &[Setting], values: &Values) -> Value {
    let text = |secret: &Secret| secret.expose_secret().to_owned();
    let seen = settings.iter().map(|setting| {
        let name = &*setting.name;
        let shown = values
            .maybe::<String>(name)
            .map(Value::from)
            .or_else(|| values.maybe::<bool>(name).map(Value::from))
            .or_else(|| values.maybe::<u64>(name).map(Value::from))
            .or_else(|| values.maybe::<Vec<String>>(name).map(Value::from))
            .or_else(|| Some(values.maybe::<TimeZone>(name)?.iana_name()?.into()))
            .or_else(|| {
                let secret: Option<Secret> = values.maybe(name);
                secret.map(|secret| text(&secret).trim_end_matches('/').into())
            });
        (name.to_owned(), shown.unwrap_or_default())
    });
    Value::Object(seen.collect())
}
