//! From what is written to a [`Config`]: every table is held against its settings, then what must agree between them.

mod access;
mod agreement;
mod named;
mod rewrites;
mod routes;
mod telemetry;
mod windows;

use std::sync::Arc;

use campanile_settings::{Digests, Findings, Node, Unset, Values};
use named::Named;

use super::settings::{self, Setting};
use super::{
    Admin, Config, Environment, Server, SinkSpec, SourceSpec, Store, Tls, Vocabulary, build,
};

/// What is checked, against what, and what was found.
pub(super) struct Check<'a> {
    pub(super) findings: Findings,
    pub(super) environment: &'a Environment,
    pub(super) vocabulary: &'a Vocabulary,
    /// The operator's own providers that could not be read. Their sources cannot be checked.
    pub(super) mistaken: Vec<String>,
    /// The same of kinds of sinks.
    pub(super) mistaken_recipes: Vec<String>,
}

/// What must agree with other parts; none for each that has a mistake.
struct Parts {
    server: Option<Server>,
    admin: Option<Admin>,
    store: Option<Store>,
    specs: Vec<Option<SourceSpec>>,
    sinks: Vec<Option<SinkSpec>>,
}

impl Check<'_> {
    /// The whole configuration. None when there are mistakes; then all of them are in `findings`.
    pub(super) fn whole(&mut self, tree: &Node) -> Option<Config> {
        self.findings.words(tree, settings::TOP, "section", None);
        for section in [super::mappings::SECTION, super::recipes::SECTION] {
            if let Some(found) = tree.get(section) {
                let message = format!("`{section}` cannot be set by environment variables");
                let expected = format!("`[{section}.NAME]` in a file");
                self.findings.wrong(&found.place, message, expected);
            }
        }
        let sections = settings::SECTIONS.iter();
        let [server, admin, store, log, _telemetry, own, routing] = {
            let mut values = sections.map(|(name, _, own)| self.section(tree.get(name), name, own));
            std::array::from_fn(|_| values.next().flatten())
        };
        let tokens = self.tokens(tree.get("admin"));
        let proxy = self.proxy(tree.get("admin"));
        let otlp = self.otlp(tree.get("telemetry"));
        let (sources, specs) = self.sources(tree);
        let (names, sinks) = self.sinks(tree);
        let zone = routing.as_ref().and_then(|values| values.maybe("zone"));
        let routing = self.routing(tree.get("routing"), routing, &names);
        let windows = self.windows(tree, zone.as_ref());
        let known = windows.clone().unwrap_or_default();
        let silences = self.silences(tree, &known);
        let routes = self.routes(tree, &names, &known);
        let tables = self.tables(tree);
        let rewrites = self.rewrites(tree, &tables);
        let tables = tables.into_iter().map(|(_, table)| table);
        let parts = Parts {
            server: server.and_then(|values| {
                let tls = self.tls(&values, tree.get("server"));
                built(build::server(&values, tls))
            }),
            admin: admin.and_then(|values| {
                let tls = self.tls(&values, tree.get("admin"));
                built(build::admin(&values, tls, tokens?, proxy?))
            }),
            store: store.and_then(|values| built(build::store(&values))),
            specs,
            sinks,
        };
        self.agreement(&parts, tree, &sources);
        Some(Config {
            server: parts.server?,
            admin: parts.admin?,
            store: parts.store?,
            log: built(build::log(&log?))?,
            otlp: otlp?,
            own: built(build::own(&own?))?,
            sources: parts.specs.into_iter().collect::<Option<_>>()?,
            sinks: parts.sinks.into_iter().collect::<Option<_>>()?,
            windows: windows?,
            silences: silences?,
            routing: routing?,
            routes: routes?,
            tables: tables.collect::<Option<_>>()?,
            rewrites: rewrites?,
            text: Arc::default(),
            digests: Digests::new(),
        })
    }

    /// The certificate and the key of a listener; a mistake says why they cannot be used.
    fn tls(&mut self, values: &Values, table: Option<&Node>) -> Option<Tls> {
        let unfit = match Tls::read(values.maybe("tls")?) {
            Ok(tls) => return Some(tls),
            Err(unfit) => unfit,
        };
        let node = table?.get("tls")?;
        let place = &node.get(unfit.word).unwrap_or(node).place;
        let message = format!("`tls` {}", unfit.what);
        self.findings.wrong(place, message, unfit.expected);
        None
    }

    fn section(
        &mut self,
        table: Option<&Node>,
        name: &str,
        settings: &[Setting],
    ) -> Option<Values> {
        let inner: Vec<_> = settings::inner(name).map(|inner| inner.key).collect();
        self.findings
            .section(table, name, settings, &inner, self.environment)
    }

    fn table(&mut self, table: Option<&Node>, name: &str, settings: &[Setting]) -> Option<Values> {
        self.findings.table(table, name, settings, self.environment)
    }

    fn sources<'t>(&mut self, tree: &'t Node) -> (Vec<Named<'t>>, Vec<Option<SourceSpec>>) {
        let vocabulary = self.vocabulary;
        let mistaken = self.mistaken.clone();
        let kinds = vocabulary.providers.iter().map(|provider| provider.name());
        let kinds: Vec<_> = mistaken.iter().map(String::as_str).chain(kinds).collect();
        let mut sources = self.named(tree, "providers", &kinds, "provider");
        sources.retain(|source| !mistaken.iter().any(|name| name == source.kind));
        let specs = sources.iter_mut().map(|source| {
            let own = vocabulary.settings_of(source.kind);
            let before = self.findings.count();
            let all = [settings::SOURCE, &own].concat();
            let values = self.table(Some(source.table), &source.path("providers"), &all);
            source.sound = self.findings.count() == before;
            let mut providers = vocabulary.providers.iter();
            let provider = providers.find(|provider| provider.name() == source.kind)?;
            built(build::source(source.full(), provider, &values?))
        });
        let specs = specs.collect();
        (sources, specs)
    }

    fn sinks(&mut self, tree: &Node) -> (Vec<String>, Vec<Option<SinkSpec>>) {
        let vocabulary = self.vocabulary;
        let mistaken = self.mistaken_recipes.clone();
        let kinds = vocabulary.sinks.iter().map(|kind| &*kind.about().name);
        let kinds: Vec<_> = mistaken.iter().map(String::as_str).chain(kinds).collect();
        let sinks = self.named(tree, "sinks", &kinds, "kind of sink");
        let names = sinks.iter().map(Named::full).collect();
        let specs = sinks.iter().map(|sink| {
            let mut kinds = vocabulary.sinks.iter();
            let kind = kinds.find(|kind| kind.about().name == sink.kind)?;
            let all = campanile_sinks::settings_of(&**kind);
            let values = self.table(Some(sink.table), &sink.path("sinks"), &all);
            self.alternatives(sink.table, kind.about().alternatives);
            built(build::sink(kind, sink.full(), values?))
        });
        let specs = specs.collect();
        (names, specs)
    }

    /// Of two settings that exclude each other, only one may be written.
    fn alternatives(&mut self, table: &Node, pairs: &[(&str, &str)]) {
        for (one, other) in pairs {
            if let (Some(node), Some(_)) = (table.get(one), table.get(other)) {
                let message = format!("both `{one}` and `{other}` are set");
                self.findings
                    .add(&node.place, true, message, "one of the two", None);
            }
        }
    }
}

/// A table without mistakes gives its type: that it does is a test of the table of settings, so nothing is reported.
fn built<T>(built: Result<T, Unset>) -> Option<T> {
    built.ok()
}
