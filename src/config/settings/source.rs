//! What a source may set: `[providers.<provider>.<name>]`.

use campanile_providers::{Mapping, Setting as ProviderSetting, SettingKind};

use super::{Kind, SEVERITY, Setting, optional, with};

/// What every source takes: `[providers.<provider>.<name>]`.
pub(crate) const SOURCE: &[Setting] = &[
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
pub(crate) fn of_mappings() -> Vec<Setting> {
    Mapping::SETTINGS.iter().map(of_provider).collect()
}

/// A provider's own setting in the form of this table.
pub(crate) fn of_provider(setting: &ProviderSetting) -> Setting {
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

/// Names under which a provider is looked for though it has another: what they send is one form.
pub(crate) const OTHER_NAMES: &[(&str, &str)] = &[
    ("amtool", "alertmanager-api"),
    ("prometheus", "alertmanager-api"),
    ("vmalert", "alertmanager-api"),
];
