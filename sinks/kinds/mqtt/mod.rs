//! # mqtt
//!
//! ## What it does
//! Publishes one message for each alert to a broker of MQTT 5 (such as Mosquitto or EMQX). A success means that the broker
//! has accepted the message; whether it is on a disk is decided by the broker. MQTT 3.1.1 is not offered: a broker that refuses a
//! message cannot say so there.
//!
//! ## Set it up
//! 1. Make a user that may publish to `campanile/#`.
//! 2. Write the sink:
//!
//! ```toml
//! [sinks.mqtt.bus]
//! url = "mqtts://mqtt.example.com:8883"          # mqtt:// without TLS
//! user = "campanile"
//! password = { env = "MQTT_PASSWORD" }
//! topic = "campanile/{{ source }}/{{ fingerprint }}"
//! ```
//!
//! Without `client_id` each start of Campanile has an id of its own. Set one if the broker's rules ask for it, and then another
//! one for each gateway: a broker ends the connection of a client when a second one with the same id connects.
//!
//! `campanile check --probe` connects and publishes nothing.
//!
//! ## What is sent
//! The alert as the API shows it, as JSON. A digest is as many messages as it has alerts. In `topic`, `+ # /`, blanks and control
//! characters of an alert become `_`, and an empty level becomes `_`. So `ucloud/prod` is `ucloud_prod`.
//!
//! Each message has the content type `application/json`, the delivery id as correlation data (the same on every attempt), and the
//! user properties `delivery-id`, `alert-id`, `fingerprint`, `status`, `severity`, `source`.
//!
//! MQTT has no end-to-end protection against a second copy: a reader drops a `delivery-id` that it has seen. A message that was
//! given up at the timeout can still arrive, also after a later one: a reader keeps the newest alert (the greatest `alert-id`) of
//! each fingerprint. With `retain = true` the broker keeps the last message of each topic, without an end.
//!
//! If nobody is subscribed, the broker says so (reason 16): a success with a remark, or a failure with `require_subscriber = true`.
//! Some brokers do not say it.
//!
//! ## When it fails
//! A broker that is down, busy, over its quota, or that ends the connection: retried. Bad credentials, a topic that is not
//! permitted, a `qos` or `retain` that the broker does not offer, a broker without MQTT 5: retried slowly, and the operator is
//! notified. An alert that is larger than the broker's maximum packet is sent once more without `raw` and with a short description;
//! if that is too large too, it becomes a dead letter.

#[cfg(feature = "mqtt")]
mod driver;
#[cfg(feature = "mqtt")]
mod reasons;

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use campanile_settings::{Setting, Type, Values, optional, required, with};

use crate::kind::page;
use crate::{About, BuildError, Confidence, Feature, Group, Kind, Limits, Sink, Tools, reach};

/// The kind.
#[derive(Debug)]
pub struct MqttKind;

static ABOUT: About = About {
    name: Cow::Borrowed("mqtt"),
    title: Cow::Borrowed("MQTT 5: a message for each alert"),
    group: Group::Stores,
    confidence: Confidence::Tested,
    feature: Some(Feature {
        name: "mqtt",
        built: cfg!(feature = "mqtt"),
    }),
    alternatives: &[],
    limits: Limits::NONE,
    digest: true,
};

const OWN: &[Setting] = &[
    required(
        "url",
        Type::Text,
        r#""mqtts://mqtt.example.com:8883""#,
        "The broker: mqtt:// or mqtts:// (TLS).",
    ),
    with(
        "topic",
        Type::Template,
        r#""campanile/{{ source }}/{{ fingerprint }}""#,
        "The topic, a Jinja template. What comes from an alert cannot add a level.",
    ),
    with(
        "qos",
        Type::Whole(0, 2),
        "1",
        "1: the broker confirms each message. 2: in two steps. 0: it confirms nothing.",
    ),
    with(
        "retain",
        Type::Flag,
        "false",
        "The broker keeps the last message of each topic for new subscribers.",
    ),
    optional(
        "message_expiry",
        Type::Duration(1, 31_536_000),
        r#""1h""#,
        "The broker drops a message that it could not forward for so long.",
    ),
    with(
        "require_subscriber",
        Type::Flag,
        "false",
        "Retry while nobody is subscribed.",
    ),
    optional("user", Type::Text, r#""campanile""#, "The user name."),
    optional(
        "password",
        Type::Secret,
        r#"{ env = "MQTT_PASSWORD" }"#,
        "The password of `user`.",
    ),
    optional(
        "client_id",
        Type::Text,
        r#""campanile-1""#,
        "The client id, another one for each gateway. Without it, each start has its own.",
    ),
];

static SETTINGS: LazyLock<Vec<Setting>> =
    LazyLock::new(|| [OWN, reach::DIRECT, reach::IDENTITY].concat());

impl Kind for MqttKind {
    fn about(&self) -> &About {
        &ABOUT
    }

    fn settings(&self) -> &[Setting] {
        &SETTINGS
    }

    fn page(&self) -> String {
        page(include_str!("mod.rs"))
    }

    fn build(&self, values: &Values, tools: &Tools<'_>) -> Result<Arc<dyn Sink>, BuildError> {
        #[cfg(feature = "mqtt")]
        return Ok(Arc::new(driver::Mqtt::new(values, tools)?));
        #[cfg(not(feature = "mqtt"))]
        {
            let _unused = (values, tools);
            Err(crate::kind::not_built("mqtt"))
        }
    }
}
