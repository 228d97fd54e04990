//! # syslog
//!
//! ## What it does
//! Sends one message of RFC 5424 for each alert to a syslog server (such as rsyslog or syslog-ng): over TLS (RFC 5425), TCP
//! (RFC 6587) or UDP (RFC 5426).
//!
//! Syslog has no answer to a message. A write to a TCP connection succeeds even if the server died before, and the message is lost.
//! So over TCP and TLS each delivery has its own connection (`confirm = "close"`): Campanile writes, closes its side, and waits until
//! the server closes the other side. A server does that when it has read everything. It can still lose what it holds in memory.
//!
//! ## Set it up
//! 1. Let the server listen. For rsyslog: `module(load="imtcp")` and `input(type="imtcp" port="514")`. TLS needs the package
//!    `rsyslog-gnutls`.
//! 2. Write the sink:
//!
//! ```toml
//! [sinks.syslog.logs]
//! url = "tls://logs.example.com:6514"    # or tcp://, or udp://; the default ports are 6514, 514 and 514
//! ca_file = "/etc/campanile/ca.pem"      # the authority of the server's certificate
//! facility = "local0"
//! ```
//!
//! `confirm = "none"` keeps one connection and writes to it. It needs fewer connections, and what is on its way when the server
//! dies is lost. Before each write Campanile looks whether the server has closed the connection, and then connects again. Use it if
//! the server does not close connections, or closes its side at once.
//!
//! `campanile check --probe` connects, closes and sends no message. For UDP there is nothing to ask.
//!
//! ## What is sent
//! ```text
//! <130>1 2026-11-21T06:59:30.000000Z gw-1 campanile 4711 FIRING [campanile@32473 id="dlv_1" fp="0123456789abcdef"
//!   source="ucloud/prod" status="firing" severity="critical" resource="db-1" message_id="s-1"] CPU of db-1: 97 %
//! ```
//!
//! All of it is one line. `critical`, `error`, `warning` and `info` are the severities 2, 3, 4 and 6; `unknown` is 5 (notice). A
//! resolved alert has `resolved_severity`. The time is the start or the end by the vendor's clock, or else the time of the
//! callback. The host is the machine of Campanile, not the resource.
//!
//! `enterprise_number` replaces 32473, which is reserved for documentation. In values, `"`, `\` and `]` have a backslash before
//! them. Line breaks and control characters become blanks. The text begins with a byte order mark, as the RFC asks.
//!
//! `format = "json"` sends the alert as the API shows it in place of the text, and `format = "cee"` the same after `@cee: `. Raise
//! `max_bytes` for both.
//!
//! A text that makes the message longer than `max_bytes` is cut. rsyslog splits a message that is longer than its own limit (8 KiB if
//! `maxMessageSize` is not set). JSON is sent without `raw` and with a short description instead.
//!
//! Syslog has no protection against a second copy: a reader drops an `id` that it has seen. A digest is as many messages as it has
//! alerts; their ids end in the id of the alert. A message that was given up at the timeout can still arrive.
//!
//! ## When it fails
//! Refused, unreachable, a name that cannot be resolved, a certificate that is not trusted, a handshake that the server ends, a
//! connection that breaks or is not closed in time: retried. A proxy in between confirms what it has read itself, not what the server
//! has read. An address that `egress` refuses: retried slowly, and the operator is notified. A message that is longer than
//! `max_bytes` without its text becomes a dead letter.
//!
//! Over UDP a success means only that the datagram was sent. A refusal is noticed if it arrives within 20 ms.

mod driver;
mod record;
mod wire;

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use campanile_settings::{Setting, Type, Values, optional, required, with};

use crate::kind::page;
use crate::{About, BuildError, Confidence, Group, Kind, Limits, Sink, Tools, reach};

/// The kind.
#[derive(Debug)]
pub struct SyslogKind;

static ABOUT: About = About {
    name: Cow::Borrowed("syslog"),
    title: Cow::Borrowed("syslog (RFC 5424): a message for each alert, over TLS, TCP or UDP"),
    group: Group::Stores,
    confidence: Confidence::Tested,
    feature: None,
    alternatives: &[],
    limits: Limits::NONE,
    digest: true,
};

const OWN: &[Setting] = &[
    required(
        "url",
        Type::Text,
        r#""tls://logs.example.com:6514""#,
        "The server: tls://, tcp:// or udp://.",
    ),
    with(
        "confirm",
        Type::Word(&["close", "none"]),
        r#""close""#,
        "For TLS and TCP. close: a connection for each delivery, which the server closes when it has read everything. none: one connection for all, and no confirmation.",
    ),
    with(
        "framing",
        Type::Word(&["octet_counting", "lf"]),
        r#""octet_counting""#,
        "How messages are separated over TCP. octet_counting: each begins with its length. lf: each ends with a line feed.",
    ),
    with(
        "facility",
        Type::Word(record::FACILITIES),
        r#""local0""#,
        "The facility of every message.",
    ),
    with(
        "resolved_severity",
        Type::Word(record::SEVERITIES),
        r#""info""#,
        "The severity of a resolved alert.",
    ),
    with(
        "format",
        Type::Word(&["text", "json", "cee"]),
        r#""text""#,
        "text: title and description. json: the alert as JSON. cee: the same after `@cee: `.",
    ),
    optional(
        "max_bytes",
        Type::Whole(480, 1_048_576),
        "8192",
        "A longer message is cut. Without it, 2048 for TLS and TCP, 1024 for UDP, where a message should fit into one packet.",
    ),
    optional(
        "hostname",
        Type::Text,
        r#""gw-1.example.com""#,
        "The host in the messages. Without it, the name of this machine.",
    ),
    with(
        "enterprise_number",
        Type::Whole(1, 4_294_967_295),
        "32473",
        "The private enterprise number in the name of the structured data: your own, from IANA.",
    ),
];

static SETTINGS: LazyLock<Vec<Setting>> =
    LazyLock::new(|| [OWN, reach::DIRECT, reach::IDENTITY].concat());

impl Kind for SyslogKind {
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
        Ok(Arc::new(driver::Syslog::new(values, tools)?))
    }
}
