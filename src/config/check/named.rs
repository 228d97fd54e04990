//! Tables `[section.kind.name]`: sources and sinks.

use campanile_settings::{Node, is_name, names_expected, stray_name};

use super::Check;

/// A table `[root.kind.name]`.
pub(crate) struct Named<'t> {
    pub(crate) kind: &'t str,
    pub(crate) name: &'t str,
    pub(crate) table: &'t Node,
    /// It has no mistake of its own.
    pub(crate) sound: bool,
}

impl Named<'_> {
    /// `webhook/oncall`
    pub(crate) fn full(&self) -> String {
        format!("{}/{}", self.kind, self.name)
    }

    pub(crate) fn path(&self, root: &str) -> String {
        format!("{root}.{}.{}", self.kind, self.name)
    }
}

impl Check<'_> {
    /// Each table of a section with its kind and name, in the order of the files.
    pub(super) fn named<'t>(
        &mut self,
        tree: &'t Node,
        root: &str,
        kinds: &[&str],
        what: &str,
    ) -> Vec<Named<'t>> {
        let Some(top) = tree.get(root) else {
            return Vec::new();
        };
        if !top.is_table() {
            self.findings.not_a_table(top, root);
        }
        let command = format!("campanile {root} list");
        self.findings.words(top, kinds, what, Some(&command));
        let mut found = Vec::new();
        for (kind, tables) in top.entries() {
            if !kinds.contains(&kind.as_str()) {
                continue;
            }
            if !tables.is_table() {
                let path = format!("{root}.{kind}.NAME");
                self.findings.not_a_table(tables, &path);
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

    /// Whether this is the name of a table; if not, a mistake says so.
    pub(super) fn name(&mut self, root: &str, kind: &str, name: &str, table: &Node) -> bool {
        let valid = is_name(name);
        let place = &table.place;
        let shown = match stray_name(name) {
            stray if !valid || !table.is_table() => {
                self.findings.without_secret(place, name, stray)
            }
            _ => name.to_owned(),
        };
        if !table.is_table() {
            let message = format!("`{shown}` is where the name of a table is expected");
            let expected = format!("a name that you choose, such as `[{root}.{kind}.prod]`");
            self.findings.add(place, true, message, expected, None);
            return false;
        }
        if !valid {
            let message = format!("`{shown}` is not a valid name");
            self.findings
                .add(place, true, message, names_expected(), None);
        }
        valid
    }
}
