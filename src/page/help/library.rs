//! The docs of the project, compiled in, and their addresses under `/help`.

use crate::page::language::Language;

include!(concat!(env!("OUT_DIR"), "/docs.rs"));

/// The address of the list of all docs.
pub(super) const HELP: &str = "/help";

/// One text of the docs. Its translations have the same address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Document {
    /// Its path in the repository, such as `docs/providers/ucloud.md`.
    pub(super) path: &'static str,
    pub(super) text: &'static str,
}

/// All documents, in the order of their paths.
pub(super) fn documents() -> impl Iterator<Item = Document> {
    PAGES.iter().map(|&(path, text)| Document { path, text })
}

/// A file that is not a page, such as `prometheus-rules.yml`.
pub(super) fn file(name: &str) -> Option<&'static str> {
    let named = |path: &str| path.strip_prefix("docs/") == Some(name);
    FILES.iter().find(|file| named(file.0)).map(|file| file.1)
}

/// The document with this path in the repository.
pub(super) fn at_path(path: &str) -> Option<Document> {
    documents().find(|document| document.path == path)
}

/// The document with this address below `/help`, in the language of the reader. English if there is no translation.
pub(super) fn named(name: &str, language: Language) -> Option<Document> {
    let of = |language| {
        documents().find(|document| document.language() == language && document.name() == name)
    };
    of(language).or_else(|| of(Language::En))
}

impl Document {
    /// The language that its path names.
    pub(super) fn language(&self) -> Language {
        let is = |part: &str| self.path.contains(part);
        if is(".zh-TW.") || is("/zh-Hant/") {
            Language::ZhHant
        } else if is(".zh-CN.") || is("/zh-Hans/") {
            Language::ZhHans
        } else {
            Language::En
        }
    }

    /// Its name below `/help`: `docs/zh-Hant/providers/ucloud.md` is `providers/ucloud`, and `docs/providers/README.md` is
    /// `providers`.
    pub(super) fn name(&self) -> String {
        let name = self.path.trim_start_matches("docs/");
        let name = name.trim_start_matches("zh-Hant/");
        let name = name.trim_start_matches("zh-Hans/");
        let name = name.trim_end_matches(".md");
        let name = name.trim_end_matches(".zh-TW").trim_end_matches(".zh-CN");
        let name = name.strip_suffix("/README").unwrap_or(name);
        name.to_ascii_lowercase()
    }

    /// Its address.
    pub(super) fn address(&self) -> String {
        format!("{HELP}/{}", self.name())
    }

    /// The text of its first heading.
    pub(super) fn title(&self) -> &'static str {
        let heading = self.text.lines().find_map(|line| line.strip_prefix("# "));
        heading.unwrap_or(self.path)
    }

    /// The English document that this one translates. An English document is its own.
    pub(super) fn original(&self) -> Self {
        named(&self.name(), Language::En).unwrap_or(*self)
    }
}

/// Documents of the list, under one heading.
pub(super) struct Group {
    /// The key of the heading in `help`.
    pub(super) key: &'static str,
    pub(super) documents: Vec<Document>,
}

/// What an operator reads, the most used first. Any other page of `docs/` is for who changes Campanile.
const OPERATOR: &[&str] = &[
    "readme",
    "operations",
    "routing",
    "scale",
    "config",
    "commands",
    "api",
    "problems",
    "metrics",
    "words",
    "add-a-vendor",
    "add-a-sink",
    "changelog",
];

/// The list of all documents, in the language of the reader.
pub(super) fn groups(language: Language) -> Vec<Group> {
    let operator = OPERATOR.iter().filter_map(|name| named(name, language));
    let below = |folder: &str| {
        let first = named(folder, language).into_iter();
        let start = format!("{folder}/");
        let others = originals().filter(move |document| document.name().starts_with(&start));
        first
            .chain(others.filter_map(|document| named(&document.name(), language)))
            .collect::<Vec<_>>()
    };
    let developer = originals().filter(|document| {
        let name = document.name();
        !OPERATOR.contains(&&*name) && !name.starts_with("providers") && !name.starts_with("sinks")
    });
    vec![
        Group {
            key: "operator",
            documents: operator.collect(),
        },
        Group {
            key: "vendors",
            documents: below("providers"),
        },
        Group {
            key: "sinks",
            documents: below("sinks"),
        },
        Group {
            key: "developer",
            documents: developer.collect(),
        },
    ]
}

fn originals() -> impl Iterator<Item = Document> {
    documents().filter(|document| document.language() == Language::En)
}
