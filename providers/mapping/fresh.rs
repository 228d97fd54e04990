//! The `[fresh]` table: the changes that make a new message from a fixture of this vendor.

use super::form::{Form, Table};

/// Sets one place of a callback.
#[derive(Debug)]
pub(crate) struct Set {
    /// The place, such as `body.alerts[].startsAt`.
    pub(crate) place: String,
    /// The template of the new value.
    pub(crate) template: String,
}

/// Reads the `[fresh]` table: places, each with a template.
pub(crate) fn read(form: &mut Form<'_>, table: Table<'_>) -> Vec<Set> {
    const ROOTS: [&str; 4] = ["body", "query.", "form.", "headers."];
    let mut sets = Vec::new();
    for (place, at, _) in table.entries() {
        if !ROOTS.iter().any(|root| place.starts_with(root)) {
            form.mistake(at, "a place must begin with body, query., form. or headers., such as \"body.alerts[].startsAt\"");
        }
        if let Some(template) = form.text(table, place) {
            sets.push(Set {
                place: place.to_owned(),
                template: template.to_owned(),
            });
        }
    }
    sets
}
