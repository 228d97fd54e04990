//! From what is written to a [`Config`]: every table against the table of settings, then what must hold between them.

use campanile_providers::Never;

use super::build::{self, Parts};
use super::file::{Layers, Node, Place, Written};
use super::mistake::{Mistake, nearest, one_of};
use super::secret;
use super::settings::{self, Kind, Setting};
use super::values::{self, Problem, Read};
use super::{Config, Environment, ExpressionMistake, Vocabulary};

/// The longest name of a source or sink.
const NAME_CHARACTERS_MAX: usize = 64;

/// What is checked, against what, and what was found.
pub(super) struct Check<'a> {
    pub(super) layers: Layers,
    pub(super) environment: &'a Environment,
    pub(super) vocabulary: &'a Vocabulary<'a>,
    /// Providers of the operator's that could not be read. What stands in their sources cannot be judged.
    mistaken: Vec<String>,
}

impl<'a> Check<'a> {
    pub(super) fn new(
        layers: Layers,
        environment: &'a Environment,
        vocabulary: &'a Vocabulary<'a>,
        mistaken: Vec<String>,
    ) -> Self {
        Self {
            layers,
            environment,
            vocabulary,
            mistaken,
        }
    }

    /// The whole configuration. None when there are mistakes; then all of them are in `layers`.
    pub(super) fn whole(&mut self, tree: &Node) -> Option<Config> {
        self.words(tree, settings::TOP, "section");
        if let Some(mappings) = tree.get(super::mappings::SECTION) {
            let message = "a mapping cannot be made of variables".to_owned();
            self.wrong(&mappings.place, message, "`[mappings.NAME]` in a file");
        }
        for (name, _, settings) in settings::SECTIONS {
            if let Some(table) = tree.get(name) {
                self.table(table, name, &[settings]);
            }
        }
        let sources = self.sources(tree);
        let sinks = self.sinks(tree);
        let routes = self.routes(tree, &sinks);
        let parts = Parts::of(self, tree, &sources, &sinks, &routes);
        self.listeners(&parts, tree);
        self.demo_paths(&parts, &sources);
        self.client_certificates(&parts, tree, &sources);
        for (feed, source) in parts.feeds.iter().zip(&sources) {
            // A mistake in the source may be the proof itself, misspelt.
            if let Some(feed) = feed.as_ref().filter(|_| source.sound) {
                self.proof(feed, source);
            }
        }
        parts.whole()
    }

    /// Adds a mistake at a value.
    fn wrong(&mut self, place: &Place, message: String, expected: impl Into<String>) {
        self.add(place, false, message, expected.into(), None);
    }

    fn add(
        &mut self,
        place: &Place,
        of_key: bool,
        message: String,
        expected: String,
        nearest: Option<String>,
    ) {
        let location = self.layers.location(place, of_key);
        self.layers.mistakes.push(Mistake {
            message,
            location,
            expected,
            nearest,
        });
    }

    /// A key as it may be shown: whole, or as `stray` says, and then the line that it stands in does not show it either.
    fn without_secret(&mut self, place: &Place, key: &str, stray: Option<String>) -> String {
        let Some(stray) = stray else {
            return key.to_owned();
        };
        if let Place::File { file, key, .. } = place {
            self.layers.conceal(*file, key.clone());
        }
        stray
    }

    /// Whether every key of a table is one of these words.
    fn words(&mut self, table: &Node, words: &[&str], what: &str) {
        for (key, node) in table.entries() {
            if !words.contains(&key.as_str()) {
                let known = settings::OTHER_NAMES.iter().find(|(other, _)| other == key);
                let known = known
                    .map(|(_, name)| *name)
                    .filter(|name| words.contains(name));
                let near = known
                    .map(str::to_owned)
                    .or_else(|| nearest(key, words.iter().copied()));
                let expected = one_of(words.iter().copied());
                let stray = secret::stray_key(key).filter(|_| near.is_none());
                let shown = self.without_secret(&node.place, key, stray);
                self.add(
                    &node.place,
                    true,
                    format!("unknown {what} `{shown}`"),
                    expected,
                    near,
                );
            }
        }
    }

    /// A table of settings: known words, right values, nothing missing.
    fn table(&mut self, table: &Node, name: &str, settings: &[&[Setting]]) {
        if !matches!(table.value, Written::Table(_)) {
            return self.not_a_table(table, name);
        }
        let all: Vec<Setting> = settings.concat();
        let words: Vec<_> = all.iter().map(|setting| setting.name).collect();
        self.words(table, &words, "setting");
        for setting in all {
            match table.get(setting.name) {
                Some(node) => self.setting(&setting, node),
                None if setting.required && !self.layers.incomplete => self.add(
                    &table.place,
                    true,
                    format!("`{name}` has no `{}`", setting.name),
                    format!("`{} = {}`", setting.name, setting.example),
                    None,
                ),
                None => {}
            }
        }
    }

    fn not_a_table(&mut self, node: &Node, name: &str) {
        let expected = format!("a table, `[{name}]`");
        self.add(
            &node.place,
            true,
            format!("`{name}` is not a table"),
            expected,
            None,
        );
    }

    fn setting(&mut self, setting: &Setting, node: &Node) {
        match values::check(setting.kind, node, self.environment) {
            Ok(()) => self.expressions(setting, node),
            Err(problem) => self.problem(setting, node, problem),
        }
    }

    fn problem(&mut self, setting: &Setting, node: &Node, problem: Problem) {
        for (key, item) in node.entries() {
            self.without_secret(&item.place, key, secret::stray_key(key));
        }
        let place = problem.place.unwrap_or_else(|| node.place.clone());
        let message = format!("`{}` {}", setting.name, problem.what);
        let expected = problem.expected.unwrap_or_else(|| setting.kind.expected());
        self.add(&place, false, message, expected, problem.nearest);
    }

    /// Jinja in a setting whose value is sound otherwise.
    fn expressions(&mut self, setting: &Setting, node: &Node) {
        let known = self.vocabulary.expressions;
        let checked = match (setting.kind, &node.value) {
            (Kind::Condition, Written::Text(text)) => known.check_condition(text),
            (Kind::Success, Written::Text(text)) => known.check_success(text),
            (Kind::Template, Written::Text(text)) => known.check_template(text),
            (Kind::Headers, _) => return self.header_templates(node),
            _ => return,
        };
        if let (Err(mistake), Written::Text(text)) = (checked, &node.value) {
            self.expression(setting, node, text, &mistake);
        }
    }

    fn expression(
        &mut self,
        setting: &Setting,
        node: &Node,
        text: &str,
        mistake: &ExpressionMistake,
    ) {
        let place = self
            .layers
            .within(&node.place, text, mistake.line, mistake.column);
        let message = format!(
            "`{}` cannot be understood: {}",
            setting.name, mistake.message
        );
        self.wrong(&place, message, setting.kind.expected());
    }

    /// The words of a header's mistake may hold its secret: only its name is told.
    fn header_templates(&mut self, node: &Node) {
        use secrecy::ExposeSecret;
        let Ok(headers) = values::headers(node, self.environment) else {
            return;
        };
        for (name, value) in headers {
            if self
                .vocabulary
                .expressions
                .check_template(value.expose_secret())
                .is_err()
            {
                let place = node.get(&name).map_or(&node.place, |item| &item.place);
                self.wrong(
                    place,
                    format!("the header `{name}` cannot be understood"),
                    "a Jinja template",
                );
            }
        }
    }

    /// `[root.kind.name]`: each table with its kind and name, in the order of the files.
    fn named<'t>(
        &mut self,
        tree: &'t Node,
        root: &str,
        kinds: &[&str],
        what: &str,
    ) -> Vec<Named<'t>> {
        let Some(top) = tree.get(root) else {
            return Vec::new();
        };
        if !matches!(top.value, Written::Table(_)) {
            self.not_a_table(top, root);
        }
        self.words(top, kinds, what);
        let mut found = Vec::new();
        for (kind, tables) in top.entries() {
            if !kinds.contains(&kind.as_str()) {
                continue;
            }
            if !matches!(tables.value, Written::Table(_)) {
                self.not_a_table(tables, &format!("{root}.{kind}.NAME"));
            }
            for (name, table) in tables.entries() {
                if self.name(root, kind, name, table) {
                    found.push(Named {
                        kind,
                        name,
                        table,
                        sound: true,
                    });
                }
            }
        }
        found.sort_by_key(|named| named.table.place.order());
        found
    }

    fn name(&mut self, root: &str, kind: &str, name: &str, table: &Node) -> bool {
        let sound = is_name(name);
        let shown = match secret::stray_name(name) {
            stray if !sound || !matches!(table.value, Written::Table(_)) => {
                self.without_secret(&table.place, name, stray)
            }
            _ => name.to_owned(),
        };
        if !matches!(table.value, Written::Table(_)) {
            let message = format!("`{shown}` stands where the name of a table is expected");
            let expected =
                format!("a name of your own in the header, such as `[{root}.{kind}.prod]`");
            self.add(&table.place, true, message, expected, None);
            return false;
        }
        if !sound {
            self.add(
                &table.place,
                true,
                format!("`{shown}` cannot be a name"),
                names_expected(),
                None,
            );
        }
        sound
    }

    fn sources<'t>(&mut self, tree: &'t Node) -> Vec<Named<'t>> {
        let vocabulary = self.vocabulary;
        let kinds: Vec<_> = vocabulary
            .providers
            .iter()
            .map(|provider| provider.name())
            .collect();
        let mistaken = self.mistaken.clone();
        let named = mistaken.iter().map(String::as_str).chain(kinds);
        let kinds: Vec<_> = named.collect();
        let mut sources = self.named(tree, "providers", &kinds, "provider");
        sources.retain(|source| !mistaken.iter().any(|name| name == source.kind));
        for source in &mut sources {
            let own: Vec<_> = vocabulary.settings_of(source.kind);
            let before = self.layers.mistakes.len();
            self.table(
                source.table,
                &source.path("providers"),
                &[settings::SOURCE, &own],
            );
            source.sound = self.layers.mistakes.len() == before;
        }
        sources
    }

    fn sinks<'t>(&mut self, tree: &'t Node) -> Vec<Named<'t>> {
        let kinds: Vec<_> = settings::SINKS.iter().map(|(kind, ..)| *kind).collect();
        let sinks = self.named(tree, "sinks", &kinds, "kind of sink");
        for sink in &sinks {
            let own = settings::SINKS.iter().find(|(kind, ..)| *kind == sink.kind);
            let own = own.map_or(&[][..], |(_, _, settings)| settings);
            self.table(sink.table, &sink.path("sinks"), &[own, settings::POLICY]);
            if let (Some(body), Some(_)) = (sink.table.get("body"), sink.table.get("format")) {
                self.add(
                    &body.place,
                    true,
                    "both `body` and `format` are set".to_owned(),
                    "one of the two".to_owned(),
                    None,
                );
            }
        }
        sinks
    }

    fn routes<'t>(&mut self, tree: &'t Node, sinks: &[Named<'_>]) -> Vec<&'t Node> {
        let Some(node) = tree.get("routes") else {
            return Vec::new();
        };
        let Written::List(routes) = &node.value else {
            self.add(
                &node.place,
                true,
                "`routes` is not a list of tables".to_owned(),
                "`[[routes]]`, with two brackets".to_owned(),
                None,
            );
            return Vec::new();
        };
        for route in routes {
            self.table(route, "routes", &[settings::ROUTE]);
            self.route_sinks(route, sinks);
        }
        routes.iter().collect()
    }

    fn route_sinks(&mut self, route: &Node, sinks: &[Named<'_>]) {
        let names: Vec<_> = sinks.iter().map(Named::full).collect();
        let Some(Ok(wanted)) = route.get("sinks").map(values::names) else {
            return;
        };
        for node in wanted {
            let Ok(name) = values::text(&node) else {
                continue;
            };
            if names.iter().any(|known| known == name) || self.layers.incomplete {
                continue;
            }
            let near = nearest(name, names.iter().map(String::as_str));
            let expected = one_of(names.iter().map(String::as_str));
            self.add(
                &node.place,
                false,
                format!("there is no sink `{name}`"),
                expected,
                near,
            );
        }
    }

    /// Where two listeners may stand.
    fn listeners(&mut self, parts: &Parts, tree: &Node) {
        let (Some(server), Some(admin)) = (&parts.server, &parts.admin) else {
            return;
        };
        let listen = tree.get("admin").and_then(|table| table.get("listen"));
        let place = listen.map_or(Place::Default, |node| node.place.clone());
        if !admin.listen.ip().is_loopback() && admin.token.is_none() {
            let message =
                "`[admin]` has no `token`: anyone who reaches this address could read every alert";
            let expected = "`token = { env = \"CAMPANILE_ADMIN_TOKEN\" }`, or a loopback address such as \"127.0.0.1:8081\"";
            self.wrong(&place, message.to_owned(), expected);
        }
        if admin.listen == server.listen && server.listen.port() != 0 {
            let message = "`[admin]` and `[server]` listen on the same address".to_owned();
            self.wrong(&place, message, "another port");
        }
    }

    /// A client certificate is what a trusted proxy says in a header: without both there is nothing to believe.
    fn client_certificates(&mut self, parts: &Parts, tree: &Node, sources: &[Named<'_>]) {
        let Some(server) = &parts.server else {
            return;
        };
        if let Some(name) = &server.client_certificate_header
            && !is_header(name)
        {
            let table = tree.get("server");
            let node = table.and_then(|table| table.get("client_certificate_header"));
            let place = node.map_or(Place::Default, |node| node.place.clone());
            let message = "`client_certificate_header` is not the name of a header".to_owned();
            self.wrong(&place, message, "a name such as \"x-client-cert-cn\"");
        }
        let missing = match (&server.client_certificate_header, &*server.trusted_proxies) {
            (None, _) => "client_certificate_header",
            (_, []) => "trusted_proxies",
            _ => return,
        };
        for node in sources
            .iter()
            .filter_map(|source| source.table.get("client_certificate"))
        {
            let message =
                format!("`client_certificate` could never hold: `[server]` has no `{missing}`");
            let expected = "`client_certificate_header` and `trusted_proxies` in `[server]`, as your proxy is set up";
            self.add(&node.place, true, message, expected.to_owned(), None);
        }
    }

    /// The demo server's paths name no source: only one can stand behind them.
    fn demo_paths(&mut self, parts: &Parts, sources: &[Named<'_>]) {
        let pairs = parts.feeds.iter().zip(sources);
        let demo =
            pairs.filter(|(feed, _)| feed.as_ref().is_some_and(|feed| feed.source.demo_paths));
        let demo: Vec<_> = demo.map(|(_, source)| source).collect();
        if let Some((first, others)) = demo.split_first() {
            for source in others {
                let place = source
                    .table
                    .get("demo_paths")
                    .unwrap_or(source.table)
                    .place
                    .clone();
                let message = format!("the demo paths are served for `{}` already", first.full());
                self.add(
                    &place,
                    true,
                    message,
                    "one source with `demo_paths = true`".to_owned(),
                    None,
                );
            }
        }
    }

    /// A source must have some way to know its vendor.
    fn proof(&mut self, feed: &super::Feed, named: &Named<'_>) {
        let source = &feed.source;
        let secrets = !source.keys.is_empty()
            || !source.tokens.is_empty()
            || !source.topics.is_empty()
            || source.tenant.is_some()
            || !source.audiences.is_empty();
        let name = named.full();
        let own = self.vocabulary.settings_of(named.kind);
        let own = own
            .iter()
            .filter(|setting| matches!(setting.kind, Kind::Secrets | Kind::Texts))
            .map(|setting| setting.name);
        let words = one_of(
            own.clone()
                .chain(["key", "allow_from", "client_certificate"])
                .collect::<std::collections::BTreeSet<_>>(),
        );
        let (message, expected) = if source.open && secrets {
            (
                format!("`{name}` is open, so that its secrets are never asked for"),
                "either `open = true` or secrets".to_owned(),
            )
        } else if source.open {
            return;
        } else if !secrets && source.allow_from.is_empty() && source.client_certificates.is_empty()
        {
            (
                format!("anyone could raise alerts through `{name}`: it asks for no proof"),
                format!("{words}; or `open = true` when that is what you want"),
            )
        } else if let Some(never) = build::never_believes(feed) {
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
                format!("`{name}` could never believe a call: {why}"),
                expected,
            )
        } else {
            return;
        };
        self.add(&named.table.place, true, message, expected, None);
    }
}

/// Whether this can be the name of a source, a sink or a mapping.
pub(super) fn is_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    !name.is_empty() && name.len() <= NAME_CHARACTERS_MAX && name.chars().all(fits)
}

/// Whether this can be the name of a header.
fn is_header(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    !name.is_empty() && name.chars().all(fits)
}

/// What a name may be.
pub(super) fn names_expected() -> String {
    format!("1 to {NAME_CHARACTERS_MAX} of: lower-case letters, digits, `-` and `_`")
}

/// Reads a setting, or its default. None when it is neither written nor has a default, or is a mistake.
pub(super) fn read<T>(
    table: Option<&Node>,
    settings: &[Setting],
    name: &str,
    read: impl Fn(&Node) -> Read<T>,
) -> Option<T> {
    if let Some(node) = table.and_then(|table| table.get(name)) {
        return read(node).ok();
    }
    let setting = settings.iter().find(|setting| setting.name == name)?;
    read(&Node::default(setting.default?)?).ok()
}

/// A table `[root.kind.name]`.
pub(super) struct Named<'t> {
    pub(super) kind: &'t str,
    pub(super) name: &'t str,
    pub(super) table: &'t Node,
    /// Nothing is wrong in it by itself.
    sound: bool,
}

impl Named<'_> {
    /// `webhook/oncall`
    pub(super) fn full(&self) -> String {
        format!("{}/{}", self.kind, self.name)
    }

    fn path(&self, root: &str) -> String {
        format!("{root}.{}.{}", self.kind, self.name)
    }
}
