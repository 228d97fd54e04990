//! A value as it was written, with its place.

use std::ops::Range;

/// Where a value is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a file.
    File {
        /// The number of the file.
        file: usize,
        /// The bytes of its key.
        key: Range<usize>,
        /// The bytes of the value.
        value: Range<usize>,
    },
    /// In an environment variable.
    Variable(String),
    /// Nowhere: a default.
    Default,
}

/// A value and its place. Cannot be printed: it may hold secrets.
#[derive(Clone)]
pub struct Node {
    /// Where it is written.
    pub place: Place,
    /// What is written.
    pub value: Written,
}

/// What is written.
#[derive(Clone)]
pub enum Written {
    /// A string.
    Text(String),
    /// An integer.
    Whole(i64),
    /// A float, a date, or an integer that is too large: nothing takes one.
    Fraction,
    /// A boolean.
    Flag(bool),
    /// An array.
    List(Vec<Node>),
    /// A table, in the order of the files.
    Table(Vec<(String, Node)>),
}

impl Place {
    /// The order of the files. What is not in a file comes last.
    pub fn order(&self) -> (usize, usize) {
        match self {
            Self::File { file, key, .. } => (*file, key.start),
            Self::Variable(_) | Self::Default => (usize::MAX, 0),
        }
    }
}

impl Node {
    /// The value under a key of a table.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entries()
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, node)| node)
    }

    /// The entries of a table; none of anything else.
    pub fn entries(&self) -> &[(String, Self)] {
        match &self.value {
            Written::Table(entries) => entries,
            _ => &[],
        }
    }

    /// Whether it is a table.
    pub fn is_table(&self) -> bool {
        matches!(self.value, Written::Table(_))
    }

    /// Every item of a list; from a variable, what its commas separate. None of anything else.
    pub(super) fn items(&self) -> Option<Vec<Self>> {
        match (&self.value, &self.place) {
            (Written::List(items), _) => Some(items.clone()),
            (Written::Text(text), place @ Place::Variable(_)) => {
                let parts = text.split(',').map(str::trim);
                let items = parts.filter(|part| !part.is_empty()).map(|part| Self {
                    place: place.clone(),
                    value: Written::Text(part.to_owned()),
                });
                Some(items.collect())
            }
            _ => None,
        }
    }
}
