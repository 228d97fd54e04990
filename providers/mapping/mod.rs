//! A vendor's protocol as one TOML file.
//!
//! A mapping has Jinja expressions that find the fields of an alert in the vendor's callback, lists of the vendor's words
//! for status and severity, and a declaration of the vendor's proof. `docs/add-a-vendor.md` explains the form on a worked
//! example.

mod answers;
mod catalog;
mod doc;
mod explain;
mod fields;
mod form;
pub(crate) mod fresh;
mod item;
mod keys;
pub(crate) mod prove;
mod read;
pub(crate) mod view;

use std::sync::Arc;

use jiff::tz::TimeZone;
use minijinja::Value;
use toml::de::DeTable;

pub use catalog::{catalog, catalog_files};
pub use form::MappingMistake;

use answers::Answers;
use campanile_language::Expression;
use campanile_language::names::Names;
use campanile_language::scope::{CALL, FACTS};
use fields::{Fields, SeverityWords, Skip, StatusWords};
use form::{Form, Table};
use prove::ProofForm;
use view::{Placeholder, Taking, View};

use crate::about::About;
use crate::answer::{Answer, Outcome};
use crate::provider::Provider;
use crate::reading::{Explained, Reading};
use crate::source::Source;
use crate::trust::proof::Proof;
use campanile_model::Callback;
use campanile_model::Fault;
use campanile_settings::Setting;

/// The tables and keys of a mapping.
const KEYS: &[&str] = &[
    "title",
    "confidence",
    "source",
    "methods",
    "doc",
    "template",
    "recognizes",
    "time_zone",
    "lower_keys",
    "any_case",
    "dotted_keys",
    "absent",
    "placeholders",
    "each",
    "facts",
    "skip",
    "proof",
    "severity",
    "status",
    "alert",
    "tables",
    "answers",
    "fresh",
];

/// The HTTP methods that a mapping can declare.
const METHODS: &[&str] = &["GET", "POST", "PUT", "PATCH"];

/// How certain the author of a mapping is of the wire format.
const CONFIDENCE: &[&str] = &["documented", "seen in code", "inferred"];

/// A vendor's protocol, compiled from TOML.
#[derive(Debug)]
pub struct Mapping {
    about: About,
    pub(crate) zone: TimeZone,
    pub(crate) taking: Taking,
    recognizes: Option<Expression>,
    each: Option<Expression>,
    /// Values that several fields use: evaluated once for each item.
    facts: Option<Expression>,
    skip: Vec<Skip>,
    pub(crate) proof: ProofForm,
    severity: SeverityWords,
    status: StatusWords,
    fields: Fields,
    tables: Value,
    answers: Answers,
    pub(crate) fresh: Vec<fresh::Set>,
    names: Names,
}

impl Mapping {
    /// The settings of a source that the proof of a mapping can need.
    pub const SETTINGS: &[Setting] = prove::SETTINGS;

    /// Reads a mapping. `name` is its name in config and URLs. All mistakes are returned, each with its place.
    pub fn parse(name: &str, text: &str) -> Result<Self, Vec<MappingMistake>> {
        Self::parse_at(name, text, &[])
    }

    /// Reads a mapping from a table of a larger text, such as `["mappings", "acme"]` of a config. The places of mistakes are
    /// places in the whole text.
    pub fn parse_at(name: &str, text: &str, path: &[&str]) -> Result<Self, Vec<MappingMistake>> {
        let mut form = Form::new(text);
        let document = match DeTable::parse(text) {
            Ok(document) => document,
            Err(error) => {
                form.mistake(error.span().map_or(0, |span| span.start), error.message());
                return Err(form.mistakes);
            }
        };
        let mut top = Table {
            name: "",
            fields: document.get_ref(),
            at: 0,
        };
        for key in path {
            if top.get(key).is_none() {
                form.missing(top, key);
            }
            match form.table(top, key) {
                Some(inner) => top = Table { name: "", ..inner },
                None => return Err(form.mistakes),
            }
        }
        let own = own_text(text, path);
        let mapping = Self::read(&mut form, top, name, own.as_deref().unwrap_or(text));
        match mapping {
            Some(mapping) if form.mistakes.is_empty() => Ok(mapping),
            _ => Err(form.mistakes),
        }
    }

    fn read(form: &mut Form<'_>, top: Table<'_>, name: &str, text: &str) -> Option<Self> {
        form.only(top, KEYS);
        let title = form.required(top, "title");
        let confidence = one_of(form, top, "confidence", CONFIDENCE).unwrap_or("inferred");
        let methods = methods(form, top);
        let zone = zone(form, top);
        let taking = taking(form, top);
        let recognizes = form.expression(top, "recognizes", CALL);
        let each = form.expression(top, "each", CALL);
        let facts = form.expression(top, "facts", FACTS);
        let skip = form.tables(top, "skip");
        let skip: Vec<_> = skip
            .into_iter()
            .filter_map(|t| Skip::read(form, t))
            .collect();
        let proof = form
            .table(top, "proof")
            .map(|t| ProofForm::read(form, t))
            .unwrap_or_default();
        let severity = form
            .table(top, "severity")
            .map(|t| SeverityWords::read(form, t))
            .unwrap_or_default();
        let status = required_table(form, top, "status").map(|t| StatusWords::read(form, t));
        let fields = required_table(form, top, "alert").map(|t| Fields::read(form, t));
        let tables = form
            .table(top, "tables")
            .map(|t| fields::tables(form, t))
            .unwrap_or_default();
        let answers = form
            .table(top, "answers")
            .map(|t| Answers::read(form, t))
            .unwrap_or_default();
        let fresh = form
            .table(top, "fresh")
            .map(|t| fresh::read(form, t))
            .unwrap_or_default();
        let mut mapping = Self {
            about: About {
                name: name.to_owned(),
                title: title?.to_owned(),
                methods,
                settings: proof.settings(),
                proof: proof.words(),
                confidence: confidence.to_owned(),
                chinese: campanile_model::charset::is_chinese(&zone),
                toml: Some(text.to_owned()),
                ..About::default()
            },
            zone,
            taking,
            recognizes,
            each,
            facts,
            skip,
            proof,
            severity,
            status: status?,
            fields: fields?,
            tables,
            answers,
            fresh,
            names: Names::default(),
        };
        mapping.about.doc = doc::page(form, top, &mapping);
        mapping.about.message_id = doc::message_id(&mapping.fields.message_id);
        mapping.names = fields::names(mapping.every_expression());
        Some(mapping)
    }

    /// The expressions of the alert's fields, each with the name of its field.
    pub(crate) fn expressions(&self) -> Vec<(String, &Expression)> {
        let status = self.status.expressions().map(|e| ("status".to_owned(), e));
        let severity = self
            .severity
            .from
            .iter()
            .map(|e| ("severity".to_owned(), e));
        status.chain(severity).chain(self.fields.each()).collect()
    }

    fn every_expression(&self) -> Vec<&Expression> {
        let fields = self.expressions().into_iter().map(|(_, e)| e);
        let skips = self.skip.iter().map(|rule| &rule.when);
        fields
            .chain(skips)
            .chain(&self.each)
            .chain(&self.facts)
            .collect()
    }
}

impl Provider for Mapping {
    fn is_proof_set(&self, source: &Source) -> bool {
        self.proof.declared.is_set_in(source)
    }

    fn about(&self) -> &About {
        &self.about
    }

    fn recognizes(&self, call: &Callback) -> bool {
        let Some(recognizes) = &self.recognizes else {
            return false;
        };
        if !self
            .about
            .methods
            .iter()
            .any(|method| *method == call.method)
        {
            return false;
        }
        // A callback that the mapping cannot read is not from this vendor.
        let view = View::of(call, &self.taking, recognizes.names);
        view.is_ok_and(|view| recognizes.holds(&Arc::new(view)))
    }

    fn proof<'a>(&self, call: &'a Callback, source: &'a Source) -> Proof<'a> {
        self.proof.of(call, source, &self.taking)
    }

    fn read(&self, call: &Callback, source: &Source) -> Result<Reading, Fault> {
        self.reading(call, source)
    }

    fn answer(&self, call: &Callback, outcome: &Outcome<'_>) -> Answer {
        self.answers.of(call, outcome, &self.taking)
    }

    fn explained(&self, call: &Callback, source: &Source) -> Option<Result<Vec<Explained>, Fault>> {
        Some(self.explain(call, source))
    }
}

/// The table at `path` as a separate text; nothing if it is the whole text.
fn own_text(text: &str, path: &[&str]) -> Option<String> {
    path.first()?;
    let whole: toml::Table = text.parse().ok()?;
    let mut table = &whole;
    for key in path {
        table = table.get(*key)?.as_table()?;
    }
    toml::to_string_pretty(table).ok()
}

fn one_of<'t>(form: &mut Form<'_>, top: Table<'t>, key: &str, known: &[&str]) -> Option<&'t str> {
    let said = form.required(top, key)?;
    if !known.contains(&said) {
        let at = top.get(key).map_or(top.at, |node| node.span().start);
        form.mistake(at, format!("`{key}` must be one of: {}", known.join(", ")));
    }
    Some(said)
}

fn required_table<'t>(form: &mut Form<'_>, top: Table<'t>, key: &'t str) -> Option<Table<'t>> {
    if top.get(key).is_none() {
        form.missing(top, key);
    }
    form.table(top, key)
}

fn methods(form: &mut Form<'_>, top: Table<'_>) -> Vec<&'static str> {
    let mut methods = Vec::new();
    for (word, at) in form.texts(top, "methods") {
        match METHODS.iter().find(|known| **known == word) {
            Some(method) => methods.push(*method),
            None => form.mistake(
                at,
                format!("`methods` must be a list of: {}", METHODS.join(", ")),
            ),
        }
    }
    if methods.is_empty() {
        vec!["POST"]
    } else {
        methods
    }
}

fn zone(form: &mut Form<'_>, top: Table<'_>) -> TimeZone {
    let Some(name) = form.text(top, "time_zone") else {
        return TimeZone::UTC;
    };
    TimeZone::get(name).unwrap_or_else(|_| {
        let at = top
            .get("time_zone")
            .map_or(top.at, |node| node.span().start);
        form.mistake(
            at,
            format!("`{name}` is not a valid time zone; write a name such as Asia/Shanghai or UTC"),
        );
        TimeZone::UTC
    })
}

fn taking(form: &mut Form<'_>, top: Table<'_>) -> Taking {
    let absent = form
        .texts(top, "absent")
        .into_iter()
        .map(|(word, _)| word.to_owned());
    let absent = absent.collect();
    let mut placeholders = Vec::new();
    for (written, at) in form.texts(top, "placeholders") {
        match Placeholder::parse(written) {
            Some(placeholder) => placeholders.push(placeholder),
            None => form.mistake(
                at,
                "a placeholder is written with X in place of its name, such as {X}, $X or *X*",
            ),
        }
    }
    Taking {
        lower_keys: form.flag(top, "lower_keys"),
        any_case: form.flag(top, "any_case"),
        dotted_keys: form.flag(top, "dotted_keys"),
        absent,
        placeholders,
    }
}
