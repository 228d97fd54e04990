//! Every setting: its name, what may stand there, its default, and a sentence for the operator.
//!
//! This table is the one source: what is accepted, what is assumed, `config/full.toml` and `config/schema.json` all
//! come from it.

mod gateway;
mod kind;
mod sink;
mod source;

pub(super) use gateway::{ADMIN, LOG, SERVER, STORE};
pub(super) use kind::{Kind, SEVERITY};
pub(super) use sink::{FILE, POLICY, SINKS, STDOUT, WEBHOOK};
pub(super) use source::{OTHER_NAMES, SOURCE, of_mappings, of_provider};

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
