//! `[[rewrites]]`: what is changed in an alert before its sinks are chosen and before it is stored.

use std::collections::BTreeMap;

use super::{Config, Matching};

/// One `[[rewrites]]` table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rewrite {
    /// A name that no other rewrite has, shown instead of its number.
    pub name: Option<String>,
    /// Which alerts it changes.
    pub matching: Matching,
    /// The table that its expressions see: an index into [`super::Config::tables`].
    pub table: Option<usize>,
    /// Each field with the expression of its new value (checked at load).
    pub set: BTreeMap<String, String>,
    /// The fields whose values are replaced by `***`.
    pub redact: Vec<String>,
}

/// What an operator should know of valid rewrites and tables.
pub fn warnings(config: &Config) -> Vec<String> {
    let tables = config.tables.iter().enumerate();
    let warnings = tables.filter_map(|(at, table)| {
        let name = &table.name;
        let used = config
            .rewrites
            .iter()
            .any(|rewrite| rewrite.table == Some(at));
        if !used {
            return Some(format!(
                "[tables.{name}] is not used: no rewrite has `table = \"{name}\"`"
            ));
        }
        let file = table.file.display();
        table
            .is_empty()
            .then(|| format!("[tables.{name}]: {file} has no rows, so its rewrites set nothing"))
    });
    warnings.collect()
}
