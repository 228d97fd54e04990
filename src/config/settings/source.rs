//! What a source may set: `[providers.<provider>.<name>]`.

use super::{Setting, Type, optional, with};

/// What every source takes: `[providers.<provider>.<name>]`.
pub(crate) const SOURCE: &[Setting] = &[
    optional(
        "key",
        Type::Secrets,
        r#"{ env = "SOURCE_KEY" }"#,
        "A secret, the last part of the path: /callback/<provider>/<name>/<key>. For vendors that do not sign. Write a list while the key is being rotated.",
    ),
    optional(
        "allow_from",
        Type::Networks,
        r#"["106.75.0.0/16"]"#,
        "The caller must come from one of these address ranges.",
    ),
    optional(
        "client_certificate",
        Type::Texts,
        r#"["app.netdata.cloud"]"#,
        "The caller must present a client certificate with one of these common names to your proxy. Needs `client_certificate_header` and `trusted_proxies` in `[server]`.",
    ),
    with(
        "open",
        Type::Flag,
        "false",
        "Accept calls without any proof. Anyone who can reach the listener can then raise alerts.",
    ),
    optional(
        "severity",
        Type::Severity,
        r#""warning""#,
        "Severity to use when the vendor sends none. Left out: unknown.",
    ),
    with(
        "severities",
        Type::Severities,
        "{}",
        "Severities for the vendor's words, such as { P0 = \"critical\" }. They win over those of the provider.",
    ),
    optional(
        "time_zone",
        Type::Zone,
        r#""Asia/Shanghai""#,
        "The time zone of times that the vendor sends without one. Left out: the provider's default.",
    ),
    with(
        "labels",
        Type::Labels,
        "{}",
        "Labels added to each alert of this source, such as { team = \"db\" }.",
    ),
    optional(
        "silent_after",
        Type::Duration(60, 31_536_000),
        r#""1h""#,
        "Raise an alert of `campanile/self` when no verified callback came for this long. For vendors that call regularly, such as with a heartbeat.",
    ),
];

/// Names under which operators look for a provider that has another name.
pub(crate) const OTHER_NAMES: &[(&str, &str)] = &[
    ("amtool", "alertmanager-api"),
    ("prometheus", "alertmanager-api"),
    ("vmalert", "alertmanager-api"),
];
