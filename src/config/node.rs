//! What is written, every value with its place.

use std::ops::Range;

/// Where a value stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In a file.
    File {
        file: usize,
        key: Range<usize>,
        value: Range<usize>,
    },
    /// In an environment variable.
    Variable(String),
    /// Nowhere: a default.
    Default,
}

/// A value and its place. Cannot be printed: it may hold secrets.
#[derive(Clone)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) value: Written,
}

/// What is written.
#[derive(Clone)]
pub(super) enum Written {
    Text(String),
    Whole(i64),
    Fraction,
    Flag(bool),
    List(Vec<Node>),
    /// In the order of the files.
    Table(Vec<(String, Node)>),
}

impl Place {
    pub(super) fn order(&self) -> (usize, usize) {
        match self {
            Self::File { file, key, .. } => (*file, key.start),
            Self::Variable(_) | Self::Default => (usize::MAX, 0),
        }
    }
}

impl Node {
    /// What stands under a key of a table.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        self.entries()
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, node)| node)
    }

    /// The entries of a table; none of anything else.
    pub(super) fn entries(&self) -> &[(String, Self)] {
        match &self.value {
            Written::Table(entries) => entries,
            _ => &[],
        }
    }
}
