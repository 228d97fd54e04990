//! Reads the files and the environment, and layers them into one tree in which every value knows its place.
//!
//! The `config` crate layers: it merges tables, lets a later file win, and reads the names of environment variables. It
//! does not keep places, so they are kept here in a map from the path of a value to its place. A later layer overwrites
//! both in the same order, so the two agree. (Places used to travel through the crate as numbers in the `origin` of each
//! value; merging `toml` tables by hand would be about as long as this and would lose the crate's rules for variables.)

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::path::{Path, PathBuf};

use config::{ConfigError, Map, Source, Value, ValueKind};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::documents::Document;
use super::findings::Findings;
use super::mistake::Location;
use super::node::{Node, Place, Written};
use super::{Environment, text};

/// The start of the name of a variable that is a setting.
const PREFIX: &str = "CAMPANILE";

/// What must be known of the settings before they are read.
#[derive(Clone, Copy)]
pub struct Shape<'a> {
    /// Sections such as `mappings`, whose tables are read by a reader of their own ([`Document`]).
    pub documents: &'a [&'a str],
    /// Sections with tables `[section.kind.name]`, which two files must not both define.
    pub named: &'a [&'a str],
    /// Whether the value at this path may be shown: it is a known setting and not a secret.
    pub is_public: &'a dyn Fn(&[&str]) -> bool,
    /// Whether any table has a setting of this name.
    pub is_known: &'a dyn Fn(&str) -> bool,
    /// Names that people look for, and the valid names for them.
    pub other_names: &'static [(&'static str, &'static str)],
}

/// Everything that was read.
pub struct Layers {
    /// One tree of all layers.
    pub tree: Node,
    /// The tables that are read by a reader of their own.
    pub documents: Vec<Document>,
    /// The documents that were opened, by section and name, as TOML without its layout.
    pub opened: BTreeMap<String, String>,
    /// What was found wrong so far.
    pub findings: Findings,
}

impl Layers {
    /// Reads every file of `paths`, folders in name order, then the environment.
    pub fn read(paths: &[PathBuf], environment: &Environment, shape: &Shape<'_>) -> Self {
        let mut stack = Stack::new(shape);
        for path in paths {
            for file in stack.files(path) {
                stack.add_file(&file);
            }
        }
        for (name, value) in environment {
            stack.add_variable(name, value);
        }
        stack.layered()
    }

    /// Reads one text in which nothing is secret.
    pub(super) fn of_text(text: &str) -> Self {
        let mut stack = Stack::new(&OPEN);
        stack.add_text("example".to_owned(), text);
        stack.layered()
    }
}

/// A shape in which everything may be shown.
const OPEN: Shape<'static> = Shape {
    documents: &[],
    named: &[],
    is_public: &|_| true,
    is_known: &|_| true,
    other_names: &[],
};

/// The layers while they are read.
struct Stack<'a> {
    shape: &'a Shape<'a>,
    findings: Findings,
    documents: Vec<Document>,
    places: HashMap<Vec<String>, Place>,
    layers: Vec<Layer>,
    /// Lists of tables of all files so far: every file adds to them.
    lists: HashMap<String, Vec<Value>>,
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

/// The way to a value.
#[derive(Default)]
struct Steps {
    parts: Vec<String>,
    /// Which of them are indices of a list, not keys of a table.
    indices: Vec<usize>,
}

impl Steps {
    /// The keys alone: the items of a list are shown as the list is.
    fn keys(&self) -> Vec<&str> {
        let parts = self.parts.iter().enumerate();
        let keys = parts.filter(|(at, _)| !self.indices.contains(at));
        keys.map(|(_, part)| part.as_str()).collect()
    }
}

impl<'a> Stack<'a> {
    fn new(shape: &'a Shape<'a>) -> Self {
        Self {
            shape,
            findings: Findings::new(shape.other_names),
            documents: Vec::new(),
            places: HashMap::new(),
            layers: Vec::new(),
            lists: HashMap::new(),
        }
    }

    fn layered(self) -> Layers {
        let mut builder = config::Config::builder();
        for layer in self.layers {
            builder = builder.add_source(layer);
        }
        // No layer here can fail, and there are no defaults whose paths could be wrong.
        let empty = || Value::new(None, Map::<String, Value>::new());
        let cache = builder.build().map(|built| built.cache);
        let tree = node(
            &self.places,
            cache.unwrap_or_else(|_| empty()),
            &mut Vec::new(),
        );
        Layers {
            tree,
            documents: self.documents,
            opened: BTreeMap::new(),
            findings: self.findings,
        }
    }

    fn files(&mut self, path: &Path) -> Vec<PathBuf> {
        if !path.is_dir() {
            return vec![path.to_owned()];
        }
        match toml_files(path) {
            Ok(files) if files.is_empty() => {
                let message = "there is no file in this folder whose name ends in `.toml`";
                self.findings.unreadable(path, message);
                files
            }
            Ok(files) => files,
            Err(error) => {
                let message = format!("this folder cannot be read: {error}");
                self.findings.unreadable(path, &message);
                Vec::new()
            }
        }
    }

    fn add_file(&mut self, path: &Path) {
        match text::read(path) {
            Ok(text) => self.add_text(path.display().to_string(), &text),
            Err(error) => {
                let message = format!("this file cannot be read: {error}");
                self.findings.unreadable(path, &message);
            }
        }
    }

    fn add_text(&mut self, name: String, text: &str) {
        let (table, errors) = DeTable::parse_recoverable(text);
        let texts = &mut self.findings.texts;
        let file = texts.keep(name, text.to_owned(), errors.is_empty(), self.shape);
        if errors.is_empty() {
            for section in self.shape.documents {
                let found = Document::find(&mut self.findings, file, section, table.get_ref());
                self.documents.extend(found);
            }
            let mut map = self.table(file, &mut Steps::default(), table.get_ref());
            self.gather_lists(&mut map);
            self.layers.push(Layer(map));
        }
        for error in errors {
            self.findings.syntax(file, &error);
        }
    }

    /// A list of tables, `[[routes]]`, counts in all files: layering alone would keep the last file's only.
    fn gather_lists(&mut self, map: &mut Map<String, Value>) {
        for (key, value) in map {
            if let ValueKind::Array(own) = &mut value.kind {
                let all = self.lists.entry(key.clone()).or_default();
                all.append(own);
                own.clone_from(all);
            }
        }
    }

    fn table(&mut self, file: usize, path: &mut Steps, table: &DeTable<'_>) -> Map<String, Value> {
        let mut map = Map::new();
        for (key, value) in table {
            let word = key.get_ref().as_ref();
            if path.parts.is_empty() && self.shape.documents.contains(&word) {
                continue;
            }
            path.parts.push(word.to_owned());
            let value = self.value(file, path, key.span(), value);
            path.parts.pop();
            map.insert(word.to_owned(), value);
        }
        map
    }

    fn value(
        &mut self,
        file: usize,
        path: &mut Steps,
        key: Range<usize>,
        written: &Spanned<DeValue<'_>>,
    ) -> Value {
        let span = written.span();
        let place = Place::File {
            file,
            key,
            value: span.clone(),
        };
        self.put(&path.parts, &place);
        let kind = match written.get_ref() {
            DeValue::String(text) => ValueKind::String(text.to_string()),
            DeValue::Integer(whole) => i64::from_str_radix(whole.as_str(), whole.radix())
                .map_or(ValueKind::Float(0.0), ValueKind::I64),
            DeValue::Float(_) | DeValue::Datetime(_) => ValueKind::Float(0.0),
            DeValue::Boolean(flag) => ValueKind::Boolean(*flag),
            DeValue::Array(items) => ValueKind::Array(self.items(file, path, items)),
            DeValue::Table(table) => ValueKind::Table(self.table(file, path, table)),
        };
        if matches!(
            kind,
            ValueKind::String(_) | ValueKind::I64(_) | ValueKind::Float(_)
        ) {
            self.findings
                .texts
                .hide(file, &path.keys(), span, self.shape);
        }
        Value::new(None, kind)
    }

    fn items(
        &mut self,
        file: usize,
        path: &mut Steps,
        items: &[Spanned<DeValue<'_>>],
    ) -> Vec<Value> {
        let before = match path.parts.as_slice() {
            [list] => self.lists.get(list).map_or(0, Vec::len),
            _ => 0,
        };
        let items = items.iter().enumerate().map(|(index, item)| {
            path.indices.push(path.parts.len());
            path.parts.push((before + index).to_string());
            let value = self.value(file, path, item.span(), item);
            path.parts.pop();
            path.indices.pop();
            value
        });
        items.collect()
    }

    /// Keeps the place of a value. A source or sink that two files define is a mistake.
    fn put(&mut self, path: &[String], place: &Place) {
        let Some(before) = self.places.insert(path.to_vec(), place.clone()) else {
            return;
        };
        let [root, kind, name] = path else {
            return;
        };
        if !self.shape.named.contains(&root.as_str()) {
            return;
        }
        let texts = &self.findings.texts;
        let (Location::Line(first), Location::Line(second)) =
            (texts.location(&before, true), texts.location(place, true))
        else {
            return;
        };
        // One file may write `[a.b]` and `[a.b.c]`.
        if first.file != second.file {
            let message = format!("`[{root}.{kind}.{name}]` is defined in two files");
            let expected = format!("another name: it is taken in {}:{}", first.file, first.line);
            self.findings.add(place, true, message, expected, None);
        }
    }

    /// Adds a variable such as `CAMPANILE__SERVER__LISTEN`. The `config` crate reads the name; the value stays text,
    /// because only the setting knows what `0123` is.
    fn add_variable(&mut self, name: &str, value: &str) {
        let variables = config::Environment::with_prefix(PREFIX)
            .separator("__")
            .source(Some([(name.to_owned(), value.to_owned())].into()));
        let Ok(map) = variables.collect() else {
            return;
        };
        for key in map.keys() {
            let path: Vec<_> = key.split('.').map(str::to_owned).collect();
            self.places.insert(path, Place::Variable(name.to_owned()));
        }
        if !map.is_empty() {
            self.layers.push(Layer(map));
        }
    }
}

fn node(places: &HashMap<Vec<String>, Place>, value: Value, path: &mut Vec<String>) -> Node {
    let inner = |key: String, value: Value, path: &mut Vec<String>| {
        path.push(key);
        let node = node(places, value, path);
        path.pop();
        node
    };
    let written = match value.kind {
        ValueKind::Boolean(flag) => Written::Flag(flag),
        ValueKind::I64(whole) => Written::Whole(whole),
        ValueKind::String(text) => Written::Text(text),
        ValueKind::Array(items) => {
            let items = items.into_iter().enumerate();
            Written::List(
                items
                    .map(|(index, item)| inner(index.to_string(), item, path))
                    .collect(),
            )
        }
        ValueKind::Table(table) => {
            let entries = table
                .into_iter()
                .map(|(key, value)| (key.clone(), inner(key, value, path)));
            let mut entries: Vec<_> = entries.collect();
            entries.sort_by_cached_key(|(key, node)| (node.place.order(), key.clone()));
            Written::Table(entries)
        }
        _ => Written::Fraction,
    };
    let place = places.get(path).cloned();
    let place = place.unwrap_or_else(|| match &written {
        // A table that only variables made is placed at its first setting.
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

impl Node {
    /// A default of the table of settings.
    pub(super) fn default(written: &str) -> Option<Self> {
        let value = DeValue::parse(written).ok()?;
        let value = Stack::new(&OPEN).value(0, &mut Steps::default(), 0..0, &value);
        Some(node(&HashMap::new(), value, &mut Vec::new()))
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
