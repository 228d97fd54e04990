//! `[mappings.*]`: the operator's own vendors, in his config or in a file that it names.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use campanile_providers::{Mapping, MappingMistake, Provider};
use toml::de::{DeTable, DeValue};

use super::check::{is_name, names_expected};
use super::layers::Layers;
use super::mistake::{Location, Mistake};
use super::secret;
use super::text;

/// The section in which they stand.
pub(super) const SECTION: &str = "mappings";

/// Keys under which nothing is shown when a mistake is: a secret of a source, written where it does not belong.
const SECRETS: &[&str] = &["token", "tokens", "secret", "key", "password", "user"];

/// What `proof.secret` may say.
const FORMS_OF_SECRETS: &[&str] = &["text", "whsec"];

/// A table `[mappings.NAME]`, found but not read yet.
pub(super) struct OwnMapping {
    name: String,
    /// The number of the config file, and the name's place in it.
    file: usize,
    at: Range<usize>,
    stands: Stands,
}

/// Where the mapping itself stands.
enum Stands {
    Here,
    In {
        path: String,
        at: Range<usize>,
    },
    /// Something is wrong with the table; told already.
    Nowhere,
}

/// The operator's vendors.
#[derive(Default)]
pub(super) struct Own {
    pub(super) providers: Vec<Arc<dyn Provider>>,
    /// The names of those that could not be read.
    pub(super) mistaken: Vec<String>,
}

impl Layers {
    /// Notes which mappings a file holds or names.
    pub(super) fn note_mappings(&mut self, file: usize, table: &DeTable<'_>) {
        let section = table.iter().find(|(key, _)| key.get_ref() == SECTION);
        let Some((key, section)) = section else {
            return;
        };
        let Some(tables) = section.get_ref().as_table() else {
            let expected = "tables, `[mappings.NAME]`";
            return self.told(file, key.span(), "`mappings` is not a table", expected);
        };
        for (name, mapping) in tables {
            let (word, at) = (name.get_ref().to_string(), name.span());
            let stands = match mapping.get_ref() {
                _ if !is_name(&word) => {
                    let stray = secret::stray_name(&word);
                    if stray.is_some() {
                        self.texts.conceal(file, at.clone());
                    }
                    let shown = stray.as_deref().unwrap_or(&word);
                    let message = format!("`{shown}` cannot be a name");
                    self.told(file, at.clone(), message, names_expected());
                    Stands::Nowhere
                }
                DeValue::Table(table) => {
                    self.conceal_secrets(file, table);
                    self.stands(file, table)
                }
                _ => {
                    let message = format!("the mapping `{word}` is not a table");
                    self.told(file, at.clone(), message, format!("`[mappings.{word}]`"));
                    Stands::Nowhere
                }
            };
            self.mappings.push(OwnMapping {
                name: word,
                file,
                at,
                stands,
            });
        }
    }

    fn stands(&mut self, file: usize, table: &DeTable<'_>) -> Stands {
        let Some((key, value)) = table.iter().find(|(key, _)| key.get_ref() == "file") else {
            return Stands::Here;
        };
        let expected = "the path of a TOML file in quotes, and nothing beside it";
        let Some(path) = value.get_ref().as_str() else {
            self.told(file, value.span(), "`file` is not text", expected);
            return Stands::Nowhere;
        };
        if table.len() > 1 {
            let message = "`file` stands beside other keys of a mapping";
            self.told(file, key.span(), message, expected);
            return Stands::Nowhere;
        }
        Stands::In {
            path: path.to_owned(),
            at: value.span(),
        }
    }

    fn conceal_secrets(&mut self, file: usize, table: &DeTable<'_>) {
        for (key, value) in table {
            if let Some(inner) = value.get_ref().as_table() {
                self.conceal_secrets(file, inner);
            }
            let said = value.get_ref().as_str().unwrap_or_default();
            if SECRETS.contains(&key.get_ref().as_ref()) && !FORMS_OF_SECRETS.contains(&said) {
                self.texts.conceal(file, value.span());
            }
        }
    }

    /// The files that are named, where they should be.
    pub(super) fn mapping_files(&self) -> Vec<PathBuf> {
        let named = self.mappings.iter().filter_map(|own| match &own.stands {
            Stands::In { path, .. } => Some(self.beside(own.file, path)),
            Stands::Here | Stands::Nowhere => None,
        });
        named.collect()
    }

    /// A path that a config file names, from the folder of that file.
    fn beside(&self, file: usize, path: &str) -> PathBuf {
        let (config, _) = self.texts.get(file);
        let folder = Path::new(config).parent().unwrap_or(Path::new(""));
        folder.join(path)
    }

    /// Reads every mapping. Mistakes are told where they stand.
    pub(super) fn own_mappings(&mut self) -> Own {
        let mut own = Own::default();
        let mut seen: Vec<OwnMapping> = Vec::new();
        for mapping in std::mem::take(&mut self.mappings) {
            if let Some(first) = seen.iter().find(|seen| seen.name == mapping.name) {
                self.twice(first, &mapping);
                continue;
            }
            match self.read_mapping(&mapping) {
                Some(read) => own.providers.push(Arc::new(read)),
                None => own.mistaken.push(mapping.name.clone()),
            }
            seen.push(mapping);
        }
        own
    }

    fn twice(&mut self, first: &OwnMapping, second: &OwnMapping) {
        let expected = match self.texts.line(first.file, first.at.clone()) {
            Location::Line(at) => format!("another name: it is taken in {}:{}", at.file, at.line),
            _ => "another name".to_owned(),
        };
        let message = format!("`[mappings.{}]` stands in two files", second.name);
        self.told(second.file, second.at.clone(), message, expected);
    }

    fn read_mapping(&mut self, own: &OwnMapping) -> Option<Mapping> {
        let (file, read) = match &own.stands {
            Stands::Nowhere => return None,
            Stands::Here => {
                let (_, text) = self.texts.get(own.file);
                let read = Mapping::parse_at(&own.name, text, &[SECTION, &own.name]);
                (own.file, read)
            }
            Stands::In { path, at } => {
                let path = self.beside(own.file, path);
                match text::read(&path) {
                    Ok(text) => {
                        let is_toml = text.parse::<toml::Table>().is_ok();
                        let file = self.texts.keep(&path, text.clone(), is_toml);
                        let (table, _) = DeTable::parse_recoverable(&text);
                        self.conceal_secrets(file, table.get_ref());
                        (file, Mapping::parse(&own.name, &text))
                    }
                    Err(error) => {
                        let message = format!("{} cannot be read: {error}", path.display());
                        let expected = "a TOML file, its path from the folder of this file";
                        self.told(own.file, at.clone(), message, expected);
                        return None;
                    }
                }
            }
        };
        let mistakes = match read {
            Ok(mapping) => return Some(mapping),
            Err(mistakes) => mistakes,
        };
        for mistake in mistakes {
            self.mistaken_mapping(file, &own.name, mistake);
        }
        None
    }

    fn mistaken_mapping(&mut self, file: usize, name: &str, mistake: MappingMistake) {
        let (_, text) = self.texts.get(file);
        let span = word_at(text, mistake.line, mistake.column);
        let what_it_takes = || "what docs/add-a-vendor.md says of it".to_owned();
        self.mistakes.push(Mistake {
            message: format!("in the mapping `{name}`: {}", mistake.message),
            location: self.texts.line(file, span),
            expected: mistake.expected.unwrap_or_else(what_it_takes),
            nearest: mistake.nearest,
        });
    }

    fn told(
        &mut self,
        file: usize,
        span: Range<usize>,
        message: impl Into<String>,
        expected: impl Into<String>,
    ) {
        let location = self.texts.line(file, span);
        self.mistakes.push(Mistake {
            message: message.into(),
            location,
            expected: expected.into(),
            nearest: None,
        });
    }
}

/// The bytes of the word, the text in quotes or the header that begins at a line and column.
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
