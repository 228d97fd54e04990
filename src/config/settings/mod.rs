//! Every setting: its name, what it takes, its default, and a sentence for the operator.
//!
//! This table is the one source: what is accepted, what is assumed, `config/full.toml` and `config/schema.json` all
//! come from it.

mod gateway;
mod source;

pub(super) use campanile_settings::{Setting, Type, optional, required, with};
pub(super) use campanile_sinks::policy::SETTINGS as POLICY;
pub(super) use gateway::{ADMIN, LOG, SERVER, STORE};
pub(super) use source::{OTHER_NAMES, SOURCE};

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

/// The keys at the top.
pub(super) const TOP: &[&str] = &[
    "server",
    "admin",
    "store",
    "log",
    "mappings",
    "recipes",
    "providers",
    "sinks",
    "routes",
];

pub(super) const ROUTE: &[Setting] = &[
    optional(
        "when",
        Type::Condition,
        r#""severity in ['critical', 'error']""#,
        "A Jinja expression over the alert's fields. Left out, every alert matches.",
    ),
    required(
        "sinks",
        Type::Sinks,
        r#"["webhook/example"]"#,
        "Where alerts that match go. Every route that matches counts.",
    ),
];

/// Whether the value at this path may be shown: it is a known setting and not a secret.
pub(super) fn is_public(path: &[&str]) -> bool {
    let name = match path {
        // The names of a secret's variable and file may be shown.
        ["admin", "token", "env" | "file"] | ["providers" | "sinks", _, _, .., "env" | "file"] => {
            return true;
        }
        ["providers" | "sinks", _, _, name, ..]
        | ["routes" | "server" | "admin" | "store" | "log", name, ..] => *name,
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
    let kinds = campanile_sinks::kinds().iter();
    let kinds = kinds.flat_map(|kind| kind.settings());
    let common = SOURCE.iter().chain(POLICY).chain(ROUTE);
    sections.chain(kinds).chain(common)
}
