//! The recipes that are compiled in: every file of `sinks/catalog`.

use std::sync::Arc;

use crate::Kind;
use crate::recipe::{Recipe, RecipeMistake};

// `FILES: &[(&str, &str)]`, name and text of every recipe in alphabetical order, written by `build.rs`.
include!(concat!(env!("OUT_DIR"), "/catalog.rs"));

/// Every built-in recipe, or what is wrong with it. A test holds that all are right.
pub fn recipes() -> impl Iterator<Item = (&'static str, Result<Recipe, RecipeMistake>)> {
    FILES
        .iter()
        .map(|(name, text)| (*name, Recipe::parse(name, text)))
}

/// Every recipe as a kind.
pub(crate) fn kinds() -> impl Iterator<Item = Arc<dyn Kind>> {
    recipes().filter_map(|(_, recipe)| Some(Arc::new(recipe.ok()?) as Arc<dyn Kind>))
}
