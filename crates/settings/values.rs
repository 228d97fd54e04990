//! The values of one table, each read once and typed, with the defaults filled in.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use campanile_model::{Secret, Severity, StoreUrl};
use ipnet::IpNet;
use jiff::tz::TimeZone;
use url::Url;

use super::{Environment, Layers, Mistakes, Node, Setting};

/// One value. Cannot be printed: it may hold a secret.
#[derive(Clone)]
#[expect(missing_docs, reason = "each is named for the type that it holds")]
pub enum Value {
    Text(String),
    Flag(bool),
    Whole(u64),
    Duration(Duration),
    Durations(Vec<Duration>),
    Address(SocketAddr),
    Networks(Vec<IpNet>),
    Path(PathBuf),
    Store(StoreUrl),
    Url(Url),
    Zone(TimeZone),
    Secret(Secret),
    Secrets(Vec<Secret>),
    Texts(Vec<String>),
    Labels(BTreeMap<String, String>),
    Matches(BTreeMap<String, Vec<String>>),
    Severity(Severity),
    Severities(BTreeMap<String, Severity>),
    Headers(Vec<(String, Secret)>),
    Tls(TlsFiles),
}

/// The PEM files of a listener that serves TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, then its chain.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// The values of one table: what was written, else the default. Sound: built only from a table without mistakes.
#[derive(Clone, Default)]
pub struct Values(BTreeMap<String, Value>);

impl std::fmt::Debug for Values {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// A setting that was asked for and has no value of this type: the table of settings and its reader do not agree.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` has no value of the type that is asked for")]
pub struct Unset(pub String);

/// A type in which a value can be asked for.
pub trait FromValue: Sized {
    /// The value, if it is of this type.
    fn from_value(value: &Value) -> Option<Self>;
}

impl Values {
    pub(super) fn set(&mut self, name: &str, value: Value) {
        self.0.insert(name.to_owned(), value);
    }

    /// The defaults of a table alone.
    pub fn defaults(settings: &[Setting]) -> Self {
        let mut values = Self::default();
        for setting in settings {
            let node = setting.default.as_deref().and_then(Node::default);
            // A default that its own setting does not take fails the test of the shipped `full.toml`.
            if let Some(Ok(value)) = node.map(|node| setting.takes.read(&node, &Environment::new()))
            {
                values.set(&setting.name, value);
            }
        }
        values
    }

    /// The values of a table that is written as a text of its own. For tests and examples.
    pub fn parse(
        text: &str,
        settings: &[Setting],
        environment: &Environment,
    ) -> Result<Self, Mistakes> {
        let mut layers = Layers::of_text(text);
        let values = layers
            .findings
            .table(Some(&layers.tree), "", settings, environment);
        layers.findings.verdict(values)
    }

    /// The value of a setting that is required or has a default.
    pub fn get<T: FromValue>(&self, name: &str) -> Result<T, Unset> {
        self.maybe(name).ok_or_else(|| Unset(name.to_owned()))
    }

    /// The value of a setting that may be left out.
    pub fn maybe<T: FromValue>(&self, name: &str) -> Option<T> {
        self.0.get(name).and_then(T::from_value)
    }

    /// The text of a setting, where it has one.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.0.get(name) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The list of texts of a setting; empty where it has none.
    pub fn texts(&self, name: &str) -> &[String] {
        match self.0.get(name) {
            Some(Value::Texts(texts)) => texts,
            _ => &[],
        }
    }

    /// Whether a setting is switched on.
    pub fn flag(&self, name: &str) -> bool {
        matches!(self.0.get(name), Some(Value::Flag(true)))
    }

    /// The same values with one more or another one.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.set(name, value.into());
        self
    }

    /// The same values less those of other settings.
    #[must_use]
    pub fn only(mut self, keeps: impl Fn(&str) -> bool) -> Self {
        self.0.retain(|name, _| keeps(name));
        self
    }

    /// The settings that have a value.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Whether the setting has a value.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
}

macro_rules! from_value {
    ($($variant:ident => $type:ty),* $(,)?) => {$(
        impl FromValue for $type {
            fn from_value(value: &Value) -> Option<Self> {
                match value {
                    Value::$variant(value) => Some(value.clone()),
                    _ => None,
                }
            }
        }

        impl From<$type> for Value {
            fn from(value: $type) -> Self {
                Self::$variant(value)
            }
        }
    )*};
}

from_value!(
    Text => String,
    Url => Url,
    Flag => bool,
    Whole => u64,
    Duration => Duration,
    Durations => Vec<Duration>,
    Address => SocketAddr,
    Networks => Vec<IpNet>,
    Path => PathBuf,
    Store => StoreUrl,
    Zone => TimeZone,
    Secret => Secret,
    Secrets => Vec<Secret>,
    Texts => Vec<String>,
    Labels => BTreeMap<String, String>,
    Matches => BTreeMap<String, Vec<String>>,
    Severity => Severity,
    Severities => BTreeMap<String, Severity>,
    Headers => Vec<(String, Secret)>,
    Tls => TlsFiles,
);

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// Smaller whole numbers; the table of settings bounds them.
macro_rules! from_whole {
    ($($type:ty),*) => {$(
        impl FromValue for $type {
            fn from_value(value: &Value) -> Option<Self> {
                u64::from_value(value)?.try_into().ok()
            }
        }
    )*};
}

from_whole!(u16, u32, usize);
