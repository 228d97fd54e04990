//! A recipe: a kind of sink that is one HTTP request, written as a TOML file.
//!
//! `docs/add-a-sink.md` explains the form. Built-in recipes are in `sinks/catalog/`; an operator's own has the same form and
//! wins over a built-in of the same name.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use campanile_settings::{Setting, Type, Values, optional, with};
use serde::Deserialize;

use crate::http::client::{Client, Settings as Reach};
use crate::http::guard::Egress;
use crate::request::{Judge, Recipient, Request, Secrets};
use crate::words::{Locale, Room};
use crate::{About, BuildError, Kind, Sink, Tools};

/// What every recipe takes in addition to its own settings.
const SETTINGS: &[Setting] = &[
    with(
        "language",
        Type::Word(Locale::LANGUAGES),
        r#""en""#,
        "The language of the message.",
    ),
    with(
        "timezone",
        Type::Zone,
        r#""UTC""#,
        "The time zone of times in the message, such as \"Asia/Shanghai\".",
    ),
    with(
        "egress",
        Type::Word(&["private", "public_only"]),
        r#""private""#,
        "private: may also call private addresses. public_only: may not. Link-local and metadata addresses are always refused.",
    ),
    optional(
        "ca_file",
        Type::Path,
        r#""/etc/campanile/ca.pem""#,
        "A PEM file with a certificate authority to trust in addition to the public ones.",
    ),
];

/// A recipe that was read.
#[derive(Clone, Debug)]
pub struct Recipe {
    about: About,
    settings: Vec<Setting>,
    form: Form,
    toml: String,
}

/// What is wrong with a recipe.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct RecipeMistake {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

/// The form of the file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    title: String,
    doc: Doc,
    #[serde(default)]
    settings: BTreeMap<String, Own>,
    request: Request,
    limit: Room,
    answer: Judge,
}

/// The parts of the page.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Doc {
    does: String,
    setup: String,
    sent: String,
    fails: String,
}

/// A setting of the recipe's own.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Own {
    takes: Takes,
    #[serde(default)]
    words: Vec<String>,
    #[serde(default)]
    required: bool,
    default: Option<toml::Value>,
    example: Option<toml::Value>,
    doc: String,
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
    fn setting(&self, name: &str) -> Setting {
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

impl Recipe {
    /// Reads a file that is a recipe.
    pub fn parse(name: &str, text: &str) -> Result<Self, RecipeMistake> {
        let form = toml::from_str(text);
        let form: Form = form.map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            mistake(text, at, error.message())
        })?;
        Self::of(name, form, text.to_owned())
    }

    /// Reads the table `[root]` of a config file.
    pub fn parse_at(name: &str, text: &str, root: &[&str]) -> Result<Self, RecipeMistake> {
        let header = format!("[{}", root.join("."));
        let at = text.find(&header).unwrap_or_default();
        let wrong = |said: &str| mistake(text, at, said);
        let table: toml::Table = text.parse().map_err(|_| wrong("this is not valid TOML"))?;
        let whole = toml::Value::Table(table);
        let found = root.iter().try_fold(&whole, |value, key| value.get(key));
        let found = found.ok_or_else(|| wrong("the recipe is not in this file"))?;
        let form: Form = found
            .clone()
            .try_into()
            .map_err(|error: toml::de::Error| wrong(error.message()))?;
        Self::of(name, form, found.to_string())
    }

    fn of(name: &str, form: Form, toml: String) -> Result<Self, RecipeMistake> {
        let own = form.settings.iter();
        let own = own.map(|(name, own)| own.setting(name));
        let settings = own.chain(SETTINGS.iter().cloned()).collect();
        let recipe = Self {
            about: About {
                name: name.to_owned().into(),
                title: form.title.clone().into(),
                alternatives: &[],
            },
            settings,
            form,
            toml,
        };
        let sample = recipe.sample();
        let compiled = recipe.form.request.compile(&sample);
        let compiled = compiled.map(drop);
        let compiled = compiled.and_then(|()| recipe.form.answer.compile().map(drop));
        compiled.map_err(|error| {
            let text = recipe.toml.as_str();
            mistake(text, 0, &error.to_string())
        })?;
        Ok(recipe)
    }

    /// Values of the settings with which the templates are tried.
    fn sample(&self) -> Values {
        let example = |setting: &Setting| {
            let wanted = setting.required && setting.default.is_none();
            wanted.then(|| format!("{} = {}\n", setting.name, setting.example))
        };
        let text: String = self.settings.iter().filter_map(example).collect();
        let values = Values::parse(
            &text,
            &self.settings,
            &campanile_settings::Environment::new(),
        );
        values.unwrap_or_default()
    }
}

/// A mistake at a byte of the text.
fn mistake(text: &str, at: usize, message: &str) -> RecipeMistake {
    let before = text.get(..at).unwrap_or_default();
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
    RecipeMistake {
        line: before.matches('\n').count() + 1,
        column,
        message: message.to_owned(),
    }
}

impl Kind for Recipe {
    fn about(&self) -> &About {
        &self.about
    }

    fn settings(&self) -> &[Setting] {
        &self.settings
    }

    fn page(&self) -> String {
        let Doc {
            does,
            setup,
            sent,
            fails,
        } = &self.form.doc;
        let name = &self.about.name;
        let mut page = format!("# {name}\n\n## What it does\n{}\n\n", does.trim());
        let _infallible = write!(
            page,
            "## Set it up\n{}\n\n## What is sent\n{}\n\n## When it fails\n{}\n",
            setup.trim(),
            sent.trim(),
            fails.trim()
        );
        page
    }

    fn toml(&self) -> Option<&str> {
        Some(&self.toml)
    }

    fn build(&self, values: &Values, tools: &Tools<'_>) -> Result<Arc<dyn Sink>, BuildError> {
        let public_only = values.get::<String>("egress")? == "public_only";
        let ca_file: Option<std::path::PathBuf> = values.maybe("ca_file");
        let client = Client::new(Reach {
            egress: if public_only {
                Egress::PublicOnly
            } else {
                Egress::Any
            },
            timeout: tools.timeout,
            ca_file: ca_file.as_deref(),
            skip_tls_verification: false,
        })?;
        let language: String = values.get("language")?;
        Ok(Arc::new(Recipient {
            title: self.form.title.clone(),
            parts: self.form.request.compile(values)?,
            judge: self.form.answer.compile()?,
            room: self.form.limit,
            locale: Locale::new(&language, values.get("timezone")?),
            secrets: Secrets::of(&self.settings, values),
            client,
        }))
    }
}
