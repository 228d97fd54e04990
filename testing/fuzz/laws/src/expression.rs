//! Any text as an expression of a mapping, with any request: it is refused, or it ends within its limits.

use campanile_providers::{Mapping, catalog_files};

use crate::{Seeds, mapping, request};

/// A mapping with the expression in every place where one is allowed.
const AROUND: &str = r#"
title = "Fuzzed"
confidence = "inferred"
time_zone = "Asia/Shanghai"
[status]
firing = "true"
[alert]
message_id = ["'1'"]
fingerprint = ["'1'"]
"#;

/// The input: an expression, and a raw request.
pub fn holds(bytes: &[u8]) {
    let (expression, raw) = request::halves(bytes);
    let Ok(expression) = std::str::from_utf8(expression) else {
        return;
    };
    let written = toml::Value::from(expression);
    let text = format!(
        "{AROUND}title = {written}\nstarts_at = {written}\n[alert.metric]\nvalue = {written}\n"
    );
    if let Ok(parsed) = Mapping::parse("fuzzed", &text) {
        mapping::reads(&parsed, raw);
    }
}

/// Every expression of the catalog with a request of its vendor.
pub fn seeds() -> Seeds {
    let seeds = |(name, text): &(&str, &str)| {
        let raw = request::firing(name).map_or(&[][..], |fixture| fixture.request);
        let table: toml::Table = text.parse().unwrap_or_default();
        let mut found = Vec::new();
        for part in ["alert", "severity", "status", "each", "facts", "skip"] {
            table
                .get(part)
                .into_iter()
                .for_each(|value| texts(value, &mut found));
        }
        found
            .into_iter()
            .map(|text| request::joined(text.as_bytes(), raw))
            .collect::<Vec<_>>()
    };
    catalog_files().iter().flat_map(seeds).collect()
}

fn texts(value: &toml::Value, found: &mut Vec<String>) {
    match value {
        toml::Value::String(text) => found.push(text.clone()),
        toml::Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        toml::Value::Table(table) => table.values().for_each(|field| texts(field, found)),
        _ => {}
    }
}
