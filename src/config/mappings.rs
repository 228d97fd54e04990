//! `[mappings.*]`: the operator's own vendors, in the config or in a file that it names.

use std::sync::Arc;

use campanile_providers::{Mapping, Provider};
use campanile_settings::{Findings, Layers, Opened, Shape};

/// The section that holds them.
pub(super) const SECTION: &str = "mappings";

/// Where the operator finds what a mapping takes.
const PAGE: &str =
    "what docs/add-a-vendor.md says of it, or /help/add-a-vendor#reference of a gateway";

/// The operator's vendors, and the names of those that could not be read.
pub(super) fn read(
    layers: &mut Layers,
    shape: &Shape<'_>,
) -> (Vec<Arc<dyn Provider>>, Vec<String>) {
    let (opened, mut mistaken) = layers.open(SECTION, shape);
    let mut providers: Vec<Arc<dyn Provider>> = Vec::new();
    for opened in opened {
        match mapping(&opened, &mut layers.findings) {
            Some(mapping) => providers.push(Arc::new(mapping)),
            None => mistaken.push(opened.name),
        }
    }
    (providers, mistaken)
}

fn mapping(opened: &Opened, findings: &mut Findings) -> Option<Mapping> {
    let root: Vec<_> = opened.root.iter().map(String::as_str).collect();
    let read = match root.as_slice() {
        [] => Mapping::parse(&opened.name, &opened.text),
        root => Mapping::parse_at(&opened.name, &opened.text, root),
    };
    let mistakes = match read {
        Ok(mapping) => return Some(mapping),
        Err(mistakes) => mistakes,
    };
    for mistake in mistakes {
        let place = (mistake.line, mistake.column);
        let message = format!("in the mapping `{}`: {}", opened.name, mistake.message);
        let expected = mistake.expected.unwrap_or_else(|| PAGE.to_owned());
        findings.in_document(opened, place, message, expected, mistake.nearest);
    }
    None
}
