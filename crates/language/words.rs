//! Checks the words that an expression compares with `severity` and `status`. A word that does not exist would silently match
//! nothing.

use std::str::FromStr;

use campanile_model::{Severity, Status, UnknownWord};

use super::Mistake;
use super::scope::is_word;

/// Refuses `severity == 'crit'`, `status in ['fired']` and `severity >= 'warning'`.
pub(super) fn check(text: &str) -> Result<(), Mistake> {
    check_field::<Severity>(text, "severity")?;
    check_field::<Status>(text, "status")
}

fn check_field<W: FromStr<Err = UnknownWord>>(text: &str, field: &str) -> Result<(), Mistake> {
    for (at, _) in text.match_indices(field) {
        if !is_word(text, at, field.len()) {
            continue;
        }
        let rest = text
            .get(at + field.len()..)
            .unwrap_or_default()
            .trim_start();
        if rest.starts_with(['<', '>']) {
            let message =
                format!("`{field}` is a word and has no order: write `{field} in ['...', '...']`");
            return Err(Mistake::at(text, at, message));
        }
        for word in compared(rest) {
            if let Err(unknown) = W::from_str(word) {
                let place = text.len() - rest.len() + offset(rest, word);
                return Err(Mistake::at(text, place, format!("{field}: {unknown}")));
            }
        }
    }
    Ok(())
}

/// The literal words after `==`, `!=`, `in [` or `not in [`.
fn compared(rest: &str) -> Vec<&str> {
    if let Some(value) = rest.strip_prefix("==").or_else(|| rest.strip_prefix("!=")) {
        return literal(value.trim_start()).into_iter().collect();
    }
    let rest = rest.strip_prefix("not").map_or(rest, str::trim_start);
    let Some(list) = rest.strip_prefix("in").map(str::trim_start) else {
        return Vec::new();
    };
    let Some(list) = list.strip_prefix(['[', '(']) else {
        return Vec::new();
    };
    let items = list.split([']', ')']).next().unwrap_or_default();
    items.split(',').filter_map(|i| literal(i.trim())).collect()
}

fn literal(value: &str) -> Option<&str> {
    let quote = value.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    value.get(1..)?.split(quote).next()
}

fn offset(text: &str, part: &str) -> usize {
    text.find(part).unwrap_or_default()
}
