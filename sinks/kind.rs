//! A kind of sink: what it is, what it takes, and how one is built.

use std::borrow::Cow;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use campanile_language::Mistake;
use campanile_settings::{Setting, Unset, Values};

use crate::{Policy, Sink};

/// What is constant for a kind.
#[derive(Clone, Debug)]
pub struct About {
    /// The word in the config.
    pub name: Cow<'static, str>,
    /// One line.
    pub title: Cow<'static, str>,
    /// Pairs of settings of which only one may be set.
    pub alternatives: &'static [(&'static str, &'static str)],
}

/// A kind of sink. One file in `sinks/kinds/`, or one recipe.
pub trait Kind: Debug + Send + Sync {
    /// What is constant for it.
    fn about(&self) -> &About;

    /// What it takes in addition to [`crate::policy::SETTINGS`].
    fn settings(&self) -> &[Setting];

    /// A page with the headings *What it does*, *Set it up*, *What is sent*, *When it fails*.
    fn page(&self) -> String;

    /// Its recipe, if it is one: a TOML file that can be copied, changed and used.
    fn toml(&self) -> Option<&str> {
        None
    }

    /// A sink with these settings. Reads certificate files; opens nothing and sends nothing.
    fn build(&self, values: &Values, tools: &Tools<'_>) -> Result<Arc<dyn Sink>, BuildError>;
}

/// What a kind needs to build a sink in addition to its own settings.
#[derive(Clone, Copy, Debug)]
pub struct Tools<'a> {
    /// The full name, such as `webhook/oncall`.
    pub name: &'a str,
    /// How long one attempt may take.
    pub timeout: Duration,
}

/// One configured destination.
#[derive(Clone, Debug)]
pub struct SinkSpec {
    /// The full name, such as `webhook/oncall`.
    pub name: String,
    /// Its kind.
    pub kind: Arc<dyn Kind>,
    /// The settings of its kind.
    pub values: Values,
    /// When to try, how often, how fast.
    pub policy: Policy,
}

/// The sink of these settings. Reads certificate files; opens nothing and sends nothing.
pub fn build(spec: &SinkSpec) -> Result<Arc<dyn Sink>, BuildError> {
    let tools = Tools {
        name: &spec.name,
        timeout: spec.policy.timeout,
    };
    spec.kind.build(&spec.values, &tools)
}

/// A sink that cannot work as it is configured. Never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{setting}: {problem}")]
pub struct BuildError {
    /// The setting inside the sink's table, such as `url` or `headers.X-Team`.
    pub setting: String,
    /// What is wrong with it, and what to do.
    pub problem: String,
    /// Line and column inside the setting's text, where it is an expression or a template.
    pub place: Option<(usize, usize)>,
}

impl BuildError {
    pub(crate) fn new(setting: &str, problem: impl Into<String>) -> Self {
        Self {
            setting: setting.to_owned(),
            problem: problem.into(),
            place: None,
        }
    }

    pub(crate) fn in_text(setting: &str, mistake: Mistake) -> Self {
        Self {
            setting: setting.to_owned(),
            problem: mistake.message,
            place: Some((mistake.line, mistake.column)),
        }
    }
}

impl From<Unset> for BuildError {
    fn from(unset: Unset) -> Self {
        Self::new(&unset.0, "it has no value of the expected type")
    }
}

/// The page of a kind: the module doc at the head of its own source file.
pub(crate) fn page(source: &str) -> String {
    let lines = source
        .lines()
        .map_while(|line| line.strip_prefix("//!"))
        .map(|line| line.strip_prefix(' ').unwrap_or(line));
    lines.fold(String::new(), |page, line| page + line + "\n")
}
