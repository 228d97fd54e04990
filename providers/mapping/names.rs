//! The names that expressions may use, as a small set.

/// Every name. Which of them an expression may use depends on where it stands.
pub(crate) const ALL: &[&str] = &[
    "body", "text", "query", "form", "headers", "method", "path", "received", "item", "tables",
    "id", "reason", "facts",
];

/// What most expressions see.
pub(crate) const CALL: &[&str] = &[
    "body", "text", "query", "form", "headers", "method", "received", "tables",
];

/// What the expressions of a field see.
pub(crate) const ITEM: &[&str] = &[
    "item", "facts", "body", "text", "query", "form", "headers", "method", "received", "tables",
];

/// What the expression that gives the facts sees.
pub(crate) const FACTS: &[&str] = &[
    "item", "body", "text", "query", "form", "headers", "method", "received", "tables",
];

/// What the expressions of a proof see.
pub(crate) const PROOF: &[&str] = &["body", "text", "query", "form", "headers", "method", "path"];

/// What the expressions of an answer see.
pub(crate) const ANSWER: &[&str] = &["body", "query", "form", "headers", "id", "reason"];

/// A set of names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Names(u16);

impl Names {
    /// The set with `name` in it.
    pub(crate) fn with(self, name: &str) -> Self {
        let bit = ALL.iter().position(|known| *known == name);
        Self(self.0 | bit.map_or(0, |bit| 1 << bit))
    }

    /// Whether `name` is in it.
    pub(crate) fn has(self, name: &str) -> bool {
        let alone = Self::default().with(name);
        alone.0 != 0 && self.0 & alone.0 == alone.0
    }

    /// Both sets.
    pub(crate) fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// `name` alone, if it is in the set.
    pub(crate) fn only(self, name: &str) -> Self {
        let alone = Self::default().with(name);
        Self(self.0 & alone.0)
    }
}
