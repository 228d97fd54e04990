//! What is wrong in a configuration, where, and how to fix it. Nothing here ever holds a secret.

use std::fmt;
use std::ops::Range;

use serde::Serialize;
use unicode_width::UnicodeWidthChar;

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mistake {
    /// What is wrong, in one sentence.
    pub message: String,
    /// Where.
    #[serde(flatten)]
    pub location: Location,
    /// What was expected there.
    pub expected: String,
    /// The valid word that is nearest to the one written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nearest: Option<String>,
}

/// Where a mistake is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Location {
    /// In a file.
    Line(Line),
    /// In an environment variable.
    Variable {
        /// Its name.
        variable: String,
    },
    /// A file or folder that cannot be read, or nowhere in particular.
    Path {
        /// Its path.
        file: String,
    },
}

/// A place in a file, and its line with the secrets removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// The file's path.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// The source line, its secrets replaced by `***`.
    pub source: String,
    /// Screen columns before the caret.
    #[serde(skip)]
    indent: usize,
    /// Screen columns of the caret.
    #[serde(skip)]
    width: usize,
}

/// Every mistake of a configuration. Never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Mistakes(Vec<Mistake>);

impl Mistakes {
    /// All of them in the order of files and lines.
    pub(super) fn new(mut mistakes: Vec<Mistake>) -> Self {
        mistakes.sort_by_key(|mistake| mistake.location.order());
        mistakes.dedup();
        Self(mistakes)
    }

    /// One after the other.
    pub fn iter(&self) -> std::slice::Iter<'_, Mistake> {
        self.0.iter()
    }

    /// For `check --json`: a list of objects with `message`, `expected`, `nearest`, and `file`, `line`, `column`,
    /// `source` or `variable`.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::to_value(&self.0).unwrap_or_default()
    }
}

impl<'a> IntoIterator for &'a Mistakes {
    type Item = &'a Mistake;
    type IntoIter = std::slice::Iter<'a, Mistake>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.iter().enumerate() {
            let gap = if index == 0 { "" } else { "\n" };
            writeln!(f, "{gap}{mistake}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "error: {}", self.message)?;
        let help = match &self.nearest {
            Some(word) => format!("expected {}; did you mean `{word}`?", self.expected),
            None => format!("expected {}", self.expected),
        };
        match &self.location {
            Location::Line(line) => line.draw(f, &help),
            Location::Variable { variable } => {
                write!(f, "  --> environment variable {variable}\n   = {help}")
            }
            Location::Path { file } => write!(f, "  --> {file}\n   = {help}"),
        }
    }
}

impl Location {
    fn order(&self) -> (u8, String, usize, usize) {
        match self {
            Self::Path { file } => (0, file.clone(), 0, 0),
            Self::Line(at) => (1, at.file.clone(), at.line, at.column),
            Self::Variable { variable } => (2, variable.clone(), 0, 0),
        }
    }
}

impl Line {
    /// The line of `text` on which `span` begins. What is inside `hidden` is not shown.
    pub(super) fn of(file: &str, text: &str, span: Range<usize>, hidden: &[Range<usize>]) -> Self {
        let before = text.get(..span.start).unwrap_or(text);
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = text.get(start..).and_then(|rest| rest.lines().next());
        let mut drawn = Self {
            file: file.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before.get(start..).unwrap_or("").chars().count() + 1,
            source: String::new(),
            indent: 0,
            width: 0,
        };
        for (offset, char) in line.unwrap_or("").char_indices() {
            drawn.add(start + offset, char, &span, hidden);
        }
        drawn.indent = drawn.indent.max(if drawn.width == 0 {
            columns(&drawn.source)
        } else {
            0
        });
        drawn.width = drawn.width.max(1);
        drawn
    }

    /// One line of a file, with the caret at a column from 1. A long line is cut.
    pub(super) fn alone(file: &str, number: usize, source: &str, column: usize) -> Self {
        let shown: String = source.chars().take(SOURCE_CHARS_MAX).collect();
        let before = shown.chars().take(column.saturating_sub(1));
        let at: usize = before.map(char::len_utf8).sum();
        Self {
            line: number,
            column,
            ..Self::of(file, &shown, at..at + 1, &[])
        }
    }

    /// Adds one character: itself, three stars for the first of a hidden range, or nothing for the others.
    fn add(&mut self, at: usize, char: char, span: &Range<usize>, hidden: &[Range<usize>]) {
        let from = self.source.len();
        match hidden.iter().find(|range| range.contains(&at)) {
            None if char == '\t' => self.source.push(' '),
            None => self.source.push(char),
            Some(_) if self.source.ends_with("***") => {}
            Some(_) => self.source.push_str("***"),
        }
        let grown = columns(self.source.get(from..).unwrap_or_default());
        if at < span.start {
            self.indent += grown;
        } else if at < span.end {
            self.width += grown;
        }
    }

    fn draw(&self, f: &mut fmt::Formatter<'_>, help: &str) -> fmt::Result {
        let number = self.line.to_string();
        let gutter = " ".repeat(number.len());
        writeln!(
            f,
            "{gutter} --> {}:{}:{}",
            self.file, self.line, self.column
        )?;
        writeln!(f, "{gutter} |")?;
        writeln!(f, "{number} | {}", self.source)?;
        let indent = " ".repeat(self.indent);
        let caret = "^".repeat(self.width);
        write!(f, "{gutter} | {indent}{caret} {help}")
    }
}

/// `a`, `b` or `c`. Of a list that is too long to read, only how long it is.
pub fn one_of<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<_> = words.into_iter().map(|word| format!("`{word}`")).collect();
    match quoted.as_slice() {
        [] => "nothing".to_owned(),
        many if many.len() > WORDS_SHOWN_MAX => format!("one of {} names", many.len()),
        [only] => only.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// The most characters of a line of a file that is not TOML.
const SOURCE_CHARS_MAX: usize = 200;

/// A longer list of words is not printed: nobody reads it.
const WORDS_SHOWN_MAX: usize = 30;

/// Columns on the screen: a Chinese character takes two.
fn columns(text: &str) -> usize {
    text.chars().map(|char| char.width().unwrap_or(0)).sum()
}
