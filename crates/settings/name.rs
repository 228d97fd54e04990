//! The names that an operator gives to sources, sinks, mappings and recipes.

/// The longest name.
const NAME_CHARACTERS_MAX: usize = 64;

/// Whether this can be the name of a source, a sink, a mapping or a recipe.
pub fn is_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    !name.is_empty() && name.len() <= NAME_CHARACTERS_MAX && name.chars().all(fits)
}

/// What a name may be.
pub fn names_expected() -> String {
    format!("1 to {NAME_CHARACTERS_MAX} of: lower-case letters, digits, `-` and `_`")
}
