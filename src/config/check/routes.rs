//! `[routing]` and `[[routes]]`: the tables, and what their names lead to.

use std::collections::BTreeSet;
use std::sync::Arc;

use campanile_language::nearest;
use campanile_language::window::Window;
use campanile_settings::{Node, Type, Value, Values, Written, is_name, names_expected, one_of};

use super::{Check, built};
use crate::config::routing::DEPTH_MAX;
use crate::config::windows::Windows;
use crate::config::{Environment, Hours, Route, Routing, build, settings};

/// What routes are checked against.
struct Level<'a> {
    sinks: &'a [String],
    windows: &'a Windows,
    /// The names of the routes so far.
    names: BTreeSet<String>,
}

/// The name of what `otherwise` gives, where the results of routes are shown.
const RESERVED: &str = "otherwise";

impl Check<'_> {
    pub(super) fn routing(
        &mut self,
        table: Option<&Node>,
        values: Option<Values>,
        sinks: &[String],
    ) -> Option<Routing> {
        if let Some(table) = table {
            self.sinks_of(table, RESERVED, sinks);
        }
        built(build::routing(&values?, sinks)).flatten()
    }

    /// None if any of them has a mistake.
    pub(super) fn routes(
        &mut self,
        tree: &Node,
        sinks: &[String],
        windows: &Windows,
    ) -> Option<Vec<Route>> {
        let names = BTreeSet::new();
        let mut level = Level {
            sinks,
            windows,
            names,
        };
        self.level(tree.get("routes"), &mut level, 1)
    }

    fn level(
        &mut self,
        node: Option<&Node>,
        level: &mut Level<'_>,
        depth: usize,
    ) -> Option<Vec<Route>> {
        let Some(node) = node else {
            return Some(Vec::new());
        };
        let Written::List(routes) = &node.value else {
            let message = "`routes` is not a list of tables";
            let expected = "`[[routes]]`, with two brackets";
            self.findings
                .add(&node.place, true, message, expected, None);
            return None;
        };
        if depth > DEPTH_MAX {
            let message = format!("routes are nested more than {DEPTH_MAX} deep");
            let expected = "one route with a `match` of several fields";
            self.findings
                .add(&node.place, true, message, expected, None);
            return None;
        }
        // Every route is checked, also after one with a mistake.
        let routes: Vec<_> = routes
            .iter()
            .map(|route| self.route(route, level, depth))
            .collect();
        routes.into_iter().collect()
    }

    fn route(&mut self, table: &Node, level: &mut Level<'_>, depth: usize) -> Option<Route> {
        let inner = ["routes"];
        let values = self.findings.section(
            Some(table),
            "routes",
            settings::ROUTE,
            &inner,
            self.environment,
        );
        self.sinks_of(table, "sinks", level.sinks);
        self.route_name(table, level);
        let hours = self.hours(table, level.windows);
        let nested = self.level(table.get("routes"), level, depth + 1);
        let route = built(build::route(&values?, level.sinks)).flatten();
        Some(Route {
            hours: hours?,
            routes: nested?,
            ..route?
        })
    }

    /// The windows of a route.
    fn hours(&mut self, table: &Node, windows: &Windows) -> Option<Hours> {
        let named = |setting: &str| table.get(setting).map(|node| named(node, self.environment));
        let (active, muted) = (named("active"), named("muted"));
        if let (Some(_), Some(_), Some(node)) = (&active, &muted, table.get("muted")) {
            let message = "both `active` and `muted` are set";
            self.findings
                .add(&node.place, true, message, "one of the two", None);
            return None;
        }
        let of = |names: Vec<String>, found: Vec<Arc<Window>>| names.into_iter().zip(found);
        if let Some(names) = active {
            let found = self.windows_of(table, "active", windows)?;
            return Some(Hours::Active(of(names, found).collect()));
        }
        if let Some(names) = muted {
            let found = self.windows_of(table, "muted", windows)?;
            return Some(Hours::Muted(of(names, found).collect()));
        }
        Some(Hours::Always)
    }

    fn route_name(&mut self, table: &Node, level: &mut Level<'_>) {
        let Some(node) = table.get("name") else {
            return;
        };
        let Written::Text(name) = &node.value else {
            return;
        };
        // A number is what a route without a name is called.
        let is_number = name.chars().all(|c| c.is_ascii_digit());
        if !is_name(name) || is_number || name == RESERVED {
            let message = format!("`{}` is not a valid name of a route", shortened(name));
            let expected = format!("{}, not a number, and not `{RESERVED}`", names_expected());
            self.findings.wrong(&node.place, message, expected);
        } else if !level.names.insert(name.clone()) {
            let message = format!("two routes are called `{name}`");
            self.findings.wrong(&node.place, message, "another name");
        }
    }

    /// Every sink that a list names must be there.
    fn sinks_of(&mut self, table: &Node, setting: &str, sinks: &[String]) {
        let Some(list) = table.get(setting).filter(|_| !self.findings.incomplete) else {
            return;
        };
        let Ok(Value::Texts(wanted)) = Type::Sinks.read(list, self.environment) else {
            return;
        };
        for name in wanted.iter().filter(|name| !sinks.contains(name)) {
            let near = nearest(name, sinks.iter().map(String::as_str)).map(str::to_owned);
            let expected = one_of(sinks.iter().map(String::as_str));
            let message = format!("there is no sink `{name}`");
            self.findings.item(list, name, message, expected, near);
        }
    }
}

/// The names in a list. A list that is not valid is reported where its windows are looked up.
fn named(node: &Node, environment: &Environment) -> Vec<String> {
    match Type::Texts.read(node, environment) {
        Ok(Value::Texts(names)) => names,
        _ => Vec::new(),
    }
}

/// At most 40 characters of what was written.
fn shortened(name: &str) -> String {
    name.chars().take(40).collect()
}
