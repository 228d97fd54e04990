//! Every setting: its name, what it takes, its default, and a sentence for the operator.
//!
//! This table is the one source: what is accepted, what is assumed, `config/full.toml` and `config/schema.json` all
//! come from it.

mod gateway;
mod rewrites;
mod routes;
mod source;
mod windows;

pub(super) use campanile_settings::{Setting, Type, optional, required, with};
pub(super) use campanile_sinks::policy::SETTINGS as POLICY;
pub(super) use gateway::{ADMIN, LOG, OTLP, OWN, PROXY as PROXY_SETTINGS, SERVER, STORE, TOKEN};
pub(super) use rewrites::{REWRITE, REWRITES_DOC, TABLE, TABLES_DOC};
pub(super) use routes::{NESTED_DOC, ROUTE, ROUTES_DOC, ROUTING, ROUTING_DOC};
pub(super) use source::{OTHER_NAMES, SOURCE};
pub(super) use windows::{NAMED, SILENCE, WINDOW};

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
    (
        "telemetry",
        "What the gateway reports to other programs.",
        &[],
    ),
    ("self", "What the gateway says of itself.", OWN),
    ("routing", ROUTING_DOC, ROUTING),
];

/// A table inside of a section.
pub(super) struct Inner {
    /// The section.
    pub(super) section: &'static str,
    /// Its key in the section.
    pub(super) key: &'static str,
    /// What it is for.
    pub(super) doc: &'static str,
    /// What it takes.
    pub(super) settings: &'static [Setting],
    /// There are several of it, with names that the operator chooses.
    pub(super) named: bool,
}

impl Inner {
    /// `admin.tokens.NAME`, with this name where the operator chooses one.
    pub(super) fn path(&self, name: &str) -> String {
        let name = if self.named {
            format!(".{name}")
        } else {
            String::new()
        };
        format!("{}.{}{name}", self.section, self.key)
    }
}

/// `[admin.tokens.NAME]`
pub(super) const TOKENS: Inner = Inner {
    section: "admin",
    key: "tokens",
    doc: "A token with a role, for one operator, team or program. Each action is logged under its name.",
    settings: TOKEN,
    named: true,
};

/// `[admin.proxy]`
pub(super) const PROXY: Inner = Inner {
    section: "admin",
    key: "proxy",
    doc: "A proxy of yours that logs operators in (oauth2-proxy, Authelia), and names them in a header.",
    settings: PROXY_SETTINGS,
    named: false,
};

/// `[telemetry.otlp]`
pub(super) const TRACES: Inner = Inner {
    section: "telemetry",
    key: "otlp",
    doc: "Traces of callbacks and deliveries, for a collector of OpenTelemetry. Without this table there are none.",
    settings: OTLP,
    named: false,
};

/// The tables inside of sections.
pub(super) const INNER: &[Inner] = &[TOKENS, PROXY, TRACES];

/// The tables inside of this section.
pub(super) fn inner(section: &str) -> impl Iterator<Item = &'static Inner> {
    INNER.iter().filter(move |inner| inner.section == section)
}

/// The keys at the top.
pub(super) const TOP: &[&str] = &[
    "server",
    "admin",
    "store",
    "log",
    "telemetry",
    "self",
    "routing",
    "mappings",
    "recipes",
    "providers",
    "sinks",
    "tables",
    "rewrites",
    "routes",
    "windows",
    "silences",
];

/// Whether the value at this path may be shown: it is a known setting and not a secret.
pub(super) fn is_public(path: &[&str]) -> bool {
    let name = match path {
        // A nested route takes what a route takes.
        ["routes", "routes", ..] => return is_public(path.get(1..).unwrap_or_default()),
        // A header of this name: its value is a secret.
        [.., "headers", "env" | "file"] => return false,
        // The names of a secret's variable and file may be shown.
        ["admin", "token", "env" | "file"]
        | ["admin", "tokens", _, "secret", "env" | "file"]
        | ["telemetry", "otlp", .., "env" | "file"]
        | ["providers" | "sinks", _, _, .., "env" | "file"] => {
            return true;
        }
        ["providers" | "sinks", _, _, name, ..]
        | ["admin", "tokens", _, name, ..]
        | ["tables" | "windows" | "silences", _, name, ..]
        | ["admin", "proxy", name, ..]
        | ["telemetry", "otlp", name, ..]
        | [
            "routes" | "rewrites" | "routing" | "server" | "admin" | "store" | "log" | "self",
            name,
            ..,
        ] => *name,
        _ => return false,
    };
    is_known(name) && every().all(|setting| setting.name != name || !setting.takes.is_secret())
}

/// Whether any table has a setting of this name.
pub(super) fn is_known(name: &str) -> bool {
    every().any(|setting| setting.name == name)
}

fn every() -> impl Iterator<Item = &'static Setting> {
    let sections = SECTIONS.iter().flat_map(|section| section.2);
    let inner = INNER.iter().flat_map(|inner| inner.settings);
    let kinds = campanile_sinks::kinds().iter();
    let kinds = kinds.flat_map(|kind| kind.settings());
    let common = SOURCE.iter().chain(POLICY).chain(ROUTE);
    let common = common.chain(WINDOW).chain(SILENCE);
    let common = common.chain(TABLE).chain(REWRITE);
    sections.chain(inner).chain(kinds).chain(common)
}
