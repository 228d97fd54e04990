//! `[recipes.*]`: the operator's own kinds of sinks, in the config or in a file that it names.

use std::sync::Arc;

use campanile_settings::{Layers, Shape};
use campanile_sinks::{Kind, Recipe};

/// The section that holds them.
pub(super) const SECTION: &str = "recipes";

/// Where the operator finds what a recipe takes.
const PAGE: &str = "what docs/add-a-sink.md says of it, or /help/add-a-sink#the-parts of a gateway";

/// Reads them: the kinds, and the names of those that could not be read.
pub(super) fn read(layers: &mut Layers, shape: &Shape<'_>) -> (Vec<Arc<dyn Kind>>, Vec<String>) {
    let (opened, mut mistaken) = layers.open(SECTION, shape);
    let mut kinds: Vec<Arc<dyn Kind>> = Vec::new();
    for opened in opened {
        let root: Vec<_> = opened.root.iter().map(String::as_str).collect();
        let read = match root.as_slice() {
            [] => Recipe::parse(&opened.name, &opened.text),
            root => Recipe::parse_at(&opened.name, &opened.text, root),
        };
        match read {
            Ok(recipe) => kinds.push(Arc::new(recipe)),
            Err(mistake) => {
                let place = (mistake.line, mistake.column);
                let message = format!("in the recipe `{}`: {}", opened.name, mistake.message);
                let expected = PAGE.to_owned();
                layers
                    .findings
                    .in_document(&opened, place, message, expected, None);
                mistaken.push(opened.name);
            }
        }
    }
    (kinds, mistaken)
}
