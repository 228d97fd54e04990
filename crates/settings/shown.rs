//! The settings as TOML, without what must not be shown.

use toml::{Table, Value};

use super::layers::Shape;
use super::node::{Node, Written};

/// What is in the place of a value that must not be shown.
const HIDDEN: &str = "***";

/// Every setting of a tree as TOML. `***` is in the place of each value that is secret or that no setting is known for.
pub fn shown(tree: &Node, shape: &Shape<'_>) -> String {
    let mut path = Vec::new();
    match value(tree, shape, &mut path) {
        // Texts, numbers, lists and tables: nothing here can fail to serialize.
        Value::Table(table) => toml::to_string_pretty(&table).unwrap_or_default(),
        _ => String::new(),
    }
}

fn value<'t>(node: &'t Node, shape: &Shape<'_>, path: &mut Vec<&'t str>) -> Value {
    match &node.value {
        Written::Table(entries) => {
            let mut table = Table::new();
            for (name, node) in entries {
                path.push(name);
                table.insert(name.clone(), value(node, shape, path));
                path.pop();
            }
            Value::Table(table)
        }
        Written::List(items) => {
            let items = items.iter().map(|item| value(item, shape, path));
            Value::Array(items.collect())
        }
        _ if !(shape.is_public)(path) => Value::String(HIDDEN.to_owned()),
        Written::Text(text) => Value::String(text.clone()),
        Written::Whole(number) => Value::Integer(*number),
        Written::Flag(flag) => Value::Boolean(*flag),
        // No setting takes one, so a configuration in force has none.
        Written::Fraction => Value::String("?".to_owned()),
    }
}
