//! The texts of the files, and which parts of them must not be shown.

use std::ops::Range;
use std::path::Path;

use super::layers::Shape;
use super::mistake::{Line, Location};
use super::node::Place;
use super::secret;

/// A larger file is not a configuration.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// One file as it was read.
struct Text {
    name: String,
    content: String,
    /// What must not be shown of it.
    hidden: Vec<Range<usize>>,
}

/// The files that were read, each with its number.
#[derive(Default)]
pub(super) struct Texts(Vec<Text>);

impl Texts {
    /// Keeps a file and gives its number. Of a file that is not TOML, only harmless parts are shown.
    pub(super) fn keep(
        &mut self,
        name: String,
        content: String,
        is_toml: bool,
        shape: &Shape<'_>,
    ) -> usize {
        let hidden = if is_toml {
            Vec::new()
        } else {
            doubtful(&content, shape)
        };
        self.0.push(Text {
            name,
            content,
            hidden,
        });
        self.0.len() - 1
    }

    /// Name and content of a file.
    pub(super) fn get(&self, file: usize) -> (&str, &str) {
        let text = self.0.get(file);
        text.map_or(("", ""), |text| (&text.name, &text.content))
    }

    fn written(&self, file: usize, span: Range<usize>) -> Option<&str> {
        self.get(file).1.get(span)
    }

    /// Hides what may be a secret: also one that is written where the name of a variable is expected.
    pub(super) fn hide(
        &mut self,
        file: usize,
        path: &[&str],
        span: Range<usize>,
        shape: &Shape<'_>,
    ) {
        let written = self.written(file, span.clone()).unwrap_or("");
        let name = secret::is_variable(written.trim_matches(['"', '\'']));
        if !(shape.is_public)(path) || (path.last() == Some(&"env") && !name) {
            self.conceal(file, span);
        }
    }

    /// Never shows this part of a file.
    pub(super) fn conceal(&mut self, file: usize, span: Range<usize>) {
        if let Some(text) = self.0.get_mut(file) {
            text.hidden.push(span);
        }
    }

    /// The place for people.
    pub(super) fn location(&self, place: &Place, of_key: bool) -> Location {
        match place {
            Place::File { file, key, value } => {
                let span = if of_key { key } else { value };
                self.line(*file, span.clone())
            }
            Place::Variable(variable) => Location::Variable {
                variable: variable.clone(),
            },
            Place::Default => Location::Path {
                file: self
                    .0
                    .first()
                    .map_or_else(String::new, |text| text.name.clone()),
            },
        }
    }

    pub(super) fn line(&self, file: usize, span: Range<usize>) -> Location {
        match self.0.get(file) {
            Some(text) => Location::Line(Line::of(&text.name, &text.content, span, &text.hidden)),
            None => Location::Path {
                file: String::new(),
            },
        }
    }

    /// The place of a line and column within a text, if the file holds the text unescaped.
    pub(super) fn within(&self, place: &Place, text: &str, line: usize, column: usize) -> Place {
        let Place::File { file, key, value } = place else {
            return place.clone();
        };
        let written = self.written(*file, value.clone());
        let Some(start) = written.and_then(|written| written.find(text)) else {
            return place.clone();
        };
        let before: usize = text
            .split_inclusive('\n')
            .take(line - 1)
            .map(str::len)
            .sum();
        let rest = text
            .get(before..)
            .unwrap_or("")
            .lines()
            .next()
            .unwrap_or("");
        let skipped: usize = rest
            .chars()
            .take(column.saturating_sub(1))
            .map(char::len_utf8)
            .sum();
        let from = value.start + start + before + skipped;
        let to = if column == 0 {
            from + rest.len()
        } else {
            from + 1
        };
        Place::File {
            file: *file,
            key: key.clone(),
            value: from..to,
        }
    }
}

/// The content of a file that is not too large.
pub(super) fn read(path: &Path) -> std::io::Result<String> {
    use std::io::Read;
    let mut text = String::new();
    let read = std::fs::File::open(path)?
        .take(FILE_BYTES_MAX + 1)
        .read_to_string(&mut text)?;
    if read as u64 > FILE_BYTES_MAX {
        return Err(std::io::Error::other("it is larger than 4 MiB"));
    }
    Ok(text)
}

/// What must not be shown of a file that is not TOML: everything but headers, names of settings, and values of settings
/// that are known to be harmless. In a broken file nothing says where a secret begins and ends.
fn doubtful(text: &str, shape: &Shape<'_>) -> Vec<Range<usize>> {
    let mut hidden = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let end = start + line.trim_end().len();
        let header = line.starts_with('[') && !line.contains(['"', '\'', '=', ',']);
        let key = line.split('=').next().unwrap_or("");
        if !header && !(shape.is_public)(&["server", key.trim()]) {
            let shown = if (shape.is_known)(key.trim()) {
                key.len() + 1
            } else {
                0
            };
            hidden.push(start + shown..end.max(start + shown));
        }
        start += line.len();
    }
    hidden
}
