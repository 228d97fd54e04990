//! The names that an operator gives, and the tables that carry them.

use crate::config::node::Node;

/// The longest name of a source or sink.
const NAME_CHARACTERS_MAX: usize = 64;

/// Whether this can be the name of a source, a sink or a mapping.
pub(crate) fn is_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    !name.is_empty() && name.len() <= NAME_CHARACTERS_MAX && name.chars().all(fits)
}

/// What a name may be.
pub(crate) fn names_expected() -> String {
    format!("1 to {NAME_CHARACTERS_MAX} of: lower-case letters, digits, `-` and `_`")
}

/// A table `[root.kind.name]`.
pub(crate) struct Named<'t> {
    pub(crate) kind: &'t str,
    pub(crate) name: &'t str,
    pub(crate) table: &'t Node,
    /// Nothing is wrong in it by itself.
    pub(crate) sound: bool,
}

impl Named<'_> {
    /// `webhook/oncall`
    pub(crate) fn full(&self) -> String {
        format!("{}/{}", self.kind, self.name)
    }

    pub(crate) fn path(&self, root: &str) -> String {
        format!("{root}.{}.{}", self.kind, self.name)
    }
}
