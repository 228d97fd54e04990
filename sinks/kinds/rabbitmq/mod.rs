//! # rabbitmq
//!
//! ## What it does
//! Publishes one persistent message for each alert to `RabbitMQ` or another broker of AMQP 0.9.1. A success means that the broker has
//! confirmed the message and that a queue has it.
//!
//! ## Set it up
//! 1. Make a durable queue, best a quorum queue, and a topic exchange that is bound to it.
//! 2. Make a user that may write to the exchange (or to `amq.default`, if you set `queue`).
//! 3. Write the sink:
//!
//! ```toml
//! [sinks.rabbitmq.bus]
//! url = "amqps://rabbitmq.example.com:5671/monitoring"   # amqp:// without TLS; then the virtual host
//! user = "campanile"
//! password = { env = "RABBITMQ_PASSWORD" }
//! exchange = "alerts"
//! routing_key = "campanile.{{ status }}.{{ source }}.{{ fingerprint }}"
//! ```
//!
//! Without a path, the virtual host is `/`. In the path it is percent-encoded: `/` is `%2f`. Instead of `exchange`, `queue = "alerts"`
//! sends straight to a queue. With `declare = true` the sink makes that queue, durable, if there is none; a queue with other
//! properties is not changed. `campanile check --probe` connects and publishes nothing.
//!
//! ## What is sent
//! The alert as the API shows it, as JSON. A digest is as many messages as it has alerts. In `routing_key`, every character of an
//! alert that is not an ASCII letter, a digit, `_` or `-` becomes `_`, and an empty word becomes `_`.
//!
//! Properties: `message_id` (the delivery id: the same on every attempt), `type` (`firing` or `resolved`), `timestamp` (when the
//! alert was received), `app_id` (`campanile`), `content_type`, and the headers `alert-id`, `fingerprint`, `severity`, `source`.
//!
//! Queues do not drop a second copy: a reader drops a `message_id` that it has seen. A message that was given up at the timeout
//! can still arrive, also after a later one: a reader keeps the newest alert (the greatest `alert-id`) of each fingerprint. One
//! reader (`x-single-active-consumer`) keeps the order.
//!
//! ## When it fails
//! No queue is bound for the routing key, the exchange does not exist, the user may not write to it, bad credentials, an unknown
//! virtual host, a queue with other properties: retried slowly, and the operator is notified. A full queue (`reject-publish`), a
//! broker that blocks publishers (memory, disk) or cannot be reached: retried. An alert over `max_message_size` is sent once more
//! without `raw` and with a short description; if that is too large too, it becomes a dead letter.
//!
//! A queue that is not durable, or a classic queue without replicas, confirms messages that it can lose.

#[cfg(feature = "rabbitmq")]
mod connection;
#[cfg(feature = "rabbitmq")]
mod driver;

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use campanile_settings::{Setting, Type, Values, optional, required, with};

use crate::kind::page;
use crate::{About, BuildError, Confidence, Feature, Group, Kind, Limits, Sink, Tools, reach};

/// The kind.
#[derive(Debug)]
pub struct RabbitmqKind;

static ABOUT: About = About {
    name: Cow::Borrowed("rabbitmq"),
    title: Cow::Borrowed("RabbitMQ (AMQP 0.9.1): a persistent message for each alert"),
    group: Group::Stores,
    confidence: Confidence::Tested,
    feature: Some(Feature {
        name: "rabbitmq",
        built: cfg!(feature = "rabbitmq"),
    }),
    alternatives: &[("exchange", "queue")],
    limits: Limits::NONE,
    digest: true,
};

const OWN: &[Setting] = &[
    required(
        "url",
        Type::Text,
        r#""amqps://rabbitmq.example.com:5671""#,
        "The broker: amqp:// or amqps:// (TLS), and the virtual host as path.",
    ),
    optional(
        "exchange",
        Type::Text,
        r#""alerts""#,
        "The exchange. It must exist.",
    ),
    with(
        "routing_key",
        Type::Template,
        r#""campanile.{{ status }}.{{ source }}.{{ fingerprint }}""#,
        "The routing key, a Jinja template. What comes from an alert cannot add a word.",
    ),
    optional(
        "queue",
        Type::Text,
        r#""alerts""#,
        "Send straight to this queue, instead of an exchange.",
    ),
    with(
        "declare",
        Type::Flag,
        "false",
        "Make `queue`, durable, if it does not exist.",
    ),
    with(
        "queue_type",
        Type::Word(&["quorum", "classic"]),
        r#""quorum""#,
        "What `declare` makes.",
    ),
    optional("user", Type::Text, r#""campanile""#, "The user name."),
    optional(
        "password",
        Type::Secret,
        r#"{ env = "RABBITMQ_PASSWORD" }"#,
        "The password of `user`.",
    ),
];

static SETTINGS: LazyLock<Vec<Setting>> =
    LazyLock::new(|| [OWN, reach::DIRECT, reach::IDENTITY].concat());

impl Kind for RabbitmqKind {
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
        #[cfg(feature = "rabbitmq")]
        return Ok(Arc::new(driver::Rabbitmq::new(values, tools)?));
        #[cfg(not(feature = "rabbitmq"))]
        {
            let _unused = (values, tools);
            Err(crate::kind::not_built("rabbitmq"))
        }
    }
}
