//! A recipe: a kind of sink that is one HTTP request, written as a TOML file.
//!
//! `docs/add-a-sink.md` explains the form. Built-in recipes are in `sinks/catalog/`; an operator's own has the same form and
//! wins over a built-in of the same name.

mod answer;
mod before;
mod form;
mod kept;
mod names;
mod probe;
mod recipient;
mod request;
mod scheme;
mod sign;
mod skip;
mod token;
mod when;

use std::fmt::Write as _;
use std::sync::Arc;

use campanile_language::Template;
use campanile_settings::{Environment, Setting, Type, Values, optional, with};

use crate::reach::{self, Reach};
use crate::secrets::Secrets;
use crate::words::Locale;
use crate::{About, BuildError, Kind, Sink, Tools};
use answer::Verdicts;
use before::First;
use form::{Doc, Form, Wrong};
use names::{Names, seen};
use probe::Question;
use recipient::Recipient;
use request::Parts;
use skip::Skips;
use token::Tokens;

/// What every recipe takes in addition to its own settings and those of [`reach`].
pub(crate) const SETTINGS: &[Setting] = &[
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
    optional(
        "template",
        Type::Template,
        r#""{{ description }}""#,
        "A Jinja template for the details of the message, instead of Campanile's own lines. The first line stays.",
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

/// The templates and expressions of a recipe with the settings of one sink.
struct Compiled {
    parts: Parts,
    skips: Skips,
    first: Option<First>,
    token: Option<Tokens>,
    question: Option<Question>,
    judge: Verdicts,
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

impl RecipeMistake {
    /// A mistake at a byte of the file.
    fn at(text: &str, at: usize, message: &str) -> Self {
        let before = text.get(..at).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
        Self {
            line: before.matches('\n').count() + 1,
            column,
            message: message.to_owned(),
        }
    }
}

impl Recipe {
    /// Reads a file that is a recipe.
    pub fn parse(name: &str, text: &str) -> Result<Self, RecipeMistake> {
        Self::parse_at(name, text, &[])
    }

    /// Reads the table at `root`, such as `recipes.pager`, of a file.
    pub fn parse_at(name: &str, text: &str, root: &[&str]) -> Result<Self, RecipeMistake> {
        let form = Form::read(text, root)?;
        let own = form.settings.iter();
        let own = own.map(|(name, own)| own.setting(name));
        let common = SETTINGS.iter().chain(reach::SETTINGS).cloned();
        let recipe = Self {
            about: About {
                name: name.to_owned().into(),
                title: form.title.clone().into(),
                group: form.group,
                confidence: form.confidence,
                feature: form.sign.as_ref().and_then(|sign| sign.get_ref().feature()),
                alternatives: &[],
                limits: form.limits,
                digest: form.digest,
            },
            settings: own.chain(common).collect(),
            form,
            toml: own_text(text, root),
        };
        if recipe.about.feature.is_some_and(|feature| !feature.built) {
            // It is listed, with the feature that it needs. A sink of it is refused.
            return Ok(recipe);
        }
        let locale = recipe.locale("en", jiff::tz::TimeZone::UTC);
        let compiled = recipe.compile(&recipe.sample(), &locale);
        compiled.map_err(|wrong| wrong.in_file(text))?;
        Ok(recipe)
    }

    /// Values of the settings with which the templates are tried.
    fn sample(&self) -> Values {
        let example = |setting: &Setting| {
            let wanted = setting.required && setting.default.is_none();
            wanted.then(|| format!("{} = {}\n", setting.name, setting.example))
        };
        let text: String = self.settings.iter().filter_map(example).collect();
        let values = Values::parse(&text, &self.settings, &Environment::new());
        values.unwrap_or_else(|_| Values::defaults(&self.settings))
    }

    fn compile(&self, values: &Values, locale: &Locale) -> Result<Compiled, Wrong> {
        let form = &self.form;
        let names = Arc::new(Names::of(seen(&self.settings, values), locale.words()));
        let sign = form.sign.as_ref();
        let of_request = sign.filter(|sign| sign.get_ref().is_of_request());
        let question = form.probe.as_ref();
        let question = question.map(|probe| probe.compile(of_request, &names));
        let first = form.before.as_ref().map(|before| before.compile(&names));
        let token = form.token.as_ref().map(|token| token.compile(&names));
        Ok(Compiled {
            parts: form.request.compile("request", sign, &names)?,
            skips: Skips::compile(&form.skip, &names)?,
            first: first.transpose()?,
            token: token.transpose()?,
            question: question.transpose()?,
            judge: form.answer.compile(&form.title)?,
        })
    }

    fn check_values(&self, values: &Values) -> Result<(), BuildError> {
        let seen = seen(&self.settings, values);
        for (name, own) in &self.form.settings {
            let value = seen.get(name).and_then(serde_json::Value::as_str);
            if let Some(problem) = value.and_then(|value| own.problem(value)) {
                return Err(BuildError::new(name, problem));
            }
        }
        Ok(())
    }

    fn locale(&self, language: &str, zone: jiff::tz::TimeZone) -> Locale {
        let own = self.form.words.as_ref();
        let of = |language: &str| own.and_then(|own| own.get_ref().get(language));
        // A word that a language lacks is English.
        let words = [of("en"), of(language)].into_iter().flatten().flatten();
        Locale::new(language, zone, words)
    }
}

/// The recipe alone: the rest of a config file may hold secrets.
fn own_text(text: &str, root: &[&str]) -> String {
    let [] = root else {
        let whole: toml::Table = text.parse().unwrap_or_default();
        let whole = toml::Value::Table(whole);
        let found = root.iter().try_fold(&whole, |value, key| value.get(key));
        let found = found.and_then(toml::Value::as_table);
        return found.map(ToString::to_string).unwrap_or_default();
    };
    text.to_owned()
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
            unsure,
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
        if !unsure.is_empty() {
            let _infallible = write!(page, "\n## What is not certain\n{}\n", unsure.trim());
        }
        page
    }

    fn toml(&self) -> Option<&str> {
        Some(&self.toml)
    }

    fn build(&self, values: &Values, tools: &Tools<'_>) -> Result<Arc<dyn Sink>, BuildError> {
        self.check_values(values)?;
        let language: String = values.get("language")?;
        let template = values.text("template").map(Template::compile).transpose();
        let template = template.map_err(|mistake| BuildError::in_text("template", mistake))?;
        let locale = self
            .locale(&language, values.get("timezone")?)
            .with_template(template);
        let Compiled {
            parts,
            skips,
            first,
            token,
            question,
            judge,
        } = self.compile(values, &locale)?;
        parts.check_signer()?;
        Ok(Arc::new(Recipient {
            parts,
            skips,
            first,
            token,
            question,
            judge,
            room: self.form.limit,
            locale,
            secrets: Secrets::of(&self.settings, values),
            client: Reach::of(values)?.client(tools.timeout)?,
            name: tools.name.to_owned(),
            timeout: tools.timeout,
        }))
    }
}
