//! Fields of an alert in settings: the keys of `match`, `regex` and `set`, and the items of `redact`.

use std::collections::BTreeMap;

use campanile_language::{Field, NotAField, Pattern, Target};

use super::node::{Node, Written};
use super::read::{Problem, Read, each, filled, text};
use super::secret::stray_key;

/// Each field with the values that it may have: one, or a list.
pub(super) fn matches(node: &Node) -> Read<BTreeMap<String, Vec<String>>> {
    let mut all = BTreeMap::new();
    for (name, field, item) in fields(node)? {
        let wanted = match &item.value {
            Written::List(items) if items.is_empty() => {
                let what = format!("has no value for `{name}`, so nothing matches");
                return Err(Problem::new(what).at(item));
            }
            Written::List(_) => each(item, |value| value_of(&field, value))?,
            _ => vec![value_of(&field, item).map_err(|problem| problem.at(item))?],
        };
        all.insert(name, wanted);
    }
    Ok(all)
}

/// Each field with the pattern of its whole value.
pub(super) fn patterns(node: &Node) -> Read<BTreeMap<String, String>> {
    let mut all = BTreeMap::new();
    for (name, _, item) in fields(node)? {
        let written = text(item)?;
        Pattern::compile(written).map_err(|mistake| {
            let what = format!(
                "has a pattern for `{name}` that cannot be used: {}",
                mistake.message
            );
            Problem::new(what).at(item)
        })?;
        all.insert(name, written.to_owned());
    }
    Ok(all)
}

/// The name of one field.
pub(super) fn field(node: &Node) -> Read<String> {
    let name = text(node)?;
    Field::parse(name).map_err(|not| refused(name, &not))?;
    Ok(name.to_owned())
}

/// Fields that may be set, each with its expression. The expressions are compiled where the table is known.
pub(super) fn formulas(node: &Node) -> Read<BTreeMap<String, String>> {
    let mut all = BTreeMap::new();
    for (name, item) in leaves(node)? {
        Target::parse(&name).map_err(|not| refused(&name, &not).at(item))?;
        all.insert(name, filled(item).map_err(|problem| problem.at(item))?);
    }
    if all.is_empty() {
        return Err(Problem::new("is empty"));
    }
    Ok(all)
}

/// A list of fields that may be set. A severity is not a secret.
pub(super) fn targets(node: &Node) -> Read<Vec<String>> {
    let names = each(node, |item| {
        let name = text(item)?;
        let target = Target::parse(name).map_err(|not| refused(name, &not))?;
        if target.is_severity() {
            return Err(Problem::new("has `severity`, which is not a text"));
        }
        Ok(name.to_owned())
    })?;
    if names.is_empty() {
        return Err(Problem::new("is empty"));
    }
    Ok(names)
}

/// The values inside of a table with the names of their fields. `labels.team = "db"` without quotes is a table in a table,
/// and means the same.
pub fn leaves(node: &Node) -> Read<Vec<(String, &Node)>> {
    let mut leaves = Vec::new();
    walk(node, "", &mut leaves)?;
    Ok(leaves)
}

/// Whether this key can be shown: it is a field, or nearly one. Any other may be a secret in the wrong place.
pub(super) fn is_shown(key: &str) -> bool {
    Field::parse(key).map_or_else(|not| not.nearest.is_some(), |_| true)
}

fn value_of(field: &Field, node: &Node) -> Read<String> {
    let value = text(node)?;
    let wrong = |said| Problem::new(format!("has a value that does not exist: {said}"));
    field.takes(value).map_err(wrong)?;
    Ok(value.to_owned())
}

/// Each field with its value.
fn fields(node: &Node) -> Read<Vec<(String, Field, &Node)>> {
    let leaves = leaves(node)?;
    if leaves.is_empty() {
        return Err(Problem::new("is empty, so it would match every alert"));
    }
    let fields = leaves.into_iter().map(|(name, item)| {
        let field = Field::parse(&name).map_err(|not| refused(&name, &not).at(item))?;
        Ok((name, field, item))
    });
    fields.collect()
}

fn refused(name: &str, not: &NotAField) -> Problem {
    let stray = stray_key(name).filter(|_| !is_shown(name));
    let shown = stray.as_deref().unwrap_or(name);
    let what = format!("has `{shown}`, which {}", not.message);
    Problem::new(what).near(not.nearest.as_deref())
}

fn walk<'n>(node: &'n Node, before: &str, leaves: &mut Vec<(String, &'n Node)>) -> Read<()> {
    let Written::Table(entries) = &node.value else {
        return Err(Problem::type_of(node));
    };
    for (key, item) in entries {
        let name = if before.is_empty() {
            key.clone()
        } else {
            format!("{before}.{key}")
        };
        if item.is_table() {
            walk(item, &name, leaves)?;
        } else {
            leaves.push((name, item));
        }
    }
    Ok(())
}
