//! What stands in the files and the environment: layered into one tree in which everything knows its place.
//!
//! The `config` crate layers, but it forgets places. So each value carries the number of its place as its origin, and
//! tables, which layering takes apart and builds again, are found by their path.

use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use config::{ConfigError, Map, Source, Value, ValueKind};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Environment;
use super::mappings::{self, OwnMapping};
use super::mistake::{Location, Mistake, Mistakes};
use super::node::{Node, Place, Written};
use super::text::{self, Texts};

/// The start of the name of a variable that is a setting.
const PREFIX: &str = "CAMPANILE";

/// Files, and the mistakes found on the way.
#[derive(Default)]
pub(super) struct Layers {
    pub(super) texts: Texts,
    places: Vec<Place>,
    tables: HashMap<Vec<String>, usize>,
    stack: Vec<Layer>,
    routes: Vec<Value>,
    pub(super) mappings: Vec<OwnMapping>,
    pub(super) mistakes: Vec<Mistake>,
    /// A file could not be read whole: what seems to be missing may stand in it.
    pub(super) incomplete: bool,
}

/// One layer for the `config` crate.
#[derive(Clone)]
struct Layer(Map<String, Value>);

impl std::fmt::Debug for Layer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Layer(..)")
    }
}

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        Ok(self.0.clone())
    }
}

impl Layers {
    /// Reads every file of `paths`, folders in name order, then the environment.
    pub(super) fn read(paths: &[PathBuf], environment: &Environment) -> Self {
        let mut layers = Self::default();
        for path in paths {
            for file in layers.files(path) {
                layers.add_file(&file);
            }
        }
        for (name, value) in environment {
            layers.add_variable(name, value);
        }
        layers
    }

    /// One tree of all layers.
    pub(super) fn tree(&mut self) -> Node {
        let mut builder = config::Config::builder();
        for layer in std::mem::take(&mut self.stack) {
            builder = builder.add_source(layer);
        }
        // No source of ours fails, and there are no defaults whose paths could be wrong.
        let cache = builder.build().map(|built| built.cache);
        self.node(
            cache.unwrap_or_else(|_| Value::new(None, Map::<String, Value>::new())),
            &[],
        )
    }

    fn files(&mut self, path: &Path) -> Vec<PathBuf> {
        if !path.is_dir() {
            return vec![path.to_owned()];
        }
        match toml_files(path) {
            Ok(files) if files.is_empty() => {
                self.unreadable(
                    path,
                    "there is no file in this folder whose name ends in `.toml`",
                );
                files
            }
            Ok(files) => files,
            Err(error) => {
                self.unreadable(path, &format!("this folder cannot be read: {error}"));
                Vec::new()
            }
        }
    }

    fn unreadable(&mut self, path: &Path, message: &str) {
        self.incomplete = true;
        self.mistakes.push(Mistake {
            message: message.to_owned(),
            location: Location::Path {
                file: path.display().to_string(),
            },
            expected: "a TOML file, or a folder of them, that this user may read".to_owned(),
            nearest: None,
        });
    }

    fn add_file(&mut self, path: &Path) {
        let text = match text::read(path) {
            Ok(text) => text,
            Err(error) => {
                return self.unreadable(path, &format!("this file cannot be read: {error}"));
            }
        };
        let (table, errors) = DeTable::parse_recoverable(&text);
        let file = self.texts.keep(path, text.clone(), errors.is_empty());
        if errors.is_empty() {
            self.note_mappings(file, table.get_ref());
            let mut map = self.table(file, &mut Vec::new(), table.get_ref());
            self.gather_routes(&mut map);
            self.stack.push(Layer(map));
            return;
        }
        self.incomplete = true;
        for error in errors {
            self.syntax(file, &error);
        }
    }

    fn syntax(&mut self, file: usize, error: &toml::de::Error) {
        let said = error.message();
        let (what, expected) = said.split_once(", expected ").unwrap_or((said, "nothing"));
        let expected = match expected {
            "nothing" => "TOML: text stands in quotes, a name is used once",
            expected => expected,
        };
        self.mistakes.push(Mistake {
            message: format!("this is not TOML: {what}"),
            location: self.texts.line(file, error.span().unwrap_or(0..0)),
            expected: expected.to_owned(),
            nearest: None,
        });
    }

    /// Routes of all files count: layering alone would keep those of the last file only.
    fn gather_routes(&mut self, map: &mut Map<String, Value>) {
        if let Some(Value {
            kind: ValueKind::Array(own),
            ..
        }) = map.get_mut("routes")
        {
            self.routes.append(own);
            own.clone_from(&self.routes);
        }
    }

    fn table(
        &mut self,
        file: usize,
        path: &mut Vec<String>,
        table: &DeTable<'_>,
    ) -> Map<String, Value> {
        let mut map = Map::new();
        for (key, value) in table {
            // A mapping is read from the text, with places that are finer than those of settings.
            if path.is_empty() && key.get_ref().as_ref() == mappings::SECTION {
                continue;
            }
            path.push(key.get_ref().to_string());
            let value = self.value(file, path, key.span(), value);
            path.pop();
            map.insert(key.get_ref().to_string(), value);
        }
        map
    }

    fn value(
        &mut self,
        file: usize,
        path: &mut Vec<String>,
        key: Range<usize>,
        written: &Spanned<DeValue<'_>>,
    ) -> Value {
        let span = written.span();
        let number = self.place(Place::File {
            file,
            key: key.clone(),
            value: span.clone(),
        });
        let origin = Some(number.to_string());
        let kind = match written.get_ref() {
            DeValue::String(text) => {
                self.texts.hide(file, path, span);
                ValueKind::String(text.to_string())
            }
            DeValue::Integer(whole) => {
                self.texts.hide(file, path, span);
                i64::from_str_radix(whole.as_str(), whole.radix())
                    .map_or(ValueKind::Float(0.0), ValueKind::I64)
            }
            DeValue::Float(_) | DeValue::Datetime(_) => {
                self.texts.hide(file, path, span);
                ValueKind::Float(0.0)
            }
            DeValue::Boolean(flag) => ValueKind::Boolean(*flag),
            DeValue::Array(items) => {
                let items = items.iter();
                ValueKind::Array(
                    items
                        .map(|item| self.value(file, path, item.span(), item))
                        .collect(),
                )
            }
            DeValue::Table(table) => {
                self.remember(path, number);
                ValueKind::Table(self.table(file, path, table))
            }
        };
        Value::new(origin.as_ref(), kind)
    }

    fn place(&mut self, place: Place) -> usize {
        self.places.push(place);
        self.places.len() - 1
    }

    /// Remembers where a table stands. A source or sink that two files name is a mistake.
    fn remember(&mut self, path: &[String], number: usize) {
        let Some(before) = self.tables.insert(path.to_vec(), number) else {
            return;
        };
        let [root @ ("providers" | "sinks"), kind, name] =
            &path.iter().map(String::as_str).collect::<Vec<_>>()[..]
        else {
            return;
        };
        let (Some(first), Some(second)) = (self.places.get(before), self.places.get(number)) else {
            return;
        };
        let (Location::Line(first), second) = (
            self.texts.location(first, true),
            self.texts.location(second, true),
        ) else {
            return;
        };
        if matches!(&second, Location::Line(line) if line.file == first.file) {
            return; // One file, `[a.b]` and `[a.b.c]`.
        }
        self.mistakes.push(Mistake {
            message: format!("`[{root}.{kind}.{name}]` stands in two files"),
            location: second,
            expected: format!("another name: it is taken in {}:{}", first.file, first.line),
            nearest: None,
        });
    }

    /// Adds a variable such as `CAMPANILE__SERVER__LISTEN`. The `config` crate knows what is in the name; the value
    /// stays text, because only the setting knows what `0123` is.
    fn add_variable(&mut self, name: &str, value: &str) {
        let variables = config::Environment::with_prefix(PREFIX)
            .separator("__")
            .source(Some([(name.to_owned(), value.to_owned())].into()));
        let Ok(mut map) = variables.collect() else {
            return;
        };
        let number = self.place(Place::Variable(name.to_owned())).to_string();
        for value in map.values_mut() {
            *value = Value::new(Some(&number), value.kind.clone());
        }
        if !map.is_empty() {
            self.stack.push(Layer(map));
        }
    }

    fn node(&self, value: Value, path: &[String]) -> Node {
        let number = value.origin().and_then(|number| number.parse().ok());
        let number = number.or_else(|| self.tables.get(path).copied());
        let written = match value.kind {
            ValueKind::Boolean(flag) => Written::Flag(flag),
            ValueKind::I64(whole) => Written::Whole(whole),
            ValueKind::String(text) => Written::Text(text),
            ValueKind::Array(items) => {
                Written::List(items.into_iter().map(|item| self.node(item, &[])).collect())
            }
            ValueKind::Table(table) => Written::Table(self.nodes(table, path)),
            _ => Written::Fraction,
        };
        let place = number.and_then(|number| self.places.get(number)).cloned();
        let place = place.unwrap_or_else(|| match &written {
            // A table that only variables made stands where its first setting does.
            Written::Table(entries) => entries
                .first()
                .map_or(Place::Default, |(_, node)| node.place.clone()),
            _ => Place::Default,
        });
        Node {
            place,
            value: written,
        }
    }

    fn nodes(&self, table: Map<String, Value>, path: &[String]) -> Vec<(String, Node)> {
        let entries = table.into_iter().map(|(key, value)| {
            let path = [path, std::slice::from_ref(&key)].concat();
            let node = self.node(value, &path);
            (key, node)
        });
        let mut entries: Vec<_> = entries.collect();
        entries.sort_by_cached_key(|(key, node)| (node.place.order(), key.clone()));
        entries
    }

    /// The configuration, or every mistake.
    pub(super) fn verdict(self, config: Option<super::Config>) -> Result<super::Config, Mistakes> {
        match config {
            Some(config) if self.mistakes.is_empty() => Ok(config),
            _ => Err(Mistakes::new(self.mistakes)),
        }
    }
}

impl Node {
    /// A default of the table of settings.
    pub(super) fn default(written: &str) -> Option<Self> {
        let value = DeValue::parse(written).ok()?;
        Some(Layers::default().node(
            Layers::default().value(0, &mut Vec::new(), 0..0, &value),
            &[],
        ))
    }
}

fn toml_files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let hidden = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if path.extension().is_some_and(|end| end == "toml") && !hidden {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
