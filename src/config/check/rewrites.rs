//! `[tables.NAME]` and `[[rewrites]]`: the files of the tables, and the expressions over their columns.

use std::collections::BTreeSet;
use std::sync::Arc;

use campanile_language::{Field, Formula, Target, nearest};
use campanile_settings::{Node, Type, Written, is_name, leaves, names_expected, one_of};

use super::Check;
use crate::config::tables::{self, Table, Wanted, Wrong};
use crate::config::{Rewrite, build, settings};

/// The most tables. Each can have 16 MiB in memory.
const TABLES_MAX: usize = 32;

/// A table, or none if it has a mistake, with its name.
pub(super) type Tables = Vec<(String, Option<Arc<Table>>)>;

impl Check<'_> {
    /// Reads every table. Those with a mistake are there without content, so that rewrites can name them.
    pub(super) fn tables(&mut self, tree: &Node) -> Tables {
        let Some(top) = tree.get("tables") else {
            return Vec::new();
        };
        if !top.is_table() {
            self.findings.not_a_table(top, "tables.NAME");
        }
        if top.entries().len() > TABLES_MAX {
            let message = format!("there are more than {TABLES_MAX} tables");
            self.findings
                .add(&top.place, true, message, "fewer tables", None);
            return Vec::new();
        }
        let tables = top.entries().iter().filter_map(|(name, node)| {
            let known = self.table_name(name, node);
            known.then(|| (name.clone(), self.one_table(name, node)))
        });
        tables.collect()
    }

    fn table_name(&mut self, name: &str, node: &Node) -> bool {
        if !node.is_table() {
            self.findings.not_a_table(node, "tables.NAME");
        } else if !is_name(name) {
            let message = format!("`{}` is not a valid name", shortened(name));
            self.findings
                .add(&node.place, true, message, names_expected(), None);
        }
        node.is_table() && is_name(name)
    }

    fn one_table(&mut self, name: &str, node: &Node) -> Option<Arc<Table>> {
        let path = format!("tables.{name}");
        let values = self.table(Some(node), &path, settings::TABLE)?;
        let file: std::path::PathBuf = values.maybe("file")?;
        let written = node.get("file").unwrap_or(node);
        let file = self.findings.next_to(&written.place, &file);
        let bytes = match tables::bytes(&file) {
            Ok(bytes) => bytes,
            Err(error) => {
                let message = format!("{} cannot be read: {error}", file.display());
                let expected = "a CSV file, its path from the folder of this file";
                self.findings.wrong(&written.place, message, expected);
                return None;
            }
        };
        let wanted = Wanted {
            name: name.to_owned(),
            file: file.clone(),
            key: Field::parse(values.text("key")?).ok()?,
            column: values.maybe("column"),
        };
        match Table::read(wanted, &bytes) {
            Ok(table) => Some(Arc::new(table)),
            Err(mistakes) => {
                for wrong in mistakes {
                    let Wrong {
                        line,
                        column,
                        source,
                        message,
                        expected,
                    } = wrong;
                    let message = format!("in the table `{name}`: {message}");
                    self.findings
                        .in_line((&file, line, column), &source, message, expected);
                }
                None
            }
        }
    }

    /// None if any of them has a mistake.
    pub(super) fn rewrites(&mut self, tree: &Node, tables: &Tables) -> Option<Vec<Rewrite>> {
        let Some(node) = tree.get("rewrites") else {
            return Some(Vec::new());
        };
        let Written::List(rewrites) = &node.value else {
            let message = "`rewrites` is not a list of tables";
            let expected = "`[[rewrites]]`, with two brackets";
            self.findings
                .add(&node.place, true, message, expected, None);
            return None;
        };
        let mut names = BTreeSet::new();
        // Every rewrite is checked, also after one with a mistake.
        let rewrites: Vec<_> = rewrites
            .iter()
            .map(|rewrite| self.rewrite(rewrite, tables, &mut names))
            .collect();
        rewrites.into_iter().collect()
    }

    fn rewrite(
        &mut self,
        node: &Node,
        tables: &Tables,
        names: &mut BTreeSet<String>,
    ) -> Option<Rewrite> {
        let before = self.findings.count();
        let values = self.table(Some(node), "rewrites", settings::REWRITE);
        self.rewrite_name(node, names);
        let table = self.table_of(node, tables);
        self.expressions(node, table.and_then(|at| tables.get(at)));
        if node.get("set").is_none() && node.get("redact").is_none() {
            let message = "the rewrite changes nothing";
            let expected =
                "`set = { \"labels.team\" = \"'db'\" }` or `redact = [\"labels.password\"]`";
            self.findings
                .add(&node.place, true, message, expected, None);
        }
        let sound = self.findings.count() == before;
        values
            .filter(|_| sound)
            .map(|values| build::rewrite(&values, table))
    }

    fn rewrite_name(&mut self, table: &Node, names: &mut BTreeSet<String>) {
        let Some(node) = table.get("name") else {
            return;
        };
        let Written::Text(name) = &node.value else {
            return;
        };
        // A number is what a rewrite without a name is called.
        if !is_name(name) || name.chars().all(|c| c.is_ascii_digit()) {
            let message = format!("`{}` is not a valid name of a rewrite", shortened(name));
            let expected = format!("{}, not a number", names_expected());
            self.findings.wrong(&node.place, message, expected);
        } else if !names.insert(name.clone()) {
            let message = format!("two rewrites are called `{name}`");
            self.findings.wrong(&node.place, message, "another name");
        }
    }

    /// The place of the table that a rewrite names.
    fn table_of(&mut self, node: &Node, tables: &Tables) -> Option<usize> {
        let written = node.get("table")?;
        let Written::Text(wanted) = &written.value else {
            return None;
        };
        let found = tables.iter().position(|(name, _)| name == wanted);
        if found.is_none() {
            let names = tables.iter().map(|(name, _)| name.as_str());
            let near = nearest(wanted, names.clone()).map(str::to_owned);
            let message = format!("there is no table `{}`", shortened(wanted));
            let expected = match tables.as_slice() {
                [] => "the name of a `[tables.NAME]`".to_owned(),
                _ => one_of(names),
            };
            self.findings
                .add(&written.place, false, message, expected, near);
        }
        found
    }

    /// Compiles the expressions of `set`. Where the table has a mistake, its columns are not known.
    fn expressions(&mut self, node: &Node, table: Option<&(String, Option<Arc<Table>>)>) {
        let known = node.get("table").is_none() || table.is_some_and(|(_, table)| table.is_some());
        let Some(set) = node.get("set").filter(|_| known) else {
            return;
        };
        let row = table
            .and_then(|(_, table)| table.as_ref())
            .map(|table| table.sample());
        // Its mistakes were reported with the values.
        for (name, item) in leaves(set).unwrap_or_default() {
            let (Ok(target), Written::Text(text)) = (Target::parse(&name), &item.value) else {
                continue;
            };
            if let Err(mistake) = Formula::compile(text, &target, row.as_ref()) {
                let name = format!("set.{name}");
                self.findings
                    .not_compiled(item, text, &name, &mistake, &Type::Condition);
            }
        }
    }
}

/// At most 40 characters of what was written.
fn shortened(name: &str) -> String {
    name.chars().take(40).collect()
}
