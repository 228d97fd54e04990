//! # nats
//!
//! ## What it does
//! Publishes one message for each alert to NATS. With `JetStream` (the default) a success means that a stream has stored the
//! message. Without it, a success means that the server has read the message, and subscribers that are not connected miss it.
//!
//! ## Set it up
//! 1. Make a stream that takes the subjects, with a duplicate window of an hour or more:
//!    `nats stream add ALERTS --subjects 'campanile.>' --storage file --dupe-window 1h`
//! 2. Make a user that may publish to `campanile.>` and subscribe to `_INBOX.>` (the answers of the server arrive there).
//! 3. Write the sink:
//!
//! ```toml
//! [sinks.nats.bus]
//! servers = ["tls://nats-1.example.com:4222", "tls://nats-2.example.com:4222"]
//! stream = "ALERTS"                              # refuse to publish into another stream
//! user = "campanile"
//! password = { env = "NATS_PASSWORD" }
//! # or: token, nkey (a seed), credentials = { file = "/run/secrets/campanile.creds" }
//! subject = "campanile.{{ status }}.{{ source }}.{{ fingerprint }}"
//! ```
//!
//! The URLs begin with `nats://` or `tls://`. TLS is also used when the server asks for it. `campanile check --probe` connects and
//! asks for the stream.
//!
//! ## What is sent
//! The alert as the API shows it, as JSON. A digest is as many messages as it has alerts. In `subject`, every character of an
//! alert that is not an ASCII letter, a digit, `_` or `-` becomes `_`, and an empty part becomes `_`. So no text of a vendor adds a
//! level, and `ucloud/prod` is `ucloud_prod`.
//!
//! Headers: `Nats-Msg-Id` (the delivery id: the same on every attempt), `Nats-Expected-Stream` if `stream` is set,
//! `Campanile-Alert`, `Campanile-Fingerprint`, `Campanile-Status`, `Campanile-Severity`, `Campanile-Source`, `Content-Type`.
//!
//! `JetStream` drops a second message with the same `Nats-Msg-Id` within the duplicate window of the stream, which is two minutes
//! if it is not set. Retries can last longer, so a reader drops an id that it has seen. A message that was given up at the
//! timeout can still arrive: a reader keeps the newest alert (the greatest `id`) of each fingerprint.
//!
//! ## When it fails
//! No stream takes the subject, the stream has another name, the credentials are refused, or publishing is not permitted: retried
//! slowly, and the operator is notified. A stream that is full (`discard: new`), no leader, a server that cannot be reached: retried.
//! An alert over `max_payload` or over the stream's own limit is sent once more without `raw` and with a short description; if that
//! is too large too, it becomes a dead letter.
//!
//! A stream with `discard: old` (the default of NATS) deletes its oldest messages when it is full, without an error. A stream with
//! interest retention and no consumer confirms messages and stores none. NATS writes to the disk every two minutes if
//! `sync_interval` is not set: replicas protect the messages until then.
//!
//! The driver resolves server names itself. They are checked right before, so a name that changes its address in between is not
//! caught. Servers that a cluster announces are not used: list them in `servers`.

#[cfg(feature = "nats")]
mod connection;
#[cfg(feature = "nats")]
mod driver;

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use campanile_settings::{Setting, Type, Values, optional, required, with};

use crate::kind::page;
use crate::{About, BuildError, Confidence, Feature, Group, Kind, Limits, Sink, Tools, reach};

/// The kind.
#[derive(Debug)]
pub struct NatsKind;

static ABOUT: About = About {
    name: Cow::Borrowed("nats"),
    title: Cow::Borrowed("NATS: a message for each alert, stored by JetStream"),
    group: Group::Stores,
    confidence: Confidence::Tested,
    feature: Some(Feature {
        name: "nats",
        built: cfg!(feature = "nats"),
    }),
    alternatives: &[
        ("user", "token"),
        ("user", "nkey"),
        ("user", "credentials"),
        ("token", "nkey"),
        ("token", "credentials"),
        ("nkey", "credentials"),
    ],
    limits: Limits::NONE,
    digest: true,
};

const OWN: &[Setting] = &[
    required(
        "servers",
        Type::Texts,
        r#"["nats://nats.example.com:4222"]"#,
        "The servers, each nats:// or tls://. One that accepts the connection is enough.",
    ),
    with(
        "subject",
        Type::Template,
        r#""campanile.{{ status }}.{{ source }}.{{ fingerprint }}""#,
        "The subject, a Jinja template. What comes from an alert cannot add a level.",
    ),
    with(
        "jetstream",
        Type::Flag,
        "true",
        "Wait until a stream has stored the message. false: the message is gone if nobody is subscribed.",
    ),
    optional(
        "stream",
        Type::Text,
        r#""ALERTS""#,
        "The stream that must take the message. Another stream refuses it.",
    ),
    optional("user", Type::Text, r#""campanile""#, "The user name."),
    optional(
        "password",
        Type::Secret,
        r#"{ env = "NATS_PASSWORD" }"#,
        "The password of `user`.",
    ),
    optional(
        "token",
        Type::Secret,
        r#"{ env = "NATS_TOKEN" }"#,
        "A token, for servers that ask for one.",
    ),
    optional(
        "nkey",
        Type::Secret,
        r#"{ file = "/run/secrets/campanile.nk" }"#,
        "The seed of an NKey. It begins with SU.",
    ),
    optional(
        "credentials",
        Type::Secret,
        r#"{ file = "/run/secrets/campanile.creds" }"#,
        "The content of a .creds file: a JWT and its seed.",
    ),
];

static SETTINGS: LazyLock<Vec<Setting>> =
    LazyLock::new(|| [OWN, reach::DIRECT, reach::IDENTITY].concat());

impl Kind for NatsKind {
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
        #[cfg(feature = "nats")]
        return Ok(Arc::new(driver::Nats::new(values, tools)?));
        #[cfg(not(feature = "nats"))]
        {
            let _unused = (values, tools);
            Err(crate::kind::not_built("nats"))
        }
    }
}
