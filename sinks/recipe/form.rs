//! The TOML form of a recipe, read with places, so that a mistake points at its own line.

use std::collections::BTreeMap;
use std::ops::Range;

use campanile_language::Mistake;
use campanile_settings::{Setting, Type};
use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::answer::Judge;
use super::before::Before;
use super::probe::Probe;
use super::request::Request;
use super::sign::Sign;
use super::skip::Skip;
use super::token::Token;
use crate::policy::Limits;
use crate::words::{Locale, Room};
use crate::{BuildError, Confidence, Group, RecipeMistake};

/// A template or an expression, with its place in the file.
pub(super) type Text = Spanned<String>;

/// The words of a recipe, per language.
pub(super) type OwnWords = BTreeMap<String, BTreeMap<String, String>>;

/// The form of the file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Form {
    pub(super) title: String,
    /// An operator's own recipe need not say it.
    #[serde(default = "unsorted")]
    pub(super) group: Group,
    #[serde(default = "unknown")]
    pub(super) confidence: Confidence,
    pub(super) doc: Doc,
    #[serde(default)]
    pub(super) settings: BTreeMap<String, Own>,
    /// How much text the receiver takes.
    pub(super) limit: Room,
    /// How many messages it takes.
    #[serde(default)]
    pub(super) limits: Limits,
    #[serde(default)]
    pub(super) words: Option<Spanned<OwnWords>>,
    /// Many alerts can go out in one message. False where the receiver takes one event a request.
    #[serde(default = "yes")]
    pub(super) digest: bool,
    /// Messages that are not sent.
    #[serde(default)]
    pub(super) skip: Vec<Skip>,
    pub(super) before: Option<Before>,
    pub(super) sign: Option<Spanned<Sign>>,
    pub(super) token: Option<Token>,
    pub(super) probe: Option<Probe>,
    pub(super) request: Request,
    pub(super) answer: Judge,
}

fn yes() -> bool {
    true
}

fn unsorted() -> Group {
    Group::Machines
}

fn unknown() -> Confidence {
    Confidence::Inferred
}

/// The parts of the page.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Doc {
    pub(super) does: String,
    pub(super) setup: String,
    pub(super) sent: String,
    pub(super) fails: String,
    /// What is not certain about the receiver.
    #[serde(default)]
    pub(super) unsure: String,
}

/// A setting of the recipe's own.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Own {
    takes: Takes,
    #[serde(default)]
    words: Vec<String>,
    #[serde(default)]
    required: bool,
    default: Option<toml::Value>,
    example: Option<toml::Value>,
    /// Values that look right and cannot work.
    #[serde(default)]
    refuses: Vec<Refused>,
    doc: String,
}

/// A value with this part is refused when the config is checked.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Refused {
    part: String,
    says: String,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Takes {
    Text,
    Flag,
    Number,
    Secret,
    Url,
    Word,
    Texts,
}

impl Own {
    /// What is wrong with this value, if it is one that cannot work.
    pub(super) fn problem(&self, value: &str) -> Option<&str> {
        let mut all = self.refuses.iter();
        let refused = all.find(|refused| value.contains(&refused.part));
        refused.map(|refused| refused.says.as_str())
    }

    pub(super) fn setting(&self, name: &str) -> Setting {
        let takes = match self.takes {
            Takes::Text => Type::Text,
            Takes::Flag => Type::Flag,
            Takes::Number => Type::Whole(0, u64::from(u32::MAX)),
            Takes::Secret => Type::Secret,
            Takes::Url => Type::Url,
            Takes::Word => Type::Choice(self.words.clone()),
            Takes::Texts => Type::Texts,
        };
        let shown = |value: &toml::Value| value.to_string();
        let default = self.default.as_ref().map(shown);
        let example = self.example.as_ref().map(shown).or_else(|| default.clone());
        Setting {
            name: name.to_owned().into(),
            takes,
            default: default.map(Into::into),
            example: example.unwrap_or_else(|| "\"...\"".to_owned()).into(),
            required: self.required,
            doc: self.doc.clone().into(),
        }
    }
}

impl Form {
    /// Reads the table at `root` of a file; the whole file if `root` is empty.
    pub(super) fn read(text: &str, root: &[&str]) -> Result<Self, RecipeMistake> {
        let failed = |error: toml::de::Error| {
            let at = error.span().map_or(0, |span| span.start);
            RecipeMistake::at(text, at, error.message())
        };
        let mut table = DeTable::parse(text).map_err(failed)?;
        for step in root {
            let at = table.span().start;
            let mut entries = table.into_inner().into_iter();
            let found = entries.find(|(key, _)| key.get_ref() == step);
            table = match found.map(|(_, value)| (value.span(), value.into_inner())) {
                Some((span, DeValue::Table(inner))) => Spanned::new(span, inner),
                _ => {
                    return Err(RecipeMistake::at(
                        text,
                        at,
                        "the recipe is not in this file",
                    ));
                }
            };
        }
        let form = Self::deserialize(toml::de::Deserializer::from(table)).map_err(failed)?;
        form.check_languages(text)?;
        Ok(form)
    }

    fn check_languages(&self, text: &str) -> Result<(), RecipeMistake> {
        let Some(words) = &self.words else {
            return Ok(());
        };
        let known = |language: &&String| Locale::LANGUAGES.contains(&language.as_str());
        match words.get_ref().keys().find(|language| !known(language)) {
            None => Ok(()),
            Some(language) => {
                let languages = Locale::LANGUAGES.join(", ");
                let message = format!("`{language}` is not a known language: write {languages}");
                Err(RecipeMistake::at(text, words.span().start, &message))
            }
        }
    }
}

/// A part of a recipe that cannot be compiled.
#[derive(Debug)]
pub(super) struct Wrong {
    /// Such as `request.body`.
    part: String,
    /// Where its text is in the file.
    span: Range<usize>,
    text: String,
    mistake: Mistake,
}

impl Wrong {
    pub(super) fn new(part: &str, text: &Text, mistake: Mistake) -> Self {
        Self {
            part: part.to_owned(),
            span: text.span(),
            text: text.get_ref().clone(),
            mistake,
        }
    }

    /// A mistake that is about the whole part.
    pub(super) fn whole(part: &str, text: &Text, message: &str) -> Self {
        let mistake = Mistake {
            line: 1,
            column: 1,
            message: message.to_owned(),
        };
        Self::new(part, text, mistake)
    }

    /// With its place in the file. A text with escapes is shown at its beginning.
    pub(super) fn in_file(&self, file: &str) -> RecipeMistake {
        let written = file.get(self.span.clone()).unwrap_or_default();
        let at = match written.find(&self.text) {
            Some(start) => self.span.start + start + self.byte(),
            None => self.span.start,
        };
        RecipeMistake::at(file, at, &self.sentence())
    }

    fn byte(&self) -> usize {
        let lines = self.text.split_inclusive('\n');
        let before: usize = lines.take(self.mistake.line - 1).map(str::len).sum();
        let rest = self.text.get(before..).unwrap_or_default();
        let skipped = rest.chars().take(self.mistake.column.saturating_sub(1));
        before + skipped.map(char::len_utf8).sum::<usize>()
    }

    fn sentence(&self) -> String {
        format!("`{}` cannot be used: {}", self.part, self.mistake.message)
    }
}

impl From<Wrong> for BuildError {
    fn from(wrong: Wrong) -> Self {
        Self::in_text(&wrong.part, wrong.mistake)
    }
}
