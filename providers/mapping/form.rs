//! Reads the TOML of a mapping without `serde`, to report all mistakes at once, each with its place.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use campanile_language::Expression;
use campanile_language::nearest;
use campanile_language::scope::Scope;

/// A mistake in the TOML of a mapping.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {}", self.sentence())]
pub struct MappingMistake {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What was expected, if `message` does not say it.
    pub expected: Option<String>,
    /// The nearest valid word.
    pub nearest: Option<String>,
}

impl MappingMistake {
    /// The mistake without its place.
    fn sentence(&self) -> String {
        let near = self.nearest.as_ref();
        let near = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        let expected = self.expected.as_ref();
        let expected = expected.map_or_else(String::new, |words| format!(" Expected {words}"));
        format!("{}{near}{expected}", self.message)
    }
}

/// A value with its place.
pub(crate) type Node<'t> = Spanned<DeValue<'t>>;

/// The text, and the mistakes found so far.
pub(crate) struct Form<'s> {
    source: &'s str,
    pub(crate) mistakes: Vec<MappingMistake>,
}

/// A table with its name in the file.
#[derive(Clone, Copy)]
pub(crate) struct Table<'t> {
    pub(crate) name: &'t str,
    pub(crate) fields: &'t DeTable<'t>,
    pub(crate) at: usize,
}

impl<'s> Form<'s> {
    pub(crate) fn new(source: &'s str) -> Self {
        Self {
            source,
            mistakes: Vec::new(),
        }
    }

    /// Records a mistake at byte `at`.
    pub(crate) fn mistake(&mut self, at: usize, message: impl Into<String>) {
        let before = self.source.get(..at).unwrap_or(self.source);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        self.mistakes.push(MappingMistake {
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).unwrap_or_default().chars().count() + 1,
            message: message.into(),
            expected: None,
            nearest: None,
        });
    }

    fn wanted(&mut self, at: Range<usize>, table: Table<'_>, key: &str, wanted: &str) {
        let whole = [table.name, key].join(if table.name.is_empty() { "" } else { "." });
        self.mistake(at.start, format!("`{whole}` must be {wanted}"));
    }

    /// Records every key of `table` that is not `known`.
    pub(crate) fn only(&mut self, table: Table<'_>, known: &[&str]) {
        for (key, _) in table.fields {
            let word = key.get_ref().as_ref();
            if known.contains(&word) {
                continue;
            }
            let place = if table.name.is_empty() {
                "a mapping"
            } else {
                table.name
            };
            self.mistake(
                key.span().start,
                format!("`{word}` is not a known key of {place}"),
            );
            if let Some(mistake) = self.mistakes.last_mut() {
                mistake.expected = Some(format!("one of: {}", known.join(", ")));
                mistake.nearest = nearest(word, known.iter().copied()).map(str::to_owned);
            }
        }
    }

    /// The text under `key`.
    pub(crate) fn text<'t>(&mut self, table: Table<'t>, key: &str) -> Option<&'t str> {
        let node = table.get(key)?;
        let text = node.get_ref().as_str();
        if text.is_none() {
            self.wanted(node.span(), table, key, "text");
        }
        text
    }

    /// The text under `key`, which is required.
    pub(crate) fn required<'t>(&mut self, table: Table<'t>, key: &str) -> Option<&'t str> {
        if table.get(key).is_none() {
            self.missing(table, key);
        }
        self.text(table, key)
    }

    /// Records that `key` is required.
    pub(crate) fn missing(&mut self, table: Table<'_>, key: &str) {
        let place = match table.name {
            "" => "the mapping".to_owned(),
            name => format!("[{name}]"),
        };
        self.mistake(table.at, format!("`{key}` is missing in {place}"));
    }

    /// The texts under `key`: a list, or one text.
    pub(crate) fn texts<'t>(&mut self, table: Table<'t>, key: &str) -> Vec<(&'t str, usize)> {
        let Some(node) = table.get(key) else {
            return Vec::new();
        };
        if let Some(text) = node.get_ref().as_str() {
            return vec![(text, node.span().start)];
        }
        let Some(list) = node.get_ref().as_array() else {
            self.wanted(node.span(), table, key, "a list of texts");
            return Vec::new();
        };
        let mut texts = Vec::new();
        for item in list {
            match item.get_ref().as_str() {
                Some(text) => texts.push((text, item.span().start)),
                None => self.wanted(item.span(), table, key, "a list of texts"),
            }
        }
        texts
    }

    /// `true` or `false` under `key`; `false` if it is absent.
    pub(crate) fn flag(&mut self, table: Table<'_>, key: &str) -> bool {
        let Some(node) = table.get(key) else {
            return false;
        };
        let flag = node.get_ref().as_bool();
        if flag.is_none() {
            self.wanted(node.span(), table, key, "true or false");
        }
        flag.unwrap_or_default()
    }

    /// The table under `key`.
    pub(crate) fn table<'t>(&mut self, table: Table<'t>, key: &'t str) -> Option<Table<'t>> {
        let node = table.get(key)?;
        let inner = Self::as_table(node, key);
        if inner.is_none() {
            self.wanted(node.span(), table, key, "a table");
        }
        inner
    }

    /// The tables under `key`: a list of them, or one.
    pub(crate) fn tables<'t>(&mut self, table: Table<'t>, key: &'t str) -> Vec<Table<'t>> {
        let Some(node) = table.get(key) else {
            return Vec::new();
        };
        let Some(list) = node.get_ref().as_array() else {
            return self.table(table, key).into_iter().collect();
        };
        let mut tables = Vec::new();
        for item in list {
            match Self::as_table(item, key) {
                Some(inner) => tables.push(inner),
                None => self.wanted(item.span(), table, key, "a list of tables"),
            }
        }
        tables
    }

    fn as_table<'t>(node: &'t Node<'t>, name: &'t str) -> Option<Table<'t>> {
        let fields = node.get_ref().as_table()?;
        Some(Table {
            name,
            fields,
            at: node.span().start,
        })
    }

    /// The expression under `key`.
    pub(crate) fn expression(
        &mut self,
        table: Table<'_>,
        key: &str,
        scope: Scope,
    ) -> Option<Expression> {
        let text = self.text(table, key)?;
        let at = table.get(key).map_or(table.at, |node| node.span().start);
        self.compiled(text, at, scope)
    }

    /// The expression under `key`, which is required.
    pub(crate) fn required_expression(
        &mut self,
        table: Table<'_>,
        key: &str,
        scope: Scope,
    ) -> Option<Expression> {
        if table.get(key).is_none() {
            self.missing(table, key);
        }
        self.expression(table, key, scope)
    }

    /// The expressions under `key`: a list, or one.
    pub(crate) fn expressions(
        &mut self,
        table: Table<'_>,
        key: &str,
        scope: Scope,
    ) -> Vec<Expression> {
        let texts = self.texts(table, key);
        let compiled = texts
            .into_iter()
            .filter_map(|(text, at)| self.compiled(text, at, scope));
        compiled.collect()
    }

    /// Compiles `text`, which begins at byte `at`.
    pub(crate) fn compiled(&mut self, text: &str, at: usize, scope: Scope) -> Option<Expression> {
        match Expression::compile(text, scope) {
            Ok(expression) => Some(expression),
            Err(message) => {
                self.mistake(at, message);
                None
            }
        }
    }
}

impl<'t> Table<'t> {
    /// The value under `key`.
    pub(crate) fn get(&self, key: &str) -> Option<&'t Node<'t>> {
        self.fields
            .iter()
            .find(|(name, _)| name.get_ref().as_ref() == key)
            .map(|(_, node)| node)
    }

    /// Every key with its place and its value.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&'t str, usize, &'t Node<'t>)> {
        self.fields
            .iter()
            .map(|(name, node)| (name.get_ref().as_ref(), name.span().start, node))
    }
}
