//! Every setting: its name, what may stand there, its default, and a sentence for the operator.
//!
//! This table is the one source: what is accepted, what is assumed, `config/full.toml` and `config/schema.json` all
//! come from it.

use campanile_providers::{Mapping, Setting as ProviderSetting, SettingKind};

use super::slots::SecretKind;

/// What may stand in a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Text that is not empty.
    Text,
    /// `true` or `false`.
    Flag,
    /// A whole number, from and to.
    Whole(u64, u64),
    /// Such as `15s`, from and to in seconds.
    Duration(u64, u64),
    /// A list of durations.
    Schedule,
    /// An IP address and a port.
    Address,
    /// A list of address ranges.
    Networks,
    /// One of these words.
    Word(&'static [&'static str]),
    /// `sqlite:PATH`.
    StoreUrl,
    /// The path of a file.
    Path,
    /// An IANA time zone.
    Zone,
    /// A filter of log lines.
    Level,
    /// One secret.
    Secret,
    /// A secret, or a list while one is being rotated.
    Secrets,
    /// The same, each `whsec_<base64>`.
    SigningSecrets,
    /// An HTTP address, kept as a secret.
    Url,
    /// A table of text.
    Labels,
    /// A table from the vendor's words to severities.
    Severities,
    /// A table of secret templates.
    Headers,
    /// A Jinja template.
    Template,
    /// A Jinja expression over an alert.
    Condition,
    /// A Jinja expression over an answer.
    Success,
    /// A list of full names of sinks.
    Sinks,
    /// A list of texts.
    Texts,
}

/// One setting.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// As TOML; none where there is no default.
    pub(super) default: Option<&'static str>,
    /// As TOML, for `full.toml`, where there is no default.
    pub(super) example: &'static str,
    pub(super) required: bool,
    pub(super) doc: &'static str,
}

const fn with(name: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> Setting {
    Setting {
        name,
        kind,
        default: Some(default),
        example: default,
        required: false,
        doc,
    }
}

const fn optional(
    name: &'static str,
    kind: Kind,
    example: &'static str,
    doc: &'static str,
) -> Setting {
    Setting {
        name,
        kind,
        default: None,
        example,
        required: false,
        doc,
    }
}

const fn required(
    name: &'static str,
    kind: Kind,
    example: &'static str,
    doc: &'static str,
) -> Setting {
    Setting {
        name,
        kind,
        default: None,
        example,
        required: true,
        doc,
    }
}

pub(super) const SEVERITY: Kind = Kind::Word(&["critical", "error", "warning", "info", "unknown"]);

/// The sections with one table each.
pub(super) const SECTIONS: &[(&str, &str, &[Setting])] = &[
    ("server", "The listener that vendors call.", SERVER),
    (
        "admin",
        "The listener for operators: page, API, metrics, health.",
        ADMIN,
    ),
    ("store", "Where everything is kept.", STORE),
    ("log", "What is logged, and how.", LOG),
];

/// What may stand at the top.
pub(super) const TOP: &[&str] = &[
    "server",
    "admin",
    "store",
    "log",
    "mappings",
    "providers",
    "sinks",
    "routes",
];

pub(super) const SERVER: &[Setting] = &[
    with(
        "listen",
        Kind::Address,
        r#""127.0.0.1:8080""#,
        "Where vendors call. Stand a proxy with TLS in front of it, or write `0.0.0.0:8080` to be called directly.",
    ),
    with(
        "body_bytes_max",
        Kind::Whole(1024, 67_108_864),
        "1048576",
        "The largest body that is taken; a larger one is answered 413. The largest alerts seen are below 256 KiB.",
    ),
    with(
        "trusted_proxies",
        Kind::Networks,
        "[]",
        "Proxies whose X-Forwarded-For is believed, such as [\"10.0.0.0/8\"]. None: the caller is whoever connects.",
    ),
    optional(
        "client_certificate_header",
        Kind::Text,
        r#""x-client-cert-cn""#,
        "The header in which your proxy names the client certificate that it verified, by common name or whole subject. Believed of `trusted_proxies` only, and never kept.",
    ),
    with(
        "head_timeout",
        Kind::Duration(1, 300),
        r#""5s""#,
        "How long a sender may take for its headers, so that slow ones cannot hold all connections.",
    ),
    with(
        "body_timeout",
        Kind::Duration(1, 300),
        r#""10s""#,
        "How long a sender may take for its body; a slower one is answered 408.",
    ),
    with(
        "connections_max",
        Kind::Whole(1, 1_000_000),
        "10000",
        "Connections at the same time. Each needs a file descriptor: see `ulimit -n`.",
    ),
    optional(
        "workers",
        Kind::Whole(1, 1024),
        "2",
        "How many threads serve HTTP. Left out, it is one less than the number of cores, and at least one: the store writes on the other.",
    ),
];

pub(super) const ADMIN: &[Setting] = &[
    with(
        "listen",
        Kind::Address,
        r#""127.0.0.1:8081""#,
        "Where. Anything but loopback needs a token.",
    ),
    optional(
        "token",
        Kind::Secret,
        r#"{ env = "CAMPANILE_ADMIN_TOKEN" }"#,
        "The bearer token of the page and the API. Health answers without one.",
    ),
];

pub(super) const STORE: &[Setting] = &[
    with(
        "url",
        Kind::StoreUrl,
        r#""sqlite:campanile.db""#,
        "The database file. Keep it on a local disk: SQLite's locks do not hold on network file systems.",
    ),
    with(
        "retention_days",
        Kind::Whole(1, 3650),
        "30",
        "How long callbacks, alerts and dedup keys are kept. What is still owed is kept for longer.",
    ),
];

pub(super) const LOG: &[Setting] = &[
    with(
        "format",
        Kind::Word(&["json", "pretty"]),
        r#""json""#,
        "json: one object a line, for machines. pretty: for people.",
    ),
    with(
        "level",
        Kind::Level,
        r#""info""#,
        "error, warn, info, debug or trace; also for one part, such as \"info,campanile::delivery=debug\".",
    ),
];

/// What every source takes: `[providers.<provider>.<name>]`.
pub(super) const SOURCE: &[Setting] = &[
    optional(
        "key",
        Kind::Secrets,
        r#"{ env = "SOURCE_KEY" }"#,
        "A secret that must stand as the last part of the path, /callback/<provider>/<name>/<key>. For vendors that sign nothing. A list while it is being rotated.",
    ),
    optional(
        "allow_from",
        Kind::Networks,
        r#"["106.75.0.0/16"]"#,
        "The caller must come from one of these address ranges.",
    ),
    optional(
        "client_certificate",
        Kind::Texts,
        r#"["app.netdata.cloud"]"#,
        "The caller must have shown your proxy a client certificate with one of these common names. Needs `client_certificate_header` and `trusted_proxies` in `[server]`.",
    ),
    with(
        "open",
        Kind::Flag,
        "false",
        "Take calls without any proof. Anyone who can reach the listener can then raise alerts.",
    ),
    optional(
        "severity",
        SEVERITY,
        r#""warning""#,
        "What to say where the vendor says nothing of severity. Left out, it is unknown.",
    ),
    with(
        "severities",
        Kind::Severities,
        "{}",
        "The vendor's words for severities, before the provider's own, such as { P0 = \"critical\" }.",
    ),
    optional(
        "time_zone",
        Kind::Zone,
        r#""Asia/Shanghai""#,
        "The zone of times that the vendor writes without one. Left out, it is the provider's default.",
    ),
    with(
        "labels",
        Kind::Labels,
        "{}",
        "Labels added to each alert of this source, such as { team = \"db\" }.",
    ),
];

/// What a source of a mapping takes beside that, as its proof may ask for.
pub(super) fn of_mappings() -> Vec<Setting> {
    Mapping::SETTINGS.iter().map(of_provider).collect()
}

/// What every sink takes: `[sinks.<kind>.<name>]`.
pub(super) const POLICY: &[Setting] = &[
    with(
        "timeout",
        Kind::Duration(1, 60),
        r#""15s""#,
        "How long one try may take, answer included.",
    ),
    with(
        "retry_schedule",
        Kind::Schedule,
        r#"["1s", "5s", "15s", "30s", "1m", "2m", "5m", "10m", "15m", "30m"]"#,
        "Waits between tries; the last one repeats.",
    ),
    with(
        "max_age",
        Kind::Duration(1, 2_592_000),
        r#""24h""#,
        "A delivery older than this becomes a dead letter: kept, shown, sent again when an operator says so.",
    ),
    with(
        "in_flight_max",
        Kind::Whole(1, 1024),
        "8",
        "Sends at the same time. Alerts of one problem always go one after the other.",
    ),
    optional(
        "per_second",
        Kind::Whole(1, 1_000_000),
        "10",
        "At most so many in any second. Left out, there is no limit.",
    ),
    optional(
        "per_minute",
        Kind::Whole(1, 1_000_000),
        "20",
        "At most so many in any minute. Chat robots commonly take 20.",
    ),
    optional(
        "per_day",
        Kind::Whole(1, 100_000_000),
        "1000",
        "At most so many in any day.",
    ),
    with(
        "overflow",
        Kind::Word(&["wait", "digest"]),
        r#""wait""#,
        "What becomes of alerts over a limit. wait: they go out later. digest: they are rolled into one message.",
    ),
];

pub(super) const WEBHOOK: &[Setting] = &[
    required(
        "url",
        Kind::Url,
        r#""https://oncall.example.com/hooks/campanile""#,
        "Where to. May be a secret, { env = \"NAME\" }: it is never logged.",
    ),
    with(
        "method",
        Kind::Word(&["POST", "PUT", "PATCH"]),
        r#""POST""#,
        "The HTTP method.",
    ),
    with(
        "format",
        Kind::Word(&["alert", "cloudevents", "alertmanager"]),
        r#""alert""#,
        "The body: the alert's own JSON, CloudEvents 1.0, or what Alertmanager sends to its webhooks.",
    ),
    optional(
        "body",
        Kind::Template,
        r#""{\"text\": {{ title|tojson }}}""#,
        "A Jinja template for the body, instead of `format`.",
    ),
    with(
        "headers",
        Kind::Headers,
        "{}",
        "Headers, each a Jinja template or a secret, such as { Authorization = { env = \"ONCALL_AUTH\" } }.",
    ),
    optional(
        "signing_secret",
        Kind::SigningSecrets,
        r#"{ env = "ONCALL_SECRET" }"#,
        "Sign each request as Standard Webhooks say: whsec_ and the base64 of 24 to 64 random bytes. A list while it is being rotated.",
    ),
    with(
        "egress",
        Kind::Word(&["private", "public_only"]),
        r#""private""#,
        "private: may also go to private addresses. public_only: may not. Link-local and metadata addresses are refused always.",
    ),
    optional(
        "success",
        Kind::Success,
        r#""body.errcode == 0""#,
        "A Jinja expression over `status` and `body` that must hold beside a 2xx, for receivers that answer 200 to what they refuse.",
    ),
    with(
        "dangerous_skip_tls_verification",
        Kind::Flag,
        "false",
        "Do not verify the receiver's certificate: anyone in between can read and change alerts. Prefer `ca_file`.",
    ),
    optional(
        "ca_file",
        Kind::Path,
        r#""/etc/campanile/ca.pem""#,
        "A PEM file with a certificate authority to trust beside the public ones.",
    ),
];

pub(super) const FILE: &[Setting] = &[
    required(
        "path",
        Kind::Path,
        r#""/var/log/campanile/alerts.jsonl""#,
        "The file. Its folder must exist.",
    ),
    with(
        "rotate_bytes",
        Kind::Whole(4096, 1_099_511_627_776),
        "104857600",
        "A new file is begun when this one would become larger.",
    ),
    with(
        "keep",
        Kind::Whole(0, 10_000),
        "10",
        "How many old files are kept.",
    ),
    with(
        "sync",
        Kind::Flag,
        "true",
        "Wait for the disk after each line. false is faster and may lose the last lines when the power fails.",
    ),
];

pub(super) const STDOUT: &[Setting] = &[with(
    "format",
    Kind::Word(&["text", "json"]),
    r#""text""#,
    "text: a line for people. json: the alert.",
)];

/// Names under which a provider is looked for though it has another: what they send is one form.
pub(super) const OTHER_NAMES: &[(&str, &str)] = &[
    ("amtool", "alertmanager-api"),
    ("prometheus", "alertmanager-api"),
    ("vmalert", "alertmanager-api"),
];

/// The kinds of sinks.
pub(super) const SINKS: &[(&str, &str, &[Setting])] = &[
    ("webhook", "An HTTP request for each alert.", WEBHOOK),
    ("file", "JSON lines in a file.", FILE),
    ("stdout", "The screen.", STDOUT),
];

pub(super) const ROUTE: &[Setting] = &[
    optional(
        "when",
        Kind::Condition,
        r#""severity in ['critical', 'error']""#,
        "A Jinja expression over the alert's fields. Left out, every alert matches.",
    ),
    required(
        "sinks",
        Kind::Sinks,
        r#"["webhook/example"]"#,
        "Where alerts that match go. Every route that matches counts.",
    ),
];

/// A provider's own setting in the form of this table.
pub(super) fn of_provider(setting: &ProviderSetting) -> Setting {
    let (kind, default, example) = match setting.kind {
        SettingKind::Token => (Kind::Secrets, None, r#"{ env = "SOURCE_TOKEN" }"#),
        SettingKind::User => (Kind::Text, None, r#""campanile""#),
        SettingKind::Topics => (
            Kind::Texts,
            None,
            r#"["arn:aws:sns:eu-west-1:111122223333:alarms"]"#,
        ),
        SettingKind::Tenant => (
            Kind::Text,
            None,
            r#""00000000-0000-0000-0000-000000000000""#,
        ),
        SettingKind::Audience => (Kind::Texts, None, r#"["api://campanile"]"#),
        SettingKind::DemoPaths => (Kind::Flag, Some("false"), "false"),
    };
    Setting {
        name: setting.name,
        kind,
        default,
        example,
        required: false,
        doc: setting.doc,
    }
}

/// Whether what stands at this path may be shown: it is a known setting, and no secret.
pub(super) fn is_public(path: &[&str]) -> bool {
    let name = match path {
        // Of a secret, the names of its variable and its file may be shown.
        ["admin", "token", "env" | "file"] | ["providers" | "sinks", _, _, .., "env" | "file"] => {
            return true;
        }
        ["providers" | "sinks", _, _, name, ..]
        | ["routes" | "server" | "admin" | "store" | "log", name, ..] => *name,
        _ => return false,
    };
    is_known(name) && every().all(|setting| setting.name != name || !setting.kind.is_secret())
}

/// Whether any table has a setting of this name.
pub(super) fn is_known(name: &str) -> bool {
    every().any(|setting| setting.name == name)
}

fn every() -> impl Iterator<Item = &'static Setting> {
    let sections = SECTIONS.iter().chain(SINKS).flat_map(|section| section.2);
    sections.chain(SOURCE).chain(POLICY).chain(ROUTE)
}

impl Kind {
    fn is_secret(self) -> bool {
        self.secret().is_some()
    }

    pub(super) fn secret(self) -> Option<SecretKind> {
        match self {
            Self::Secret | Self::Secrets => Some(SecretKind::Text),
            Self::SigningSecrets => Some(SecretKind::Signing),
            Self::Url => Some(SecretKind::Url),
            Self::Headers => Some(SecretKind::Headers),
            _ => None,
        }
    }

    /// What is expected, to be read after the word "expected".
    pub(super) fn expected(self) -> String {
        let text = match self {
            Self::Text => "text in quotes",
            Self::Flag => "`true` or `false`",
            Self::Whole(from, to) => return format!("a whole number from {from} to {to}"),
            Self::Duration(from, to) => {
                return format!(
                    "a duration from {} to {}, such as \"15s\", \"5m\" or \"24h\"",
                    short(from),
                    short(to)
                );
            }
            Self::Schedule => "a list of durations, such as [\"1s\", \"5s\", \"1m\"]",
            Self::Address => "an IP address and a port, such as \"127.0.0.1:8080\"",
            Self::Networks => {
                "a list of address ranges, such as [\"10.0.0.0/8\", \"192.0.2.7/32\"]"
            }
            Self::Word(words) => return super::mistake::one_of(words.iter().copied()),
            Self::StoreUrl => "`sqlite:` and the path of a file, such as \"sqlite:campanile.db\"",
            Self::Path => "the path of a file in quotes",
            Self::Zone => "a time zone of the IANA database, such as \"Asia/Shanghai\"",
            Self::Level => "`error`, `warn`, `info`, `debug` or `trace`",
            Self::Secret => {
                "a secret: \"literal\", { env = \"NAME\" } or { file = \"/run/secrets/name\" }"
            }
            Self::Secrets | Self::SigningSecrets => {
                "a secret: \"literal\", { env = \"NAME\" } or { file = \"/run/secrets/name\" }, or a list of those"
            }
            Self::Url => "an address that begins with http:// or https://, or { env = \"NAME\" }",
            Self::Labels => "a table of text, such as { team = \"db\" }",
            Self::Severities => "a table of severities, such as { P0 = \"critical\" }",
            Self::Headers => "a table of headers, such as { X-Team = \"db\" }",
            Self::Template => "a Jinja template",
            Self::Condition => "a Jinja expression, such as \"severity == 'critical'\"",
            Self::Success => "a Jinja expression over `status` and `body`",
            Self::Texts => "a list of texts that are not empty",
            Self::Sinks => "a list of sinks, such as [\"webhook/oncall\"]",
        };
        text.to_owned()
    }
}

fn short(seconds: u64) -> String {
    match seconds {
        s if s % 86_400 == 0 => format!("{}d", s / 86_400),
        s if s % 3600 == 0 => format!("{}h", s / 3600),
        s if s % 60 == 0 => format!("{}m", s / 60),
        s => format!("{s}s"),
    }
}
