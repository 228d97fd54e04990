//! From what is written to a [`Config`]: every table against the table of settings, then what must hold between them.

mod agreement;
mod name;

pub(super) use name::{Named, is_name, names_expected};

use crate::config::build::Parts;
use crate::config::layers::Layers;
use crate::config::mistake::{Mistake, nearest, one_of};
use crate::config::node::{Node, Place, Written};
use crate::config::secret;
use crate::config::settings::{self, Kind, Setting};
use crate::config::values::{self, Problem};
use crate::config::{Config, Environment, ExpressionMistake, Vocabulary};

/// What is checked, against what, and what was found.
pub(crate) struct Check<'a> {
    pub(crate) layers: Layers,
    pub(crate) environment: &'a Environment,
    pub(crate) vocabulary: &'a Vocabulary<'a>,
    /// Providers of the operator's that could not be read. What stands in their sources cannot be judged.
    mistaken: Vec<String>,
}

impl<'a> Check<'a> {
    pub(crate) fn new(
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
    pub(crate) fn whole(&mut self, tree: &Node) -> Option<Config> {
        self.words(tree, settings::TOP, "section");
        if let Some(mappings) = tree.get(crate::config::mappings::SECTION) {
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
        let location = self.layers.texts.location(place, of_key);
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
            self.layers.texts.conceal(*file, key.clone());
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
            .texts
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
}
