//! The names that an expression of a mapping uses, as a set of bits. Only these parts of a callback are read.

/// Every name of a mapping. [`super::scope`] says which of them a place allows.
pub const ALL: &[&str] = &[
    "body", "text", "query", "form", "headers", "method", "path", "received", "item", "tables",
    "id", "reason", "facts",
];

/// A set of names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Names(u16);

impl Names {
    /// The set with `name` in it.
    #[must_use]
    pub fn with(self, name: &str) -> Self {
        let bit = ALL.iter().position(|known| *known == name);
        Self(self.0 | bit.map_or(0, |bit| 1 << bit))
    }

    /// Whether `name` is in it.
    #[must_use]
    pub fn has(self, name: &str) -> bool {
        let alone = Self::default().with(name);
        alone.0 != 0 && self.0 & alone.0 == alone.0
    }

    /// The union of both sets.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Only `name`, if it is in the set.
    #[must_use]
    pub fn only(self, name: &str) -> Self {
        let alone = Self::default().with(name);
        Self(self.0 & alone.0)
    }
}
