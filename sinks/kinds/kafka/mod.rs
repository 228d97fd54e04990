//! # kafka
//!
//! ## What it does
//! Writes one record for each alert to Apache Kafka, or to a service that speaks its protocol (Redpanda, Event Hubs, cloud Kafkas). A
//! success means that all in-sync replicas of the partition have the record (`acks=all`).
//!
//! ## Set it up
//! 1. Make a topic with replicas, because a success is only as strong as the topic:
//!    `kafka-topics.sh --create --topic alerts --partitions 6 --replication-factor 3 --config min.insync.replicas=2`
//! 2. Make a user that may write to the topic and describe it:
//!    `kafka-acls.sh --add --allow-principal User:campanile --operation Write --operation Describe --topic alerts`
//! 3. Write the sink:
//!
//! ```toml
//! [sinks.kafka.bus]
//! brokers = ["kafka-1.example.com:9093", "kafka-2.example.com:9093"]
//! topic = "alerts"
//! tls = true
//! sasl = "scram-sha-512"
//! user = "campanile"
//! password = { env = "KAFKA_PASSWORD" }
//! ```
//!
//! One broker of the list is enough to find the others. The cluster names them by its own addresses (`advertised.listeners`): the
//! gateway must reach those too. `campanile check --probe` connects and writes nothing.
//!
//! For Azure Event Hubs, `brokers` is `NAMESPACE.servicebus.windows.net:9093`, `tls = true`, `sasl = "plain"`, `user = "$ConnectionString"`,
//! and the password is the connection string. Sign-in with OAuth tokens (`OAUTHBEARER`) and Kerberos are not built in.
//!
//! To keep the last state of each problem, make the topic with `cleanup.policy=compact` and leave `key` as it is.
//!
//! ## What is sent
//! The value is the alert as the API shows it, as JSON, or with `format = "cloudevents"` as CloudEvents 1.0. The key is the fingerprint. A
//! digest is as many records as it has alerts. The timestamp is the time at which the alert was received.
//!
//! Headers: `campanile-id` (the delivery id: the same on every attempt), `alert-id`, `status`, `severity`, `source`, `content-type`.
//!
//! The key gives the partition as in Java clients (murmur2), so the records of a problem have one partition and stay in order. More
//! partitions move keys: the order across that change is lost. In `topic`, every character of an alert that is not an ASCII letter,
//! a digit, `_` or `-` becomes `_`.
//!
//! Kafka does not drop a second copy: a consumer drops a `campanile-id` that it has seen. A record that was given up at the timeout
//! can still be written, also after a later one: a consumer keeps the newest alert (the greatest `alert-id`) of each key.
//!
//! ## When it fails
//! A topic that does not exist: retried, and from the third attempt on retried slowly, and the operator is notified. A topic that
//! the user may not write to, wrong credentials, an unknown mechanism: retried slowly, and the operator is notified. Too few
//! in-sync replicas, no leader, a broker that cannot be reached: retried. A record over `max.message.bytes` is sent once more
//! without `raw` and with a short description; if that is too large too, it becomes a dead letter.
//!
//! A broker that throttles this user (a quota) has written the record, but the driver takes that answer for a refusal: it writes the
//! record again after each delay, until the timeout, and the attempt fails. The copies have one `campanile-id`. Give the user a quota
//! that alerts do not reach.
//!
//! The driver resolves names itself. The names in `brokers` are checked right before; those that the cluster advertises are not.
//!
//! ## Not tried
//! The tests write to the Kafka protocol of librdkafka's mock cluster, and read it with the client of librdkafka. Replication, quotas,
//! access control and SASL were not tried against a real cluster.

#[cfg(feature = "kafka")]
mod connection;
#[cfg(feature = "kafka")]
mod driver;
#[cfg(feature = "kafka")]
mod partitioner;
#[cfg(feature = "kafka")]
mod reasons;

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use campanile_settings::{Setting, Type, Values, optional, required, with};

use crate::kind::page;
use crate::{About, BuildError, Confidence, Feature, Group, Kind, Limits, Sink, Tools, reach};

/// The kind.
#[derive(Debug)]
pub struct KafkaKind;

static ABOUT: About = About {
    name: Cow::Borrowed("kafka"),
    title: Cow::Borrowed("Apache Kafka and services with its protocol: a record for each alert"),
    group: Group::Stores,
    confidence: Confidence::Code,
    feature: Some(Feature {
        name: "kafka",
        built: cfg!(feature = "kafka"),
    }),
    alternatives: &[],
    limits: Limits::NONE,
    digest: true,
};

const OWN: &[Setting] = &[
    required(
        "brokers",
        Type::Texts,
        r#"["kafka.example.com:9092"]"#,
        "Brokers to begin with, each host:port. One that accepts the connection is enough.",
    ),
    required(
        "topic",
        Type::Template,
        r#""alerts""#,
        "The topic, a Jinja template. What comes from an alert cannot add other characters than letters, digits, `_` and `-`.",
    ),
    with(
        "key",
        Type::Template,
        r#""{{ fingerprint }}""#,
        "The key of the record, a Jinja template. It selects the partition.",
    ),
    with(
        "format",
        Type::Word(&["alert", "cloudevents"]),
        r#""alert""#,
        "The value of the record: the alert as JSON, or CloudEvents 1.0.",
    ),
    with("tls", Type::Flag, "false", "Connect with TLS."),
    with(
        "sasl",
        Type::Word(&["plain", "scram-sha-256", "scram-sha-512"]),
        r#""plain""#,
        "How `user` and `password` are sent. plain shows the password to everyone in between if `tls` is false.",
    ),
    optional("user", Type::Text, r#""campanile""#, "The user name."),
    optional(
        "password",
        Type::Secret,
        r#"{ env = "KAFKA_PASSWORD" }"#,
        "The password of `user`.",
    ),
];

static SETTINGS: LazyLock<Vec<Setting>> =
    LazyLock::new(|| [OWN, reach::DIRECT, reach::IDENTITY].concat());

impl Kind for KafkaKind {
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
        #[cfg(feature = "kafka")]
        return Ok(Arc::new(driver::Kafka::new(values, tools)?));
        #[cfg(not(feature = "kafka"))]
        {
            let _unused = (values, tools);
            Err(crate::kind::not_built("kafka"))
        }
    }
}
