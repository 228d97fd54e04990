//! A kind of sink: what it is, what it takes, and how one is built.

use std::borrow::Cow;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use campanile_language::Mistake;
use campanile_settings::{Setting, Unset, Values};
use serde::Deserialize;

use crate::policy::{self, Limits};
use crate::{Policy, Sink, reach, recipe};

/// What is constant for a kind.
#[derive(Clone, Debug)]
pub struct About {
    /// The word in the config.
    pub name: Cow<'static, str>,
    /// One line.
    pub title: Cow<'static, str>,
    /// Who or what receives the alerts.
    pub group: Group,
    /// How sure it is that the real receiver behaves as the kind expects.
    pub confidence: Confidence,
    /// The cargo feature that holds its driver, where it has one of its own.
    pub feature: Option<Feature>,
    /// Pairs of settings of which only one may be set.
    pub alternatives: &'static [(&'static str, &'static str)],
    /// How many messages the receiver takes, where its vendor says so.
    pub limits: Limits,
    /// Many alerts can go out in one message. If not, `overflow = "digest"` is refused.
    pub digest: bool,
}

/// Who or what receives the alerts of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Group {
    /// A conversation.
    Chat,
    /// One person's phone or mailbox.
    People,
    /// A program: an incident tool, a log or event store, another gateway.
    Machines,
    /// A message broker, a database, a file.
    Stores,
    /// Something is done.
    Actions,
}

impl Group {
    /// In the order of the documentation.
    pub const ALL: [Self; 5] = [
        Self::Chat,
        Self::People,
        Self::Machines,
        Self::Stores,
        Self::Actions,
    ];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::People => "people",
            Self::Machines => "machines",
            Self::Stores => "stores",
            Self::Actions => "actions",
        }
    }
}

/// How sure it is that the real receiver behaves as a kind expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// The tests of this project talk to the real receiver.
    Tested,
    /// The vendor's documentation says so. Never tried against the real service.
    Documented,
    /// The vendor's code, or that of its users, says so. Never tried against the real service.
    Code,
    /// Concluded from similar services. Never tried against the real service.
    Inferred,
}

impl Confidence {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tested => "tested",
            Self::Documented => "documented",
            Self::Code => "code",
            Self::Inferred => "inferred",
        }
    }

    /// One sentence for the page of a kind.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Tested => "The tests of Campanile send to the real receiver.",
            Self::Documented => {
                "Built from the vendor's documentation. Not tried against the real service."
            }
            Self::Code => {
                "Built from the code of the vendor or of its users. Not tried against the real service."
            }
            Self::Inferred => {
                "Built from reports and from similar services. Not tried against the real service."
            }
        }
    }
}

/// A cargo feature with a driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feature {
    /// Its name in `Cargo.toml`.
    pub name: &'static str,
    /// Whether this build has it.
    pub built: bool,
}

/// A kind of sink. One file in `sinks/kinds/`, or one recipe.
pub trait Kind: Debug + Send + Sync {
    /// What is constant for it.
    fn about(&self) -> &About;

    /// What it takes in addition to [`policy::SETTINGS`].
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

/// The whole page of a kind: its own text, its settings, its limits, and how sure it is.
pub fn page_of(kind: &dyn Kind) -> String {
    let about = kind.about();
    let feature = about.feature.map(|feature| {
        let name = feature.name;
        format!("\nThe driver is the cargo feature `{name}`. Releases have it.\n")
    });
    let sure = about.confidence.sentence();
    [
        kind.page(),
        settings_text(kind),
        limits_text(&about.limits),
        feature.unwrap_or_default(),
        format!("\n## How sure it is\n{sure}\n"),
    ]
    .concat()
}

fn settings_text(kind: &dyn Kind) -> String {
    let (common, own): (Vec<_>, Vec<_>) = kind.settings().iter().partition(|setting| {
        let mut common = reach::SETTINGS.iter().chain(recipe::SETTINGS);
        common.any(|common| common.name == setting.name)
    });
    let own: String = own.into_iter().map(line_of).collect();
    let heading = if own.is_empty() {
        ""
    } else {
        "\n## Settings\n"
    };
    let common = common.iter().map(|setting| format!("`{}`", setting.name));
    let common = common.chain(["the settings of every sink".to_owned()]);
    let common = common.collect::<Vec<_>>().join(", ");
    format!("{heading}{own}\nAlso {common}: see `docs/config.md`.\n")
}

fn limits_text(limits: &Limits) -> String {
    let limits = limits
        .each()
        .map(|(name, most)| format!("`{name} = {most}`"));
    let limits = limits.collect::<Vec<_>>().join(", ");
    if limits.is_empty() {
        return limits;
    }
    format!("\nThe limits of the vendor are the defaults: {limits}.\n")
}

fn line_of(setting: &Setting) -> String {
    let needed = match (&setting.default, setting.required) {
        (Some(default), _) => format!("default `{default}`"),
        (None, true) => "required".to_owned(),
        (None, false) => "optional".to_owned(),
    };
    format!("- `{}` ({needed}): {}\n", setting.name, setting.doc)
}

/// Everything that a sink of this kind takes.
pub fn settings_of(kind: &dyn Kind) -> Vec<Setting> {
    let policy = policy::settings(kind.about());
    kind.settings().iter().cloned().chain(policy).collect()
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
    /// When and how often it is called.
    pub policy: Policy,
}

/// The sink of these settings. Reads certificate files; opens nothing and sends nothing.
pub fn build(spec: &SinkSpec) -> Result<Arc<dyn Sink>, BuildError> {
    if let Some(Feature { name, built: false }) = spec.kind.about().feature {
        return Err(not_built(name));
    }
    let tools = Tools {
        name: &spec.name,
        timeout: spec.policy.timeout,
    };
    spec.kind.build(&spec.values, &tools)
}

/// The error of a kind whose driver this build does not have.
pub(crate) fn not_built(feature: &str) -> BuildError {
    let problem = format!(
        "this build does not have the feature `{feature}`: install a release, or build with `--features {feature}`"
    );
    BuildError::new("", problem)
}

/// A sink that cannot work as it is configured. Never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{setting}{}: {problem}", in_lines(*.place))]
pub struct BuildError {
    /// The setting inside the sink's table, such as `url` or `headers.X-Team`.
    pub setting: String,
    /// What is wrong with it, and what to do.
    pub problem: String,
    /// Line and column inside the setting's text, where it is an expression or a template.
    pub place: Option<(usize, usize)>,
}

/// The place inside a setting, for people. In one line the problem names the word itself.
fn in_lines(place: Option<(usize, usize)>) -> String {
    match place {
        Some((line, column)) if line > 1 => format!(" (its line {line}, column {column})"),
        _ => String::new(),
    }
}

impl BuildError {
    /// The setting, and what is wrong with it.
    pub fn new(setting: &str, problem: impl Into<String>) -> Self {
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
