//! What must agree between settings that are each valid on their own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use campanile_model::{StoreCopies, StoreUrl};
use campanile_providers::{Never, Position, Route};

use super::{Check, Named, Parts};
use crate::config::settings::Type;
use crate::config::{SinkSpec, SourceSpec, build};
use campanile_settings::{Node, Place, one_of};

impl Check<'_> {
    /// Checks all of it.
    pub(super) fn agreement(&mut self, parts: &Parts, tree: &Node, sources: &[Named<'_>]) {
        self.listeners(parts, tree);
        self.same_secrets(parts, tree);
        self.single_paths(parts, sources);
        self.client_certificates(parts, sources);
        self.file_of_the_store(parts, tree);
        self.copies(parts, tree);
        self.divided(parts, tree);
        for (spec, source) in parts.specs.iter().zip(sources) {
            // A mistake in the source may be the proof itself, misspelled.
            if let Some(spec) = spec.as_ref().filter(|_| source.sound) {
                self.proof(spec, source);
            }
        }
    }

    /// The addresses of the two listeners.
    fn listeners(&mut self, parts: &Parts, tree: &Node) {
        let (Some(server), Some(admin)) = (&parts.server, &parts.admin) else {
            return;
        };
        let listen = tree.get("admin").and_then(|table| table.get("listen"));
        let place = listen.map_or(Place::Default, |node| node.place.clone());
        if !admin.listen.ip().is_loopback() && admin.is_open() {
            let message = "`[admin]` has no `token`: anyone who can reach this address could read every alert";
            let expected = "`token = { env = \"CAMPANILE_ADMIN_TOKEN\" }`, or a loopback address such as \"127.0.0.1:8081\"";
            self.findings.wrong(&place, message, expected);
        }
        if admin.listen == server.listen && server.listen.port() != 0 {
            let message = "`[admin]` and `[server]` listen on the same address";
            self.findings.wrong(&place, message, "another port");
        }
    }

    /// A client certificate is what a trusted proxy says in a header: both must be set.
    fn client_certificates(&mut self, parts: &Parts, sources: &[Named<'_>]) {
        let Some(server) = &parts.server else {
            return;
        };
        let missing = match (&server.client_certificate_header, &*server.trusted_proxies) {
            (None, _) => "client_certificate_header",
            (_, []) => "trusted_proxies",
            _ => return,
        };
        for node in sources
            .iter()
            .filter_map(|source| source.table.get("client_certificate"))
        {
            let message = format!(
                "`client_certificate` can never be verified: `[server]` has no `{missing}`"
            );
            let expected = "`client_certificate_header` and `trusted_proxies` in `[server]`, as your proxy is configured";
            self.findings
                .add(&node.place, true, message, expected, None);
        }
    }

    /// A file has no standby.
    fn copies(&mut self, parts: &Parts, tree: &Node) {
        let Some(store) = &parts.store else { return };
        let is_file = matches!(store.url, StoreUrl::Sqlite(_));
        if !is_file || matches!(store.copies, None | Some(StoreCopies::One)) {
            return;
        }
        let written = tree.get("store").and_then(|table| table.get("copies"));
        let place = written.map_or(Place::Default, |node| node.place.clone());
        let message = "`copies` is for PostgreSQL: a SQLite file is one copy";
        let expected = "`1`, no `copies`, or a `url` that begins with postgres://";
        self.findings.wrong(&place, message, expected);
    }

    /// A sink that writes into the store's file would damage it.
    fn file_of_the_store(&mut self, parts: &Parts, tree: &Node) {
        let Some(StoreUrl::Sqlite(store)) = parts.store.as_ref().map(|store| &store.url) else {
            return;
        };
        let store = resolved(store);
        for sink in parts.sinks.iter().flatten() {
            let path: Option<PathBuf> = sink.values.maybe("path");
            if path.is_none_or(|path| resolved(&path) != store) {
                continue;
            }
            let place = place_in(tree, sink, "path");
            let message = format!("`path` of `{}` is the file of `[store]`", sink.name);
            self.findings.wrong(&place, message, "another file");
        }
    }

    /// The parts of a sink are delivered by several gateways, and nobody counts their messages together.
    fn divided(&mut self, parts: &Parts, tree: &Node) {
        for sink in parts.sinks.iter().flatten() {
            let limit = sink.policy.limits().each().next();
            let Some((limit, _)) = limit.filter(|_| sink.policy.parts > 1) else {
                continue;
            };
            let place = place_in(tree, sink, "parts");
            let message = format!(
                "`parts` of `{}` does not go with its `{limit}`: nobody counts the messages of all parts",
                sink.name
            );
            let expected = "no `parts`, or a sink without a limit";
            self.findings.wrong(&place, message, expected);
        }
    }

    /// A path that only a key may follow names no source, so only one source can serve it.
    fn single_paths(&mut self, parts: &Parts, sources: &[Named<'_>]) {
        let mut served: BTreeMap<&str, &Named<'_>> = BTreeMap::new();
        for (spec, source) in parts.specs.iter().zip(sources) {
            let Some(spec) = spec else { continue };
            let routes = spec.provider.about().routes.iter();
            let single = routes
                .filter(|route| route.position == Position::BeforeKey && route.is_on(&spec.source));
            let single: Vec<&Route> = single.collect();
            let taken = single
                .iter()
                .find_map(|route| Some((*route, *served.get(route.path)?)));
            match taken {
                Some((route, first)) => self.taken(route, source, first),
                None => served.extend(single.iter().map(|route| (route.path, source))),
            }
        }
    }

    /// The path of `route` at `source` is already that of `first`.
    fn taken(&mut self, route: &Route, source: &Named<'_>, first: &Named<'_>) {
        let written = route.switch.and_then(|switch| source.table.get(switch));
        let place = &written.unwrap_or(source.table).place;
        let message = format!("`{}` is already served for `{}`", route.path, first.full());
        let expected = match route.switch {
            Some(switch) => format!("one source with `{switch} = true`"),
            None => format!("one source of `{}`", source.kind),
        };
        self.findings.add(place, true, message, expected, None);
    }

    /// A source must have some way to verify its vendor.
    fn proof(&mut self, spec: &SourceSpec, named: &Named<'_>) {
        let source = &spec.source;
        let secrets = !source.keys.is_empty() || spec.provider.is_proof_set(source);
        let name = named.full();
        let own = self.vocabulary.settings_of(named.kind);
        let own = own
            .iter()
            .filter(|setting| matches!(setting.takes, Type::Secrets | Type::Texts))
            .map(|setting| &*setting.name);
        let words = one_of(
            own.clone()
                .chain(["key", "allow_from", "client_certificate"])
                .collect::<std::collections::BTreeSet<_>>(),
        );
        let (message, expected) = if source.open && secrets {
            (
                format!("`{name}` is open: its secrets are never asked for"),
                "either `open = true` or secrets".to_owned(),
            )
        } else if source.open {
            return;
        } else if !secrets && source.allow_from.is_empty() && source.client_certificates.is_empty()
        {
            (
                format!(
                    "anyone could raise alerts through `{name}`: it does not verify its caller"
                ),
                format!("{words}; or `open = true` to accept every caller"),
            )
        } else if let Some(never) = build::never_believes(spec) {
            let (why, expected) = match never {
                Never::Unset(settings) => {
                    let settings = settings.iter().map(|setting| format!("`{setting}`"));
                    let settings = settings.collect::<Vec<_>>().join(" and ");
                    (format!("{settings} is not set"), settings)
                }
                Never::Because(why) => (
                    why.to_owned(),
                    one_of(own.collect::<std::collections::BTreeSet<_>>()),
                ),
            };
            (
                format!("`{name}` could never accept a call: {why}"),
                expected,
            )
        } else {
            return;
        };
        self.findings
            .add(&named.table.place, true, message, expected, None);
    }
}

/// Where a setting of a sink is written.
fn place_in(tree: &Node, sink: &SinkSpec, setting: &str) -> Place {
    let (kind, name) = sink.name.split_once('/').unwrap_or_default();
    let sinks = tree.get("sinks");
    let table = sinks.and_then(|sinks| sinks.get(kind)?.get(name));
    let written = table.and_then(|table| table.get(setting));
    written.map_or(Place::Default, |node| node.place.clone())
}

/// The path without links, also of a file that is not there yet.
fn resolved(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    if let Ok(whole) = absolute.canonicalize() {
        return whole;
    }
    let folder = absolute
        .parent()
        .and_then(|folder| folder.canonicalize().ok());
    match (folder, absolute.file_name()) {
        (Some(folder), Some(name)) => folder.join(name),
        _ => absolute,
    }
}
