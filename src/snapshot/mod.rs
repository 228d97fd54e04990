//! The configuration in force: immutable, and replaced as a whole on reload.

pub(crate) mod routes;

use std::collections::HashMap;
use std::sync::Arc;

use campanile_model::SinkId;
use campanile_providers::{self as providers, Provider};

use crate::config::{Config, Server};

pub use routes::{RouteMistake, Routes, When};

/// What intake and pipeline ask.
#[derive(Debug)]
pub struct Snapshot {
    /// The sources, in the order of the file.
    pub sources: Vec<Source>,
    /// Paths that providers serve without the name of a source in them.
    pub paths: Vec<OwnPath>,
    /// Which alert goes to which sink.
    pub routes: Routes,
    /// The limits of the public listener, and the proxies that it trusts.
    pub server: Server,
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

/// A path of a vendor's protocol, such as `/api/v2/alerts`, with the sources that it may be for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnPath {
    /// The path.
    pub path: &'static str,
    /// What a request to it asks for.
    pub asks: Asks,
    /// It is also served after the address of a source.
    pub behind: bool,
    /// A key may follow as the last segment.
    pub keyed: bool,
    /// The methods that are served, in alphabetical order.
    pub methods: Vec<&'static str>,
    /// Places in [`Snapshot::sources`].
    pub sources: Vec<usize>,
}

/// What a request to a path of a provider asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks {
    /// To take the callback.
    Take,
    /// For a list of the last alerts.
    List,
}

impl Snapshot {
    /// The configuration `config`, whose sinks have these numbers in the store.
    ///
    /// # Errors
    /// Every condition of a route that cannot be compiled.
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
        Ok(Self {
            by_name: names.zip(0..).collect(),
            paths: own_paths(&sources),
            routes: Routes::compile(&config.routes, sinks)?,
            server: config.server.clone(),
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

    fn own_paths(&self) -> Vec<OwnPath> {
        let own = |path, asks, methods: &[&'static str], protocol: bool| OwnPath {
            path,
            asks,
            behind: protocol,
            keyed: !protocol,
            methods: methods.to_vec(),
            sources: vec![self.number],
        };
        let routes = self.provider.about().routes.iter();
        let mut all: Vec<_> = routes
            .map(|route| own(route.path, Asks::Take, route.methods, true))
            .collect();
        if self.settings.own.flag("demo_paths") {
            all.push(own("/add", Asks::Take, &["POST"], false));
            all.push(own("/get", Asks::List, &["GET"], false));
        }
        all
    }
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// The paths of all sources, each once.
fn own_paths(sources: &[Source]) -> Vec<OwnPath> {
    let mut all: Vec<OwnPath> = Vec::new();
    for own in sources.iter().flat_map(Source::own_paths) {
        match all.iter_mut().find(|known| known.path == own.path) {
            Some(known) => {
                known.sources.extend(own.sources);
                known.methods.extend(own.methods);
                known.methods.sort_unstable();
                known.methods.dedup();
            }
            None => all.push(own),
        }
    }
    all
}
