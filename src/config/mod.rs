//! What the operator wrote, checked: a [`Config`] cannot hold an invalid setting.
//!
//! [`load`] reads files and environment into one tree (`campanile_settings`), holds it against the table of `settings`
//! (`check`) and makes the types of this page from the values (`build`), or reports every [`Mistake`] at once.

mod access;
mod build;
mod check;
mod digest;
pub mod example;
mod mappings;
pub mod matching;
mod otlp;
pub mod page;
mod recipes;
mod reload;
pub mod rewriting;
pub mod routing;
pub mod schema;
mod settings;
mod slots;
pub mod tables;
mod tls;
pub mod watch;
pub mod windows;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use campanile_model::{Secret, StoreCopies, StoreUrl};
use campanile_providers::{Provider, Source};
use campanile_settings::{Digests, Layers, Node, Shape, Written};
use campanile_sinks::Kind;
use ipnet::IpNet;
use url::Url;

pub use access::{Proxy, Role, Token};
pub use campanile_settings::{Environment, Line, Location, Mistake, Mistakes, SecretKind};
pub use campanile_sinks::{Policy, SinkSpec};
pub use matching::Matching;
pub use otlp::Otlp;
pub use rewriting::Rewrite;
pub use routing::{Hours, Orphans, Route, Routing, Take};
pub use slots::{SecretSlot, secret_slots};
pub use tables::Table;
pub use tls::Tls;

/// How long a gateway that shares its store still accepts callbacks when it stops. A balancer that asks `/readyz` each second and
/// needs two answers sends nothing to it after two seconds; the nodes of Kubernetes need a little longer.
const DRAIN: Duration = Duration::from_secs(5);

/// What a configuration may name in addition to the settings of this module.
pub struct Vocabulary {
    /// The providers that a source may use.
    pub providers: Vec<Arc<dyn Provider>>,
    /// The kinds of sinks that a sink may be of.
    pub sinks: Vec<Arc<dyn Kind>>,
}

impl Vocabulary {
    /// The built-in providers and kinds of sinks.
    pub fn built_in() -> Self {
        Self {
            providers: campanile_providers::all().to_vec(),
            sinks: campanile_sinks::kinds().to_vec(),
        }
    }

    /// The same, with an operator's own providers and recipes instead of those of the same name.
    fn with(&self, own: Vec<Arc<dyn Provider>>, recipes: Vec<Arc<dyn Kind>>) -> Self {
        let is_own = |known: &&Arc<dyn Provider>| own.iter().any(|own| own.name() == known.name());
        let others = self.providers.iter().filter(|p| !is_own(p)).cloned();
        let others: Vec<_> = others.collect();
        let is_recipe = |kind: &&Arc<dyn Kind>| {
            recipes
                .iter()
                .any(|own| own.about().name == kind.about().name)
        };
        let kinds = self.sinks.iter().filter(|kind| !is_recipe(kind)).cloned();
        let kinds: Vec<_> = kinds.collect();
        Self {
            providers: own.into_iter().chain(others).collect(),
            sinks: recipes.into_iter().chain(kinds).collect(),
        }
    }

    /// What a source of this provider takes in addition to what all sources take.
    fn settings_of(&self, provider: &str) -> Vec<settings::Setting> {
        let mut all = self.providers.iter();
        let found = all.find(|known| known.name() == provider);
        let own = found.map_or(&[][..], |provider| &provider.about().settings);
        let common = |name: &str| settings::SOURCE.iter().any(|setting| setting.name == name);
        own.iter()
            .filter(|own| !common(&own.name))
            .cloned()
            .collect()
    }

    /// Whether a secret is at this path of a source or a sink. A setting of an operator's own recipe can be a secret although
    /// others of its name are not.
    fn has_secret(&self, path: &[&str]) -> bool {
        let (section, of, name) = match path {
            // The names of its variable and file may be shown.
            [_, _, _, _, .., "env" | "file"] => return false,
            [section, of, _, name, ..] => (*section, *of, *name),
            _ => return false,
        };
        let own = match section {
            "providers" => self.settings_of(of),
            "sinks" => {
                let kind = self.sinks.iter().find(|kind| kind.about().name == of);
                kind.map_or_else(Vec::new, |kind| kind.settings().to_vec())
            }
            _ => return false,
        };
        let mut own = own.iter();
        own.any(|setting| setting.name == name && setting.takes.is_secret())
    }
}

/// What must be known of the settings before a file is read.
const SHAPE: Shape<'static> = Shape {
    documents: &[mappings::SECTION, recipes::SECTION],
    named: &["providers", "sinks"],
    is_public: &settings::is_public,
    is_known: &settings::is_known,
    other_names: settings::OTHER_NAMES,
};

/// Reads a configuration: files, folders of them in name order, and the environment over them.
pub fn load(paths: &[PathBuf], environment: &Environment) -> Result<Config, Mistakes> {
    load_with(paths, environment, &Vocabulary::built_in())
}

/// The files with mappings, recipes and tables that a configuration names: what they hold counts as the configuration does.
pub fn mapping_files(paths: &[PathBuf]) -> Vec<PathBuf> {
    let layers = Layers::read(paths, &Environment::new(), &SHAPE);
    let tables = layers.tree.get("tables").into_iter();
    let tables = tables.flat_map(Node::entries);
    let files = tables.filter_map(|(_, table)| {
        let node = table.get("file")?;
        let Written::Text(file) = &node.value else {
            return None;
        };
        Some(layers.findings.next_to(&node.place, Path::new(file)))
    });
    layers.document_files().into_iter().chain(files).collect()
}

/// The operator's own vendors, from `[mappings]` alone: a mistake or a missing secret elsewhere does not matter.
///
/// # Errors
/// Files that cannot be read or are not valid TOML, and every mistake in the mappings.
pub fn own_providers(paths: &[PathBuf]) -> Result<Vec<Arc<dyn Provider>>, Mistakes> {
    let shape = Shape {
        named: &[],
        ..SHAPE
    };
    let mut layers = Layers::read(paths, &Environment::new(), &shape);
    let (own, _mistaken) = mappings::read(&mut layers, &shape);
    layers.findings.verdict(Some(own))
}

/// The same with other providers.
pub fn load_with(
    paths: &[PathBuf],
    environment: &Environment,
    vocabulary: &Vocabulary,
) -> Result<Config, Mistakes> {
    let mut layers = Layers::read(paths, environment, &SHAPE);
    let (own, mistaken) = mappings::read(&mut layers, &SHAPE);
    let (recipes, mistaken_recipes) = recipes::read(&mut layers, &SHAPE);
    let mut check = check::Check {
        findings: layers.findings,
        environment,
        vocabulary: &vocabulary.with(own, recipes),
        mistaken,
        mistaken_recipes,
    };
    let mut config = check.whole(&layers.tree);
    if let Some(config) = &mut config {
        let opened = (&mut layers.opened, &*config.tables);
        config.digests = digest::of(&layers.tree, opened, environment, &config.store);
        let vocabulary = check.vocabulary;
        let is_public = |path: &[&str]| settings::is_public(path) && !vocabulary.has_secret(path);
        let shape = Shape {
            is_public: &is_public,
            ..SHAPE
        };
        config.text = campanile_settings::shown(&layers.tree, &shape).into();
    }
    check.findings.verdict(config)
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
    /// `[telemetry.otlp]`; without it there are no traces.
    pub otlp: Option<Otlp>,
    /// `[self]`
    pub own: Own,
    /// `[providers.*.*]`, in the order of the file.
    pub sources: Vec<SourceSpec>,
    /// `[sinks.*.*]`, in the order of the file.
    pub sinks: Vec<SinkSpec>,
    /// `[routing]`
    pub routing: Routing,
    /// `[windows.NAME]`
    pub windows: windows::Windows,
    /// `[silences.NAME]`
    pub silences: Vec<windows::Silence>,
    /// `[[routes]]`; none means that every alert goes to every sink.
    pub routes: Vec<Route>,
    /// `[tables.*]`, in the order of the file.
    pub tables: Vec<Arc<Table>>,
    /// `[[rewrites]]`, in the order of the file.
    pub rewrites: Vec<Rewrite>,
    /// What was read, as TOML, without secrets. Without mappings and recipes.
    pub text: Arc<str>,
    /// A digest of each part that must be the same at all gateways that share a store.
    pub digests: Digests,
}

impl Config {
    /// The certificates of the public and of the admin listener.
    pub fn tls(&self) -> [Option<&Tls>; 2] {
        [self.server.tls.as_ref(), self.admin.tls.as_ref()]
    }

    /// How long a gateway that stops still accepts callbacks. With a file it is the only gateway: no other takes the callbacks
    /// meanwhile, so a restart should be short.
    pub fn drain(&self) -> Duration {
        let usual = match self.store.url {
            StoreUrl::Postgres(_) => DRAIN,
            StoreUrl::Sqlite(_) => Duration::ZERO,
        };
        self.server.drain.unwrap_or(usual)
    }
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
    /// How long it still accepts callbacks when it stops. See [`Config::drain`].
    pub drain: Option<Duration>,
    /// How many HTTP worker threads; default one less than the number of cores.
    pub workers: usize,
    /// With it the listener serves TLS only.
    pub tls: Option<Tls>,
}

impl Server {
    /// Where the vendor of `source` calls. A key is a secret: `<key>` is in its place.
    pub fn address(&self, source: &Source) -> String {
        self.whole(&source.callback_path())
    }

    /// `path` behind the public address, where that is known; else the path alone.
    pub fn whole(&self, path: &str) -> String {
        let base = self.public_url.as_ref().map_or("", Url::as_str);
        format!("{}{path}", base.trim_end_matches('/'))
    }
}

/// The listener for operators: page, API, metrics, health.
#[derive(Clone, Debug)]
pub struct Admin {
    /// Where. Default `127.0.0.1:8081`.
    pub listen: SocketAddr,
    /// How operators reach it, when that is not `listen`.
    pub public_url: Option<Url>,
    /// The bearer token of an admin.
    pub token: Option<Secret>,
    /// The other tokens.
    pub tokens: Vec<Token>,
    /// A proxy that logs operators in. Anything but loopback needs a token or this.
    pub proxy: Option<Proxy>,
    /// With it the listener serves TLS only.
    pub tls: Option<Tls>,
}

/// Where everything is kept.
#[derive(Clone, Debug)]
pub struct Store {
    /// Where it is.
    pub url: StoreUrl,
    /// How long callbacks, alerts and dedup keys are kept. Default 30.
    pub retention_days: u32,
    /// How many copies there are on servers before a callback is answered. None: what the server offers.
    pub copies: Option<StoreCopies>,
}

/// What is logged, and how.
#[derive(Clone, Debug)]
pub struct Log {
    /// `json` (default) or `pretty`.
    pub pretty: bool,
    /// A filter such as `info` (default) or `campanile=debug`.
    pub level: String,
}

/// What the gateway says of itself.
#[derive(Clone, Debug)]
pub struct Own {
    /// Its troubles are alerts.
    pub alerts: bool,
    /// Fewer free bytes on the disk of the store are a trouble.
    pub free_bytes_min: u64,
}

/// One configured source with its provider.
#[derive(Clone)]
pub struct SourceSpec {
    /// The adapter.
    pub provider: Arc<dyn Provider>,
    /// The settings.
    pub source: Arc<Source>,
}

impl std::fmt::Debug for SourceSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SourceSpec")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A recipe whose secret has the name of a setting that is not a secret elsewhere.
    const RECIPE: &str = r#"
        [providers.ucloud.prod]
        key = "0123456789abcdef0123456789abcdef"

        [recipes.pager]
        title = "Pager: pages the person on call"
        limit = { characters = 500 }

        [recipes.pager.settings]
        url = { takes = "url", required = true, example = "https://pager.example.com", doc = "The address of the pager." }
        role = { takes = "secret", example = { env = "PAGER_ROLE" }, doc = "The key of the role." }
        team = { takes = "text", required = true, example = "db", doc = "The team to page." }

        [recipes.pager.request]
        method = "POST"
        url = "{{ settings.url }}/v1/pages"
        headers = { x-pager-key = "{{ settings.role }}" }
        body = '{"team": {{ settings.team|tojson }}, "text": {{ message.text|tojson }}}'

        [recipes.pager.answer]
        success = "status == 200 and body.ok"
        again = "status == 200 and body.error == 'busy'"
        never = "body.error == 'invalid'"
        reason = "/error"

        [recipes.pager.doc]
        does = "Pages the person on call."
        setup = "Make a key in the pager and set `[sinks.pager.NAME]`."
        sent = "One page for each alert."
        fails = "A busy pager is called again."

        [sinks.pager.oncall]
        url = "https://pager.example.com"
        team = "db"
        role = "c4nary-key-of-the-pager"
    "#;

    #[test]
    fn a_secret_of_a_recipe_is_hidden_under_any_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("campanile.toml");
        std::fs::write(&file, RECIPE).unwrap();
        let config = load(&[file], &Environment::new()).unwrap();
        assert!(
            config.text.contains("role = \"***\""),
            "its place is shown: {}",
            config.text
        );
        assert!(!config.text.contains("c4nary"), "{}", config.text);
        assert!(settings::is_public(&["sinks", "pager", "oncall", "role"]));
    }

    #[test]
    fn the_value_of_a_header_is_hidden_under_any_name() {
        for name in ["env", "file", "x-key"] {
            for table in [&["sinks", "webhook", "oncall"][..], &["telemetry", "otlp"]] {
                let path = [table, &["headers", name]].concat();
                assert!(!settings::is_public(&path), "{path:?}");
                let variable = [table, &["headers", "x-key", "env"]].concat();
                assert!(settings::is_public(&variable), "{variable:?}");
            }
        }
    }
}
