//! The built-in mappings: every file of `providers/catalog`.

use std::sync::{Arc, LazyLock};

use super::Mapping;

// `FILES: &[(&str, &str)]`, name and text of every mapping in alphabetical order, written by `build.rs`.
include!(concat!(env!("OUT_DIR"), "/catalog.rs"));

/// Every built-in mapping, in alphabetical order of its name.
///
/// # Panics
///
/// If a file of the catalogue has a mistake. Without the panic, its vendor would be missing in silence.
pub fn catalog() -> &'static [Arc<Mapping>] {
    static CATALOG: LazyLock<Vec<Arc<Mapping>>> = LazyLock::new(|| {
        let files = FILES.iter();
        files
            .map(|(name, text)| Arc::new(built_in(name, text)))
            .collect()
    });
    &CATALOG
}

#[expect(
    clippy::panic,
    reason = "a bug in the build, not a mistake of an operator"
)]
fn built_in(name: &str, text: &str) -> Mapping {
    Mapping::parse(name, text).unwrap_or_else(|mistakes| {
        let mistakes: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
        panic!(
            "catalog/{name}.toml is not a valid mapping: {}",
            mistakes.join("; ")
        )
    })
}

/// Name and TOML of every built-in mapping, parsed or not.
pub fn catalog_files() -> &'static [(&'static str, &'static str)] {
    FILES
}
