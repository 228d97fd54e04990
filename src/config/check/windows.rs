//! `[windows.NAME]` and `[silences.NAME]`: the tables, and what their names lead to.

use std::sync::Arc;

use campanile_language::nearest;
use campanile_language::window::Window;
use campanile_settings::{Node, Type, Value, is_name, names_expected, one_of};
use jiff::tz::TimeZone;

use super::{Check, built};
use crate::config::windows::{Silence, Windows};
use crate::config::{build, settings};

impl Check<'_> {
    /// The windows. None if any of them has a mistake.
    pub(super) fn windows(&mut self, tree: &Node, zone: Option<&TimeZone>) -> Option<Windows> {
        let mut windows = Some(Windows::new());
        for (name, table) in self.tables_of(tree, "windows") {
            let window = self.window(&name, table, zone);
            match (&mut windows, window) {
                (Some(all), Some(window)) => drop(all.insert(name, Arc::new(window))),
                _ => windows = None,
            }
        }
        windows
    }

    fn window(&mut self, name: &str, table: &Node, zone: Option<&TimeZone>) -> Option<Window> {
        let path = format!("windows.{name}");
        let values = self.table(Some(table), &path, settings::WINDOW)?;
        let own: Option<TimeZone> = values.maybe("zone");
        let Some(zone) = own.as_ref().or(zone) else {
            let message = format!("`{path}` has no time zone");
            let expected = "`zone = \"Asia/Shanghai\"`, here or in `[routing]`";
            self.findings
                .add(&table.place, true, message, expected, None);
            return None;
        };
        match Window::compile(&build::window(&values), zone.clone()) {
            Ok(window) => Some(window),
            Err(wrong) => {
                for (setting, item, expected) in wrong {
                    if let Some(list) = table.get(setting) {
                        let message = format!("`{item:.40}` is not valid in `{setting}`");
                        self.findings.item(list, &item, message, expected, None);
                    }
                }
                None
            }
        }
    }

    /// The silences. None if any of them has a mistake.
    pub(super) fn silences(&mut self, tree: &Node, windows: &Windows) -> Option<Vec<Silence>> {
        let tables = self.tables_of(tree, "silences").into_iter();
        let silences: Vec<Option<Silence>> = tables
            .map(|(name, table)| self.silence(name, table, windows))
            .collect();
        silences.into_iter().collect()
    }

    fn silence(&mut self, name: String, table: &Node, windows: &Windows) -> Option<Silence> {
        let path = format!("silences.{name}");
        let values = self.table(Some(table), &path, settings::SILENCE)?;
        let during = self.windows_of(table, "during", windows)?;
        let silence = built(build::silence(&values, name, during))?;
        let everything = built(values.get::<bool>("everything"))?;
        if !everything && !silence.matching.is_narrow() {
            let message = format!("`{path}` matches every alert, also one without these fields");
            let expected = "a value that not every alert has, or `everything = true`";
            self.findings
                .add(&table.place, true, message, expected, None);
            return None;
        }
        Some(silence)
    }

    /// The windows that a list names. None if it names one that is not there.
    pub(super) fn windows_of(
        &mut self,
        table: &Node,
        setting: &str,
        windows: &Windows,
    ) -> Option<Vec<Arc<Window>>> {
        let Some(list) = table.get(setting) else {
            return Some(Vec::new());
        };
        let Ok(Value::Texts(wanted)) = Type::Texts.read(list, self.environment) else {
            return None;
        };
        let mut found = Some(Vec::new());
        for name in wanted {
            let Some(window) = windows.get(&name) else {
                found = None;
                if !self.findings.incomplete {
                    let names = || windows.keys().map(String::as_str);
                    let near = nearest(&name, names()).map(str::to_owned);
                    let message = format!("there is no window `{name:.40}`");
                    let expected = if windows.is_empty() {
                        format!("`[windows.{name:.40}]`")
                    } else {
                        one_of(names())
                    };
                    self.findings.item(list, &name, message, expected, near);
                }
                continue;
            };
            if let Some(found) = &mut found {
                found.push(Arc::clone(window));
            }
        }
        found
    }

    /// The tables of a section whose names the operator chooses.
    fn tables_of<'t>(&mut self, tree: &'t Node, section: &str) -> Vec<(String, &'t Node)> {
        let Some(top) = tree.get(section) else {
            return Vec::new();
        };
        if !top.is_table() {
            self.findings.not_a_table(top, &format!("{section}.NAME"));
            return Vec::new();
        }
        let mut tables = Vec::new();
        for (name, table) in top.entries() {
            if !table.is_table() {
                self.findings.not_a_table(table, &format!("{section}.NAME"));
            } else if is_name(name) {
                tables.push((name.clone(), table));
            } else {
                let message = format!("`{name:.40}` is not a valid name");
                self.findings
                    .add(&table.place, true, message, names_expected(), None);
            }
        }
        tables
    }
}
