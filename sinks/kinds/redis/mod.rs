//! # redis
//!
//! ## What it does
//! Appends each alert to a stream of Redis (or Valkey), appends it to a list, or publishes it to a channel.
//!
//! ## Set it up
//! 1. Use `maxmemory-policy noeviction`: with another policy, Redis can delete alerts that it has accepted.
//! 2. Turn the append-only file on (`appendonly yes`). With `appendfsync everysec` a power failure loses up to a second, with
//!    `always` nothing.
//! 3. Make a user: `ACL SETUSER campanile on >PASSWORD ~campanile:* ~{campanile:* &campanile:* +xadd +rpush +publish +eval +exists +set +wait +ping`
//! 4. Write the sink:
//!
//! ```toml
//! [sinks.redis.bus]
//! url = "rediss://redis.example.com:6379/0"      # redis:// without TLS; the number is the database
//! user = "campanile"
//! password = { env = "REDIS_PASSWORD" }
//! mode = "stream"                                # or list, publish
//! key = "campanile:alerts"                       # a template: "campanile:{{ source }}" is a stream for each source
//! ```
//!
//! `campanile check --probe` connects and sends `PING`.
//!
//! ## What is sent
//! - `stream`: `XADD` with the fields `id` (the delivery id), `alert` (the alert as the API shows it, JSON), `fingerprint`,
//!   `status`, `severity` and `source`.
//! - `list`: `RPUSH` of the JSON. Read it with `BLPOP`.
//! - `publish`: `PUBLISH` of the JSON. Subscribers that are not connected miss it. If nobody is subscribed, that is a success with
//!   a remark, or a failure with `require_subscriber = true`.
//!
//! A digest is as many entries as it has alerts. In `key`, blanks, control characters and `{ } : * ? [ ]` of an alert become `_`.
//!
//! With `dedup` (the default), a script remembers each delivery id under `{KEY}:seen:ID` for `dedup_window`, so that a repeated
//! delivery is added once. Make the window longer than `max_age`. `dedup = false` is for users who may not run scripts; then a
//! reader drops an `id` that it has seen.
//!
//! `max_length` trims the stream to about so many entries. Redis deletes the oldest without an error, read or not.
//!
//! ## When it fails
//! Redis is loading, out of memory, a replica, busy, not reachable, or fewer than `replicas` replicas confirm: retried. A replica
//! after a failover is left at once, and the next attempt resolves the name again. Bad credentials, a missing permission, a key of
//! another type, an unknown database or a cluster that moves the key: retried slowly, and the operator is notified. Clusters of
//! several nodes are not supported.

#[cfg(feature = "redis")]
mod driver;

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use campanile_settings::{Setting, Type, Values, optional, required, with};

use crate::kind::page;
use crate::{About, BuildError, Confidence, Feature, Group, Kind, Limits, Sink, Tools, reach};

/// The kind.
#[derive(Debug)]
pub struct RedisKind;

static ABOUT: About = About {
    name: Cow::Borrowed("redis"),
    title: Cow::Borrowed(
        "Redis or Valkey: an entry of a stream, a list or a channel for each alert",
    ),
    group: Group::Stores,
    confidence: Confidence::Tested,
    feature: Some(Feature {
        name: "redis",
        built: cfg!(feature = "redis"),
    }),
    alternatives: &[],
    limits: Limits::NONE,
    digest: true,
};

const OWN: &[Setting] = &[
    required(
        "url",
        Type::Text,
        r#""redis://redis.example.com:6379""#,
        "The server: redis:// or rediss:// (TLS), and the number of the database as path.",
    ),
    with(
        "mode",
        Type::Word(&["stream", "list", "publish"]),
        r#""stream""#,
        "stream: XADD. list: RPUSH. publish: PUBLISH, which keeps nothing.",
    ),
    with(
        "key",
        Type::Template,
        r#""campanile:alerts""#,
        "The stream, list or channel, a Jinja template.",
    ),
    optional("user", Type::Text, r#""campanile""#, "The user of the ACL."),
    optional(
        "password",
        Type::Secret,
        r#"{ env = "REDIS_PASSWORD" }"#,
        "The password, of `user` or of the server.",
    ),
    with(
        "dedup",
        Type::Flag,
        "true",
        "Add a repeated delivery once. Needs the permission to run scripts.",
    ),
    with(
        "dedup_window",
        Type::Duration(60, 5_184_000),
        r#""25h""#,
        "How long a delivery id is remembered. Longer than `max_age`.",
    ),
    optional(
        "max_length",
        Type::Whole(1, 1_000_000_000),
        "100000",
        "Keep about so many entries in the stream. Redis deletes the oldest, read or not.",
    ),
    with(
        "replicas",
        Type::Whole(0, 16),
        "0",
        "Wait until so many replicas have it.",
    ),
    with(
        "require_subscriber",
        Type::Flag,
        "false",
        "publish: retry while nobody is subscribed.",
    ),
];

static SETTINGS: LazyLock<Vec<Setting>> =
    LazyLock::new(|| [OWN, reach::DIRECT, reach::IDENTITY].concat());

impl Kind for RedisKind {
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
        #[cfg(feature = "redis")]
        return Ok(Arc::new(driver::Redis::new(values, tools)?));
        #[cfg(not(feature = "redis"))]
        {
            let _unused = (values, tools);
            Err(crate::kind::not_built("redis"))
        }
    }
}
