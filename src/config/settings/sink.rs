//! What a sink may set: `[sinks.<kind>.<name>]`.

use super::{Setting, Type, optional, required, with};

/// The kinds of sinks.
pub(crate) const SINKS: &[(&str, &str, &[Setting])] = &[
    ("webhook", "An HTTP request for each alert.", WEBHOOK),
    ("file", "JSON lines in a file.", FILE),
    ("stdout", "The screen.", STDOUT),
];

/// What every sink takes: `[sinks.<kind>.<name>]`.
pub(crate) const POLICY: &[Setting] = &[
    with(
        "timeout",
        Type::Duration(1, 60),
        r#""15s""#,
        "How long one try may take, answer included.",
    ),
    with(
        "retry_schedule",
        Type::Schedule,
        r#"["1s", "5s", "15s", "30s", "1m", "2m", "5m", "10m", "15m", "30m"]"#,
        "Waits between tries; the last one repeats.",
    ),
    with(
        "max_age",
        Type::Duration(1, 2_592_000),
        r#""24h""#,
        "A delivery older than this becomes a dead letter: kept, shown, sent again when an operator says so.",
    ),
    with(
        "in_flight_max",
        Type::Whole(1, 1024),
        "8",
        "Sends at the same time. Alerts of one problem always go one after the other.",
    ),
    optional(
        "per_second",
        Type::Whole(1, 1_000_000),
        "10",
        "At most so many in any second. Left out, there is no limit.",
    ),
    optional(
        "per_minute",
        Type::Whole(1, 1_000_000),
        "20",
        "At most so many in any minute. Chat robots commonly take 20.",
    ),
    optional(
        "per_day",
        Type::Whole(1, 100_000_000),
        "1000",
        "At most so many in any day.",
    ),
    with(
        "overflow",
        Type::Word(&["wait", "digest"]),
        r#""wait""#,
        "What becomes of alerts over a limit. wait: they go out later. digest: they are rolled into one message.",
    ),
];

pub(crate) const WEBHOOK: &[Setting] = &[
    required(
        "url",
        Type::Url,
        r#""https://oncall.example.com/hooks/campanile""#,
        "Where to. May be a secret, { env = \"NAME\" }: it is never logged.",
    ),
    with(
        "method",
        Type::Word(&["POST", "PUT", "PATCH"]),
        r#""POST""#,
        "The HTTP method.",
    ),
    with(
        "format",
        Type::Word(&["alert", "cloudevents", "alertmanager"]),
        r#""alert""#,
        "The body: the alert's own JSON, CloudEvents 1.0, or what Alertmanager sends to its webhooks.",
    ),
    optional(
        "body",
        Type::Template,
        r#""{\"text\": {{ title|tojson }}}""#,
        "A Jinja template for the body, instead of `format`.",
    ),
    with(
        "headers",
        Type::Headers,
        "{}",
        "Headers, each a Jinja template or a secret, such as { Authorization = { env = \"ONCALL_AUTH\" } }.",
    ),
    optional(
        "signing_secret",
        Type::SigningSecrets,
        r#"{ env = "ONCALL_SECRET" }"#,
        "Sign each request as Standard Webhooks say: whsec_ and the base64 of 24 to 64 random bytes. A list while it is being rotated.",
    ),
    with(
        "egress",
        Type::Word(&["private", "public_only"]),
        r#""private""#,
        "private: may also go to private addresses. public_only: may not. Link-local and metadata addresses are refused always.",
    ),
    optional(
        "success",
        Type::Success,
        r#""body.errcode == 0""#,
        "A Jinja expression over `status` and `body` that must hold beside a 2xx, for receivers that answer 200 to what they refuse.",
    ),
    with(
        "dangerous_skip_tls_verification",
        Type::Flag,
        "false",
        "Do not verify the receiver's certificate: anyone in between can read and change alerts. Prefer `ca_file`.",
    ),
    optional(
        "ca_file",
        Type::Path,
        r#""/etc/campanile/ca.pem""#,
        "A PEM file with a certificate authority to trust beside the public ones.",
    ),
];

pub(crate) const FILE: &[Setting] = &[
    required(
        "path",
        Type::Path,
        r#""/var/log/campanile/alerts.jsonl""#,
        "The file. Its folder must exist.",
    ),
    with(
        "rotate_bytes",
        Type::Whole(4096, 1_099_511_627_776),
        "104857600",
        "A new file is begun when this one would become larger.",
    ),
    with(
        "keep",
        Type::Whole(0, 10_000),
        "10",
        "How many old files are kept.",
    ),
    with(
        "sync",
        Type::Flag,
        "true",
        "Wait for the disk after each line. false is faster and may lose the last lines when the power fails.",
    ),
];

pub(crate) const STDOUT: &[Setting] = &[with(
    "format",
    Type::Word(&["text", "json"]),
    r#""text""#,
    "text: a line for people. json: the alert.",
)];
