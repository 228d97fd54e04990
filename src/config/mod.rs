//! What the operator wrote, checked: a [`Config`] cannot hold an invalid setting.
//!
//! [`load`] reads files and environment (`layers`, `text`), holds them against the table of `settings` (`check`, `values`,
//! `secret`) and makes the types of this page of them (`build`), or tells every [`Mistake`] at once.

mod build;
mod check;
mod expressions;
mod layers;
mod mappings;
mod mistake;
mod node;
pub mod page;
mod reload;
pub mod schema;
mod secret;
mod settings;
mod slots;
mod text;
mod values;
pub mod watch;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use campanile_model::Secret;
use campanile_providers::{Provider, Source};
use ipnet::IpNet;
use url::Url;

pub use campanile_sinks::{File, Policy, SinkKind, SinkSpec, Stdout, Webhook, WebhookBody};
pub use expressions::{ExpressionMistake, Expressions, Language};
pub use mistake::{Line, Location, Mistake, Mistakes};
pub use slots::{SecretKind, SecretSlot, secret_slots};

/// What a configuration may speak of beside the settings of this module.
pub struct Vocabulary<'a> {
    /// The providers that a source may use.
    pub providers: Vec<Arc<dyn Provider>>,
    /// The language of conditions and templates.
    pub expressions: &'a dyn Expressions,
}

impl Vocabulary<'_> {
    /// The providers and the language that are built in.
    pub fn built_in() -> Self {
        Self {
            providers: campanile_providers::all().to_vec(),
            expressions: &Language,
        }
    }

    /// The same, with an operator's own providers in the place of those of the same name.
    fn with(&self, own: Vec<Arc<dyn Provider>>) -> Self {
        let is_own = |known: &&Arc<dyn Provider>| own.iter().any(|own| own.name() == known.name());
        let others: Vec<_> = self
            .providers
            .iter()
            .filter(|p| !is_own(p))
            .cloned()
            .collect();
        Self {
            providers: own.into_iter().chain(others).collect(),
            expressions: self.expressions,
        }
    }

    /// What a source of this provider takes beside what all sources take.
    fn settings_of(&self, provider: &str) -> Vec<settings::Setting> {
        let mut all = self.providers.iter();
        let found = all.find(|known| known.name() == provider);
        let own = found.map_or(&[][..], |provider| &provider.about().settings);
        let common = |name| settings::SOURCE.iter().any(|setting| setting.name == name);
        own.iter()
            .filter(|own| !common(own.name))
            .map(settings::of_provider)
            .collect()
    }
}

/// Reads a configuration: files, folders of them in name order, and the environment over them.
pub fn load(paths: &[PathBuf], environment: &Environment) -> Result<Config, Mistakes> {
    load_with(paths, environment, &Vocabulary::built_in())
}

/// The files with mappings that a configuration names: what they hold counts as the configuration does.
pub fn mapping_files(paths: &[PathBuf]) -> Vec<PathBuf> {
    layers::Layers::read(paths, &Environment::new()).mapping_files()
}

/// The operator's own vendors, those of `[mappings]`; or every mistake in the configuration.
pub fn own_providers(
    paths: &[PathBuf],
    environment: &Environment,
) -> Result<Vec<Arc<dyn Provider>>, Mistakes> {
    load(paths, environment)?;
    let mut layers = layers::Layers::read(paths, environment);
    layers.tree();
    Ok(layers.own_mappings().providers)
}

/// The same with other providers or another language.
pub fn load_with(
    paths: &[PathBuf],
    environment: &Environment,
    vocabulary: &Vocabulary<'_>,
) -> Result<Config, Mistakes> {
    let mut layers = layers::Layers::read(paths, environment);
    let tree = layers.tree();
    let own = layers.own_mappings();
    let vocabulary = vocabulary.with(own.providers);
    let mut check = check::Check::new(layers, environment, &vocabulary, own.mistaken);
    let config = check.whole(&tree);
    check.layers.verdict(config)
}

/// A whole configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// `[server]`
    pub server: Server,
    /// `[admin]`
    pub admin: Admin,
    /// `[store]`
    pub store: Store,
    /// `[log]`
    pub log: Log,
    /// `[providers.*.*]`, in the order of the file.
    pub feeds: Vec<Feed>,
    /// `[sinks.*.*]`, in the order of the file.
    pub sinks: Vec<SinkSpec>,
    /// `[[routes]]`; none means that every alert goes to every sink.
    pub routes: Vec<Route>,
}

/// The listener that vendors call.
#[derive(Clone, Debug)]
pub struct Server {
    /// Where vendors call. Default `127.0.0.1:8080`.
    pub listen: SocketAddr,
    /// How the internet reaches it, when that is not `listen`.
    pub public_url: Option<Url>,
    /// The largest body taken over the wire. Default 1 MiB.
    pub body_bytes_max: usize,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// The header in which a trusted proxy names the client certificate that it verified, in lower case.
    pub client_certificate_header: Option<String>,
    /// How long a sender may take for its headers. Default 5 s.
    pub head_timeout: Duration,
    /// How long a sender may take for its body. Default 10 s.
    pub body_timeout: Duration,
    /// Connections at the same time. Default 10,000.
    pub connections_max: usize,
    /// How many HTTP worker threads; default one less than the number of cores.
    pub workers: usize,
}

/// The listener for operators: page, API, metrics, health.
#[derive(Clone, Debug)]
pub struct Admin {
    /// Where. Default `127.0.0.1:8081`.
    pub listen: SocketAddr,
    /// How operators reach it, when that is not `listen`.
    pub public_url: Option<Url>,
    /// The bearer token; required on anything but loopback.
    pub token: Option<Secret>,
}

/// A path of a listener as a whole address, where its public address is known.
pub fn whole(public_url: Option<&Url>, path: &str) -> String {
    let base = public_url.map_or("", Url::as_str);
    format!("{}{path}", base.trim_end_matches('/'))
}

/// Where everything is kept.
#[derive(Clone, Debug)]
pub struct Store {
    /// The SQLite file of `sqlite:PATH`.
    pub path: PathBuf,
    /// How long callbacks, alerts and dedup keys are kept. Default 30.
    pub retention_days: u32,
}

/// What is logged, and how.
#[derive(Clone, Debug)]
pub struct Log {
    /// `json` (default) or `pretty`.
    pub pretty: bool,
    /// A filter such as `info` (default) or `campanile=debug`.
    pub level: String,
}

/// One configured source with its provider.
#[derive(Clone)]
pub struct Feed {
    /// The adapter.
    pub provider: Arc<dyn Provider>,
    /// The settings.
    pub source: Arc<Source>,
}

impl std::fmt::Debug for Feed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Feed")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

/// One `[[routes]]` table: which alerts go to which sinks. Every route that matches counts.
#[derive(Clone, Debug)]
pub struct Route {
    /// A Jinja expression over the alert's fields (checked at load); none matches every alert.
    pub when: Option<String>,
    /// Indices into [`Config::sinks`].
    pub sinks: Vec<usize>,
}

/// What stands in an environment: injected, so that tests need not change the process's own.
pub type Environment = BTreeMap<String, String>;
