//! The mappings that are compiled in: every file of `providers/catalog`.

use std::sync::{Arc, LazyLock};

use super::Mapping;

// `FILES: &[(&str, &str)]`, name and text of every mapping in alphabetical order, written by `build.rs`.
include!(concat!(env!("OUT_DIR"), "/catalog.rs"));

/// Every built-in mapping, in alphabetical order of its name.
pub fn catalog() -> &'static [Arc<Mapping>] {
    // A test holds that every file parses.
    static CATALOG: LazyLock<Vec<Arc<Mapping>>> = LazyLock::new(|| {
        let parsed = FILES.iter().map(|(name, text)| Mapping::parse(name, text));
        parsed.filter_map(Result::ok).map(Arc::new).collect()
    });
    &CATALOG
}

/// Name and TOML of every built-in mapping, parsed or not.
pub fn catalog_files() -> &'static [(&'static str, &'static str)] {
    FILES
}
