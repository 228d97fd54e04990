//! The configuration in force: immutable, and replaced as a whole on reload.

pub mod index;
pub mod matcher;
pub mod rewrites;
pub(crate) mod routes;
pub mod silences;
pub(crate) mod written;

use std::collections::HashMap;
use std::sync::Arc;

use campanile_model::SinkId;
use campanile_providers::{self as providers, Provider, Route};

use crate::config::{Config, Server};
use silences::{Silence, Silences, Times};

pub use rewrites::Rewrites;
pub use routes::{RouteMistake, Routes};

/// What intake and pipeline ask.
#[derive(Debug)]
pub struct Snapshot {
    /// The sources, in the order of the file.
    pub sources: Vec<Source>,
    /// Paths that providers serve without the name of a source in them.
    pub paths: Vec<OwnPath>,
    /// What is changed in alerts.
    pub rewrites: Rewrites,
    /// Which alert goes to which sink.
    pub routes: Arc<Routes>,
    /// The silences of the configuration.
    pub silences: Arc<Silences>,
    /// The sinks, in the order of the file: number in the store and full name.
    pub sinks: Vec<(SinkId, Arc<str>)>,
    /// The limits of the public listener, and the proxies that it trusts.
    pub server: Server,
    /// The configuration as TOML, without secrets.
    pub text: Arc<str>,
    by_name: HashMap<Arc<str>, usize>,
}

/// One configured use of a provider.
#[derive(Clone)]
pub struct Source {
    /// Its place in [`Snapshot::sources`].
    pub number: usize,
    /// The full name, such as `ucloud/prod`.
    pub name: Arc<str>,
    /// The adapter of the vendor's protocol.
    pub provider: Arc<dyn Provider>,
    /// What the operator set.
    pub settings: Arc<providers::Source>,
}

/// A route of a vendor's protocol, with the sources that it may be for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnPath {
    /// The route as the first provider describes it.
    pub route: Route,
    /// The methods that are served, in alphabetical order.
    pub methods: Vec<&'static str>,
    /// Places in [`Snapshot::sources`].
    pub sources: Vec<usize>,
}

impl Snapshot {
    /// The configuration `config`, whose sinks have these numbers in the store.
    ///
    /// # Errors
    /// Every expression of a route or a rewrite that cannot be compiled.
    pub fn new(config: &Config, sinks: &[SinkId]) -> Result<Self, Vec<RouteMistake>> {
        let specs = config.sources.iter().enumerate();
        let sources: Vec<Source> = specs
            .map(|(number, spec)| Source {
                number,
                name: spec.source.name.as_str().into(),
                provider: Arc::clone(&spec.provider),
                settings: Arc::clone(&spec.source),
            })
            .collect();
        let names = sources.iter().map(|source| Arc::clone(&source.name));
        let sink_names: Vec<&str> = config.sinks.iter().map(|spec| &*spec.name).collect();
        Ok(Self {
            by_name: names.zip(0..).collect(),
            paths: own_paths(&sources),
            rewrites: Rewrites::compile(&config.rewrites, &config.tables)?,
            routes: Arc::new(Routes::compile(
                (&config.routes, &config.routing),
                sinks,
                &sink_names,
            )?),
            silences: Arc::new(silences(config)),
            sinks: sinks
                .iter()
                .copied()
                .zip(sink_names.into_iter().map(Arc::from))
                .collect(),
            server: config.server.clone(),
            text: Arc::clone(&config.text),
            sources,
        })
    }

    /// The source of this full name.
    pub fn source(&self, name: &str) -> Option<&Source> {
        self.sources.get(*self.by_name.get(name)?)
    }

    /// The sources at these places.
    pub fn at<'s>(&'s self, places: &'s [usize]) -> impl Iterator<Item = &'s Source> {
        places.iter().filter_map(|place| self.sources.get(*place))
    }
}

impl Source {
    /// The HTTP methods that its vendor uses.
    pub fn methods(&self) -> &[&'static str] {
        &self.provider.about().methods
    }

    /// The vendor's name in the configuration.
    pub fn vendor(&self) -> &str {
        self.provider.name()
    }

    /// Whether text in an undeclared charset is more likely Chinese than Western.
    pub fn expects_chinese(&self) -> bool {
        providers::expects_chinese(&*self.provider, &self.settings)
    }

    fn routes(&self) -> impl Iterator<Item = &Route> {
        let all = self.provider.about().routes.iter();
        all.filter(|route| route.is_on(&self.settings))
    }
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// The silences of the configuration. All of them were compiled when it was checked.
fn silences(config: &Config) -> Silences {
    let compiled = config.silences.iter().filter_map(|silence| {
        Some(Silence {
            name: silence.name.as_str().into(),
            matcher: matcher::Matcher::compile(&silence.matching).ok()?,
            times: Times::Windows(silence.during.clone()),
            after: silence.after,
        })
    });
    Silences::of(compiled.collect())
}

/// The paths of all sources, each once.
fn own_paths(sources: &[Source]) -> Vec<OwnPath> {
    let mut all: Vec<OwnPath> = Vec::new();
    let routes = |source| Source::routes(source).map(move |route| (route, source.number));
    for (route, number) in sources.iter().flat_map(routes) {
        let known = all.iter_mut().find(|known| known.route.path == route.path);
        if let Some(known) = known {
            known.sources.push(number);
            known.methods.extend(route.methods);
            known.methods.sort_unstable();
            known.methods.dedup();
        } else {
            all.push(OwnPath {
                route: *route,
                methods: route.methods.to_vec(),
                sources: vec![number],
            });
        }
    }
    all
}
