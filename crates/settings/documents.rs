//! Tables that have a reader of their own: an operator's `[mappings.NAME]`, in the config or in a file that it names.

use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

use super::findings::Findings;
use super::layers::{Layers, Shape};
use super::mistake::Location;
use super::node::Place;
use super::{is_name, names_expected, secret, text};

/// Nothing is shown under these keys: an operator may have written a secret where it does not belong.
const SECRETS: &[&str] = &["token", "tokens", "secret", "key", "password", "user"];

/// What those keys may say that is not a secret.
const NOT_SECRET: &[&str] = &["text", "whsec"];

/// A table `[section.NAME]`, found but not read yet.
#[derive(Clone, Debug)]
pub struct Document {
    section: String,
    name: String,
    /// The number of the config file, and the name's place in it.
    file: usize,
    at: Range<usize>,
    content: Content,
}

/// Where the content of a document is.
#[derive(Clone, Debug)]
enum Content {
    Here,
    In {
        path: String,
        at: Range<usize>,
    },
    /// Something is wrong with the table, and a mistake says so already.
    Nowhere,
}

/// A document whose text was read.
#[derive(Clone, Debug)]
pub struct Opened {
    /// Its name.
    pub name: String,
    /// The text that holds it.
    pub text: String,
    /// The path of its table in that text; empty if the text is the document.
    pub root: Vec<String>,
    file: usize,
}

impl Opened {
    /// Its table as TOML without comments and layout, or nothing if it is not TOML.
    fn content(&self) -> String {
        let whole = self.text.parse::<Table>().map(Value::Table).ok();
        let mut steps = self.root.iter();
        let table =
            whole.and_then(|whole| steps.try_fold(whole, |table, key| table.get(key).cloned()));
        table.map_or_else(String::new, |table| table.to_string())
    }
}

impl Document {
    /// The documents of one section that a file holds or names.
    pub(super) fn find(
        findings: &mut Findings,
        file: usize,
        section: &str,
        table: &DeTable<'_>,
    ) -> Vec<Self> {
        let found = table.iter().find(|(key, _)| key.get_ref() == section);
        let Some((key, value)) = found else {
            return Vec::new();
        };
        let Some(tables) = value.get_ref().as_table() else {
            let expected = format!("tables, `[{section}.NAME]`");
            let message = format!("`{section}` is not a table");
            findings.at(file, key.span(), message, expected, None);
            return Vec::new();
        };
        let documents = tables.iter().map(|(name, value)| {
            let (word, at) = (name.get_ref().to_string(), name.span());
            let content = content(findings, file, section, (&word, &at), value.get_ref());
            Self {
                section: section.to_owned(),
                name: word,
                file,
                at,
                content,
            }
        });
        documents.collect()
    }
}

fn content(
    findings: &mut Findings,
    file: usize,
    section: &str,
    (name, at): (&str, &Range<usize>),
    value: &DeValue<'_>,
) -> Content {
    if !is_name(name) {
        let stray = secret::stray_name(name);
        if stray.is_some() {
            findings.texts.conceal(file, at.clone());
        }
        let message = format!("`{}` is not a valid name", stray.as_deref().unwrap_or(name));
        findings.at(file, at.clone(), message, names_expected(), None);
        return Content::Nowhere;
    }
    let DeValue::Table(table) = value else {
        let message = format!("`{section}.{name}` is not a table");
        let expected = format!("`[{section}.{name}]`");
        findings.at(file, at.clone(), message, expected, None);
        return Content::Nowhere;
    };
    conceal_secrets(findings, file, table);
    let Some((key, value)) = table.iter().find(|(key, _)| key.get_ref() == "file") else {
        return Content::Here;
    };
    let expected = "the path of a TOML file in quotes, and no other key";
    let Some(path) = value.get_ref().as_str() else {
        findings.at(file, value.span(), "`file` is not text", expected, None);
        return Content::Nowhere;
    };
    if table.len() > 1 {
        let message = "`file` cannot be combined with other keys";
        findings.at(file, key.span(), message, expected, None);
        return Content::Nowhere;
    }
    Content::In {
        path: path.to_owned(),
        at: value.span(),
    }
}

fn conceal_secrets(findings: &mut Findings, file: usize, table: &DeTable<'_>) {
    for (key, value) in table {
        if let Some(inner) = value.get_ref().as_table() {
            conceal_secrets(findings, file, inner);
        }
        let said = value.get_ref().as_str().unwrap_or_default();
        if SECRETS.contains(&key.get_ref().as_ref()) && !NOT_SECRET.contains(&said) {
            findings.texts.conceal(file, value.span());
        }
    }
}

impl Layers {
    /// The files that documents name. What they hold counts as the configuration does.
    pub fn document_files(&self) -> Vec<PathBuf> {
        let named = self.documents.iter().filter_map(|own| match &own.content {
            Content::In { path, .. } => Some(self.findings.path_from(own.file, path)),
            Content::Here | Content::Nowhere => None,
        });
        named.collect()
    }

    /// Reads the documents of a section: those that could be read, and the names of the others.
    pub fn open(&mut self, section: &str, shape: &Shape<'_>) -> (Vec<Opened>, Vec<String>) {
        let (mut opened, mut mistaken) = (Vec::new(), Vec::new());
        let mut seen: Vec<&Document> = Vec::new();
        let of_section = |document: &&Document| document.section == section;
        for document in self.documents.iter().filter(of_section) {
            if let Some(first) = seen.iter().find(|seen| seen.name == document.name) {
                self.findings.twice(first, document);
                continue;
            }
            match self.findings.open(document, shape) {
                Some(read) => {
                    let part = format!("{section}.{}", document.name);
                    self.opened.insert(part, read.content());
                    opened.push(read);
                }
                None => mistaken.push(document.name.clone()),
            }
            seen.push(document);
        }
        (opened, mistaken)
    }
}

impl Findings {
    /// The path that a setting names, from the folder of the file that the setting is in.
    pub fn next_to(&self, place: &Place, path: &Path) -> PathBuf {
        match place {
            Place::File { file, .. } => self.path_from(*file, path),
            Place::Variable(_) | Place::Default => path.to_owned(),
        }
    }

    fn path_from(&self, file: usize, path: impl AsRef<Path>) -> PathBuf {
        let (config, _) = self.texts.get(file);
        let folder = Path::new(config).parent().unwrap_or(Path::new(""));
        folder.join(path)
    }

    fn twice(&mut self, first: &Document, second: &Document) {
        let expected = match self.texts.line(first.file, first.at.clone()) {
            Location::Line(at) => format!("another name: it is taken in {}:{}", at.file, at.line),
            _ => "another name".to_owned(),
        };
        let (section, name) = (&second.section, &second.name);
        let message = format!("`[{section}.{name}]` is defined in two files");
        self.at(second.file, second.at.clone(), message, expected, None);
    }

    fn open(&mut self, document: &Document, shape: &Shape<'_>) -> Option<Opened> {
        let name = document.name.clone();
        let Content::In { path, at } = &document.content else {
            let here = matches!(document.content, Content::Here);
            return here.then(|| Opened {
                text: self.texts.get(document.file).1.to_owned(),
                root: vec![document.section.clone(), name.clone()],
                file: document.file,
                name,
            });
        };
        let path = self.path_from(document.file, path);
        match text::read(&path) {
            Ok(text) => {
                let is_toml = text.parse::<toml::Table>().is_ok();
                let shown = path.display().to_string();
                let file = self.texts.keep(shown, text.clone(), is_toml, shape);
                let (table, _) = DeTable::parse_recoverable(&text);
                conceal_secrets(self, file, table.get_ref());
                Some(Opened {
                    name,
                    text: text.clone(),
                    root: Vec::new(),
                    file,
                })
            }
            Err(error) => {
                let message = format!("{} cannot be read: {error}", path.display());
                let expected = "a TOML file, its path from the folder of this file";
                self.at(document.file, at.clone(), message, expected, None);
                None
            }
        }
    }

    /// Adds a mistake that the reader of a document found at a line and column of its text.
    pub fn in_document(
        &mut self,
        opened: &Opened,
        (line, column): (usize, usize),
        message: String,
        expected: String,
        nearest: Option<String>,
    ) {
        let span = word_at(&opened.text, line, column);
        self.at(opened.file, span, message, expected, nearest);
    }
}

/// The bytes of the word, the quoted text or the header that begins at a line and column.
fn word_at(text: &str, line: usize, column: usize) -> Range<usize> {
    let lines = text.split_inclusive('\n');
    let before: usize = lines.take(line.saturating_sub(1)).map(str::len).sum();
    let rest = text.get(before..).unwrap_or_default();
    let skipped = rest.chars().take(column.saturating_sub(1));
    let start = before + skipped.map(char::len_utf8).sum::<usize>();
    let rest = text.get(start..).unwrap_or_default();
    let rest = rest.lines().next().unwrap_or_default();
    let length = match rest.chars().next() {
        Some(quote @ ('"' | '\'')) => rest.get(1..).and_then(|r| r.find(quote)).map(|at| at + 2),
        Some('[') => rest.find(']').map(|at| at + 1),
        _ => rest.find(|c: char| c.is_whitespace() || matches!(c, '=' | ']' | ',' | '}')),
    };
    start..start + length.unwrap_or(rest.len())
}
